"""Rows of one organization can't point into another's, and the tables that are updated often keep room to do so."""

from django.db import migrations

from accounts.migration_operations import CompositeForeignKey, UniqueInOrganization

_TARGETS = ("channel", "message", "attempt", "crmconnection")
_KEYS = (
    ("message", "contact_id", "leads_contact"),
    ("message", "lead_id", "leads_lead"),
    ("message", "channel_id", "channels_out_channel"),
    ("attempt", "message_id", "channels_out_message"),
    ("attempt", "channel_id", "channels_out_channel"),
    ("receipt", "attempt_id", "channels_out_attempt"),
    ("receipt", "channel_id", "channels_out_channel"),
    ("callback", "channel_id", "channels_out_channel"),
    ("contactwindow", "channel_id", "channels_out_channel"),
    ("contactwindow", "contact_id", "leads_contact"),
    ("unreachable", "contact_id", "leads_contact"),
    ("crmsync", "connection_id", "channels_out_crmconnection"),
    ("crmsync", "lead_id", "leads_lead"),
)
# A message and its attempt change a few times within seconds: room on the page keeps those updates out of the indexes.
_ROOM = "ALTER TABLE channels_out_{table} SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05)"
_NO_ROOM = "ALTER TABLE channels_out_{table} RESET (fillfactor, autovacuum_vacuum_scale_factor)"


class Migration(migrations.Migration):
    dependencies = [("channels_out", "0001_initial"), ("leads", "0001_initial")]

    operations = [
        *[UniqueInOrganization(f"channels_out_{table}") for table in _TARGETS],
        *[CompositeForeignKey(f"channels_out_{table}", column, to) for table, column, to in _KEYS],
        *[
            migrations.RunSQL(_ROOM.format(table=table), _NO_ROOM.format(table=table))
            for table in ("message", "attempt", "callback")
        ],
    ]
