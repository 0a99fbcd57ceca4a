"""The partner's side: submits leads over HTTP as API, batch or form, and reads back what became of them."""

import html
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from sandbox.demo.samples import Sample

TIMEOUT_S = 30.0
_INPUT = re.compile(r"<input\b[^>]*>", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"""([\w-]+)\s*=\s*(?:"([^"]*)"|'([^']*)')""")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a submission was answered: HTTP status, the captured lead (or {}), and the field at fault (or "")."""

    status: int
    lead: Mapping[str, Any]
    field: str = ""
    raw: bytes = b""


class Partner:
    """One API key's view of a running Swiftex at `base_url`."""

    def __init__(self, base_url: str, api_key: str, *, organization: str) -> None:
        self._base_url = base_url.rstrip("/")
        self._api_key = api_key
        self._organization = organization

    def submit(self, sample: Sample, *, idempotency_key: str | None = None) -> Answer:
        """The sample's lead through the API."""
        status, raw = self._call("POST", "/api/v1/leads", sample.lead, idempotency_key=idempotency_key)
        return _answer(status, raw)

    def submit_batch(self, samples: Sequence[Sample]) -> list[Answer]:
        """All the leads in one request; the answers in the same order."""
        status, raw = self._call("POST", "/api/v1/leads/batch", {"leads": [sample.lead for sample in samples]})
        if status != 200:
            raise RuntimeError(f"the batch was answered {status}: {raw.decode('utf-8', 'replace')[:500]}")
        results = json.loads(raw)["results"]
        return [
            Answer(result["status"], result.get("lead") or {}, _field_of(result.get("problem") or {}))
            for result in results
        ]

    def open_form(self, sample: Sample) -> dict[str, str]:
        """The hosted form of the sample's source is shown; gives its hidden fields."""
        _, page = self._call("GET", self._form_path(sample))
        return hidden_fields(page.decode("utf-8", "replace"))

    def submit_form(self, sample: Sample, hidden: Mapping[str, str]) -> Answer:
        """What a browser without JavaScript sends: the hidden fields and what the person typed."""
        typed = {name: str(value) for name, value in sample.lead.items() if name not in ("source", "consent")}
        ticked = {"consent": "yes"} if sample.lead.get("consent") else {}
        status, raw = self._call("POST", self._form_path(sample), urlencode({**hidden, **typed, **ticked}).encode())
        if status >= 400:
            return Answer(status, {}, field_at_fault(raw.decode("utf-8", "replace")), raw)
        return self._newest_lead_of(sample)

    def _form_path(self, sample: Sample) -> str:
        return f"/forms/{self._organization}.{sample.lead['source']}"

    def lead(self, lead_id: str) -> dict[str, Any]:
        """The lead as it stands."""
        return self._read(f"/api/v1/leads/{lead_id}")

    def timeline(self, lead_id: str) -> dict[str, Any]:
        """Moments, segments and entries of the lead."""
        return self._read(f"/api/v1/leads/{lead_id}/timeline")

    def contact(self, contact_id: str) -> dict[str, Any]:
        """The contact as it stands."""
        return self._read(f"/api/v1/contacts/{contact_id}")

    def _newest_lead_of(self, sample: Sample) -> Answer:
        """A form tells a person nothing of ids, so the partner looks the lead up, by number or address."""
        name = "phone" if sample.phone else "email"
        value = re.sub(r"[^\d+]", "", sample.phone) if sample.phone else str(sample.lead["email"])
        found = self._read(f"/api/v1/leads?{urlencode({name: value})}")["data"]
        if not found:
            return Answer(500, {})
        is_new = found[0]["source"] == sample.lead["source"]
        return Answer(202 if is_new else 200, {**found[0], "duplicate": not is_new})

    def _read(self, path: str) -> dict[str, Any]:
        status, raw = self._call("GET", path)
        if status != 200:
            raise RuntimeError(f"GET {path} was answered {status}")
        content: dict[str, Any] = json.loads(raw)
        return content

    def _call(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | bytes | None = None,
        *,
        idempotency_key: str | None = None,
    ) -> tuple[int, bytes]:
        headers = {"Authorization": f"Bearer {self._api_key}"} if path.startswith("/api/") else {}
        if isinstance(body, Mapping):
            headers["Content-Type"] = "application/json"
            body = json.dumps(body).encode()
        if idempotency_key is not None:
            headers["Idempotency-Key"] = idempotency_key
        request = Request(self._base_url + path, data=body, headers=headers, method=method)
        try:
            with urlopen(request, timeout=TIMEOUT_S) as response:
                return response.status, response.read()
        except HTTPError as error:
            with error:
                return error.code, error.read()


def _answer(status: int, raw: bytes) -> Answer:
    try:
        content = json.loads(raw)
    except ValueError:
        content = {}
    if status >= 400:
        return Answer(status, {}, _field_of(content), raw)
    return Answer(status, content, "", raw)


def _field_of(problem: Mapping[str, Any]) -> str:
    errors = problem.get("errors") or [{}]
    return str(errors[0].get("field", ""))


def hidden_fields(page: str) -> dict[str, str]:
    """The values of the page's hidden inputs, by name."""
    found: dict[str, str] = {}
    for tag in _INPUT.findall(page):
        attributes = {name.lower(): html.unescape(a or b) for name, a, b in _ATTRIBUTE.findall(tag)}
        if attributes.get("type", "").lower() == "hidden" and "name" in attributes:
            found[attributes["name"]] = attributes.get("value", "")
    return found


def field_at_fault(page: str) -> str:
    """The first field that the page says is wrong (aria-invalid), or ""."""
    for tag in re.findall(r"<(?:input|textarea|select)\b[^>]*>", page, re.IGNORECASE):
        attributes = {name.lower(): a or b for name, a, b in _ATTRIBUTE.findall(tag)}
        if attributes.get("aria-invalid") == "true":
            return str(attributes.get("name", ""))
    return ""
