"""Adapters by tables: what is sent, and how each answer is read."""

import json
from urllib.parse import parse_qs
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels_out.fallback import ErrorClass
from channels_out.providers import PROVIDERS, twilio_errors, whatsapp_errors
from channels_out.providers.base import Accepted, Account, Outgoing, Refused, Template, Unknown
from channels_out.providers.twilio_sms import TwilioSms
from channels_out.providers.whatsapp_cloud import WhatsAppCloud, cleaned_parameter, rendered

WHATSAPP = Account(
    settings={"base_url": "https://graph.test/", "api_version": "v23.0", "phone_number_id": "111", "waba_id": "4"},
    credentials={"access_token": "t0ken"},
)
TWILIO = Account(
    settings={"base_url": "https://api.test", "account_sid": "AC1", "from_number": "+15550009999"},
    credentials={"auth_token": "t0ken"},
)
ATTEMPT = UUID(int=7)
TEMPLATE = Template(
    name="lead_hello", language="en_US", category="utility", parameter_format="named",
    parameters=("first_name", "ai_line"), body="Hi {{first_name}}. {{ai_line}} Bye.",
)  # fmt: skip


def outgoing(**changes):
    values = {
        "attempt_id": ATTEMPT,
        "to": "+15550002222",
        "text": "Hello",
        "parameters": {"first_name": "Kim", "ai_line": "A\n\tb"},
    }
    return Outgoing(**(values | changes))


def test_a_named_template_carries_names_and_cleaned_values():
    request = WhatsAppCloud().build_send(WHATSAPP, outgoing(template=TEMPLATE))

    assert (request.method, request.url) == ("POST", "https://graph.test/v23.0/111/messages")
    assert request.headers["Authorization"] == "Bearer t0ken"
    assert json.loads(request.body) == {
        "messaging_product": "whatsapp", "recipient_type": "individual", "to": "15550002222", "type": "template",
        "biz_opaque_callback_data": ATTEMPT.hex,
        "template": {"name": "lead_hello", "language": {"code": "en_US"}, "components": [
            {"type": "body", "parameters": [
                {"type": "text", "text": "Kim", "parameter_name": "first_name"},
                {"type": "text", "text": "A b", "parameter_name": "ai_line"},
            ]},
        ]},
    }  # fmt: skip


def test_a_positional_template_carries_order_only():
    positional = Template(**{**TEMPLATE.__dict__, "parameter_format": "positional"})

    parameters = json.loads(WhatsAppCloud().build_send(WHATSAPP, outgoing(template=positional)).body)["template"][
        "components"
    ][0]["parameters"]

    assert parameters == [{"type": "text", "text": "Kim"}, {"type": "text", "text": "A b"}]


def test_free_text_goes_without_a_preview():
    content = json.loads(WhatsAppCloud().build_send(WHATSAPP, outgoing()).body)

    assert (content["type"], content["text"]) == ("text", {"body": "Hello", "preview_url": False})


def test_an_sms_is_a_form_with_the_attempt_in_its_callback():
    request = TwilioSms().build_send(TWILIO, outgoing(status_url="https://x.test/status"))

    assert request.url == "https://api.test/2010-04-01/Accounts/AC1/Messages.json"
    assert request.headers["Authorization"] == "Basic QUMxOnQwa2Vu"
    assert parse_qs(request.body.decode()) == {
        "To": ["+15550002222"], "Body": ["Hello"], "From": ["+15550009999"], "ValidityPeriod": ["600"],
        "StatusCallback": [f"https://x.test/status?attempt={ATTEMPT.hex}"],
    }  # fmt: skip


def test_a_messaging_service_takes_the_place_of_a_number():
    account = Account(
        settings={"base_url": "https://a", "account_sid": "AC1", "messaging_service_sid": "MG1"},
        credentials=TWILIO.credentials,
    )

    form = parse_qs(TwilioSms().build_send(account, outgoing()).body.decode())

    assert form["MessagingServiceSid"] == ["MG1"]
    assert "From" not in form


def wa(status, body, headers=None):
    return WhatsAppCloud().read_outcome(
        status, headers or {}, json.dumps(body).encode() if not isinstance(body, bytes) else body
    )


def error(code):
    return {"error": {"message": "m", "type": "OAuthException", "code": code}}


WHATSAPP_ANSWERS = [
    (200, {"messages": [{"id": "wamid.1"}]}, Accepted(provider_id="wamid.1")),
    (200, {"contacts": [{"wa_id": "15"}], "messages": [{"id": "w"}]}, Accepted(provider_id="w", known_as="+15")),
    (200, {}, Unknown(reason="no_id_in_answer")),
    (200, b"<html>", Unknown(reason="no_id_in_answer")),
    (200, b"", Unknown(reason="no_id_in_answer")),
    (302, b"", Unknown(reason="http_302")),
    (500, error(131000), Unknown(reason="http_500")),
    (500, b"oops", Unknown(reason="http_500")),
    (503, error(131016), "retry"),
    (400, error(131026), "next"),
    (400, error(131047), "template"),
    (400, error(131050), "opt_out"),
    (401, error(190), "channel"),
    (403, error(200), "channel"),
    (403, error(299), "channel"),
    (400, error(132000), "bug"),
    (429, error(130429), "retry"),
    (400, error(999999), "next"),
    (429, b"", "retry"),
    (401, b"", "channel"),
    (404, b"nope", "bug"),
]  # fmt: skip


@pytest.mark.parametrize(("status", "body", "expected"), WHATSAPP_ANSWERS)
def test_answers_of_whatsapp(status, body, expected):
    outcome = wa(status, body)

    assert outcome == expected if not isinstance(expected, str) else outcome.error == ErrorClass(expected)


TWILIO_ANSWERS = [
    (201, {"sid": "SM1", "status": "queued"}, Accepted(provider_id="SM1")),
    (201, {}, Unknown(reason="no_sid_in_answer")),
    (500, {"code": 20500}, Unknown(reason="http_500")),
    (400, {"code": 21211, "status": 400}, "next"),
    (400, {"code": 21610}, "opt_out"),
    (401, {"code": 20003}, "channel"),
    (429, {"code": 20429}, "retry"),
    (400, {"code": 30004}, "stop"),
    (404, {"code": 404}, "bug"),
    (429, b"", "retry"),
]


@pytest.mark.parametrize(("status", "body", "expected"), TWILIO_ANSWERS)
def test_answers_of_twilio(status, body, expected):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    outcome = TwilioSms().read_outcome(status, {}, content)

    assert outcome == expected if not isinstance(expected, str) else outcome.error == ErrorClass(expected)


def test_the_providers_own_hint_wins_when_it_is_longer():
    assert wa(400, error(131056), {"retry-after": "30"}).retry_after_s == 30
    assert wa(400, error(131056), {"retry-after": "1"}).retry_after_s == 6
    assert wa(400, error(131056), {"retry-after": "soon"}).retry_after_s == 6


KEYS = st.sampled_from(["error", "code", "messages", "id", "sid", "contacts", "wa_id"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@given(st.integers(100, 599), st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_no_answer_makes_an_adapter_raise_and_only_4xx_are_certain(status, body):
    for provider in PROVIDERS.values():
        outcome = provider.read_outcome(status, {}, body)

        assert isinstance(outcome, Accepted | Refused | Unknown)
        if isinstance(outcome, Refused) and status >= 500:
            assert outcome.code in whatsapp_errors.DEFINITE_AT_5XX
        if isinstance(outcome, Accepted):
            assert 200 <= status < 300


def test_error_tables_are_sound():
    for rules in (whatsapp_errors.RULES, twilio_errors.RULES):
        for code, rule in rules.items():
            assert code.isdecimal()
            assert rule.reason.replace("_", "").isalnum()
            assert (rule.breaker_s > 0) == (rule.error is ErrorClass.CHANNEL)


@given(st.text(max_size=2000))
def test_a_parameter_is_one_clean_line(text):
    cleaned = cleaned_parameter(text)

    assert 1 <= len(cleaned) <= 700
    assert not set(cleaned) & set("\n\r\t\x00")
    assert "  " not in cleaned
    assert cleaned_parameter(cleaned) == cleaned


def test_what_is_stored_is_what_the_person_reads():
    assert rendered(TEMPLATE, {"first_name": "Kim", "ai_line": "When\nsuits you?"}) == "Hi Kim. When suits you? Bye."
