"""The ways in, one file each: verify, map, hand over to `leads.services.capture_lead`."""
