"""Data: the errors of the WhatsApp Cloud API, with title, and their HTTP status when synchronous.

Source: Meta's error reference, 2026-05.
"""

import orjson

from sandbox.wire import Reply

TITLES = {
    0: "AuthException",
    1: "API Unknown",
    2: "API Service",
    4: "API Too Many Calls",
    10: "Permission Denied",
    33: "Parameter value is not valid",
    100: "Invalid parameter",
    190: "Access token has expired",
    368: "Temporarily blocked for policies violations",
    80007: "Rate limit issues",
    130429: "Rate limit hit",
    130472: "User's number is part of an experiment",
    130497: "Business account is restricted from messaging users in this country",
    131000: "Something went wrong",
    131005: "Access denied",
    131008: "Required parameter is missing",
    131009: "Parameter value is not valid",
    131016: "Service unavailable",
    131021: "Recipient cannot be sender",
    131026: "Message undeliverable",
    131030: "Recipient phone number not in allowed list",
    131031: "Account has been locked",
    131042: "Business eligibility payment issue",
    131047: "Re-engagement message",
    131048: "Spam rate limit hit",
    131049: "This message was not delivered to maintain healthy ecosystem engagement.",
    131050: "User has stopped marketing messages",
    131051: "Unsupported message type",
    131056: "(Business Account, Consumer Account) pair rate limit hit",
    131057: "Account in maintenance mode",
    132000: "Template Param Count Mismatch",
    132001: "Template does not exist",
    132005: "Template Hydrated Text Too Long",
    132007: "Template Format Character Policy Violated",
    132008: "Template parameter value is not valid",
    132012: "Template Parameter Format Mismatch",
    132015: "Template is Paused",
    132016: "Template is Disabled",
    133010: "Phone number not registered",
    135000: "Generic user error",
}
_STATUSES = {0: 401, 190: 401, 3: 500, 10: 403, 368: 403, 4: 429, 80007: 429, 130429: 429, 2: 503, 131016: 503,
             1: 500, 131000: 500}  # fmt: skip
_TRANSIENT = {2, 4, 80007, 130429, 131000, 131016, 131056}


def error_reply(code: int | None, status: int | None, retry_after_s: float | None, details: str = "") -> Reply:
    """A synchronous error in Graph's shape; the code defaults to 131000, the HTTP status to the code's own."""
    code = 131000 if code is None else code
    title = TITLES.get(code, "Something went wrong")
    error = {
        "message": f"(#{code}) {title}",
        "type": "OAuthException",
        "code": code,
        "error_data": {"messaging_product": "whatsapp", "details": details or title},
        "is_transient": code in _TRANSIENT,
        "fbtrace_id": "AsandboxTrace",
    }
    headers = () if retry_after_s is None else (("Retry-After", f"{retry_after_s:g}"),)
    return Reply(status or _STATUSES.get(code, 400), orjson.dumps({"error": error}), headers=headers)


def failure(code: int) -> dict[str, object]:
    """The element of `errors` in a failed status."""
    title = TITLES.get(code, "Something went wrong")
    href = "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/"
    return {"code": code, "title": title, "message": title, "error_data": {"details": title}, "href": href}
