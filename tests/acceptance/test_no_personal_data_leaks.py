"""What people write and what providers trust us with is in the rows made for it, and nowhere else.

Canaries go through everything that works and everything that fails; then every place that people on call, neighbours
or monitoring see is searched for them: logs, metrics, whatever went through Redis, events, jobs, problems.
"""

import base64
import contextlib
import re
import threading
import time
from collections.abc import Iterator

import pytest
import redis
import requests
from django.db import connection

from routing.models import Job
from tests.acceptance.shop import Person, Shop, open_shop, until, with_crm, with_hook

NAME, WORDS, MODEL_WORDS, REPLY = "Canarina Vogelsang", "kanarienvogel question", "zitronenfalter line", "pirol reply"
POISON = "Goldammer"
KEPT_APART = "whsec_" + base64.b64encode(b"canary-secret-of-a-webhook-00000").decode()
PHONE_START = "98112"
# Tables that hold what people wrote, or are ours alone to see; credentials must be unreadable even there.
PEOPLES_TABLES = ("leads_", "conversations_", "channels_out_", "auth_", "django_session", "django_admin_log")


def person(number: int) -> Person:
    return Person(NAME, f"+91{PHONE_START}{number:05d}", f"canarina.{number}@vogel.example")


class Traces:
    """What was seen where, as text."""

    def __init__(self) -> None:
        self.seen: dict[str, str] = {}
        self.secrets: list[str] = []

    def hits(self, place: str, needles: list[str]) -> list[str]:
        """The needles that are in a place: as they are, in hex, or inside of something in base64."""
        text = self.seen[place]
        assert text, f"nothing was seen in {place}"
        whole = text.lower() + _unpacked(text).lower()
        return [each for each in needles if each.lower() in whole or each.lower().encode().hex() in whole]


def _unpacked(text: str) -> str:
    """What Celery packs into its messages."""
    found = []
    for packed in set(re.findall(r"[A-Za-z0-9+/]{24,}={0,2}", text)):
        with contextlib.suppress(ValueError):
            found.append(base64.b64decode(packed + "=" * (-len(packed) % 4)).decode("utf-8", "replace"))
    return "\n".join(found)


@pytest.fixture(scope="module")
def traces(stack, sandbox) -> Traces:
    """Everything has happened, and every place was looked at."""
    shop = open_shop(
        stack, sandbox, crm=with_secret(with_crm, "secret"), notify=with_secret(with_hook, "webhook_secret")
    )
    traces = Traces()
    with listening_to_redis(stack) as heard:
        problems = _let_everything_happen(shop)
        failed_job, failed_request = _let_processes_fail(shop)
        until(lambda: shop.is_drained("greet_lead"), within_s=30, what="the end of all greetings")
        time.sleep(2)  # receipts, notices and syncs
    traces.seen["problems"] = "\n".join([*problems, failed_request])
    traces.seen["redis"] = "\n".join(heard) + _everything_in_redis(stack)
    logs = sorted((stack.folder / "logs").glob("*.log"))
    traces.seen["logs"] = "\n".join(path.read_text(errors="replace") for path in logs)
    traces.seen["metrics"] = shop.get("/metrics").text
    traces.seen["tables of the system"] = _rows(lambda table: not table.startswith(PEOPLES_TABLES)) + failed_job
    traces.seen["all tables"] = _rows(lambda table: True)
    traces.secrets = [
        shop.api_key, f"wa-token-{shop.slug}", f"wa-secret-{shop.slug}", f"wa-verify-{shop.slug}",
        f"sms-token-{shop.slug}", f"model-{shop.slug}", KEPT_APART,
    ]  # fmt: skip
    return traces


def with_secret(section, name: str):
    """The section of the configuration with the canary as its secret."""
    return lambda shop: section(shop) | {name: KEPT_APART}


PLACES = ["logs", "metrics", "redis", "tables of the system", "problems"]


@pytest.mark.parametrize("place", PLACES)
def test_no_name_phone_address_or_text_is_in(place, traces):
    needles = [NAME, "Canarina", "vogel.example", WORDS, MODEL_WORDS, REPLY, POISON, PHONE_START + "000"]

    assert traces.hits(place, needles) == []


@pytest.mark.parametrize("place", [*PLACES, "all tables"])
def test_no_secret_is_in(place, traces):
    assert traces.hits(place, traces.secrets) == []


def test_the_canaries_were_there_to_be_found(traces):
    assert traces.hits("all tables", [NAME, WORDS, MODEL_WORDS, REPLY, PHONE_START + "000"]) == [
        NAME, WORDS, MODEL_WORDS, REPLY, PHONE_START + "000",
    ]  # fmt: skip
    assert "lead.created" in traces.seen["tables of the system"]
    assert "greet_lead" in traces.seen["redis"]
    assert "problems/internal" in traces.seen["problems"]
    assert "IntegrityError" in traces.seen["tables of the system"]
    assert "IntegrityError" in traces.seen["logs"]


def _let_everything_happen(shop: Shop) -> list[str]:
    """Success, providers and models that fail, bad input, forged callbacks; gives the problems that were answered."""
    shop.dial("openai", text=f"What a {MODEL_WORDS}.")
    well = person(1)
    shop.ended(shop.submit(well, message=WORDS, utm={"source": "paper"}))
    shop.writes(well, REPLY)
    shop.writes(well, REPLY, by="twilio")
    moods = [
        ("whatsapp", {"fault": "error", "error_code": 131026}), ("whatsapp", {"fault": "error", "error_status": 500}),
        ("whatsapp", {"fault": "garbage"}), ("whatsapp", {"failed_code": 131026}), ("openai", {"fault": "malformed"}),
        ("openai", {"fault": "error", "error_status": 401}), ("openai", {"text": f"{MODEL_WORDS} at http://x.example"}),
        ("crm", {"fault": "error", "error_status": 500}), ("hooks", {"fault": "error", "error_status": 500}),
    ]  # fmt: skip
    leads = []
    for number, (provider, mood) in enumerate(moods, 10):
        shop.dial(provider, **mood)
        leads.append(shop.submit(person(number), message=WORDS))
        until(lambda lead=leads[-1]: shop.messages(lead), what="an intent")
        shop.dial(provider, **({"text": f"What a {MODEL_WORDS}."} if provider == "openai" else {}))
    shop.writes(well, "STOP")
    shop.sandbox.whatsapp_inbound(shop.number, well.phone, REPLY, signature="wrong")
    shop.sandbox.twilio_inbound(shop.sid, well.phone, REPLY, signature="wrong")
    return [answer.text for answer in _bad_input(shop)]


def _bad_input(shop: Shop) -> Iterator[requests.Response]:
    someone = person(90)
    wrong = (
        {"phone": f"{PHONE_START}0000000000000"}, {"email": f"{NAME} at vogel.example"}, {"name": {"x": NAME}},
        {"message": WORDS + "\x00"}, {"message": WORDS * 10_000}, {"source": NAME}, {"consent": WORDS},
        {"attributes": {"note": WORDS * 5_000}}, {"external_id": WORDS * 500}, {"utm": NAME},
    )  # fmt: skip
    for fields in wrong:
        answer = shop.post(shop.body(someone, **fields))
        assert answer.status_code == 400, (list(fields), answer.status_code)
        yield answer
    yield shop.get(f"/api/v1/leads?phone={someone.digits}&limit={WORDS}")
    yield shop.get(f"/api/v1/leads?cursor={WORDS}")
    key, body = "canary-key-of-a-request", shop.body(someone)
    assert shop.post(body, key=key).status_code == 202
    yield shop.post(body | {"message": WORDS}, key=key)


def _let_processes_fail(shop: Shop) -> tuple[str, str]:
    """A worker and a web request met an exception whose text has the whole row in it: the job's row, the answer."""
    with _poisoned("channels_out_message", "text"):
        lead = shop.submit(person(50), name=f"{POISON} Vogelsang")
        failed = until(
            lambda: shop.jobs.filter(kind="greet_lead", attempts__gt=0).exclude(failures=[]).first(),
            within_s=20,
            what="a failed job",
        )
        told = repr(Job.objects.filter(pk=failed.pk).values().first())
    with _poisoned("leads_lead", "message"):
        answer = shop.post(shop.body(person(51), message=POISON))
        assert answer.status_code == 500
    assert shop.ended(lead, within_s=60).greeting_state == "greeted"
    return told, answer.text


@contextlib.contextmanager
def _poisoned(table: str, column: str) -> Iterator[None]:
    """Inside, PostgreSQL refuses rows with the poison, with the whole row in its message."""
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} ADD CONSTRAINT poison CHECK ({column} NOT LIKE '%%{POISON}%%') NOT VALID")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT poison")


@contextlib.contextmanager
def listening_to_redis(stack) -> Iterator[list[str]]:
    """Every command that any process gives Redis meanwhile, messages of Celery among them."""
    heard: list[str] = []
    client = redis.Redis.from_url(stack.env["REDIS_URL"])
    ended = threading.Event()

    def listen() -> None:
        with contextlib.suppress(redis.RedisError, OSError, ValueError), client.monitor() as monitor:
            for command in monitor.listen():
                heard.append(command["command"])
                if ended.is_set():
                    return

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    try:
        yield heard
    finally:
        ended.set()
        client.ping()
        thread.join(5)


def _everything_in_redis(stack) -> str:
    base = stack.env["REDIS_URL"].rpartition("/")[0]
    found = []
    for database in (0, 1):
        client = redis.Redis.from_url(f"{base}/{database}")
        readers = {
            b"string": client.get, b"hash": client.hgetall, b"set": client.smembers,
            b"list": lambda key, client=client: client.lrange(key, 0, -1),
            b"zset": lambda key, client=client: client.zrange(key, 0, -1),
        }  # fmt: skip
        for key in client.scan_iter():
            read = readers.get(client.type(key))
            found.append(f"{key!r} {read(key) if read else ''!r}")
    return "\n".join(found)


def _rows(is_searched) -> str:
    with connection.cursor() as cursor:
        found = []
        for table in filter(is_searched, connection.introspection.table_names(cursor)):
            cursor.execute(f'SELECT t::text FROM "{table}" AS t')
            found.extend(row for (row,) in cursor.fetchall())
    return "\n".join(found)
