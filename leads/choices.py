"""The codes that leads, sources and consents carry in the database. Pure, so that every layer may name them."""

from enum import StrEnum


class SourceKind(StrEnum):
    """The way in a lead came."""

    API = "api"
    FORM = "form"
    META_LEADS = "meta_leads"
    GOOGLE_LEADS = "google_leads"
    LINKEDIN_LEADS = "linkedin_leads"
    PARTNER = "partner"
    ADMIN = "admin"


class ConsentRule(StrEnum):
    """What a source says about consent: taken for granted unless refused, or needed before a lead is accepted."""

    ASSUMED = "assumed"
    REQUIRED = "required"


class LeadConsent(StrEnum):
    """What the person said about being contacted for this lead."""

    ASSUMED = "assumed"
    GRANTED = "granted"
    REFUSED = "refused"


class LeadStatus(StrEnum):
    """Where the work on a lead stands."""

    NEW = "new"
    CONTACTED = "contacted"
    REPLIED = "replied"
    QUALIFIED = "qualified"
    CLOSED = "closed"
    SPAM = "spam"


class GreetingState(StrEnum):
    """What became of the first message; every lead ends in one that is not `pending`."""

    PENDING = "pending"
    GREETED = "greeted"
    SUPPRESSED = "suppressed"
    FAILED = "failed"
    UNRESOLVED = "unresolved"


class ConsentStatus(StrEnum):
    """One entry of the consent ledger."""

    GRANTED = "granted"
    REVOKED = "revoked"


class Refusal(StrEnum):
    """Why nothing may be sent to a contact for a lead; also the reason of a suppressed greeting."""

    OPTED_OUT = "opted_out"
    SPAM = "spam"
    NO_CONSENT = "no_consent"


def choices_of(codes: type[StrEnum]) -> list[tuple[str, str]]:
    """The (code, label) pairs that a Django field takes."""
    return [(str(code), str(code).replace("_", " ").capitalize()) for code in codes]
