"""The signature vectors of the providers, computed outside this project or by their own SDKs."""

import pytest
from twilio.request_validator import RequestValidator

from sandbox.signatures import (
    json_post_is_signed,
    meta_bytes,
    meta_signature,
    standard_webhook_signature,
    twilio_signature,
)

TWILIO_URL = "https://hooks.example.test/twilio/sms?tenant=acme"
TWILIO_FORM = [
    ("MessageSid", "SM0123"),
    ("From", "+15005550006"),
    ("To", "+15005550001"),
    ("Body", "Hi & bye"),
    ("NumMedia", "0"),
    ("FromCity", ""),
]


def test_meta_signature_is_that_of_the_vector():
    body = b'{"object":"whatsapp_business_account","entry":[]}'

    assert (
        meta_signature("app-secret-1", body)
        == "sha256=0ca28c0f1996234eb6829e59ad3c11a18161f6eb043943d601e420c312432cdf"
    )


def test_meta_bytes_escape_non_ascii_and_slashes():
    assert meta_bytes({"body": "Hé /x 😀"}) == b'{"body":"H\\u00e9 \\/x \\ud83d\\ude00"}'


def test_twilio_signature_is_that_of_the_vector():
    assert twilio_signature("auth-token-1", TWILIO_URL, TWILIO_FORM) == "rbvdWB/nmJ//MiHuAcfZfMfjXHI="


@pytest.mark.parametrize("form", [TWILIO_FORM, [*TWILIO_FORM, ("Zeta", "ü"), ("alpha", "1")], []])
def test_twilio_signature_satisfies_the_sdk(form):
    signature = twilio_signature("auth-token-1", TWILIO_URL, form)

    assert RequestValidator("auth-token-1").validate(TWILIO_URL, dict(form), signature)


def test_standard_webhook_signature_is_that_of_the_vector():
    secret = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"
    body = b'{"type":"lead.created","timestamp":"2026-01-01T00:00:00Z","data":{"id":"1"}}'
    expected = "v1,7N/AxmoxG7YctcgS8vY0LanAptn41qWs0TwLi8rcYeE="

    assert standard_webhook_signature(secret, "msg_1", "1767225600", body) == expected
    headers = {"webhook-id": "msg_1", "webhook-timestamp": "1767225600", "webhook-signature": f"v1,old= {expected}"}
    assert json_post_is_signed(secret, headers, body)
    assert not json_post_is_signed(secret, headers, body + b" ")
    assert not json_post_is_signed(secret, {}, body)
