"""WhatsApp Cloud API error codes and what each leads to, as data (Meta error codes page, 2026-05; pywa, 2026-08)."""

from channels_out.fallback import ErrorClass
from channels_out.providers.base import ErrorRule, leads_to

_MONTH = 30
_R, _S, _T, _P, _C = (
    ErrorClass.RETRY,
    ErrorClass.NEXT,
    ErrorClass.TEMPLATE,
    ErrorClass.BUG,
    ErrorClass.CHANNEL,
)


RULES: dict[str, ErrorRule] = {
    "0": leads_to(_C, "authentication_failed"),
    "1": leads_to(_R, "provider_unknown_error"),
    "2": leads_to(_R, "provider_unavailable"),
    "3": leads_to(_C, "capability_missing"),
    "4": leads_to(_R, "app_rate_limit", after=60),
    "10": leads_to(_C, "permission_missing"),
    "33": leads_to(_P, "number_deleted"),
    "100": leads_to(_P, "invalid_parameter"),
    "190": leads_to(_C, "token_expired"),
    "368": leads_to(_C, "account_restricted", breaker=300),
    "80007": leads_to(_R, "account_rate_limit", after=60),
    "130429": leads_to(_R, "number_rate_limit", after=2),
    "130472": leads_to(_S, "recipient_in_experiment"),
    "130497": leads_to(_S, "country_not_allowed"),
    "131000": leads_to(_R, "provider_unknown_error"),
    "131005": leads_to(_C, "permission_missing"),
    "131008": leads_to(_P, "parameter_missing"),
    "131009": leads_to(_P, "parameter_invalid"),
    "131016": leads_to(_R, "provider_unavailable", after=5),
    "131021": leads_to(_P, "sender_is_recipient"),
    "131026": leads_to(_S, "not_on_whatsapp", days=_MONTH),
    "131030": leads_to(_P, "not_on_allow_list"),
    "131031": leads_to(_C, "account_locked", breaker=300),
    "131037": leads_to(_C, "display_name_not_approved", breaker=300),
    "131042": leads_to(_C, "payment_problem", breaker=300),
    "131045": leads_to(_C, "certificate_missing", breaker=300),
    "131047": leads_to(_T, "outside_window"),
    "131048": leads_to(_C, "number_restricted_for_spam", breaker=300),
    "131049": leads_to(_S, "withheld_by_marketing_cap", days=1),
    "131050": leads_to(ErrorClass.OPT_OUT, "recipient_stopped_marketing"),
    "131051": leads_to(_P, "unsupported_message_type"),
    "131052": leads_to(_P, "media_download_failed"),
    "131053": leads_to(_P, "media_upload_failed"),
    "131056": leads_to(_R, "recipient_rate_limit", after=6),
    "131057": leads_to(_R, "account_in_maintenance", after=60),
    "131062": leads_to(_P, "recipient_kind_not_supported"),
    "131063": leads_to(_P, "marketing_template_not_allowed_here"),
    "131064": leads_to(_C, "template_class_limit", breaker=300),
    "132000": leads_to(_P, "template_parameter_count"),
    "132001": leads_to(_P, "template_missing"),
    "132005": leads_to(_P, "template_text_too_long"),
    "132007": leads_to(_P, "template_policy"),
    "132008": leads_to(_P, "template_parameter_value"),
    "132012": leads_to(_P, "template_parameter_format"),
    "132015": leads_to(_P, "template_paused"),
    "132016": leads_to(_P, "template_disabled"),
    "132068": leads_to(_P, "flow_blocked"),
    "132069": leads_to(_P, "flow_throttled"),
    "133010": leads_to(_C, "number_not_registered", breaker=300),
    "135000": leads_to(_R, "provider_unknown_error"),
}
PERMISSION = leads_to(_C, "permission_missing")
PERMISSION_CODES = range(200, 300)
UNLISTED = leads_to(_S, "unlisted_error")

# A 5xx is a certain "no" only with one of these codes: they say that nothing was processed.
DEFINITE_AT_5XX = frozenset({"3", "131016", "131057", "80007", "4", "130429"})


def rule_of(code: str) -> ErrorRule:
    """What the code leads to; one that is not listed sends the message to the next channel."""
    if code.isdecimal() and len(code) < 5 and int(code) in PERMISSION_CODES:
        return PERMISSION
    return RULES.get(code, UNLISTED)
