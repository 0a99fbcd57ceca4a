"""Twilio error codes and what each leads to, as data (twilio.com docs, 2026; public code tables)."""

from channels_out.fallback import ErrorClass
from channels_out.providers.base import ErrorRule, leads_to

_QUARTER = 90
_R, _S, _P, _C, _X = (
    ErrorClass.RETRY,
    ErrorClass.NEXT,
    ErrorClass.BUG,
    ErrorClass.CHANNEL,
    ErrorClass.STOP,
)


RULES: dict[str, ErrorRule] = {
    "20003": leads_to(_C, "authentication_failed"),
    "20404": leads_to(_P, "resource_not_found"),
    "20429": leads_to(_R, "too_many_requests", after=1),
    "21211": leads_to(_S, "invalid_number", days=_QUARTER),
    "21408": leads_to(_S, "country_not_enabled"),
    "21606": leads_to(_P, "sender_not_sms_capable"),
    "21608": leads_to(_P, "trial_account"),
    "21610": leads_to(ErrorClass.OPT_OUT, "recipient_sent_stop"),
    "21611": leads_to(_R, "sender_queue_full", after=5),
    "21612": leads_to(_S, "not_routable"),
    "21614": leads_to(_S, "not_a_mobile_number", days=_QUARTER),
    "21617": leads_to(_P, "text_too_long"),
    "21635": leads_to(_S, "landline", days=_QUARTER),
    "30001": leads_to(_R, "queue_overflow", after=60),
    "30002": leads_to(_C, "account_suspended", breaker=300),
    "30003": leads_to(_R, "handset_unreachable", after=60),
    "30004": leads_to(_X, "blocked"),
    "30005": leads_to(_S, "unknown_handset", days=_QUARTER),
    "30006": leads_to(_S, "landline_or_unreachable_carrier", days=_QUARTER),
    "30007": leads_to(_S, "filtered_as_spam"),
    "30008": leads_to(_R, "unknown_delivery_error", after=10),
    "30034": leads_to(_C, "not_in_a_registered_campaign", breaker=300),
    "63003": leads_to(_S, "destination_not_found"),
    "63016": leads_to(ErrorClass.TEMPLATE, "outside_window"),
    "63018": leads_to(_R, "channel_rate_limit", after=60),
    "63024": leads_to(_S, "invalid_recipient"),
}
UNLISTED = leads_to(_S, "unlisted_error")


def rule_of(code: str) -> ErrorRule:
    """What the code leads to; one that is not listed sends the message to the next channel."""
    return RULES.get(code, UNLISTED)
