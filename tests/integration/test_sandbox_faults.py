"""The sandbox's dials, seen from a client's side of a real connection."""

import http.client
import json
import socket
import time
from contextlib import closing

import pytest

from sandbox.client import SandboxError
from sandbox.process import running_sandbox

MESSAGE = {"messaging_product": "whatsapp", "type": "text", "text": {"body": "Hi"}, "biz_opaque_callback_data": "m-1"}


@pytest.fixture(scope="module")
def servers():
    with running_sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(servers):
    servers.reset()
    return servers


def post(sandbox, path, body, *, token="t", timeout_s=5.0):
    host, port = sandbox.base_url.removeprefix("http://").split(":")
    with closing(http.client.HTTPConnection(host, int(port), timeout=timeout_s)) as line:
        line.request("POST", path, json.dumps(body), {"Authorization": f"Bearer {token}"})
        response = line.getresponse()
        return response.status, response.headers, response.read()


def send(sandbox, to="15550002222", *, account="111", **options):
    return post(sandbox, f"/whatsapp/v23.0/{account}/messages", {**MESSAGE, "to": to}, **options)


def test_a_message_is_accepted_and_stands_in_the_ledger(sandbox):
    before = time.time()
    status, _, body = send(sandbox)

    answer = json.loads(body)
    assert status == 200
    assert answer["contacts"] == [{"input": "15550002222", "wa_id": "15550002222"}]
    [entry] = sandbox.ledger(provider="whatsapp", to="+1 555 000 2222")
    assert sandbox.ledger(to="+15550002222") == sandbox.ledger(to="15550002222") == [entry]
    assert entry["id"] == answer["messages"][0]["id"]
    assert (entry["text"], entry["opaque"], entry["account"], entry["outcome"]) == ("Hi", "m-1", "111", "answered")
    assert before <= entry["arrived_at"] <= entry["processed_at"] <= entry["answered_at"] <= time.time()
    assert sandbox.accepted()["15550002222"]["whatsapp"]["count"] == 1
    assert sandbox.accepted(account="222") == {}
    assert sandbox.accepted(since=time.time() + 1) == {}


def test_connections_are_kept_alive_and_pipelined_requests_answered_in_order(sandbox):
    host, port = sandbox.base_url.removeprefix("http://").split(":")
    sandbox.add_rule("whatsapp", to="15550000001", median_ms=150)
    requests = b"".join(
        b"POST /whatsapp/v23.0/111/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer t\r\n"
        b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
        for body in (json.dumps({**MESSAGE, "to": f"1555000000{n}"}).encode() for n in (1, 2))
    )
    with socket.create_connection((host, int(port)), timeout=5) as line:
        line.sendall(requests)
        answers = b""
        while answers.count(b"wa_id") < 2:
            answers += line.recv(65536)

    assert answers.index(b"15550000001") < answers.index(b"15550000002")


def test_latency_is_what_was_dialled(sandbox):
    sandbox.set_dials("whatsapp", "111", median_ms=200)

    started = time.monotonic()
    send(sandbox)
    assert 0.19 < time.monotonic() - started < 0.6

    started = time.monotonic()
    send(sandbox, account="222")
    assert time.monotonic() - started < 0.19


@pytest.mark.parametrize(
    ("fault", "is_processed", "outcome"),
    [("reset", False, "reset"), ("reset_after", True, "reset"), ("drop", True, "dropped")],
)
def test_broken_connections(sandbox, fault, is_processed, outcome):
    sandbox.add_rule("whatsapp", to="15550002222", fault=fault)

    expected = http.client.RemoteDisconnected if fault == "drop" else ConnectionResetError
    with pytest.raises(expected):
        send(sandbox)

    [entry] = sandbox.ledger()
    assert (entry["processed_at"] is not None, entry["outcome"], entry["answered_at"]) == (is_processed, outcome, None)
    assert send(sandbox, to="15550003333")[0] == 200


@pytest.mark.parametrize("processes", [False, True])
def test_hanging_never_answers_and_may_have_processed(sandbox, processes):
    sandbox.add_rule("whatsapp", fault="hang", processes=processes)

    with pytest.raises(TimeoutError):
        send(sandbox, timeout_s=0.3)

    [entry] = sandbox.ledger()
    assert (entry["processed_at"] is not None, entry["outcome"]) == (processes, "hung")
    assert ("15550002222" in sandbox.accepted()) is processes


def test_a_client_that_gives_up_early_is_noted_and_was_served(sandbox):
    sandbox.set_dials("whatsapp", median_ms=500)

    with pytest.raises(TimeoutError):
        send(sandbox, timeout_s=0.1)

    sandbox.wait_for(lambda s: s.ledger()[0]["outcome"] == "client_left", timeout_s=2)
    assert sandbox.accepted()["15550002222"]["whatsapp"]["answered_count"] == 0


@pytest.mark.parametrize("fault", ["garbage", "malformed", "empty", "flood"])
def test_answers_that_cannot_be_read(sandbox, fault):
    sandbox.add_rule("whatsapp", fault=fault)

    status, _, body = send(sandbox)

    assert status == 200
    if fault == "flood":
        assert len(body) > 10_000_000
    else:
        with pytest.raises(ValueError):  # noqa: PT011 - decode errors of several kinds
            json.loads(body)
    assert sandbox.accepted()["15550002222"]["whatsapp"]["count"] == 1


@pytest.mark.parametrize("fault", ["drip_headers", "drip_body"])
def test_dripping_takes_its_time_and_ends(sandbox, fault):
    sandbox.add_rule("whatsapp", fault=fault, drip_bytes=40, drip_interval_ms=30)

    started = time.monotonic()
    status, _, body = send(sandbox)

    assert status == 200
    assert json.loads(body)["messages"]
    assert time.monotonic() - started > 0.05


def test_faults_by_share_meet_that_share(sandbox):
    sandbox.set_dials("whatsapp", fault="error", error_status=503, fault_share=0.3)

    refused = [send(sandbox)[0] for _ in range(200)].count(503)

    assert 40 <= refused <= 80


def test_errors_by_code_carry_retry_after(sandbox):
    sandbox.add_rule("whatsapp", fault="error", error_code=131016, retry_after_s=2, times=1)

    status, headers, body = send(sandbox)

    assert (status, headers["Retry-After"], json.loads(body)["error"]["code"]) == (503, "2", 131016)
    assert send(sandbox)[0] == 200


def test_rate_and_pair_limits_have_their_codes(sandbox):
    sandbox.set_dials("whatsapp", "111", rate_per_s=0.1, rate_burst=2)
    sandbox.set_dials("whatsapp", "222", pair_interval_s=60)

    codes = [send(sandbox, to=f"1555000000{n}") for n in range(3)]
    assert [status for status, _, _ in codes] == [200, 200, 429]
    assert json.loads(codes[2][2])["error"]["code"] == 130429

    pair = [send(sandbox, account="222", to=to) for to in ("15550000001", "15550000001", "15550000002")]
    assert [status for status, _, _ in pair] == [200, 400, 200]
    assert json.loads(pair[1][2])["error"]["code"] == 131056


def test_resetting_one_account_leaves_the_other(sandbox):
    for account in ("111", "222"):
        send(sandbox, account=account)

    sandbox.reset("111")

    assert [entry["account"] for entry in sandbox.ledger()] == ["222"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "dials/fax", {}),
        ("PUT", "dials/whatsapp", {"median": 1}),
        ("POST", "rules", {"dials": {"fault": "sulk"}}),
        ("POST", "inbound/whatsapp/none", {"from": "1"}),
        ("PUT", "senders/whatsapp/1", {"app_sekret": "x"}),
        ("GET", "nothing", None),
    ],
)
def test_wrong_control_requests_are_refused_with_a_reason(sandbox, method, path, body):
    with pytest.raises(SandboxError, match="error"):
        sandbox.call(method, path, body)


def test_what_is_not_http_is_refused_and_the_server_lives_on(sandbox):
    host, port = sandbox.base_url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as line:
        line.sendall(b"\x00\x01 hello\r\n\r\n")
        assert line.recv(100).startswith(b"HTTP/1.1 400")

    assert send(sandbox)[0] == 200
