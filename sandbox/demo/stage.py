"""Sets the stage: the demo's organization and logins in the product, its accounts and moods in the sandbox."""

import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import yaml

from sandbox.client import Sandbox
from sandbox.demo.samples import Sample

ROOT = Path(__file__).resolve().parent.parent.parent
CONFIGURATION = ROOT / "sandbox" / "demo.yaml"
# Known to everybody, and good for a sandbox only. The environment may set others.
SECRETS = {
    "DEMO_API_KEY": "swx-demo-website-key-not-a-secret",
    "DEMO_MODEL_KEY": "sk-demo-model",
    "DEMO_PHONE_NUMBER_ID": "100200300400500",
    "DEMO_WHATSAPP_TOKEN": "demo-whatsapp-token",
    "DEMO_WHATSAPP_APP_SECRET": "demo-whatsapp-app-secret",
    "DEMO_WHATSAPP_VERIFY_TOKEN": "demo-whatsapp-verify-token",
    "DEMO_TWILIO_SID": "AC00000000000000000000000000000042",
    "DEMO_TWILIO_TOKEN": "demo-twilio-token",
    "DEMO_CRM_SECRET": "whsec_c3dpZnRleC1kZW1vLWNybS1zZWNyZXQtMDAwMQ==",
    "DEMO_PASSWORD": "swiftex-demo",
}
LOGINS = {"demo": "owner", "demo-agent": "agent"}
# The latencies that the benchmarks assume of real providers.
MOODS: Mapping[str, Mapping[str, object]] = {
    "openai": {"median_ms": 600, "p95_ms": 900},
    "whatsapp": {
        "median_ms": 150, "p95_ms": 220, "statuses": ["sent", "delivered", "read"], "status_delay_ms": 250,
        "status_gap_ms": 350,
    },
    "twilio": {"median_ms": 180, "p95_ms": 260},
    "crm": {"median_ms": 120, "p95_ms": 200},
}  # fmt: skip


class StageError(Exception):
    """The demo cannot begin; the text says why."""


def environment(sandbox_url: str) -> dict[str, str]:
    """This process's environment with what demo.yaml reads from it."""
    return {**SECRETS, **os.environ, "SWIFTEX_SANDBOX_URL": sandbox_url}


def make_organization(env: Mapping[str, str]) -> str:
    """The organization is as demo.yaml says and the demo's logins exist; gives its slug.

    Raises StageError with the command's own words. A second call changes nothing.
    """
    slug = str(yaml.safe_load(CONFIGURATION.read_text())["organization"]["slug"])
    _manage(env, "apply_config", str(CONFIGURATION))
    for username, role in LOGINS.items():
        secret = {"SWIFTEX_MEMBER_PASSWORD": env["DEMO_PASSWORD"]}
        _manage({**env, **secret}, "add_member", slug, username, "--role", role)
    return slug


def _manage(env: Mapping[str, str], *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments], cwd=ROOT, env=dict(env), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise StageError(f"manage.py {arguments[0]} failed:\n{(done.stderr or done.stdout).strip()[-2000:]}")


def register_accounts(sandbox: Sandbox, env: Mapping[str, str], *, site: str, organization: str) -> None:
    """The sandbox knows the demo's accounts, posts to the site, and is in an ordinary mood."""
    configuration = yaml.safe_load(CONFIGURATION.read_text())
    number, sid = env["DEMO_PHONE_NUMBER_ID"], env["DEMO_TWILIO_SID"]
    for account in (number, sid, env["DEMO_MODEL_KEY"], organization):
        sandbox.reset(account)
    sandbox.whatsapp_sender(
        number,
        callback_url=f"{site}/webhooks/whatsapp/{organization}.whatsapp",
        app_secret=env["DEMO_WHATSAPP_APP_SECRET"],
        access_token=env["DEMO_WHATSAPP_TOKEN"],
        waba_id="444555666",
        display_phone_number="15550001111",
        templates=[_as_approved(template) for template in configuration["templates"]],
    )
    sandbox.twilio_sender(
        sid,
        callback_url=f"{site}/webhooks/twilio/{organization}.sms/sms",
        auth_token=env["DEMO_TWILIO_TOKEN"],
        from_number="+15550009999",
    )
    sandbox.crm_secret(organization, env["DEMO_CRM_SECRET"])
    for provider, account in _accounts(env, organization).items():
        sandbox.set_dials(provider, account, **MOODS[provider])


def _accounts(env: Mapping[str, str], organization: str) -> dict[str, str]:
    return {
        "openai": env["DEMO_MODEL_KEY"],
        "whatsapp": env["DEMO_PHONE_NUMBER_ID"],
        "twilio": env["DEMO_TWILIO_SID"],
        "crm": organization,
    }


def _as_approved(template: Mapping[str, object]) -> dict[str, object]:
    names = ("name", "language", "category", "parameter_format", "parameters", "body")
    return {**{name: template[name] for name in names}, "status": "APPROVED"}


def cast(sandbox: Sandbox, env: Mapping[str, str], samples: Iterable[Sample]) -> None:
    """Each sample's providers treat that person as the sample says.

    A model is never told a number: its rules go by the first name.
    """
    accounts = _accounts(env, "")
    for sample in samples:
        for provider, dials in sample.providers.items():
            who = {"contains": sample.first_name} if provider == "openai" else {"to": sample.phone}
            # A message that fails by receipt has only that one, not the usual ones of the mood.
            mood = {**MOODS[provider], **({"statuses": None} if "failed_code" in dials else {}), **dials}
            sandbox.call("POST", "rules", {"provider": provider, "account": accounts[provider], **who, "dials": mood})
