"""A shop: an organization of its own on the shared stack, with accounts of its own at the sandbox."""

import itertools
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import requests
import yaml

from channels_out.models import Attempt, Message
from leads.models import Lead
from routing.models import Event, Job
from sandbox.client import Sandbox
from swiftex.configuration import apply_text
from swiftex.ids import parse_public_id
from swiftex.runtime.stack import Stack

BODY = "Hi {{first_name}}, thank you for your enquiry. {{ai_line}} Reply here and we will help."
FALLBACK = "We will be right with you. When is a good time to talk?"
OPEN = ["waiting", "dispatched", "running"]
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Person:
    """Somebody who never wrote to anybody before."""

    name: str
    phone: str
    email: str

    @property
    def digits(self) -> str:
        """The phone number as the sandbox's ledger has it."""
        return self.phone.lstrip("+")


def somebody() -> Person:
    """A new person, the only one with this phone and this address."""
    number = next(_numbers)
    return Person(name=f"Asha {number}", phone=f"+9198{number:08d}", email=f"asha{number}@example.com")


def until(question: Callable[[], Any], *, within_s: float = 20, every_s: float = 0.05, what: str = "it") -> Any:
    """The first truthy answer; fails when there is none in time."""
    deadline = time.monotonic() + within_s
    while not (answer := question()):
        assert time.monotonic() < deadline, f"{what} did not happen within {within_s} s"
        time.sleep(every_s)
    return answer


@dataclass
class Shop:
    """What a test does as an organization, as its customers and as its providers."""

    stack: Stack
    sandbox: Sandbox
    organization_id: UUID
    slug: str
    api_key: str
    number: str
    sid: str
    people: dict[UUID, Person] = field(default_factory=dict)

    # --- customers

    def body(self, person: Person, **fields: Any) -> dict[str, Any]:
        """What the website would send for this person; a field that is None is left out."""
        whole = {"source": "website", "name": person.name, "phone": person.phone, "email": person.email, **fields}
        return {name: value for name, value in whole.items() if value is not None}

    def post(
        self, body: Any, *, key: str | None = None, path: str = "/api/v1/leads", timeout_s: float = 10
    ) -> requests.Response:
        """The answer to one request, tried once."""
        headers = {"Authorization": f"Bearer {self.api_key}"} | ({"Idempotency-Key": key} if key else {})
        with requests.Session() as session:
            session.trust_env = False
            return session.post(f"{self.stack.base_url}{path}", json=body, headers=headers, timeout=timeout_s)

    def get(self, path: str) -> requests.Response:
        """The answer of the API."""
        with requests.Session() as session:
            session.trust_env = False
            headers = {"Authorization": f"Bearer {self.api_key}"}
            return session.get(f"{self.stack.base_url}{path}", headers=headers, timeout=10)

    def submit(self, person: Person | None = None, *, expect: int = 202, **fields: Any) -> Lead:
        """The captured lead, asserted to be new (or, with expect=200, a repetition of that one)."""
        person = person or somebody()
        answer = self.post(self.body(person, **fields))
        assert answer.status_code == expect, answer.text
        lead = Lead.objects.get(pk=parse_public_id("lead", answer.json()["id"]))
        self.people[lead.id] = person
        return lead

    def submit_many(self, count: int, *, at_once: int = 10, **fields: Any) -> list[Person]:
        """Leads of so many new people are captured, several at a time."""
        people = [somebody() for _ in range(count)]
        with ThreadPoolExecutor(at_once) as pool:
            answers = list(pool.map(lambda person: self.post(self.body(person, **fields)), people))
        assert [answer.status_code for answer in answers] == [202] * count
        return people

    def writes(self, person: Person, text: str, *, by: str = "whatsapp", **more: Any) -> list[dict[str, Any]]:
        """The person wrote, and the callback was answered with 2xx."""
        if by == "whatsapp":
            posts = self.sandbox.whatsapp_inbound(self.number, person.phone, text, **more)
        else:
            posts = self.sandbox.twilio_inbound(self.sid, person.phone, text, **more)
        assert all(200 <= post["status"] < 300 for post in posts), posts
        return posts

    # --- providers

    def dial(self, provider: str, **dials: Any) -> None:
        """This shop's account of a provider (openai, whatsapp, twilio, crm, hooks) behaves so."""
        self.sandbox.set_dials(provider, self._account(provider), **dials)

    def rule(self, provider: str, person: Person | None = None, **more: Any) -> str:
        """One person's messages, or those that `more` matches, meet these dials."""
        to = {"to": person.phone} if person else {}
        return self.sandbox.add_rule(provider, account=self._account(provider), **to, **more)

    def _account(self, provider: str) -> str:
        own = {"openai": f"model-{self.slug}", "whatsapp": self.number, "twilio": self.sid}
        return own.get(provider, self.slug)

    def requests_to(self, provider: str, person: Person | None = None) -> list[dict[str, Any]]:
        """What the provider was asked by this shop, in order."""
        to = {"to": person.digits} if person else {}
        return self.sandbox.ledger(provider=provider, account=self._account(provider), **to)

    def received(self, person: Person) -> dict[str, int]:
        """How many messages reached the person, by provider; what nobody sent is left out."""
        return self.deliveries().get(person.digits, {})

    def deliveries(self) -> dict[str, dict[str, int]]:
        """How many messages each recipient got, by provider."""
        counts: dict[str, dict[str, int]] = {}
        for account in (self.number, self.sid):
            for digits, providers in self.sandbox.accepted(account=account).items():
                for provider, seen in providers.items():
                    counts.setdefault(digits, {})[provider] = seen["count"]
        return counts

    # --- what Swiftex knows

    @property
    def leads(self) -> Any:
        """All leads of the shop."""
        return Lead.objects.filter(organization_id=self.organization_id)

    @property
    def jobs(self) -> Any:
        """All jobs of the shop that have not ended, or are dead."""
        return Job.objects.filter(organization_id=self.organization_id)

    def messages(self, lead: Lead | None = None, *, direction: str = "out") -> list[Message]:
        """Messages of the shop, or of one lead, oldest first."""
        found = Message.objects.filter(organization_id=self.organization_id, direction=direction).order_by("id")
        return list(found.filter(lead_id=lead.id) if lead else found)

    def attempts(self, lead: Lead) -> list[tuple[str, str]]:
        """(channel, state) of every call that was made for the lead's messages, in order."""
        found = Attempt.objects.filter(message__lead_id=lead.id).order_by("message_id", "number")
        return list(found.values_list("channel__name", "state"))

    def events(self, type_: str, lead: Lead | None = None) -> list[dict[str, Any]]:
        """The data of the shop's events of a type, oldest first."""
        found = Event.objects.filter(organization_id=self.organization_id, type=type_).order_by("id")
        return [event.data for event in (found.filter(correlation_id=lead.id) if lead else found)]

    def states(self) -> Counter[str]:
        """How many leads stand where with their first message."""
        return Counter(self.leads.values_list("greeting_state", flat=True))

    # --- waiting

    def ended(self, *leads: Lead, within_s: float = 20) -> Lead | list[Lead]:
        """The leads as they are when none has its first message pending; one lead for one."""
        ids = [lead.id for lead in leads]
        until(
            lambda: not self.leads.filter(pk__in=ids, greeting_state="pending").exists(),
            within_s=within_s,
            what=f"an end of {len(ids)} leads",
        )
        found = {lead.id: lead for lead in self.leads.filter(pk__in=ids)}
        return found[ids[0]] if len(ids) == 1 else [found[id_] for id_ in ids]

    def all_ended(self, count: int, *, within_s: float = 20) -> Counter[str]:
        """The states of so many leads once none of them is pending and no message is under way."""
        until(
            lambda: self.states().total() == count and not self.states()["pending"] and self.is_drained(),
            within_s=within_s,
            what=f"an end of all of {count} leads",
        )
        return self.states()

    def is_drained(self, *kinds: str) -> bool:
        """True when none of these jobs is open; without kinds, none that sends."""
        sending = kinds or ("greet_lead", "deliver_next", "settle_message")
        return not self.jobs.filter(kind__in=sending, state__in=OPEN).exists()


def assert_reached_once(shop: Shop, people: Iterable[Person]) -> None:
    """Nobody got two messages over one channel, and everybody got one over some channel."""
    deliveries = shop.deliveries()
    twice = {digits: by for digits, by in deliveries.items() if max(by.values()) > 1}
    unreached = [person.digits for person in people if person.digits not in deliveries]
    assert (twice, unreached) == ({}, [])


def open_shop(stack: Stack, sandbox: Sandbox, **changes: Any) -> Shop:
    """A new organization, configured from a file as any other; `changes` replace or complete its sections."""
    slug = f"shop-{uuid.uuid4().hex[:10]}"
    number, sid = str(uuid.uuid4().int % 10**12), f"AC{uuid.uuid4().hex}"
    shop = Shop(
        stack=stack,
        sandbox=sandbox,
        organization_id=uuid.UUID(int=0),
        slug=slug,
        api_key=f"swx_test_{slug}_{'k' * 32}",
        number=number,
        sid=sid,
    )
    applied = apply_text(yaml.safe_dump(configuration(shop, **changes)), {}, actor="test")
    shop.organization_id = applied.organization_id
    base = stack.base_url
    template = {"name": "lead_hello", "language": "en_US", "parameters": ["first_name", "ai_line"], "body": BODY}
    sandbox.whatsapp_sender(
        number, callback_url=f"{base}/webhooks/whatsapp/{slug}.wa-main", app_secret=f"wa-secret-{slug}",
        access_token=f"wa-token-{slug}", waba_id=f"9{number}", templates=[template],
    )  # fmt: skip
    sandbox.twilio_sender(
        sid, callback_url=f"{base}/webhooks/twilio/{slug}.sms-main/sms", auth_token=f"sms-token-{slug}",
        from_number="+15550009999",
    )  # fmt: skip
    return shop


def configuration(shop: Shop, **changes: Any) -> dict[str, Any]:
    """The shop's configuration file; a change that is a mapping is laid over its section; a function makes one."""
    whole = _configuration(shop)
    for section, given in changes.items():
        change = given(shop) if callable(given) else given
        merged = isinstance(change, dict) and isinstance(whole.get(section), dict)
        whole[section] = {**whole[section], **change} if merged else change
    return {section: value for section, value in whole.items() if value is not None}


def with_crm(shop: Shop) -> dict[str, Any]:
    """The section that syncs the shop's leads to the sandbox's CRM."""
    return {"kind": "http", "base_url": shop.sandbox.crm_url(shop.slug), "secret": "whsec_" + "A" * 32}


def with_hook(shop: Shop) -> dict[str, Any]:
    """The section that tells the sandbox's webhook of news."""
    return {"webhook_url": shop.sandbox.hook_url(shop.slug), "webhook_secret": "whsec_" + "A" * 32}


def _configuration(shop: Shop) -> dict[str, Any]:
    return {
        "organization": {
            "slug": shop.slug, "name": "Acme Loans", "timezone": "Asia/Kolkata", "default_region": "IN",
            "first_message_budget_ms": 2000, "duplicate_window_days": 30,
        },
        "api_keys": [{"name": "website", "key": shop.api_key, "scopes": ["*"]}],
        "llm": {
            "provider": "openai", "base_url": shop.sandbox.openai_url, "api_key": f"model-{shop.slug}",
            "model": "test-1", "timeout_ms": 1000,
        },
        "channels": _channels(shop),
        "templates": [
            {
                "name": "lead_hello", "kind": "whatsapp_cloud", "language": "en_US", "category": "utility",
                "parameter_format": "named", "parameters": ["first_name", "ai_line"], "body": BODY,
            }
        ],
        "greeting": {
            "channels": ["wa-main", "sms-main"], "template": "lead_hello", "prompt": "Write one warm sentence.",
            "fallback_text": FALLBACK, "unknown_wait_s": 2,
        },
        "sources": [
            {"key": "website", "kind": "api"},
            {"key": "partner", "kind": "partner"},
            {"key": "newsletter", "kind": "partner"},
            {"key": "again", "kind": "partner", "duplicate_window_days": 0},
        ],
    }  # fmt: skip


def _channels(shop: Shop) -> Sequence[dict[str, Any]]:
    return [
        {
            "name": "wa-main", "kind": "whatsapp_cloud", "base_url": shop.sandbox.whatsapp_url, "api_version": "v23.0",
            "phone_number_id": shop.number, "waba_id": f"9{shop.number}", "display_phone_number": "+15550001111",
            "access_token": f"wa-token-{shop.slug}", "app_secret": f"wa-secret-{shop.slug}",
            "verify_token": f"wa-verify-{shop.slug}", "messages_per_second": 1000,
        },
        {
            "name": "sms-main", "kind": "twilio_sms", "base_url": shop.sandbox.twilio_url, "account_sid": shop.sid,
            "auth_token": f"sms-token-{shop.slug}", "from_number": "+15550009999", "messages_per_second": 1000,
        },
    ]  # fmt: skip
