"""The hosted form: what it asks for, how its answer is read, and the traps that tell a script from a person."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from django.core import signing

from accounts.selectors import organization_by_id, organization_id_by_slug
from leads.choices import ConsentRule, SourceKind
from leads.identity import MAX_EMAIL_CHARS, MAX_PHONE_CHARS, NotAnIdentity, normal_phone
from leads.selectors import source_named
from leads.submission import (
    MAX_CAMPAIGN_CHARS,
    MAX_MESSAGE_CHARS,
    MAX_NAME_CHARS,
    MAX_PART_OF_NAME_CHARS,
    Consent,
    SourceFacts,
    Submission,
)
from leads.suppression import hash_of
from swiftex.coordination import windows

if TYPE_CHECKING:
    from accounts.models import Organization

# Off the screen and out of the tab order: only something that fills in every field fills this one.
HONEYPOT = "company_fax"
TOKEN = "form_token"  # noqa: S105 - a field's name
CONSENT = "consent"
FASTEST_PERSON_S = 2.0
_TOKEN_SALT = "leads.form"  # noqa: S105 - not a secret
_TOKEN_MAX_AGE_S = 7 * 24 * 3600

CLICK_IDS = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content", "gclid", "fbclid")
MAX_CLICK_ID_CHARS = 500
_MAX_ATTRIBUTE_CHARS = 500

SUBMITS_PER_ADDRESS = 30
SUBMITS_PER_PHONE = 5
LIMIT_WINDOW_S = 600

DEFAULT_FIELDS = ("name", "phone", "email", "message")
_FIELD_NAME = re.compile(r"[a-z][a-z0-9_]{0,40}")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """One field as the page shows it."""

    name: str
    label: str
    type: str = "text"
    autocomplete: str = "off"
    max_length: int = _MAX_ATTRIBUTE_CHARS
    hint: str = ""


KNOWN_FIELDS = {
    "name": FieldSpec("name", "Your name", "text", "name", MAX_NAME_CHARS),
    "first_name": FieldSpec("first_name", "First name", "text", "given-name", MAX_PART_OF_NAME_CHARS),
    "last_name": FieldSpec("last_name", "Last name", "text", "family-name", MAX_PART_OF_NAME_CHARS),
    "phone": FieldSpec("phone", "Phone", "tel", "tel", MAX_PHONE_CHARS),
    "email": FieldSpec("email", "E-mail", "email", "email", MAX_EMAIL_CHARS),
    "message": FieldSpec("message", "Message", "textarea", "off", MAX_MESSAGE_CHARS),
}


@dataclass(frozen=True, slots=True)
class HostedForm:
    """A form source with its organization and its address."""

    organization: "Organization"
    source: SourceFacts

    @property
    def key(self) -> str:
        """Its public key: `<organization slug>.<source key>`."""
        return f"{self.organization.slug}.{self.source.key}"

    @property
    def fields(self) -> list[FieldSpec]:
        """What it asks for, in order; a name that Swiftex does not know becomes an attribute of the lead."""
        return [_spec(name) for name in self.source.fields or DEFAULT_FIELDS]

    @property
    def needs_consent(self) -> bool:
        """Whether the box must be ticked."""
        return self.source.consent == ConsentRule.REQUIRED

    @property
    def consent_text(self) -> str:
        """The sentence beside the box."""
        return self.source.consent_text or f"{self.organization.name} may contact me about my request."


@dataclass(frozen=True, slots=True)
class Filled:
    """A form as it was sent back; values: what a person typed, to be shown again when something is wrong."""

    values: Mapping[str, str]
    click_ids: Mapping[str, str]
    has_consented: bool
    is_trapped: bool


def form_of(public_key: str) -> HostedForm | None:
    """The active form with this public key, or None."""
    slug, dot, key = public_key.partition(".")
    organization_id = organization_id_by_slug(slug) if dot else None
    if organization_id is None:
        return None
    organization = organization_by_id(organization_id)
    source = source_named(organization_id=organization_id, key=key)
    if source is None or source.kind != SourceKind.FORM or not organization.is_active:
        return None
    return HostedForm(organization, source)


def read(form: HostedForm, posted: Mapping[str, str], *, now: datetime) -> Filled:
    """What was sent back, cut to size and of text that can be stored."""
    values = {spec.name: _storable(posted.get(spec.name, ""))[: spec.max_length + 1] for spec in form.fields}
    return Filled(
        values=values,
        click_ids=click_ids_of(posted),
        has_consented=bool(posted.get(CONSENT)),
        is_trapped=bool(posted.get(HONEYPOT)) or is_too_fast(form, posted.get(TOKEN, ""), now=now),
    )


def submission_of(form: HostedForm, filled: Filled, *, evidence: Mapping[str, str]) -> Submission:
    """The submission for capture; evidence: where the form was sent from, kept beside a consent."""
    values = {name: text.strip() for name, text in filled.values.items()}
    known = {name: values[name] for name in KNOWN_FIELDS if name in values}
    consent = None
    if filled.has_consented:
        said = {"text": form.consent_text, "version": form.source.consent_version}
        consent = Consent(is_given=True, evidence={**said, **evidence})
    return Submission(
        organization_id=form.organization.id,
        source_key=form.source.key,
        campaign=filled.click_ids.get("utm_campaign", "")[:MAX_CAMPAIGN_CHARS],
        attributes={name: text for name, text in values.items() if name not in KNOWN_FIELDS and text},
        utm={name.removeprefix("utm_"): text for name, text in filled.click_ids.items()},
        consent=consent,
        is_spam=filled.is_trapped,
        **known,
    )


def errors_of(form: HostedForm, filled: Filled) -> dict[str, str]:
    """What is wrong with the sizes and the box, by field; the identities are checked by capture."""
    errors = {
        spec.name: f"Please use at most {spec.max_length} characters."
        for spec in form.fields
        if len(filled.values[spec.name]) > spec.max_length
    }
    if form.needs_consent and not filled.has_consented:
        errors[CONSENT] = "Please tick the box, so that we may answer you."
    return errors


def click_ids_of(given: Mapping[str, str]) -> dict[str, str]:
    """The campaign marks among the parameters of an address or the hidden fields of a form."""
    return {name: _storable(given[name])[:MAX_CLICK_ID_CHARS] for name in CLICK_IDS if given.get(name)}


def token_for(form: HostedForm, *, shown_at: datetime) -> str:
    """A signed note of when the form was shown; it fits this form alone."""
    return signing.dumps([form.key, int(shown_at.timestamp())], salt=_TOKEN_SALT)


def is_too_fast(form: HostedForm, token: str, *, now: datetime) -> bool:
    """True for an answer without a true token, or sent sooner than a person types. An old page is a person's."""
    try:
        key, shown_at = signing.loads(token, salt=_TOKEN_SALT, max_age=_TOKEN_MAX_AGE_S)
    except signing.SignatureExpired:
        return False
    except (signing.BadSignature, ValueError, TypeError):
        return True
    return bool(key != form.key or now.timestamp() - shown_at < FASTEST_PERSON_S)


def seconds_to_wait(form: HostedForm, *, address: str, phone: str) -> float:
    """0.0 when this address and this phone may send; otherwise the seconds until they may again."""
    return max(
        _wait(form.organization.id, "address", address, SUBMITS_PER_ADDRESS),
        _wait(form.organization.id, "phone", _one_spelling(phone, form.organization.default_region), SUBMITS_PER_PHONE),
    )


def _one_spelling(phone: str, region: str) -> str:
    """The number as it would be stored, for a person has one number and many ways to write it."""
    try:
        return normal_phone(phone, default_region=region).e164
    except NotAnIdentity:
        return re.sub(r"\D", "", phone)


def _wait(organization_id: UUID, kind: str, value: str, limit: int) -> float:
    if not value:
        return 0.0
    # Hashed, so that Redis holds no phone numbers and no addresses.
    counted = windows.count(
        f"form:{kind}:{hash_of(organization_id, kind, value)}", limit=limit, window_s=LIMIT_WINDOW_S
    )
    return 0.0 if counted.allowed else counted.retry_after_s


def _spec(name: str) -> FieldSpec:
    known = KNOWN_FIELDS.get(name)
    return known or FieldSpec(name, name.replace("_", " ").capitalize())


def is_field_name(name: object) -> bool:
    """Whether a source's `fields` may hold this."""
    taken = {HONEYPOT, TOKEN, CONSENT, *CLICK_IDS}
    return isinstance(name, str) and name not in taken and _FIELD_NAME.fullmatch(name) is not None


def _storable(text: str) -> str:
    return _LONE_SURROGATE.sub("�", text.replace("\x00", "�"))
