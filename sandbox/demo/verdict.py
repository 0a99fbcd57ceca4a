"""Pure: which end a lead has reached, whether it is the one it should, and what the ledger says against it."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sandbox.demo.partner import Answer
from sandbox.demo.samples import Sample
from sandbox.dials import digits

CHANNEL_PROVIDERS = {"whatsapp": "whatsapp", "sms": "twilio"}
# Codes of suppressed greetings, in words.
_REASONS = {
    "opted_out": "opted out",
    "no_consent": "no consent",
    "spam": "spam",
    "no_phone": "no reachable channel",
    "no_channel": "no reachable channel",
    "unreachable": "no reachable channel",
}


@dataclass(slots=True)
class Followed:
    """A sample, what its submission was answered, and the lead and timeline as last read."""

    sample: Sample
    answer: Answer
    others: Sequence[Answer] = ()
    lead: Mapping[str, Any] = field(default_factory=dict)
    timeline: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_captured(self) -> bool:
        """Whether the submission became a lead of its own."""
        return self.answer.status == 202

    @property
    def phone(self) -> str:
        """The number's digits in E.164, as the product understood it."""
        return digits(str(self.lead.get("phone") or ""))

    @property
    def first_response_ms(self) -> float | None:
        """Received to accepted by the first channel."""
        return self.timeline.get("first_response_ms")

    @property
    def channel(self) -> str:
        """The channel that greeted, or ""."""
        return str((self.lead.get("greeting") or {}).get("channel") or "")

    @property
    def fallback_reason(self) -> str | None:
        """Why the fallback text went out; "" if no reason is told, None if the model's own text did."""
        for entry in self.timeline.get("entries", ()):
            _, found, rest = str(entry["label"]).partition(", fallback text")
            if found:
                return rest.strip(" ()").replace("_", " ")
        return None

    def segment_ms(self, *names: str) -> float | None:
        """How long these stretches took together; None before they are over."""
        found = [segment["ms"] for segment in self.timeline.get("segments", ()) if segment["name"] in names]
        return sum(found) if found else None


def ends_of(followed: Followed, keys_by_lead: Mapping[str, str]) -> list[str]:
    """Every end that the lead can be said to have reached; a fallback text also went out on a channel.

    keys_by_lead: the key of the sample that made the lead, by lead id.
    """
    answer = followed.answer
    if answer.status >= 400:
        return [f"refused: {answer.field or answer.status}"]
    if followed.sample.repeats:
        is_same = bool(followed.others) and followed.others[0].raw == answer.raw
        return [f"same answer as {followed.sample.repeats}" if is_same else "another answer"]
    if answer.lead.get("duplicate"):
        return [f"duplicate of {keys_by_lead.get(str(answer.lead.get('id')), 'an unknown lead')}"]
    return _greeting_ends(followed)


def _greeting_ends(followed: Followed) -> list[str]:
    greeting = followed.lead.get("greeting") or {"state": "pending"}
    state, reason = str(greeting["state"]), str(greeting.get("reason") or "")
    if state == "greeted":
        ends = [f"greeted:{followed.channel}"]
        return ends if followed.fallback_reason is None else ["greeted by fallback text", *ends]
    if state == "suppressed":
        return [f"suppressed: {_REASONS.get(reason, reason)}"]
    return [f"{state}: {reason}" if reason else state]


def copies_are_one(followed: Followed) -> bool:
    """Whether of copies sent in the same moment one was captured and the others were its duplicates."""
    answers = [followed.answer, *followed.others]
    if followed.sample.copies == 1:
        return True
    ids = {answer.lead.get("id") for answer in answers}
    return len(ids) == 1 and [answer.status for answer in answers].count(202) == 1


def merged(ledgers: Iterable[Mapping[str, Mapping[str, Any]]]) -> dict[str, dict[str, Any]]:
    """One ledger of several accounts': by recipient, then by provider."""
    together: dict[str, dict[str, Any]] = {}
    for ledger in ledgers:
        for to, providers in ledger.items():
            together.setdefault(to, {}).update(providers)
    return together


def ledger_breaches(accepted: Mapping[str, Mapping[str, Mapping[str, Any]]], followed: Iterable[Followed]) -> list[str]:
    """What the providers' own ledger says against the run, in words without names; empty if nothing.

    Nobody may have got two messages on one channel; who was greeted must have got one on that channel; who was only
    suppressed or refused must have got none.
    """
    captured = [each for each in followed if each.is_captured and each.phone]
    greeted = {each.phone for each in captured if _greeting_ends(each)[0].startswith("greeted")}
    breaches = [
        f"{to}: {count['count']} messages on {provider}"
        for to, providers in accepted.items()
        for provider, count in providers.items()
        if count["count"] > 1
    ]
    breaches += [f"{to}: a message to somebody who was not greeted" for to in accepted if to not in greeted]
    for each in captured:
        provider = CHANNEL_PROVIDERS.get(each.channel, each.channel)
        if _greeting_ends(each)[0].startswith("greeted") and provider not in accepted.get(each.phone, {}):
            breaches.append(f"{each.phone}: said to be greeted by {provider}, which knows nothing of it")
    return breaches


def sync_breaches(posts: Sequence[Mapping[str, Any]], followed: Iterable[Followed]) -> list[str]:
    """What the CRM's ledger says against the run: every lead came once, signed; empty if nothing."""
    counts = Counter(str(post["to"]) for post in posts)
    captured = {str(each.answer.lead["id"]) for each in followed if each.is_captured}
    breaches = [f"{lead_id}: {count} posts to the CRM" for lead_id, count in counts.items() if count > 1]
    breaches += [f"{lead_id}: never synced to the CRM" for lead_id in sorted(captured - set(counts))]
    return breaches + [
        f"{post['to']}: a post to the CRM with a wrong signature" for post in posts if not post["signature_ok"]
    ]


def percentile(values: Sequence[float], share: float) -> float | None:
    """The smallest value that at least `share` of the values do not exceed; None without values."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else None
