"""Whether anything may be sent, as one SQL expression, so that a sender can ask in its own statement."""

# For statements in which leads_lead is `lead` and leads_contact is `contact`: NULL, or the reason in one word. A
# contact with a suppressed identity carries opted_out_at (capture and opt_out see to it): one column answers for all.
SENDING_REFUSAL = """CASE WHEN contact.opted_out_at IS NOT NULL THEN 'opted_out'
            WHEN lead.status = 'spam' THEN 'spam'
            WHEN lead.consent = 'refused' THEN 'no_consent' END"""
