"""An address that an organization may set and that points inward is refused, and nothing of its file is applied."""

import json

import pytest
import yaml

from accounts.config_sections import ConfigurationRefused
from accounts.models import Organization
from swiftex.configuration import apply_text
from tests.acceptance.shop import Shop, configuration

INWARD = [
    "http://169.254.169.254/latest/meta-data",
    "http://127.1/",
    "http://127.0.0.1:8000/",
    "http://0x7f000001/",
    "http://2130706433/",
    "http://0177.0.0.1/",
    "http://[::1]/",
    "http://[::ffff:10.0.0.1]/",
    "http://[fd00::1]/",
    "http://10.1.2.3/",
    "http://192.168.0.10/",
    "http://172.16.4.5/",
    "http://100.64.0.1/",
    "http://0.0.0.0/",
    "http://localhost/",
    "http://metadata.google.internal/",
    "https://user:secret@example.com/",
    "https://example.com:6379/",
    "file:///etc/passwd",
    "gopher://example.com/",
]


def _pointing_to(shop: Shop, place: str, address: str) -> dict[str, object]:
    """The shop's file, for a new organization, with one address changed to that one and all others public."""
    secret = "whsec_" + "A" * 32
    file = configuration(
        shop,
        organization={"slug": f"{shop.slug}-inward"},
        api_keys=None,
        llm={"base_url": "https://api.example.com/v1"},
        crm={"kind": "http", "base_url": "https://crm.example.com/leads", "secret": secret},
        notify={"webhook_url": "https://hooks.example.com/swiftex", "webhook_secret": secret},
    )
    file["channels"] = [{**channel, "base_url": "https://api.example.com"} for channel in file["channels"]]
    section, _, key = place.partition(".")
    target = file["channels"][0] if section == "channels" else file[section]
    target[key] = address
    return file


PLACES = {
    "llm.base_url": "llm.base_url",
    "channels.base_url": "channels[0].base_url",
    "crm.base_url": "crm.base_url",
    "notify.webhook_url": "notify.webhook_url",
}


@pytest.mark.parametrize("place", PLACES)
def test_no_place_of_the_file_takes_an_inward_address(shop, settings, place):
    settings.SWIFTEX_ALLOW_PRIVATE_HOSTS = False

    taken = {address: _mistakes(_pointing_to(shop, place, address)) for address in INWARD}

    assert {address: len(mistakes) for address, mistakes in taken.items()} == dict.fromkeys(INWARD, 1)
    assert {path for mistakes in taken.values() for path in mistakes} == {PLACES[place]}
    assert not Organization.objects.filter(slug=f"{shop.slug}-inward").exists()
    assert _mistakes(_pointing_to(shop, place, "https://example.com/swiftex")) == []


def test_the_command_names_the_place_and_applies_nothing(shop, stack, tmp_path):
    file = tmp_path / "inward.yaml"
    file.write_text(yaml.safe_dump(_pointing_to(shop, "crm.base_url", "http://169.254.169.254/latest/meta-data")))

    done = stack.run(
        "env", "SWIFTEX_ALLOW_PRIVATE_HOSTS=false", "python", "manage.py", "apply_config", str(file), "--json",
        check=False,
    )  # fmt: skip

    assert done.returncode == 1
    assert [mistake["path"] for mistake in json.loads(done.stdout)["mistakes"]] == ["crm.base_url"]
    assert "169.254" not in done.stdout + done.stderr
    assert not Organization.objects.filter(slug=f"{shop.slug}-inward").exists()


def _mistakes(file: dict[str, object]) -> list[str]:
    """The paths of the places that are refused."""
    try:
        apply_text(yaml.safe_dump(file), {}, actor="test", dry_run=True)
    except ConfigurationRefused as refused:
        return [mistake.path for mistake in refused.mistakes]
    return []
