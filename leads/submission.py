"""What a source hands over, and the checked form of it that capture stores. Pure: no Django, no I/O, no clock."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from leads import identity
from leads.choices import ConsentRule, LeadConsent, SourceKind

MAX_NAME_CHARS = 200
MAX_PART_OF_NAME_CHARS = 100
MAX_CAMPAIGN_CHARS = 200
MAX_EXTERNAL_ID_CHARS = 200
MAX_MESSAGE_CHARS = 5_000


class InvalidSubmission(ValueError):
    """A submission that cannot become a lead. field, reason and code are for its sender; no value is in them."""

    def __init__(self, field: str, reason: str, code: str = "invalid") -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """A yes or a no to being contacted, and what proves it: the sentence, its version, when and from where."""

    is_given: bool
    evidence: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What a source handed over, in its own spelling; shapes and sizes were checked at the door.

    is_spam: a trap caught it; it is kept in quarantine and nobody is greeted.
    """

    organization_id: UUID
    source_key: str
    campaign: str = ""
    external_id: str = ""
    name: str = ""
    first_name: str = ""
    last_name: str = ""
    phone: str = ""
    email: str = ""
    message: str = ""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    utm: Mapping[str, Any] = field(default_factory=dict)
    consent: Consent | None = None
    is_spam: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFacts:
    """A source as capture needs it."""

    id: UUID
    organization_id: UUID
    key: str
    kind: str
    consent: str
    consent_text: str
    consent_version: str
    fields: tuple[str, ...]
    duplicate_window_days: int | None


@dataclass(frozen=True, slots=True)
class Names:
    """A person's name in whole and in its parts."""

    name: str = ""
    first_name: str = ""
    last_name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedSubmission:
    """A submission with its identities in normal form; what it says can be stored as it stands."""

    names: Names
    phone: identity.Phone | None
    email: str
    consent: LeadConsent
    given: Submission

    @property
    def identities(self) -> list[tuple[identity.Kind, str]]:
        """(kind, normal form), sorted, so that concurrent submissions lock them in one order.

        Spam is known by one identity only: what a bot typed must not tie two addresses together.
        """
        known: list[tuple[identity.Kind, str]] = []
        if self.email and not (self.given.is_spam and self.phone):
            known.append((identity.EMAIL, self.email))
        if self.phone:
            known.append((identity.PHONE, self.phone.e164))
        return known


def checked(submission: Submission, *, source: SourceFacts, default_region: str) -> CheckedSubmission:
    """The submission in normal form; raises InvalidSubmission naming the field that stands in the way."""
    if not submission.phone.strip() and not submission.email.strip():
        raise InvalidSubmission("phone", "a phone number or an e-mail address is needed", "required")
    try:
        phone = (
            identity.normal_phone(submission.phone, default_region=default_region) if submission.phone.strip() else None
        )
        email = identity.normal_email(submission.email) if submission.email.strip() else ""
    except identity.NotAnIdentity as error:
        raise InvalidSubmission(error.field, error.reason) from None
    return CheckedSubmission(
        names=names_of(name=submission.name, first_name=submission.first_name, last_name=submission.last_name),
        phone=phone,
        email=email,
        consent=_consent(submission, source),
        given=submission,
    )


def names_of(*, name: str, first_name: str, last_name: str) -> Names:
    """The name in whole and in parts, whichever of them was given; blanks are single, control characters gone."""
    whole, first, last = _tidy(name), _tidy(first_name), _tidy(last_name)
    if not whole:
        whole = f"{first} {last}".strip()
    if not first and not last:
        first, _, last = whole.partition(" ")
    return Names(
        whole[:MAX_NAME_CHARS].rstrip(),
        first[:MAX_PART_OF_NAME_CHARS].rstrip(),
        last[:MAX_PART_OF_NAME_CHARS].strip(),
    )


def _consent(submission: Submission, source: SourceFacts) -> LeadConsent:
    if submission.consent is not None and submission.consent.is_given:
        return LeadConsent.GRANTED
    # A person who enters a lead by hand answers for the consent; a caught bot is quarantined, not taught.
    is_needed = source.consent == ConsentRule.REQUIRED and source.kind != SourceKind.ADMIN and not submission.is_spam
    if is_needed:
        raise InvalidSubmission("consent", "this source needs the person's consent", "required")
    return LeadConsent.ASSUMED if submission.consent is None else LeadConsent.REFUSED


def _tidy(text: str) -> str:
    visible = "".join(
        " " if character.isspace() or unicodedata.category(character) == "Cc" else character for character in text
    )
    return " ".join(unicodedata.normalize("NFC", visible).split())
