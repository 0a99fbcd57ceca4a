"""Pages where people enter, review and work on leads and contacts."""

from leads.admin import contacts, leads, sources

__all__ = ["contacts", "leads", "sources"]
