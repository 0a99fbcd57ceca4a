"""Pages of delivery: senders and templates, messages with attempts and receipts, callbacks, CRM and notices."""

from channels_out.admin import channels, crm, messages

__all__ = ["channels", "crm", "messages"]
