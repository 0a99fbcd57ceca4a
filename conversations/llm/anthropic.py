"""Anthropic's messages API."""

from dataclasses import dataclass, field

import orjson

from conversations.llm.base import Answer, Ask, FinishReason, body_of, whole_number
from swiftex.failures import TemporaryFailure
from swiftex.http import HttpRequest, HttpResponse

DEFAULT_BASE_URL = "https://api.anthropic.com"
VERSION = "2023-06-01"


@dataclass(frozen=True, slots=True)
class AnthropicAdapter:
    """The messages endpoint; the rules are top-level, not a role.  Source: providers.md section 5.2."""

    base_url: str
    api_key: str = field(repr=False)
    model: str

    def build(self, ask: Ask) -> HttpRequest:
        """POST {base_url}/v1/messages."""
        body = {
            "model": self.model,
            "system": ask.system,
            "messages": [{"role": "user", "content": ask.user}],
            "max_tokens": ask.max_tokens,
            "temperature": ask.temperature,
        }
        headers = {"Content-Type": "application/json", "x-api-key": self.api_key, "anthropic-version": VERSION}
        base_url = self.base_url.rstrip("/").removesuffix("/v1")
        return HttpRequest(method="POST", url=f"{base_url}/v1/messages", headers=headers, body=orjson.dumps(body))

    def read(self, response: HttpResponse) -> Answer:
        """The text blocks, joined."""
        body = body_of(response)
        content, usage = body.get("content"), body.get("usage")
        if not isinstance(content, list):
            raise TemporaryFailure("garbage")
        blocks = [block.get("text") for block in content if isinstance(block, dict) and block.get("type") == "text"]
        counted = usage if isinstance(usage, dict) else {}
        return Answer(
            text="".join(text for text in blocks if isinstance(text, str)) or None,
            finish_reason=_finish_reason(body.get("stop_reason")),
            input_tokens=whole_number(counted.get("input_tokens")),
            output_tokens=whole_number(counted.get("output_tokens")),
        )


def _finish_reason(told: object) -> FinishReason:
    if told in {"end_turn", "stop_sequence"}:
        return "stop"
    return "length" if told in {"max_tokens", "model_context_window_exceeded"} else "refused"
