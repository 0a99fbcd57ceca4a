"""What callbacks say, by tables of the providers' shapes, and by any JSON at all."""

import contextlib
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels_out.delivery import Receipt
from channels_out.payloads import twilio, whatsapp
from channels_out.payloads.parsing import Malformed, json_object


def body(value, field="messages"):
    metadata = {"display_phone_number": "15550001111", "phone_number_id": "111"}
    value = {"messaging_product": "whatsapp", "metadata": metadata, **value}
    return {
        "object": "whatsapp_business_account",
        "entry": [{"id": "4", "changes": [{"field": field, "value": value}]}],
    }


def message(kind, content, **more):
    facts = {"from": "15550002222", "id": "wamid.1", "timestamp": "1767225600", "type": kind}
    return facts | ({kind: content} if content is not None else {}) | more


KINDS = [
    ("text", {"body": "Hi"}, "Hi", ""),
    ("button", {"payload": "STOP_P", "text": "Stop promotions"}, "Stop promotions", "STOP_P"),
    ("interactive", {"type": "button_reply", "button_reply": {"id": "1", "title": "Yes"}}, "Yes", ""),
    ("interactive", {"type": "list_reply", "list_reply": {"id": "1", "title": "Monday"}}, "Monday", ""),
    ("interactive", None, "", ""),
    ("interactive", {"type": "nfm_reply", "nfm_reply": {"response_json": "{}"}}, "", ""),
    ("image", {"id": "1", "mime_type": "image/jpeg", "caption": "my roof"}, "my roof", ""),
    ("audio", {"id": "1", "voice": True}, "", ""),
    ("location", {"latitude": 1, "longitude": 2}, "", ""),
    ("reaction", {"message_id": "w", "emoji": "👍"}, "👍", ""),
    ("reaction", {"message_id": "w"}, "", ""),
    ("unsupported", None, "", ""),
    ("something_new", {"x": 1}, "", ""),
]


@pytest.mark.parametrize(("kind", "content", "text", "payload"), KINDS)
def test_every_kind_of_message_is_kept(kind, content, text, payload):
    (heard,) = whatsapp.heard_in(body({"messages": [message(kind, content)]}))

    assert (heard.content_type, heard.text, heard.button_payload) == (kind, text, payload)
    assert (heard.phone, heard.at) == ("+15550002222", datetime(2026, 1, 1, tzinfo=UTC))


def test_a_system_note_is_no_message():
    note = message("system", {"type": "user_changed_number", "wa_id": "1", "body": "x"})

    assert list(whatsapp.heard_in(body({"messages": [note]}))) == []


def test_a_person_who_hides_the_number_is_known_by_id():
    hidden = {"id": "w", "timestamp": "1", "type": "text", "text": {"body": "x"}, "from_user_id": "US.1"}

    (heard,) = whatsapp.heard_in(
        body({"contacts": [{"user_id": "US.1", "profile": {"name": "A"}}], "messages": [hidden]})
    )

    assert (heard.phone, heard.bsuid, heard.name) == ("", "US.1", "A")


def test_every_status_of_every_entry_is_found():
    one = {"id": "w1", "status": "delivered", "timestamp": "1767225600", "biz_opaque_callback_data": "a" * 32}
    failed = {"id": "w2", "status": "failed", "timestamp": 1767225601, "errors": [{"code": 131026}]}
    content = body({"statuses": [one, {"id": "w3", "status": "warning"}]})
    content["entry"] += body({"statuses": [failed, {"id": "w4", "status": "played"}]})["entry"]

    found = list(whatsapp.reported_in(content))

    assert [(r.provider_id, r.status, r.code) for r in found] == [
        ("w1", Receipt.DELIVERED, ""), ("w2", Receipt.FAILED, "131026"), ("w4", Receipt.READ, ""),
    ]  # fmt: skip
    assert found[0].attempt_ref == "a" * 32


def test_a_preference_is_read():
    wish = {"wa_id": "15550002222", "category": "marketing_messages", "value": "stop", "timestamp": 1767225600}

    (found,) = whatsapp.preferences_in(body({"user_preferences": [wish]}, field="user_preferences"))

    assert (found.phone, found.wants) == ("+15550002222", "stop")


@pytest.mark.parametrize(
    ("status", "expected"),
    [("sent", Receipt.SENT), ("delivered", Receipt.DELIVERED), ("undelivered", Receipt.FAILED),
     ("failed", Receipt.FAILED), ("queued", None), ("new", None)],
)  # fmt: skip
def test_statuses_of_twilio(status, expected):
    form = {"MessageSid": "SM1", "MessageStatus": status, "ErrorCode": "30003"}

    found = twilio.reported_in(form, {"attempt": "a" * 32})

    assert (found.status if found else None) == expected
    if found:
        assert (found.code, found.attempt_ref) == ("30003" if expected is Receipt.FAILED else "", "a" * 32)


def test_an_sms_that_twilio_took_as_stop_says_so():
    heard = twilio.heard_in({"MessageSid": "SM1", "From": "+15550002222", "Body": "Arret", "OptOutType": "STOP"})

    assert heard.provider_says_stop
    assert twilio.heard_in({"From": "+1", "Body": "x"}) is None


KEYS = st.sampled_from(
    ["entry", "changes", "value", "statuses", "messages", "contacts", "metadata", "id", "status", "from", "type",
     "text", "body", "errors", "code", "timestamp", "user_preferences", "wa_id", "phone_number_id", "interactive",
     "profile"]
)  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | st.sampled_from(["failed", "text"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=25,
)


@given(st.dictionaries(KEYS, JSON, max_size=6) | JSON.map(lambda value: body(value if isinstance(value, dict) else {})))
def test_no_json_makes_reading_raise(content):
    for read in (whatsapp.reported_in, whatsapp.heard_in, whatsapp.preferences_in, whatsapp.numbers_in):
        list(read(content))
    whatsapp.has_news_to_act_on(content)


@given(st.binary(max_size=100) | st.text(max_size=100).map(lambda text: json.dumps({"x": text}).encode()))
def test_a_body_is_an_object_or_refused(raw):
    with contextlib.suppress(Malformed):
        assert isinstance(json_object(raw), dict)
