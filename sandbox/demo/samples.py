"""Pure: the sample leads, with this run's numbers filled in, and the end each one must reach."""

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

SAMPLES_FILE = Path(__file__).resolve().parent.parent / "samples.yaml"
WAYS = ("api", "form", "batch")
_END = re.compile(
    r"greeted:(?:whatsapp|sms)|greeted by fallback text|suppressed: .+|refused: \w+|(?:duplicate of|same answer as) \S+"
)
_REFERENCE = re.compile(r"\{([a-z-]+)(?:\.([a-z_]+))?\}")


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample lead.

    lead: the submission.  providers: the sandbox's dials for this person, by provider.  is_late: a provider keeps
    silent on purpose, so that its first response says nothing of Swiftex's speed.
    """

    key: str
    shows: str
    end: str
    lead: Mapping[str, object]
    via: str = "api"
    providers: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    copies: int = 1
    after: str | None = None
    repeats: str | None = None
    is_late: bool = False

    @property
    def name(self) -> str:
        """The person's whole name."""
        parts = (self.lead.get("name"), self.lead.get("first_name"), self.lead.get("last_name"))
        return " ".join(str(part) for part in parts if part)

    @property
    def first_name(self) -> str:
        """What a model is told of the name."""
        return self.name.partition(" ")[0]

    @property
    def phone(self) -> str:
        """The number as it was submitted; empty if there is none."""
        return str(self.lead.get("phone", ""))


def read_samples(text: str, *, run: int) -> list[Sample]:
    """The samples of the YAML text, in order. Raises ValueError naming the sample with an unknown key, way or end.

    run: the run's number; its digits take the places of `#`.
    """
    filled: dict[str, dict[str, object]] = {}
    samples: list[Sample] = []
    for item in yaml.safe_load(text):
        key = item["key"]
        source = next((sample for sample in samples if sample.key == item.get("repeats")), None)
        given = dict(source.lead) if source else _filled(item.get("lead", {}), run=run, others=filled)
        filled[key] = given
        try:
            sample = Sample(**{**item, "lead": given})
        except TypeError as error:
            raise ValueError(f"sample {key}: {error}") from error
        if not _END.fullmatch(sample.end) or sample.via not in WAYS or key in {other.key for other in samples}:
            raise ValueError(f"sample {key}: unknown end or way, or a key that is taken")
        samples.append(sample)
    return samples


def _filled(lead: Mapping[str, object], *, run: int, others: Mapping[str, Mapping[str, object]]) -> dict[str, object]:
    filled = {
        name: _reference_filled(value, run=run, others=others) if isinstance(value, str) else value
        for name, value in lead.items()
    }
    if "phone" in filled:
        filled["phone"] = _digits_filled(str(filled["phone"]), run=run)
    return filled


def _reference_filled(value: str, *, run: int, others: Mapping[str, Mapping[str, object]]) -> str:
    def replacement(match: re.Match[str]) -> str:
        key, name = match.groups()
        return str(run) if key == "run" else str(others[key][name])

    return _REFERENCE.sub(replacement, value)


def _digits_filled(phone: str, *, run: int) -> str:
    """Digits of the run for `#`, the last ones first; more places than digits repeat the number."""
    digits = itertools.cycle(reversed(str(run)))
    filled = [next(digits) if character == "#" else character for character in reversed(phone)]
    return "".join(reversed(filled))
