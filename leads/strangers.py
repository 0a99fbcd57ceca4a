"""A person who writes to us first, or under another number than we knew: one identity, one contact (design.md D17)."""

from uuid import UUID

import phonenumbers

from swiftex.database import execute, fetch_one
from swiftex.ids import new_id

MAX_NAME_CHARS = 200

# The identity is written first: of two callbacks at once the second waits here and gets the first one's contact.
_IDENTITY = """
INSERT INTO leads_identity (id, organization_id, kind, value, contact_id) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (organization_id, kind, value) DO UPDATE SET value = excluded.value
RETURNING contact_id
"""
_CONTACT = """
INSERT INTO leads_contact (id, organization_id, name, first_name, last_name, phone, email, region, timezone,
                           opt_out_source)
VALUES (%s, %s, %s, '', '', %s, '', %s, '', '')
"""
_ALIAS = """
INSERT INTO leads_identity (id, organization_id, kind, value, contact_id) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (organization_id, kind, value) DO NOTHING
"""


def contact_of(*, organization_id: UUID, kind: str, value: str, name: str = "") -> UUID:
    """The contact known by this identity, made now if there is none. Inside the caller's transaction.

    kind: phone (value in E.164) or bsuid (WhatsApp's own id of a person who hides the number).  name: as the person
    shows it; used for a new contact only.  A second call gives the same contact.
    """
    new_contact_id = new_id()
    row = fetch_one(_IDENTITY, [new_id(), organization_id, kind, value, new_contact_id])
    assert row is not None  # noqa: S101 - an upsert always returns its row
    if row[0] == new_contact_id:
        phone = value if kind == "phone" else ""
        execute(_CONTACT, [new_contact_id, organization_id, name[:MAX_NAME_CHARS], phone, _region(phone)])
    return UUID(str(row[0]))


def add_identity(*, organization_id: UUID, contact_id: UUID, kind: str, value: str) -> bool:
    """The contact is known by this identity as well, unless somebody else already is; True when it was new."""
    return execute(_ALIAS, [new_id(), organization_id, kind, value, contact_id]) == 1


def _region(phone: str) -> str:
    try:
        region = phonenumbers.region_code_for_number(phonenumbers.parse(phone)) if phone else None
    except phonenumbers.NumberParseException:
        return ""
    return region if region and len(region) == 2 else ""
