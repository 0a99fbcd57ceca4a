"""Every setting, metric, check, queue and event has its heading in docs/reference/, and no heading is left over."""

import re
from pathlib import Path

import pytest
from prometheus_client import Counter
from prometheus_client.metrics import MetricWrapperBase

from swiftex.observability import metrics
from swiftex.queues import Queue

ROOT = Path(__file__).parents[2]


def headings(page):
    return set(re.findall(r"^## (\S+)$", (ROOT / "docs/reference" / page).read_text(), re.MULTILINE))


def settings_in_code():
    read = re.findall(
        r'(?:env\.|_)(?:text|choice|integer|decimal|boolean|words|service_url)\(\s*"(\w+)"',
        (ROOT / "swiftex/settings/__init__.py").read_text(),
    )
    started = re.findall(r"\$\{?([A-Z_]+)", (ROOT / "Procfile").read_text())
    launched = re.findall(r'"(SWIFTEX_FLOWER_\w+)"', (ROOT / "swiftex/runtime/stack.py").read_text())
    return {*read, *started, *launched}


def metrics_in_code():
    for metric in vars(metrics).values():
        if isinstance(metric, MetricWrapperBase):
            yield f"{metric._name}_total" if isinstance(metric, Counter) else metric._name


def checks_in_code():
    source = (ROOT / "swiftex/checks.py").read_text()
    return {f"swiftex.{number}" for number in re.findall(r"\b([EW]\d{3})\b", source)}


@pytest.mark.parametrize(
    ("page", "in_code"),
    [
        ("settings.md", settings_in_code),
        ("metrics.md", metrics_in_code),
        ("checks.md", checks_in_code),
        ("queues.md", lambda: (queue.value for queue in Queue)),
        ("events.md", lambda: (folder.name for folder in (ROOT / "routing/contracts").iterdir() if "." in folder.name)),
    ],
)
def test_what_is_in_the_code_is_in_the_reference_and_the_other_way_round(page, in_code):
    known = {name for name in in_code() if not name.endswith(".py")}

    assert known, "nothing found: the code moved, and this test must follow"
    assert headings(page) == known


def test_links_and_pictures_of_the_pages_lead_somewhere():
    broken = [
        f"{page.relative_to(ROOT)} -> {target}"
        for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text())
        if "://" not in target and not (page.parent / target).exists()
    ]

    assert broken == []


def test_decisions_named_in_the_code_exist():
    missing = set()
    for source in [*ROOT.glob("*/**/*.py"), *ROOT.glob("docs/**/*.md")]:
        if ".venv" in source.parts:
            continue
        for named in re.findall(r"docs/adr/[\w-]+\.md", source.read_text()):
            if not (ROOT / named).exists():
                missing.add(f"{source.relative_to(ROOT)} -> {named}")

    assert missing == set()
