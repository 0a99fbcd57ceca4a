"""Each provider's stand-in over real HTTP: what it takes, what it refuses, what it posts back and how it is signed."""

import base64
import http.client
import json
import threading
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlencode

import pytest
from twilio.request_validator import RequestValidator

from sandbox.process import running_sandbox
from sandbox.signatures import meta_signature, standard_webhook_signature

TEMPLATE = {
    "name": "lead_hello",
    "language": "en_US",
    "parameters": ["first_name", "ai_line"],
    "body": "Hi {{first_name}}. {{ai_line}} Bye.",
}


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append((self.path, dict(self.headers), body, self.client_address))
        status = self.server.statuses.pop(0) if self.server.statuses else 200
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments):
        pass


@contextmanager
def running_product():
    """Stands for the product: remembers what is posted to it, answers 200 or the statuses put in first."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    server.received, server.statuses, server.daemon_threads = [], [], True
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def servers():
    with running_sandbox() as sandbox, running_product() as product:
        yield sandbox, product


@pytest.fixture
def sandbox(servers):
    sandbox, product = servers
    sandbox.reset()
    sandbox.whatsapp_sender(
        "111",
        callback_url=f"{product.url}/webhooks/whatsapp/acme.wa-main",
        app_secret="app-secret",
        access_token="wa-token",
        waba_id="444",
        templates=[TEMPLATE],
    )
    sandbox.twilio_sender(
        "AC1",
        callback_url=f"{product.url}/webhooks/twilio/acme.sms/sms",
        auth_token="tw-token",
        from_number="+15550009999",
    )
    return sandbox


@pytest.fixture
def product(servers):
    product = servers[1]
    product.received.clear()
    product.statuses.clear()
    return product


def call(sandbox, method, path, body=None, headers=None):
    host, port = sandbox.base_url.removeprefix("http://").split(":")
    with closing(http.client.HTTPConnection(host, int(port), timeout=5)) as line:
        line.request(method, path, body, headers or {})
        response = line.getresponse()
        return response.status, json.loads(response.read() or "null")


def whatsapp(sandbox, message, *, token="wa-token"):
    body = {"messaging_product": "whatsapp", "to": "+15550002222", "biz_opaque_callback_data": "m-1", **message}
    headers = {"Authorization": f"Bearer {token}"}
    return call(sandbox, "POST", "/whatsapp/v23.0/111/messages", json.dumps(body), headers)


def hello(line="We saw it."):
    values = [("first_name", "Zoë"), ("ai_line", line)]
    parameters = [{"type": "text", "parameter_name": name, "text": text} for name, text in values]
    components = [{"type": "body", "parameters": parameters}]
    return {
        "type": "template",
        "template": {"name": "lead_hello", "language": {"code": "en_US"}, "components": components},
    }


def basic(user="AC1", password="tw-token"):
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def sms(sandbox, *, headers=None, **fields):
    form = {"To": "+15550002222", "From": "+15550009999", "Body": "Hi", **fields}
    path = "/twilio/2010-04-01/Accounts/AC1/Messages.json"
    return call(sandbox, "POST", path, urlencode(form), headers or basic())


def received(sandbox, product, count):
    return sandbox.wait_for(lambda _: len(product.received) >= count and list(product.received), timeout_s=5)


# WhatsApp


@pytest.mark.parametrize(
    ("message", "token", "status", "code"),
    [
        (hello(), "old-token", 401, 190),
        (hello("a\nb"), "wa-token", 400, 132008),
        ({"type": "text", "text": {"body": "Hi"}}, "wa-token", 400, 131047),
        ({"type": "template", "template": {"name": "x", "language": {"code": "en"}}}, "wa-token", 400, 132001),
    ],
)
def test_whatsapp_refuses_in_graph_words(sandbox, product, message, token, status, code):
    answered, answer = whatsapp(sandbox, message, token=token)

    assert (answered, answer["error"]["code"], answer["error"]["type"]) == (status, code, "OAuthException")
    assert sandbox.accepted() == {}
    assert product.received == []


def test_whatsapp_posts_signed_receipts_over_one_connection(sandbox, product):
    sandbox.set_dials("whatsapp", "111", statuses=["sent", "delivered", "read"], status_delay_ms=50, status_gap_ms=50)

    _, answer = whatsapp(sandbox, hello())

    posts = received(sandbox, product, 3)
    assert {path for path, _, _, _ in posts} == {"/webhooks/whatsapp/acme.wa-main"}
    assert len({client for _, _, _, client in posts}) == 1
    assert all(headers["X-Hub-Signature-256"] == meta_signature("app-secret", body) for _, headers, body, _ in posts)
    statuses = [json.loads(body)["entry"][0]["changes"][0]["value"]["statuses"][0] for _, _, body, _ in posts]
    assert [status["status"] for status in statuses] == ["sent", "delivered", "read"]
    assert {(status["id"], status["biz_opaque_callback_data"]) for status in statuses} == {
        (answer["messages"][0]["id"], "m-1")
    }
    assert [entry["text"] for entry in sandbox.ledger(kind="message")] == ["Hi Zoë. We saw it. Bye."]


def test_whatsapp_fails_by_receipt_after_a_200(sandbox, product):
    sandbox.add_rule("whatsapp", account="111", to="15550002222", failed_code=131026, status_delay_ms=0)

    assert whatsapp(sandbox, hello())[0] == 200

    [(_, _, body, _)] = received(sandbox, product, 1)
    [failed] = json.loads(body)["entry"][0]["changes"][0]["value"]["statuses"]
    assert (failed["status"], failed["errors"][0]["code"]) == ("failed", 131026)


def test_receipts_can_be_doubled_and_come_before_the_answer(sandbox, product):
    sandbox.set_dials(
        "whatsapp", median_ms=400, statuses=["sent"], status_copies=3, status_before_answer=True, status_gap_ms=0
    )

    whatsapp(sandbox, hello())

    assert len(product.received) == 3
    [entry] = sandbox.ledger(kind="message")
    assert all(post["answered_at"] < entry["answered_at"] for post in sandbox.callbacks(kind="sent"))


@pytest.mark.parametrize("signature", ["wrong", "missing"])
def test_receipts_can_carry_a_bad_signature(sandbox, product, signature):
    sandbox.set_dials("whatsapp", statuses=["sent"], status_signature=signature, status_delay_ms=0)

    whatsapp(sandbox, hello())

    [(_, headers, body, _)] = received(sandbox, product, 1)
    assert headers.get("X-Hub-Signature-256") != meta_signature("app-secret", body)


def test_whatsapp_posts_again_until_it_hears_200(sandbox, product):
    product.statuses += [503]
    sandbox.set_dials("whatsapp", statuses=["sent"], status_delay_ms=0)

    whatsapp(sandbox, hello())

    posts = received(sandbox, product, 2)
    assert posts[0][2] == posts[1][2]
    [post] = sandbox.wait_for(lambda s: [post for post in s.callbacks() if post["status"] == 200], timeout_s=3)
    assert post["tries"] == 2


def test_a_person_writes_on_whatsapp_which_opens_the_window(sandbox, product):
    [answer] = sandbox.whatsapp_inbound("111", "+1 555 000 2222", "Grüße / STOP", copies=1)

    [(_, headers, body, _)] = product.received
    assert answer["status"] == 200
    assert b"Gr\\u00fc\\u00dfe \\/ STOP" in body
    assert headers["X-Hub-Signature-256"] == meta_signature("app-secret", body)
    value = json.loads(body)["entry"][0]["changes"][0]["value"]
    assert value["metadata"]["phone_number_id"] == "111"
    assert value["messages"][0]["from"] == value["contacts"][0]["wa_id"] == "15550002222"
    assert whatsapp(sandbox, {"type": "text", "text": {"body": "Hi"}})[0] == 200


def test_a_dialled_reply_follows_the_message(sandbox, product):
    sandbox.add_rule("whatsapp", to="15550002222", statuses=[], reply_text="STOP", reply_delay_ms=50)

    whatsapp(sandbox, hello())

    [(_, _, body, _)] = received(sandbox, product, 1)
    assert json.loads(body)["entry"][0]["changes"][0]["value"]["messages"][0]["text"]["body"] == "STOP"


def test_any_body_and_any_receipt_can_be_posted(sandbox, product):
    sandbox.set_dials("whatsapp", statuses=[])
    _, answer = whatsapp(sandbox, hello())

    sandbox.receipt("whatsapp", "111", answer["messages"][0]["id"], "failed", code=131049, copies=2)
    sandbox.callback("whatsapp", "111", payload={"object": "whatsapp_business_account", "entry": []})
    sandbox.callback("whatsapp", "111", raw="{not json")

    assert [body for _, _, body, _ in product.received][2:] == [
        b'{"object":"whatsapp_business_account","entry":[]}',
        b"{not json",
    ]
    assert b"131049" in product.received[0][2]


def test_marketing_to_a_us_number_is_taken_and_not_delivered(sandbox, product):
    sandbox.whatsapp_sender(
        "111", callback_url=product.url, app_secret="s", templates=[{**TEMPLATE, "category": "MARKETING"}]
    )
    sandbox.set_dials("whatsapp", status_delay_ms=0)

    assert whatsapp(sandbox, hello())[0] == 200

    assert b"131049" in received(sandbox, product, 1)[0][2]


def test_what_a_channel_check_reads_from_graph(sandbox):
    headers = {"Authorization": "Bearer wa-token"}

    status, number = call(sandbox, "GET", "/whatsapp/v23.0/111", headers=headers)
    assert (status, number["id"], number["code_verification_status"]) == (200, "111", "VERIFIED")
    path = "/whatsapp/v23.0/444/message_templates?name=lead_hello"
    status, templates = call(sandbox, "GET", path, headers=headers)
    assert [(item["name"], item["status"]) for item in templates["data"]] == [("lead_hello", "APPROVED")]
    assert templates["data"][0]["components"][0]["text"] == TEMPLATE["body"]
    assert call(sandbox, "GET", "/whatsapp/v23.0/111", headers={"Authorization": "Bearer x"})[0] == 401
    for token, is_valid in (("wa-token", True), ("x", False)):
        _, facts = call(sandbox, "GET", f"/whatsapp/v23.0/debug_token?input_token={token}", headers=headers)
        assert facts["data"]["is_valid"] is is_valid


# Twilio


def test_twilio_answers_201_and_reports_to_the_status_callback(sandbox, product):
    sandbox.set_dials("twilio", status_delay_ms=0, status_gap_ms=30)
    url = f"{product.url}/webhooks/twilio/acme.sms/status?attempt=a-1"

    status, answer = sms(sandbox, StatusCallback=url)

    assert (status, answer["status"], answer["account_sid"]) == (201, "queued", "AC1")
    posts = received(sandbox, product, 2)
    for path, headers, body, _ in posts:
        form = dict(parse_qsl(body.decode(), keep_blank_values=True))
        assert path == "/webhooks/twilio/acme.sms/status?attempt=a-1"
        assert RequestValidator("tw-token").validate(url, form, headers["X-Twilio-Signature"])
        assert form["MessageSid"] == answer["sid"]
    path = f"/twilio/2010-04-01/Accounts/AC1/Messages/{answer['sid']}.json"
    assert call(sandbox, "GET", path, headers=basic())[1]["status"] == "delivered"


@pytest.mark.parametrize(
    ("fields", "headers", "status", "code"),
    [
        ({}, basic(password="old"), 401, 20003),
        ({}, basic(user="AC2"), 401, 20003),
        ({"To": "12"}, None, 400, 21211),
        ({"Body": "x" * 1601}, None, 400, 21617),
    ],
)
def test_twilio_refuses_in_its_own_words(sandbox, fields, headers, status, code):
    answered, answer = sms(sandbox, headers=headers, **fields)

    assert (answered, answer["code"], answer["status"]) == (status, code, status)
    assert sandbox.accepted() == {}


def test_a_message_can_be_looked_up_after_a_lost_answer(sandbox):
    sandbox.add_rule("twilio", to="+15550002222", fault="drop")
    with pytest.raises(http.client.RemoteDisconnected):
        sms(sandbox)

    path = "/twilio/2010-04-01/Accounts/AC1/Messages.json?To=%2B15550002222&DateSent%3E=2020-01-01"
    _, found = call(sandbox, "GET", path, headers=basic())
    _, later = call(sandbox, "GET", path.replace("2020", "2120"), headers=basic())

    assert [message["body"] for message in found["messages"]] == ["Hi"]
    assert later["messages"] == []


def test_an_sms_with_stop_blocks_the_pair_as_twilio_does(sandbox, product):
    [answer] = sandbox.twilio_inbound("AC1", "+15550002222", " stop ")

    _, headers, body, _ = product.received[0]
    form = dict(parse_qsl(body.decode(), keep_blank_values=True))
    assert answer["status"] == 200
    url = f"{product.url}/webhooks/twilio/acme.sms/sms"
    assert RequestValidator("tw-token").validate(url, form, headers["X-Twilio-Signature"])
    assert (form["From"], form["To"], form["Body"], form["FromCity"]) == ("+15550002222", "+15550009999", " stop ", "")
    assert sms(sandbox)[1]["code"] == 21610
    sandbox.twilio_inbound("AC1", "+15550002222", "START")
    assert sms(sandbox)[0] == 201


def test_what_a_channel_check_reads_from_twilio(sandbox):
    base = "/twilio/2010-04-01/Accounts/AC1"

    assert call(sandbox, "GET", f"{base}.json", headers=basic())[1]["status"] == "active"
    assert call(sandbox, "GET", f"{base}.json", headers=basic(password="x"))[1]["code"] == 20003
    path = f"{base}/IncomingPhoneNumbers.json?PhoneNumber="
    assert len(call(sandbox, "GET", path + "%2B15550009999", headers=basic())[1]["incoming_phone_numbers"]) == 1
    assert call(sandbox, "GET", path + "%2B1555", headers=basic())[1]["incoming_phone_numbers"] == []


# Models, CRM


def test_openai_shapes(sandbox):
    body = {
        "model": "m",
        "messages": [{"role": "system", "content": "x"}, {"role": "user", "content": "message: a car"}],
    }
    path, headers = "/openai/v1/chat/completions", {"Authorization": "Bearer sk-1"}

    status, answer = call(sandbox, "POST", path, json.dumps(body), headers)
    assert (status, answer["object"], answer["choices"][0]["finish_reason"]) == (200, "chat.completion", "stop")
    assert "car loan" in answer["choices"][0]["message"]["content"]
    assert call(sandbox, "POST", path, json.dumps(body))[1]["error"]["code"] == "invalid_api_key"
    sandbox.add_rule("openai", account="sk-1", contains="a car", times=1, fault="error", error_code=1)
    assert call(sandbox, "POST", path, json.dumps(body), headers)[1]["error"]["code"] == "insufficient_quota"
    sandbox.add_rule("openai", account="sk-1", text="cut o", finish_reason="length")
    answer = call(sandbox, "POST", path, json.dumps(body), headers)[1]
    assert (answer["choices"][0]["message"]["content"], answer["choices"][0]["finish_reason"]) == ("cut o", "length")


def test_anthropic_shapes(sandbox):
    body = {"model": "m", "max_tokens": 50, "system": "x", "messages": [{"role": "user", "content": "message: solar"}]}
    path, headers = "/anthropic/v1/messages", {"x-api-key": "k", "anthropic-version": "2023-06-01"}

    status, answer = call(sandbox, "POST", path, json.dumps(body), headers)
    assert (status, answer["type"], answer["stop_reason"]) == (200, "message", "end_turn")
    assert "solar" in answer["content"][0]["text"]
    sandbox.set_dials("anthropic", fault="error")
    status, answer = call(sandbox, "POST", path, json.dumps(body), headers)
    assert (status, answer["error"]["type"]) == (529, "overloaded_error")


def test_crm_takes_signed_json(sandbox):
    sandbox.crm_secret("acme", "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX")
    body = json.dumps({"type": "lead.created", "data": {"lead_id": "lead_1"}})
    signature = standard_webhook_signature("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX", "e1", "1767225600", body.encode())
    headers = {"webhook-id": "e1", "webhook-timestamp": "1767225600", "webhook-signature": signature}

    assert call(sandbox, "POST", "/crm/acme/leads", body, headers)[0] == 201
    assert call(sandbox, "POST", "/crm/acme/leads", body)[0] == 201
    assert call(sandbox, "POST", "/hooks/sales", body)[0] == 201

    entries = sandbox.ledger(provider="crm", to="lead_1")
    assert [(entry["signature_ok"], entry["opaque"]) for entry in entries] == [(True, "e1"), (False, None)]
    assert [entry["account"] for entry in sandbox.ledger(provider="hooks")] == ["sales"]
