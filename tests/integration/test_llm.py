"""The race against real model servers: whatever they do, the greeting has its line when it must go out."""

import threading
from time import monotonic
from uuid import uuid4

import pytest
from prometheus_client import REGISTRY

from conversations.engine.breaker import STRIKES_TO_OPEN, Breaker
from conversations.llm import AnthropicAdapter, Ask, OpenAIAdapter, ScriptedModel
from conversations.services import race
from conversations.services.race import GRACE_S, ask_in_time, breaker_of
from sandbox.process import running_sandbox

ASK = Ask(system="Write one line.", user="Kim asks about a loan.")


@pytest.fixture(scope="module")
def servers():
    with running_sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(servers):
    servers.reset()
    return servers


@pytest.fixture
def model(sandbox):
    return OpenAIAdapter(base_url=sandbox.openai_url, api_key="sk-test", model="m")


@pytest.fixture
def breaker():
    return Breaker()


def late_answers():
    return REGISTRY.get_sample_value("swiftex_late_model_answers_total") or 0.0


def test_an_answer_in_time_wins(model, breaker):
    lap = ask_in_time(model, ASK, limit_s=2.0, breaker=breaker)

    assert lap.reason is None
    assert lap.answer.finish_reason == "stop"
    assert lap.answer.text
    assert lap.answered_at is not None


def test_anthropic_speaks_through_the_same_race(sandbox, breaker):
    model = AnthropicAdapter(base_url=sandbox.anthropic_url, api_key="sk-test", model="m")

    lap = ask_in_time(model, ASK, limit_s=2.0, breaker=breaker)

    assert lap.reason is None
    assert lap.answer.finish_reason == "stop"


@pytest.mark.parametrize(
    ("dials", "reasons"),
    [
        ({"fault": "error", "error_status": 500}, {"server_error"}),
        ({"fault": "error", "error_status": 503}, {"overloaded"}),
        ({"fault": "error", "error_status": 429, "retry_after_s": 3}, {"rate_limited"}),
        ({"fault": "error", "error_code": 1}, {"quota_exhausted"}),
        ({"fault": "error", "error_status": 401}, {"unauthorized"}),
        ({"fault": "error", "error_status": 404}, {"not_found"}),
        ({"fault": "reset"}, {"no_answer", "unreachable"}),
        ({"fault": "drop"}, {"no_answer"}),
        ({"fault": "garbage"}, {"garbage"}),
        ({"fault": "malformed"}, {"garbage"}),
        ({"fault": "empty"}, {"garbage"}),
        ({"fault": "flood"}, {"no_answer"}),
    ],
)
def test_a_model_in_trouble_loses_at_once(sandbox, model, breaker, dials, reasons):
    sandbox.set_dials("openai", **dials)

    started = monotonic()
    lap = ask_in_time(model, ASK, limit_s=3.0, breaker=breaker)

    assert lap.answer is None
    assert lap.reason in reasons
    assert monotonic() - started < 1.5
    assert breaker.strikes > 0


@pytest.mark.parametrize(
    "dials",
    [
        {"fault": "hang"},
        {"fault": "drip_headers", "drip_interval_ms": 50},
        {"fault": "drip_body", "drip_interval_ms": 50},
        {"median_ms": 5000},
    ],
)
def test_a_model_that_never_ends_is_left_on_the_second(sandbox, model, breaker, dials):
    sandbox.set_dials("openai", **dials)

    started = monotonic()
    lap = ask_in_time(model, ASK, limit_s=0.4, breaker=breaker)

    assert (lap.answer, lap.reason) == (None, "late")
    assert 0.39 < monotonic() - started < 0.6


def test_a_server_that_is_not_there_loses_at_once(breaker):
    model = OpenAIAdapter(base_url="http://127.0.0.1:9/v1", api_key="k", model="m")

    assert ask_in_time(model, ASK, limit_s=2.0, breaker=breaker).reason in {"unreachable", "no_answer"}


def test_a_late_answer_is_counted(sandbox, model, breaker):
    sandbox.set_dials("openai", median_ms=350)
    before = late_answers()

    lap = ask_in_time(model, ASK, limit_s=0.3, breaker=breaker)

    assert lap.reason == "late"
    threading.Event().wait(GRACE_S + 0.1)
    assert late_answers() == before + 1


def test_without_time_nobody_is_asked(sandbox, model, breaker):
    lap = ask_in_time(model, ASK, limit_s=0.01, breaker=breaker)

    assert lap.reason == "no_time"
    assert sandbox.ledger(provider="openai") == []


def test_a_full_executor_turns_away_and_abandoned_calls_give_their_lanes_back(sandbox, model, breaker, settings):
    settings.SWIFTEX_MODEL_LANES = 2
    race._lanes.cache_clear()
    sandbox.set_dials("openai", fault="hang")
    try:
        reasons = [ask_in_time(model, ASK, limit_s=0.1, breaker=breaker).reason for _ in range(4)]
        assert reasons == ["late", "late", "model_busy", "model_busy"]
        threading.Event().wait(GRACE_S + 0.3)
        sandbox.reset()

        assert ask_in_time(model, ASK, limit_s=1.0, breaker=breaker).reason is None
    finally:
        race._lanes.cache_clear()


def test_a_dead_model_is_left_alone_and_tried_again(sandbox, model, breaker):
    sandbox.set_dials("openai", fault="error", error_status=500)

    reasons = [ask_in_time(model, ASK, limit_s=1.0, breaker=breaker).reason for _ in range(12)]

    assert reasons == ["server_error"] * 5 + ["model_down"] * 7
    assert len(sandbox.ledger(provider="openai")) == 5

    sandbox.reset()
    breaker.retry_at_s = 0.0
    assert ask_in_time(model, ASK, limit_s=1.0, breaker=breaker).reason is None
    assert ask_in_time(model, ASK, limit_s=1.0, breaker=breaker).reason is None


def test_a_hanging_model_holds_few_calls(sandbox, model, breaker):
    sandbox.set_dials("openai", fault="hang")

    reasons = [ask_in_time(model, ASK, limit_s=0.06, breaker=breaker).reason for _ in range(30)]

    assert reasons == ["late"] * STRIKES_TO_OPEN + ["model_down"] * 10


def test_each_organization_has_a_breaker_of_its_own():
    mine, yours = uuid4(), uuid4()

    assert breaker_of(mine) is breaker_of(mine)
    assert breaker_of(mine) is not breaker_of(yours)


def test_the_scripted_model_needs_neither_thread_nor_network(breaker):
    lap = ask_in_time(ScriptedModel(), ASK, limit_s=0.0, breaker=breaker)

    assert lap.answer.text
    assert lap.reason is None


@pytest.mark.django_db(transaction=True)
def test_nobody_waits_for_a_model_inside_a_transaction(model, breaker):
    from django.db import transaction

    with transaction.atomic(), pytest.raises(RuntimeError):
        ask_in_time(model, ASK, limit_s=1.0, breaker=breaker)
