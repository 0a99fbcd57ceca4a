"""Signatures: against the vectors of the providers and of the Standard Webhooks specification."""

import base64

import pytest
from django.http import QueryDict

from channels_out.callbacks.signatures import is_metas, is_token, is_twilios
from channels_out.webhooks.signing import BadSecret, signed_headers

SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"
BODY = b'{"type":"lead.created","timestamp":"2026-01-01T00:00:00Z","data":{"id":"1"}}'


def test_a_standard_webhook_is_signed_as_in_the_vector():
    headers = signed_headers(secrets=[SECRET], webhook_id="msg_1", timestamp_s=1767225600, body=BODY)

    assert headers == {
        "webhook-id": "msg_1", "webhook-timestamp": "1767225600",
        "webhook-signature": "v1,7N/AxmoxG7YctcgS8vY0LanAptn41qWs0TwLi8rcYeE=",
    }  # fmt: skip


def test_during_rotation_both_secrets_sign():
    other = "whsec_" + base64.b64encode(b"x" * 24).decode()

    signature = signed_headers(secrets=[SECRET, other], webhook_id="m", timestamp_s=1, body=b"")["webhook-signature"]

    assert [part[:3] for part in signature.split(" ")] == ["v1,", "v1,"]


def test_what_can_not_be_signed_is_refused():
    with pytest.raises(BadSecret):
        signed_headers(secrets=["whsec_!"], webhook_id="m", timestamp_s=1, body=b"")
    with pytest.raises(ValueError, match="dot"):
        signed_headers(secrets=[SECRET], webhook_id="m.1", timestamp_s=1, body=b"")


def test_metas_signature_as_in_the_vector():
    body = b'{"object":"whatsapp_business_account","entry":[]}'
    right = "sha256=0ca28c0f1996234eb6829e59ad3c11a18161f6eb043943d601e420c312432cdf"

    assert is_metas(body, right, ["app-secret-1"])
    assert is_metas(body, right, ["other", "app-secret-1"])
    assert not is_metas(body, right.upper(), ["app-secret-1"])
    assert not is_metas(body, right, [])
    assert not is_metas(body + b" ", right, ["app-secret-1"])
    assert not is_metas(body, "sha256=\u00e9", ["app-secret-1"])


def test_twilios_signature_as_in_the_vector():
    form = QueryDict("MessageSid=SM0123&From=%2B15005550006&To=%2B15005550001&Body=Hi+%26+bye&NumMedia=0&FromCity=")
    url = "https://hooks.example.test/twilio/sms?tenant=acme"

    assert is_twilios(url, form, "rbvdWB/nmJ//MiHuAcfZfMfjXHI=", ["auth-token-1"])
    assert not is_twilios(url, form, "rbvdWB/nmJ//MiHuAcfZfMfjXHI=", ["auth-token-2"])
    assert not is_twilios(url.replace("acme", "other"), form, "rbvdWB/nmJ//MiHuAcfZfMfjXHI=", ["auth-token-1"])
    assert not is_twilios(url, form, "", ["auth-token-1"])


def test_a_token_that_is_not_configured_never_fits():
    assert is_token("a", "a")
    assert not is_token("", "")
    assert not is_token("a", "")
