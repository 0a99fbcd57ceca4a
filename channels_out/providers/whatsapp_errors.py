"""WhatsApp Cloud API error codes and what each leads to, as data (Meta error codes page, 2026-05; pywa, 2026-08)."""

from channels_out.fallback import ErrorClass
from channels_out.providers.base import ErrorRule

_MONTH = 30
_R, _S, _T, _P, _C = (
    ErrorClass.RETRY,
    ErrorClass.NEXT,
    ErrorClass.TEMPLATE,
    ErrorClass.BUG,
    ErrorClass.CHANNEL,
)


def _rule(error: ErrorClass, reason: str, **more: float) -> ErrorRule:
    return ErrorRule(
        error=error, reason=reason, retry_after_s=more.get("after"), unreachable_days=int(more.get("days", 0)),
        breaker_s=more.get("breaker", 60.0 if error is ErrorClass.CHANNEL else 0.0),
    )  # fmt: skip


RULES: dict[str, ErrorRule] = {
    "0": _rule(_C, "authentication_failed"),
    "1": _rule(_R, "provider_unknown_error"),
    "2": _rule(_R, "provider_unavailable"),
    "3": _rule(_C, "capability_missing"),
    "4": _rule(_R, "app_rate_limit", after=60),
    "10": _rule(_C, "permission_missing"),
    "33": _rule(_P, "number_deleted"),
    "100": _rule(_P, "invalid_parameter"),
    "190": _rule(_C, "token_expired"),
    "368": _rule(_C, "account_restricted", breaker=300),
    "80007": _rule(_R, "account_rate_limit", after=60),
    "130429": _rule(_R, "number_rate_limit", after=2),
    "130472": _rule(_S, "recipient_in_experiment"),
    "130497": _rule(_S, "country_not_allowed"),
    "131000": _rule(_R, "provider_unknown_error"),
    "131005": _rule(_C, "permission_missing"),
    "131008": _rule(_P, "parameter_missing"),
    "131009": _rule(_P, "parameter_invalid"),
    "131016": _rule(_R, "provider_unavailable", after=5),
    "131021": _rule(_P, "sender_is_recipient"),
    "131026": _rule(_S, "not_on_whatsapp", days=_MONTH),
    "131030": _rule(_P, "not_on_allow_list"),
    "131031": _rule(_C, "account_locked", breaker=300),
    "131037": _rule(_C, "display_name_not_approved", breaker=300),
    "131042": _rule(_C, "payment_problem", breaker=300),
    "131045": _rule(_C, "certificate_missing", breaker=300),
    "131047": _rule(_T, "outside_window"),
    "131048": _rule(_C, "number_restricted_for_spam", breaker=300),
    "131049": _rule(_S, "withheld_by_marketing_cap", days=1),
    "131050": _rule(ErrorClass.OPT_OUT, "recipient_stopped_marketing"),
    "131051": _rule(_P, "unsupported_message_type"),
    "131052": _rule(_P, "media_download_failed"),
    "131053": _rule(_P, "media_upload_failed"),
    "131056": _rule(_R, "recipient_rate_limit", after=6),
    "131057": _rule(_R, "account_in_maintenance", after=60),
    "131062": _rule(_P, "recipient_kind_not_supported"),
    "131063": _rule(_P, "marketing_template_not_allowed_here"),
    "131064": _rule(_C, "template_class_limit", breaker=300),
    "132000": _rule(_P, "template_parameter_count"),
    "132001": _rule(_P, "template_missing"),
    "132005": _rule(_P, "template_text_too_long"),
    "132007": _rule(_P, "template_policy"),
    "132008": _rule(_P, "template_parameter_value"),
    "132012": _rule(_P, "template_parameter_format"),
    "132015": _rule(_P, "template_paused"),
    "132016": _rule(_P, "template_disabled"),
    "132068": _rule(_P, "flow_blocked"),
    "132069": _rule(_P, "flow_throttled"),
    "133010": _rule(_C, "number_not_registered", breaker=300),
    "135000": _rule(_R, "provider_unknown_error"),
}
PERMISSION = _rule(_C, "permission_missing")
PERMISSION_CODES = range(200, 300)
UNLISTED = _rule(_S, "unlisted_error")

# A 5xx is a certain "no" only with one of these codes: they say that nothing was processed.
DEFINITE_AT_5XX = frozenset({"3", "131016", "131057", "80007", "4", "130429"})


def rule_of(code: str) -> ErrorRule:
    """What the code leads to; one that is not listed sends the message to the next channel."""
    if code.isdecimal() and len(code) < 5 and int(code) in PERMISSION_CODES:
        return PERMISSION
    return RULES.get(code, UNLISTED)
