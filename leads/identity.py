"""Who a submission is from: normal forms of phone numbers and e-mail addresses, and which contact they lead to.

Pure: no Django, no I/O, no clock. Two ways of writing one number or address have one normal form, and a normal form
is its own normal form, so the constraint on (organization, kind, value) can be the judge (design D17).
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

import idna
import phonenumbers

Kind = Literal["email", "phone"]
EMAIL: Kind = "email"
PHONE: Kind = "phone"

MAX_PHONE_CHARS = 64
MAX_EMAIL_CHARS = 254
_MAX_LOCAL_PART_CHARS = 64
_SCHEMES = re.compile(r"^(?:tel|sms|whatsapp|callto):", re.IGNORECASE)
_LOCAL_PART = re.compile(r"[^\s@\"(),:;<>\[\]\\\x00-\x1f\x7f]+")
_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
_FEWEST_DIGITS_WITH_COUNTRY = 10


class NotAnIdentity(ValueError):
    """A phone number or an e-mail address that nobody can be reached at; `field` and `reason` are for the sender."""

    def __init__(self, field: Kind, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Phone:
    """A number in E.164 and the region (ISO 3166-1 alpha-2) it belongs to; None for numbers of no one country."""

    e164: str
    region: str | None


@dataclass(frozen=True, slots=True)
class Belonging:
    """The contact a submission belongs to, and the contact that seems to be the same person, if two were matched."""

    contact_id: UUID
    also_matched_id: UUID | None = None


def normal_phone(text: str, *, default_region: str) -> Phone:
    """The number in E.164, read as a person in `default_region` would dial it.

    Blanks, dashes, letters (1-800-FLOWERS), extensions and the digits of a WhatsApp address without its plus are
    understood; an extension is dropped, since no channel can send to one. Raises NotAnIdentity with the reason.
    """
    written = _SCHEMES.sub("", unicodedata.normalize("NFKC", text).strip())
    if not written:
        raise NotAnIdentity(PHONE, "is empty")
    if len(written) > MAX_PHONE_CHARS:
        raise NotAnIdentity(PHONE, f"is longer than {MAX_PHONE_CHARS} characters")
    number = _parsed(written, default_region)
    if number is None:
        raise NotAnIdentity(PHONE, f"not a possible number in {default_region}")
    return Phone(
        e164=phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164),
        region=_region(number),
    )


def normal_email(text: str) -> str:
    """The address in NFKC and lower case, its domain in the ASCII form that the mail system uses.

    Dots and plus tags stay: they are one provider's habit, and two people may differ in nothing else.
    Raises NotAnIdentity with the reason in words.
    """
    written = unicodedata.normalize("NFKC", text).strip().lower()
    if len(written) > MAX_EMAIL_CHARS:
        raise NotAnIdentity(EMAIL, f"is longer than {MAX_EMAIL_CHARS} characters")
    local_part, at, domain = written.rpartition("@")
    if not at or not local_part:
        raise NotAnIdentity(EMAIL, "is not an address such as name@example.com")
    if len(local_part) > _MAX_LOCAL_PART_CHARS or not _is_local_part(local_part):
        raise NotAnIdentity(EMAIL, "has a part before the @ that no mailbox can have")
    # Lower case may leave a form that NFKC composes, so both are applied until nothing changes.
    address = f"{unicodedata.normalize('NFKC', local_part).lower()}@{_ascii_domain(domain)}"
    if len(address) > MAX_EMAIL_CHARS:
        raise NotAnIdentity(EMAIL, f"is longer than {MAX_EMAIL_CHARS} characters")
    return address


def belongs_to(*, matched: Mapping[Kind, UUID], by_external_id: UUID | None, candidate_id: UUID) -> Belonging:
    """The contact a submission belongs to.

    matched: contact id per identity, `candidate_id` where the identity was unknown until now.
    by_external_id: contact of the earlier submission with the same external id; it is the same record, so it wins.
    Of two known contacts the phone's wins and the other one is reported (design D17).
    """
    known = [matched[kind] for kind in (PHONE, EMAIL) if matched.get(kind, candidate_id) != candidate_id]
    if by_external_id is not None:
        known.insert(0, by_external_id)
    if not known:
        return Belonging(candidate_id)
    others = [contact_id for contact_id in known if contact_id != known[0]]
    return Belonging(known[0], others[0] if others else None)


def load_metadata() -> None:
    """The numbering plans are in memory, so that the first lead does not wait for them; done at start."""
    for region in ("IN", "US", "GB", "DE", "BR"):
        number = phonenumbers.example_number(region)
        if number is not None:
            phonenumbers.region_code_for_number(number)
    idna.encode("bücher.example", uts46=True)


def _parsed(written: str, default_region: str) -> phonenumbers.PhoneNumber | None:
    local = _possible(written, default_region)
    if written.startswith("+") or (local is not None and phonenumbers.is_valid_number(local)):
        return local
    # No subscriber has it in the default region: perhaps the plus of another country was left out.
    digits = "".join(character for character in written if character.isdigit()).removeprefix("00")
    abroad = _possible(f"+{digits}", default_region) if len(digits) >= _FEWEST_DIGITS_WITH_COUNTRY else None
    if abroad is not None and (local is None or phonenumbers.is_valid_number(abroad)):
        return abroad
    return local


def _possible(written: str, default_region: str) -> phonenumbers.PhoneNumber | None:
    try:
        number = phonenumbers.parse(written, default_region)
    except phonenumbers.NumberParseException:
        return None
    return number if phonenumbers.is_possible_number(number) else None


def _region(number: phonenumbers.PhoneNumber) -> str | None:
    region = phonenumbers.region_code_for_number(number) or phonenumbers.region_code_for_country_code(
        number.country_code or 0
    )
    return region if region.isalpha() and region != "ZZ" else None


def _is_local_part(local_part: str) -> bool:
    dots_are_fine = not (local_part.startswith(".") or local_part.endswith(".") or ".." in local_part)
    return dots_are_fine and _LOCAL_PART.fullmatch(local_part) is not None and local_part.isprintable()


def _ascii_domain(domain: str) -> str:
    try:
        ascii_domain = domain if domain.isascii() else idna.encode(domain, uts46=True).decode()
    except (idna.IDNAError, UnicodeError):
        raise NotAnIdentity(EMAIL, "has a domain that cannot exist") from None
    labels = ascii_domain.split(".")
    if len(labels) < 2 or labels[-1].isdigit() or not all(_LABEL.fullmatch(label) for label in labels):
        raise NotAnIdentity(EMAIL, "has a domain that cannot exist")
    return ascii_domain
