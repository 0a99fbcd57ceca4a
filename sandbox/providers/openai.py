"""POST {base}/openai/v1/chat/completions, in OpenAI's shapes. Source: openai-python, 2026-08."""

import orjson

from sandbox.conduct import Act, conduct, refuse_after_latency
from sandbox.dials import Dials
from sandbox.wire import Exchange, Reply
from sandbox.world import World
from sandbox.writer import greeting_line

_ERRORS = {
    400: ("invalid_request_error", None, "The request is not valid."),
    401: ("invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
    403: ("invalid_request_error", "unsupported_country_region_territory", "Not available here."),
    404: ("invalid_request_error", "model_not_found", "The model does not exist or you do not have access to it."),
    429: ("requests", "rate_limit_exceeded", "Rate limit reached for requests."),
    500: ("server_error", None, "The server had an error while processing your request."),
    503: ("server_error", None, "The engine is currently overloaded, please try again later."),
}
# error_code 1: the account's money is used up, a 429 of the other family.
INSUFFICIENT_QUOTA = 1


def chat_completions(world: World, exchange: Exchange) -> None:
    """One completion, from the prompt's own facts, or the dialled trouble."""
    key = exchange.headers.get("authorization", "").removeprefix("Bearer ")
    entry = world.ledger.open(
        provider="openai", kind="chat", account=key, arrived_at=exchange.arrived_at, body=exchange.body
    )
    request, prompt = _read(exchange.body)
    entry.text = prompt
    dials = world.rulebook.dials_for("openai", key, "", prompt)
    if not key:
        refuse_after_latency(world, exchange, entry, dials, error_reply(None, 401, None))
        return
    if not request.get("model") or not request.get("messages"):
        refuse_after_latency(world, exchange, entry, dials, error_reply(None, 400, None))
        return
    if world.is_over_rate("openai", key, dials):
        refuse_after_latency(world, exchange, entry, dials, error_reply(None, 429, dials.retry_after_s))
        return
    conduct(world, exchange, entry, dials, Act(lambda _: _completion(world, request, prompt, dials), error_reply))


def _read(body: bytes) -> tuple[dict[str, object], str]:
    try:
        request = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}, ""
    if not isinstance(request, dict) or not isinstance(request.get("messages"), list):
        return {}, ""
    return request, prompt_of(request["messages"])


def prompt_of(messages: list[object]) -> str:
    """All text of the messages, one after the other; content may be a string or a list of text parts."""
    texts: list[str] = []
    for message in messages:
        content = message.get("content") if isinstance(message, dict) else None
        parts = content if isinstance(content, list) else [{"text": content}]
        texts += [str(part["text"]) for part in parts if isinstance(part, dict) and part.get("text")]
    return "\n".join(texts)


def _completion(world: World, request: dict[str, object], prompt: str, dials: Dials) -> Reply:
    text = greeting_line(prompt, seed=world.seed) if dials.text is None else dials.text
    asked, said = len(prompt) // 4, len(text) // 4 + 1
    answer = {
        "id": f"chatcmpl-{world.new_id()}",
        "object": "chat.completion",
        "created": int(world.started_at),
        "model": request["model"],
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text, "refusal": None},
                "logprobs": None,
                "finish_reason": dials.finish_reason or "stop",
            }
        ],
        "usage": {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said},
    }
    return Reply(200, orjson.dumps(answer), headers=(("x-request-id", f"req_{world.new_id()}"),))


def error_reply(code: int | None, status: int | None, retry_after_s: float | None) -> Reply:
    """OpenAI's words for this HTTP status (default 500)."""
    status = status or (429 if code == INSUFFICIENT_QUOTA else 500)
    kind, name, message = _ERRORS.get(status, ("server_error", None, "The request failed."))
    if code == INSUFFICIENT_QUOTA:
        kind = name = "insufficient_quota"
        message = "You exceeded your current quota, please check your plan and billing details."
    body = {"error": {"message": message, "type": kind, "param": None, "code": name}}
    headers = () if retry_after_s is None else (("retry-after", f"{retry_after_s:g}"),)
    return Reply(status, orjson.dumps(body), headers=headers)
