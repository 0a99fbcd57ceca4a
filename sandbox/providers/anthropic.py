"""POST {base}/anthropic/v1/messages. Source: anthropic-sdk-python, 2026-08."""

import orjson

from sandbox.conduct import Act, conduct, refuse_after_latency
from sandbox.dials import Dials
from sandbox.providers.openai import prompt_of
from sandbox.wire import Exchange, Reply
from sandbox.world import World
from sandbox.writer import greeting_line

_ERRORS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def messages(world: World, exchange: Exchange) -> None:
    """One message, from the prompt's own facts, or the dialled trouble."""
    key = exchange.headers.get("x-api-key", "")
    entry = world.ledger.open(
        provider="anthropic", kind="chat", account=key, arrived_at=exchange.arrived_at, body=exchange.body
    )
    try:
        request = orjson.loads(exchange.body)
    except orjson.JSONDecodeError:
        request = {}
    is_complete = isinstance(request, dict) and all(request.get(name) for name in ("model", "messages", "max_tokens"))
    prompt = f"{request.get('system', '')}\n{prompt_of(request['messages'])}" if is_complete else ""
    entry.text = prompt
    dials = world.rulebook.dials_for("anthropic", key, "", prompt)
    if not key:
        refuse_after_latency(world, exchange, entry, dials, error_reply(None, 401, None))
    elif not is_complete or "anthropic-version" not in exchange.headers:
        refuse_after_latency(world, exchange, entry, dials, error_reply(None, 400, None))
    elif world.is_over_rate("anthropic", key, dials):
        refuse_after_latency(world, exchange, entry, dials, error_reply(None, 429, dials.retry_after_s))
    else:
        conduct(world, exchange, entry, dials, Act(lambda _: _message(world, request, prompt, dials), error_reply))


def _message(world: World, request: dict[str, object], prompt: str, dials: Dials) -> Reply:
    text = greeting_line(prompt, seed=world.seed) if dials.text is None else dials.text
    answer = {
        "id": f"msg_{world.new_id()}",
        "type": "message",
        "role": "assistant",
        "model": request["model"],
        "content": [{"type": "text", "text": text}],
        "stop_reason": dials.finish_reason or "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": len(prompt) // 4, "output_tokens": len(text) // 4 + 1},
    }
    return Reply(200, orjson.dumps(answer), headers=(("request-id", f"req_{world.new_id()}"),))


def error_reply(code: int | None, status: int | None, retry_after_s: float | None) -> Reply:
    """Anthropic's words for this HTTP status (default 529)."""
    status = status or 529
    kind = _ERRORS.get(status, "api_error")
    body = {"type": "error", "error": {"type": kind, "message": kind.replace("_", " ")}, "request_id": "req_sandbox"}
    headers = () if retry_after_s is None else (("retry-after", f"{retry_after_s:g}"),)
    return Reply(status, orjson.dumps(body), headers=headers)
