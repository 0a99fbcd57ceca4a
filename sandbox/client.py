"""The control API in Python, for tests, the demo and benchmarks. One instance per thread; standard library only."""

import http.client
import json
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit


class SandboxError(Exception):
    """The sandbox refused a control request, or could not be reached; the text says why."""


class Sandbox:
    """A running sandbox at `base_url` (such as http://127.0.0.1:9900)."""

    def __init__(self, base_url: str, *, timeout_s: float = 30.0) -> None:
        self.base_url = base_url.rstrip("/")
        parts = urlsplit(self.base_url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._timeout_s = timeout_s

    # What the product's configuration points to.
    @property
    def openai_url(self) -> str:
        return f"{self.base_url}/openai/v1"

    @property
    def anthropic_url(self) -> str:
        return f"{self.base_url}/anthropic"

    @property
    def whatsapp_url(self) -> str:
        return f"{self.base_url}/whatsapp"

    @property
    def twilio_url(self) -> str:
        return f"{self.base_url}/twilio"

    def crm_url(self, account: str) -> str:
        return f"{self.base_url}/crm/{account}"

    def hook_url(self, account: str) -> str:
        return f"{self.base_url}/hooks/{account}"

    def call(self, method: str, path: str, body: object = None, **query: object) -> Any:
        """The decoded answer of /_control/{path}. Raises SandboxError unless it is a 2xx."""
        asked = {name: value for name, value in query.items() if value is not None}
        target = f"/_control/{path}" + (f"?{urlencode(asked)}" if asked else "")
        connection = http.client.HTTPConnection(self._host, self._port, timeout=self._timeout_s)
        try:
            connection.request(method, target, None if body is None else json.dumps(body))
            response = connection.getresponse()
            content = response.read()
        except OSError as error:
            raise SandboxError(f"no sandbox at {self.base_url}: {error}") from error
        finally:
            connection.close()
        if not 200 <= response.status < 300:
            raise SandboxError(f"{method} {target}: {response.status} {content.decode('utf-8', 'replace')}")
        return json.loads(content)

    def wait_until_up(self, *, timeout_s: float = 10.0) -> None:
        """Returns once it answers. Raises SandboxError when it does not within the time."""
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                self.call("GET", "health")
            except SandboxError:
                if time.monotonic() > deadline:
                    raise
                threading.Event().wait(0.05)
            else:
                return

    def reset(self, account: str | None = None) -> None:
        """As freshly started, or only without what belongs to `account`."""
        self.call("POST", "reset", {} if account is None else {"account": account})

    def stats(self) -> dict[str, Any]:
        """pid, now, cpu_s, max_rss_bytes, request_count, callback_count."""
        return dict(self.call("GET", "stats"))

    # Who there is.
    def whatsapp_sender(self, phone_number_id: str, **values: object) -> None:
        """Register the number: callback_url, app_secret, access_token, waba_id, display_phone_number, templates."""
        self.call("PUT", f"senders/whatsapp/{phone_number_id}", values)

    def twilio_sender(self, account_sid: str, **values: object) -> None:
        """Register the account: callback_url (inbound), status_callback_url, auth_token, from_number."""
        self.call("PUT", f"senders/twilio/{account_sid}", values)

    def crm_secret(self, account: str, secret: str) -> None:
        """Posts to /crm/{account} have their signature checked; the ledger shows `signature_ok`."""
        self.call("PUT", f"senders/crm/{account}", {"app_secret": secret})

    # How they behave.
    def set_dials(self, provider: str, account: str = "", **dials: object) -> None:
        """The dials of a provider, or of one account of it, are these; those not named have their default."""
        self.call("PUT", f"dials/{provider}/{account}".rstrip("/"), dials)

    def add_rule(
        self,
        provider: str | None = None,
        *,
        account: str | None = None,
        to: str | None = None,
        to_ends: str | None = None,
        contains: str | None = None,
        times: int | None = None,
        **dials: object,
    ) -> str:
        """Requests that match have these dials; the newest rule that matches counts. Gives the rule's id."""
        rule: Mapping[str, object] = {
            "provider": provider, "account": account, "to": to, "to_ends": to_ends, "contains": contains,
            "times": times, "dials": dials,
        }  # fmt: skip
        return str(self.call("POST", "rules", rule)["id"])

    def remove_rule(self, rule_id: str) -> None:
        """The rule no longer holds. Raises SandboxError if there is none."""
        self.call("DELETE", f"rules/{rule_id}")

    # What people and providers do on command. Each gives [{status, answer, message_id, ms}] per copy.
    def whatsapp_inbound(self, phone_number_id: str, from_number: str, text: str | None = None, **more: object) -> list[
        dict[str, Any]
    ]:  # fmt: skip
        """A person writes: text, or button={text, payload}, or any message fields; copies, signature, id, reply_to."""
        body: dict[str, object] = {"from": from_number, **more}
        if text is not None:
            body["text"] = text
        return list(self.call("POST", f"inbound/whatsapp/{phone_number_id}", body)["callbacks"])

    def twilio_inbound(self, account_sid: str, from_number: str, text: str, **more: object) -> list[dict[str, Any]]:
        """A person sends an SMS: to, id, copies, signature."""
        body = {"from": from_number, "body": text, **more}
        return list(self.call("POST", f"inbound/twilio/{account_sid}", body)["callbacks"])

    def receipt(self, provider: str, account: str, message_id: str, status: str, **more: object) -> list[
        dict[str, Any]
    ]:  # fmt: skip
        """A receipt of a sent message, now: code, copies, signature."""
        body = {"message_id": message_id, "status": status, **more}
        return list(self.call("POST", f"receipt/{provider}/{account}", body)["callbacks"])

    def callback(self, provider: str, account: str, **body: object) -> list[dict[str, Any]]:
        """Any body signed and posted: payload or raw (whatsapp), form and url (twilio); copies, signature."""
        return list(self.call("POST", f"callback/{provider}/{account}", body)["callbacks"])

    # What happened.
    def ledger(self, **filters: object) -> list[dict[str, Any]]:
        """Requests in order of arrival. Filters: provider, kind, account, to, since, after, processed, limit."""
        return list(self.call("GET", "ledger", **filters)["entries"])

    def accepted(self, *, account: str | None = None, since: float | None = None) -> dict[str, dict[str, Any]]:
        """{recipient digits: {provider: {count, answered_count, arrived_at, processed_at, answered_at}}}."""
        return dict(self.call("GET", "accepted", account=account, since=since)["recipients"])

    def callbacks(self, **filters: object) -> list[dict[str, Any]]:
        """What was posted to the product. Filters: account, kind, message_id, since."""
        return list(self.call("GET", "callbacks", **filters)["callbacks"])

    def wait_for(self, question: Callable[["Sandbox"], Any], *, timeout_s: float = 10.0, every_s: float = 0.05) -> Any:
        """The first truthy answer to question(sandbox). Raises SandboxError when there is none in time."""
        deadline = time.monotonic() + timeout_s
        while True:
            answer = question(self)
            if answer:
                return answer
            if time.monotonic() > deadline:
                raise SandboxError("what was waited for did not happen in time")
            threading.Event().wait(every_s)
