"""SMS through Twilio: messages out, answers in (twilio-oai 2026-04, twilio.com docs 2026)."""

import base64
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

import orjson

from channels_out.fallback import ErrorClass
from channels_out.providers import twilio_errors
from channels_out.providers.base import (
    Accepted,
    Account,
    ErrorRule,
    Outcome,
    Outgoing,
    Refused,
    Unknown,
    retry_after,
)
from swiftex.http import HttpRequest

MAX_TEXT_CHARS = 1600
# A greeting that waits hours at the carrier is worse than none; the lead was greeted by a person by then.
VALIDITY_PERIOD_S = 600


class TwilioSms:
    """A number or a messaging service at Twilio."""

    kind = "twilio_sms"

    def build_send(self, account: Account, message: Outgoing) -> HttpRequest:
        """POST Messages.json, form-encoded; the attempt's id comes back in the query of every status callback."""
        fields = {
            "To": message.to,
            "Body": message.text[:MAX_TEXT_CHARS],
            "ValidityPeriod": str(VALIDITY_PERIOD_S),
        }
        service = account.settings.get("messaging_service_sid")
        fields |= {"MessagingServiceSid": service} if service else {"From": account.settings["from_number"]}
        if message.status_url:
            fields["StatusCallback"] = f"{message.status_url}?{urlencode({'attempt': message.attempt_id.hex})}"
        return HttpRequest(
            method="POST",
            url=_url(account, "Messages.json"),
            headers=_headers(account) | {"Content-Type": "application/x-www-form-urlencoded"},
            body=urlencode(fields).encode(),
        )

    def read_outcome(self, status: int, headers: Mapping[str, str], body: bytes) -> Outcome:
        """A 2xx with a sid is a yes; a 4xx is a no; all else is unknown."""
        answer = _object(body)
        if 200 <= status < 300:
            sid = answer.get("sid")
            is_sid = isinstance(sid, str) and bool(sid)
            return Accepted(provider_id=str(sid)[:200]) if is_sid else Unknown(reason="no_sid_in_answer")
        if not 400 <= status < 500:
            return Unknown(reason=f"http_{status}")
        return self._refusal(status, answer, retry_after(headers))

    def rule(self, code: str) -> ErrorRule:
        """What a code means, the same in an answer and in a status callback."""
        return twilio_errors.rule_of(code)

    def _refusal(self, status: int, answer: dict[str, Any], hint_s: float | None) -> Refused:
        code = answer.get("code")
        if isinstance(code, int | str) and str(code).isdecimal() and str(code) != str(status):
            return self.rule(str(code)).refusal(str(code)[:20], hint_s)
        name = f"http_{status}"
        if status == 429:
            return Refused(code=name, error=ErrorClass.RETRY, reason="rate_limited", retry_after_s=hint_s or 1.0)
        if status in {401, 403}:
            return Refused(code=name, error=ErrorClass.CHANNEL, reason="authentication_failed", breaker_s=60)
        return Refused(code=name, error=ErrorClass.BUG, reason="refused_without_code")


def account_request(account: Account) -> HttpRequest:
    """Asks for the account itself: proves that the credentials are valid."""
    sid = quote(account.settings["account_sid"], safe="")
    url = f"{account.settings['base_url'].rstrip('/')}/2010-04-01/Accounts/{sid}.json"
    return HttpRequest(method="GET", url=url, headers=_headers(account))


def _url(account: Account, path: str) -> str:
    sid = quote(account.settings["account_sid"], safe="")
    return f"{account.settings['base_url'].rstrip('/')}/2010-04-01/Accounts/{sid}/{path}"


def _headers(account: Account) -> dict[str, str]:
    pair = f"{account.settings['account_sid']}:{account.credentials['auth_token']}"
    return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}


def _object(body: bytes) -> dict[str, Any]:
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return parsed if isinstance(parsed, dict) else {}
