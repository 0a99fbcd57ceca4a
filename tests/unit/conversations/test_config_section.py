"""The sections `llm` and `greeting`: what is accepted, and which path a mistake is told with."""

from types import SimpleNamespace

import pytest
from pydantic import ValidationError

from conversations.config_section import GreetingSection, LlmSection, check_greeting, check_llm

GREETING = {
    "channels": ["wa-main", "sms-main"],
    "template": "lead_hello",
    "prompt": "One sentence, warm.",
    "fallback_text": "We will be right with you.",
}


@pytest.mark.parametrize(
    "change",
    [
        {"channels": []},
        {"channels": ["wa-main", "wa-main"]},
        {"channels": ["Not A Name"]},
        {"fallback_text": ""},
        {"fallback_text": "Two\nlines of text"},
        {"fallback_text": "x" * 601},
        {"max_chars": 10},
        {"max_age_s": 1},
        {"unknown_wait_s": 0},
        {"unknown_key": 1},
        {"template": "Lead Hello"},
    ],
)
def test_a_wrong_greeting_is_refused(change):
    with pytest.raises(ValidationError):
        GreetingSection.model_validate(GREETING | change)


@pytest.mark.parametrize(
    "value",
    [
        {"provider": "openai"},
        {"provider": "other", "model": "m"},
        {"provider": "openai", "model": "m", "timeout_ms": 10},
        {"provider": "openai", "model": "m", "base_url": "ftp://x"},
        {"provider": "openai", "model": "m", "api_key": ""},
        {"provider": "openai", "model": "m", "extra": 1},
    ],
)
def test_a_wrong_model_is_refused(value):
    with pytest.raises(ValidationError):
        LlmSection.model_validate(value)


def test_a_scripted_model_needs_nothing_else():
    assert LlmSection.model_validate({"provider": "scripted"}).timeout_ms == 1100


def test_a_model_may_not_take_the_whole_budget():
    value = LlmSection.model_validate({"provider": "scripted", "timeout_ms": 2000})

    [mistake] = check_llm(value, {"organization": SimpleNamespace(first_message_budget_ms=2000)})

    assert mistake.path == "llm.timeout_ms"
    assert not list(check_llm(value, {"organization": SimpleNamespace(first_message_budget_ms=3000)}))


def test_names_are_looked_up_in_the_file():
    value = GreetingSection.model_validate(GREETING)
    document = {
        "channels": [SimpleNamespace(name="wa-main")],
        "templates": [SimpleNamespace(name="lead_hello", parameters=["first_name", "amount"])],
    }

    paths = [mistake.path for mistake in check_greeting(value, document)]

    assert paths == ["greeting.channels[1]", "greeting.template"]


def test_a_template_that_the_file_does_not_define_is_told():
    value = GreetingSection.model_validate(GREETING)

    [mistake] = check_greeting(value, {"templates": [SimpleNamespace(name="other", parameters=[])]})

    assert mistake.path == "greeting.template"
