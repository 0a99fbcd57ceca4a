"""Adapters by tables: the request each one builds, and what each response means."""

import json

import pytest

from conversations.llm import AnthropicAdapter, Ask, OpenAIAdapter, ScriptedModel, model_of
from swiftex.failures import PermanentFailure, TemporaryFailure
from swiftex.http import HttpResponse

ASK = Ask(system="rules", user="data", max_tokens=90, temperature=0.5)
OPENAI = OpenAIAdapter(base_url="https://llm.example/v1/", api_key="sk-secret", model="m1")
ANTHROPIC = AnthropicAdapter(base_url="https://llm.example", api_key="sk-secret", model="m2")


def answer(body, status=200, **headers):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HttpResponse(status, {name.replace("_", "-"): value for name, value in headers.items()}, raw)


def openai_body(content, finish_reason="stop", **message):
    return {"choices": [{"index": 0, "message": {"content": content, **message}, "finish_reason": finish_reason}]}


def test_openai_request_holds_four_fields_and_nothing_else():
    request = OPENAI.build(ASK)

    assert (request.method, request.url) == ("POST", "https://llm.example/v1/chat/completions")
    assert request.headers["Authorization"] == "Bearer sk-secret"
    assert json.loads(request.body) == {
        "model": "m1",
        "messages": [{"role": "system", "content": "rules"}, {"role": "user", "content": "data"}],
        "max_tokens": 90,
        "temperature": 0.5,
    }


def test_openai_token_field_can_be_renamed_and_a_key_is_optional():
    adapter = OpenAIAdapter(
        base_url="http://localhost:11434/v1", api_key="", model="m", max_tokens_field="max_completion_tokens"
    )

    request = adapter.build(ASK)

    assert "Authorization" not in request.headers
    assert json.loads(request.body)["max_completion_tokens"] == 90
    assert "max_tokens" not in json.loads(request.body)


def test_anthropic_rules_are_top_level():
    request = ANTHROPIC.build(ASK)

    assert (request.method, request.url) == ("POST", "https://llm.example/v1/messages")
    assert request.headers["x-api-key"] == "sk-secret"
    assert request.headers["anthropic-version"] == "2023-06-01"
    body = json.loads(request.body)
    assert body["system"] == "rules"
    assert body["messages"] == [{"role": "user", "content": "data"}]
    assert body["max_tokens"] == 90


def test_a_key_never_shows_in_a_repr():
    assert "sk-secret" not in repr(OPENAI) + repr(ANTHROPIC)


@pytest.mark.parametrize(
    ("body", "text", "finish_reason"),
    [
        (openai_body("Hi there."), "Hi there.", "stop"),
        (openai_body("Hi th", "length"), "Hi th", "length"),
        (openai_body(None), None, "stop"),
        (openai_body(None, "tool_calls"), None, "refused"),
        (openai_body("x", "content_filter"), "x", "refused"),
        (openai_body("x", None), "x", "refused"),
        (openai_body(None, refusal="no"), None, "refused"),
        (openai_body(["x"]), None, "stop"),
    ],
)
def test_openai_answers(body, text, finish_reason):
    read = OPENAI.read(answer(body))

    assert (read.text, read.finish_reason) == (text, finish_reason)


@pytest.mark.parametrize(
    ("usage", "counts"),
    [
        ({"prompt_tokens": 7, "completion_tokens": 9}, (7, 9)),
        ({"prompt_tokens": None, "completion_tokens": -1}, (0, 0)),
        (None, (0, 0)),
    ],
)
def test_usage_is_optional(usage, counts):
    read = OPENAI.read(answer({**openai_body("Hi."), "usage": usage}))

    assert (read.input_tokens, read.output_tokens) == counts


@pytest.mark.parametrize(
    ("body", "text", "finish_reason"),
    [
        ({"content": [{"type": "text", "text": "Hi."}], "stop_reason": "end_turn"}, "Hi.", "stop"),
        ({"content": [{"type": "text", "text": "Hi"}], "stop_reason": "max_tokens"}, "Hi", "length"),
        ({"content": [], "stop_reason": "refusal"}, None, "refused"),
        ({"content": [{"type": "tool_use"}], "stop_reason": "tool_use"}, None, "refused"),
        (
            {"content": [{"type": "text", "text": "A."}, {"type": "text", "text": "B."}], "stop_reason": "end_turn"},
            "A.B.",
            "stop",
        ),
    ],
)
def test_anthropic_answers(body, text, finish_reason):
    read = ANTHROPIC.read(answer(body))

    assert (read.text, read.finish_reason) == (text, finish_reason)


@pytest.mark.parametrize("adapter", [OPENAI, ANTHROPIC])
@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (401, {"error": {"code": "invalid_api_key"}}, "unauthorized"),
        (403, b"no", "unauthorized"),
        (402, {"error": {"type": "billing_error"}}, "quota_exhausted"),
        (429, {"error": {"code": "insufficient_quota"}}, "quota_exhausted"),
        (429, {"error": {"type": "credit_balance_exhausted"}}, "quota_exhausted"),
        (404, {"error": {"code": "model_not_found"}}, "not_found"),
        (400, {"error": "a text"}, "bad_request"),
        (302, b"", "bad_request"),
    ],
)
def test_what_needs_a_person_is_permanent(adapter, status, body, reason):
    with pytest.raises(PermanentFailure) as failure:
        adapter.read(answer(body, status))

    assert failure.value.reason == reason


@pytest.mark.parametrize("adapter", [OPENAI, ANTHROPIC])
@pytest.mark.parametrize(
    ("response", "reason", "retry_after_s"),
    [
        (answer({"error": {"code": "rate_limit_exceeded"}}, 429, retry_after="3"), "rate_limited", 3.0),
        (answer({}, 429, retry_after_ms="250", retry_after="3"), "rate_limited", 0.25),
        (answer({}, 429, retry_after="Fri, 31 Dec 1999 23:59:59 GMT"), "rate_limited", None),
        (answer({}, 429, retry_after="99999"), "rate_limited", 120.0),
        (answer({}, 429, retry_after="nan"), "rate_limited", None),
        (answer({}, 429, retry_after="-1"), "rate_limited", None),
        (answer({}, 503), "overloaded", None),
        (answer({}, 529), "overloaded", None),
        (answer(b"<html>", 500), "server_error", None),
        (answer(b"not json", 200), "garbage", None),
        (answer(b"[1]", 200), "garbage", None),
        (answer(b"", 200), "garbage", None),
        (answer({"choices": []}, 200), "garbage", None),
        (answer({"choices": [1], "content": 1}, 200), "garbage", None),
    ],
)
def test_what_may_pass_is_temporary(adapter, response, reason, retry_after_s):
    with pytest.raises(TemporaryFailure) as failure:
        adapter.read(response)

    assert (failure.value.reason, failure.value.retry_after_s) == (reason, retry_after_s)


def test_the_scripted_model_says_the_same_to_the_same():
    model = model_of("scripted", base_url="", api_key="", model="")

    assert isinstance(model, ScriptedModel)
    assert model.complete(ASK) == model.complete(ASK)
    assert model.complete(ASK).finish_reason == "stop"


def test_an_unknown_provider_is_refused():
    with pytest.raises(ValueError, match="not a provider"):
        model_of("other", base_url="", api_key="", model="")
