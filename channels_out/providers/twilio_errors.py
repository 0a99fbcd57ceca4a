"""Twilio error codes and what each leads to, as data (twilio.com docs, 2026; public code tables)."""

from channels_out.fallback import ErrorClass
from channels_out.providers.base import ErrorRule

_QUARTER = 90
_R, _S, _P, _C, _X = (
    ErrorClass.RETRY,
    ErrorClass.NEXT,
    ErrorClass.BUG,
    ErrorClass.CHANNEL,
    ErrorClass.STOP,
)


def _rule(error: ErrorClass, reason: str, **more: float) -> ErrorRule:
    return ErrorRule(
        error=error, reason=reason, retry_after_s=more.get("after"), unreachable_days=int(more.get("days", 0)),
        breaker_s=more.get("breaker", 60.0 if error is ErrorClass.CHANNEL else 0.0),
    )  # fmt: skip


RULES: dict[str, ErrorRule] = {
    "20003": _rule(_C, "authentication_failed"),
    "20404": _rule(_P, "resource_not_found"),
    "20429": _rule(_R, "too_many_requests", after=1),
    "21211": _rule(_S, "invalid_number", days=_QUARTER),
    "21408": _rule(_S, "country_not_enabled"),
    "21606": _rule(_P, "sender_not_sms_capable"),
    "21608": _rule(_P, "trial_account"),
    "21610": _rule(ErrorClass.OPT_OUT, "recipient_sent_stop"),
    "21611": _rule(_R, "sender_queue_full", after=5),
    "21612": _rule(_S, "not_routable"),
    "21614": _rule(_S, "not_a_mobile_number", days=_QUARTER),
    "21617": _rule(_P, "text_too_long"),
    "21635": _rule(_S, "landline", days=_QUARTER),
    "30001": _rule(_R, "queue_overflow", after=60),
    "30002": _rule(_C, "account_suspended", breaker=300),
    "30003": _rule(_R, "handset_unreachable", after=60),
    "30004": _rule(_X, "blocked"),
    "30005": _rule(_S, "unknown_handset", days=_QUARTER),
    "30006": _rule(_S, "landline_or_unreachable_carrier", days=_QUARTER),
    "30007": _rule(_S, "filtered_as_spam"),
    "30008": _rule(_R, "unknown_delivery_error", after=10),
    "30034": _rule(_C, "not_in_a_registered_campaign", breaker=300),
    "63003": _rule(_S, "destination_not_found"),
    "63016": _rule(ErrorClass.TEMPLATE, "outside_window"),
    "63018": _rule(_R, "channel_rate_limit", after=60),
    "63024": _rule(_S, "invalid_recipient"),
}
UNLISTED = _rule(_S, "unlisted_error")


def rule_of(code: str) -> ErrorRule:
    """What the code leads to; one that is not listed sends the message to the next channel."""
    return RULES.get(code, UNLISTED)
