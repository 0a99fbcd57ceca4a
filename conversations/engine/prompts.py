# ruff: noqa: RUF001 - letters and marks of other scripts are what this file is about
"""The words a model is asked with: rules in the system role, the lead's facts fenced off as data. Pure."""

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from string import Template

FENCE = "lead-facts"
# Stands in the rules and nowhere else: an answer that holds it repeats its instructions.
CANARY = "kestrel-4471"

NAME_CHARS = 60
TOPIC_CHARS = 120
MESSAGE_CHARS = 600
ATTRIBUTE_COUNT = 8
SYSTEM_CHARS = 4_000

# What a template of a first message may ask for.
PARAMETER_NAMES = frozenset({"first_name", "name", "ai_line", "organization"})
UNKNOWN_NAME = "there"

_ANGLES = re.compile(r"[<>＜＞‹›«»]+")
_FENCE_WORD = re.compile(r"lead[\s_-]*facts", re.IGNORECASE)
_ADDRESS = re.compile(r"\S+@\S+|\w+://\S+|\bwww\.\S+", re.IGNORECASE)
_DOMAIN = re.compile(r"[^\W_]\.[^\W\d_]{2,}")
_NUMBER = re.compile(r"\+?\d(?:[\s().-]{0,3}\d){6,}")


@dataclass(frozen=True, slots=True)
class LeadFacts:
    """What a model may know of a lead: no phone, no address, no surname."""

    first_name: str = ""
    source: str = ""
    campaign: str = ""
    message: str = ""
    region: str = ""
    attributes: Mapping[str, object] = field(default_factory=dict)


def system_text(template: str, *, organization: str, instruction: str, language: str, max_chars: int) -> str:
    """The trusted half of the prompt: our rules and the organization's own words, nothing of any lead.

    template: a text with $names (templates/prompts/greeting_system.txt).
    """
    text = Template(template).safe_substitute(
        organization=_capped(organization, TOPIC_CHARS),
        instruction=instruction.strip(),
        language=language,
        max_chars=max_chars,
        canary=CANARY,
        fence=FENCE,
    )
    return text[:SYSTEM_CHARS]


def user_text(template: str, facts: LeadFacts) -> str:
    """The other half: everything of the lead as one line of JSON between two fences that nothing inside can imitate.

    Long values are cut, numbers and addresses withheld.  template: as above (templates/prompts/greeting_user.txt).
    """
    return Template(template).safe_substitute(
        fence_open=f"<<<begin {FENCE}>>>", fence_close=f"<<<end {FENCE}>>>", facts=fenced(facts)
    )


def fenced(facts: LeadFacts) -> str:
    """The facts as one line of JSON without angle brackets, fence words, contact data or line breaks."""
    attributes = {
        neutral(str(name), NAME_CHARS): neutral(str(value), TOPIC_CHARS)
        for name, value in list(facts.attributes.items())[:ATTRIBUTE_COUNT]
    }
    shown: dict[str, object] = {
        "first_name": neutral(facts.first_name, NAME_CHARS),
        "asked_about": neutral(facts.campaign, TOPIC_CHARS),
        "came_from": neutral(facts.source, TOPIC_CHARS),
        "country": neutral(facts.region, 8),
        "their_message": neutral(facts.message, MESSAGE_CHARS),
        "answers": attributes,
    }
    return json.dumps({name: value for name, value in shown.items() if value}, ensure_ascii=False)


def neutral(text: str, max_chars: int) -> str:
    """The text as harmless data: one line, at most max_chars long, unable to open or close the fence."""
    line = _capped(text, max_chars * 4)
    line = _ANGLES.sub(" ", line)
    line = _FENCE_WORD.sub(" ", line)
    line = _ADDRESS.sub("(address withheld)", line)
    line = _NUMBER.sub("(number withheld)", line)
    return _capped(line, max_chars)


def sendable_name(name: str) -> str:
    """The name as it may stand in a message, or "there" for what is no name.

    A stranger types it, maybe for another person's number: whatever could carry an address, a number or a text of
    its own is not repeated.
    """
    line = _capped(name, NAME_CHARS)
    if not line or len(line.split()) > 5 or len(name.strip()) > NAME_CHARS or _DOMAIN.search(line):
        return UNKNOWN_NAME
    if not all(char.isspace() or char in "-'’.·" or unicodedata.category(char)[0] in "LM" for char in line):
        return UNKNOWN_NAME
    return line if any(char.isalpha() for char in line) else UNKNOWN_NAME


def _capped(text: str, max_chars: int) -> str:
    printable = "".join(char if char.isprintable() else " " for char in text[: max_chars * 2])
    return " ".join(printable.split())[:max_chars].rstrip()
