"""Any server that speaks OpenAI's chat completions: OpenAI itself, vLLM, Ollama, llama.cpp, gateways."""

from dataclasses import dataclass, field

import orjson

from conversations.llm.base import Answer, Ask, FinishReason, body_of, whole_number
from swiftex.failures import TemporaryFailure
from swiftex.http import HttpRequest, HttpResponse

DEFAULT_BASE_URL = "https://api.openai.com/v1"


@dataclass(frozen=True, slots=True)
class OpenAIAdapter:
    """Chat completions with the four fields that every compatible server takes.

    max_tokens_field: "max_tokens", or "max_completion_tokens" for models that refuse the older name.
    Source: providers.md sections 5.1 and 5.3.
    """

    base_url: str
    api_key: str = field(repr=False)
    model: str
    max_tokens_field: str = "max_tokens"

    def build(self, ask: Ask) -> HttpRequest:
        """POST {base_url}/chat/completions."""
        body = {
            "model": self.model,
            "messages": [{"role": "system", "content": ask.system}, {"role": "user", "content": ask.user}],
            self.max_tokens_field: ask.max_tokens,
            "temperature": ask.temperature,
        }
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self.api_key:
            headers["Authorization"] = f"Bearer {self.api_key}"
        url = f"{self.base_url.rstrip('/')}/chat/completions"
        return HttpRequest(method="POST", url=url, headers=headers, body=orjson.dumps(body))

    def read(self, response: HttpResponse) -> Answer:
        """The first choice. Null content and a finish other than "stop" come back as such: they are never sent."""
        body = body_of(response)
        choices = body.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else None
        message = choice.get("message") if isinstance(choice, dict) else None
        if not isinstance(choice, dict) or not isinstance(message, dict):
            raise TemporaryFailure("garbage")
        text, usage = message.get("content"), body.get("usage")
        counted = usage if isinstance(usage, dict) else {}
        return Answer(
            text=text if isinstance(text, str) else None,
            finish_reason="refused" if message.get("refusal") else _finish_reason(choice.get("finish_reason")),
            input_tokens=whole_number(counted.get("prompt_tokens")),
            output_tokens=whole_number(counted.get("completion_tokens")),
        )


def _finish_reason(told: object) -> FinishReason:
    if told == "stop":
        return "stop"
    return "length" if told == "length" else "refused"
