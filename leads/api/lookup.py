"""One row by its public id within the caller's organization; another organization's row does not exist."""

from uuid import UUID

from rest_framework.exceptions import NotFound

from leads.models import Contact, Lead
from leads.selectors import contacts_of, leads_of
from swiftex.ids import parse_public_id


def lead(organization_id: UUID, public_id: str) -> Lead:
    """The lead with its contact and source; raises NotFound."""
    try:
        return leads_of(organization_id).get(pk=parse_public_id("lead", public_id))
    except (ValueError, Lead.DoesNotExist):
        raise NotFound from None


def contact(organization_id: UUID, public_id: str) -> Contact:
    """The contact; raises NotFound."""
    try:
        return contacts_of(organization_id).get(pk=parse_public_id("con", public_id))
    except (ValueError, Contact.DoesNotExist):
        raise NotFound from None
