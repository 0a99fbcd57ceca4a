"""What the two organizations went through: one lead of each kind that a page has to show."""

from dataclasses import dataclass
from typing import Any

from accounts.models import Role
from accounts.services import add_member
from channels_out.models import CrmSync
from leads.models import Lead
from routing.models import DeadJob
from sandbox.client import Sandbox
from swiftex.runtime.stack import Stack
from tests.acceptance.shop import Person, Shop, open_shop, somebody, until, with_crm, with_hook

PASSWORD = "correct horse battery staple"
SCRIPT = '<img src=x onerror="window.hit=1"><script>window.hit=1</script>'
FORMULA = '=HYPERLINK("http://evil.example","click")'
ANSWER = "Yes please, call me tomorrow at ten."
# Long enough to be the slowest part of the way, whatever else the machine does.
MODEL_MS = 600


@dataclass
class World:
    """A and B are the organizations; the leads are A's, but for `theirs`.

    greeted: delivered and read.  rerouted: WhatsApp refused it, so an SMS.  answered: replied, with a note of an agent.
    hostile: a script in every field.  formula: its name is one.  stopped: opted out by a word.  dead: their syncs died.
    """

    a: Shop
    b: Shop
    owner: str
    agent: str
    stranger: str
    greeted: Lead
    rerouted: Lead
    answered: Lead
    hostile: Lead
    formula: Lead
    stopped: Lead
    theirs: Lead
    dead: list[Lead]

    def person(self, lead: Lead) -> Person:
        """Whose lead it is."""
        return (self.b if lead.id == self.theirs.id else self.a).people[lead.id]


def make_world(stack: Stack, sandbox: Sandbox) -> World:
    """Both organizations as they are when everything that is under way has ended."""
    a = open_shop(stack, sandbox, crm=with_crm, notify=with_hook, sources=_sources)
    b = open_shop(stack, sandbox, organization={"name": "Bolt Cars", "timezone": "Europe/Berlin"})
    a.dial("openai", median_ms=MODEL_MS)
    a.dial("whatsapp", statuses=["sent", "delivered", "read"], status_delay_ms=50, status_gap_ms=50)
    names = {role: _member(a, role) for role in (Role.OWNER, Role.AGENT)}
    stranger, _ = _member(b, Role.VIEWER), _member(b, Role.OWNER)
    dead = _dead_letters(a)
    unreachable = somebody()
    a.rule("whatsapp", unreachable, fault="error", error_code=131026, error_status=400)
    world = World(
        a=a, b=b, owner=names[Role.OWNER], agent=names[Role.AGENT], stranger=stranger, dead=dead,
        greeted=a.submit(campaign="spring", utm={"source": "search"}, attributes={"loan": "home", "amount": 250000}),
        rerouted=a.submit(unreachable),
        answered=a.submit(message="What are your rates?"),
        hostile=_hostile(a),
        formula=a.submit(Person(FORMULA, somebody().phone, "formula@example.com")),
        stopped=a.submit(),
        theirs=b.submit(),
    )  # fmt: skip
    _let_it_end(world)
    return world


def _sources(shop: Shop) -> list[dict[str, Any]]:
    consent = {"text": "You may contact me about my request.", "version": "2026-11"}
    return [
        {"key": "website", "kind": "api"},
        {
            "key": "landing", "kind": "form", "fields": ["name", "phone", "email", "message"],
            "consent": "required", "consent_text": consent,
        },
    ]  # fmt: skip


def _member(shop: Shop, role: Role) -> str:
    username = f"{role.value}-{shop.slug}"
    add_member(
        organization_id=shop.organization_id, username=username, role=role, actor="test", password=PASSWORD,
        email=f"{username}@example.com",
    )  # fmt: skip
    return username


def _dead_letters(shop: Shop) -> list[Lead]:
    """Four leads that the CRM refuses for good, which it no longer does afterwards."""
    shop.dial("crm", fault="error", error_status=422)
    leads = [shop.submit() for _ in range(4)]
    dead = DeadJob.objects.filter(organization_id=shop.organization_id, state="dead", kind="sync_lead")
    until(lambda: dead.count() == 4, what="four dead letters")
    shop.dial("crm")
    return leads


def _hostile(shop: Shop) -> Lead:
    person = somebody()
    return shop.submit(
        Person(SCRIPT, person.phone, person.email),
        message=SCRIPT,
        campaign=SCRIPT,
        external_id=SCRIPT,
        utm={"source": SCRIPT},
        attributes={SCRIPT[:40]: SCRIPT},
    )


def _let_it_end(world: World) -> None:
    a = world.a
    leads = [world.greeted, world.rerouted, world.answered, world.hostile, world.formula, world.stopped]
    a.ended(*leads)
    a.writes(world.person(world.answered), ANSWER)
    a.writes(world.person(world.hostile), SCRIPT)
    a.writes(world.person(world.stopped), "STOP")
    world.b.ended(world.theirs)
    # The e-mail of one person with the phone of another: nobody merges the two without being asked.
    one, other = world.person(world.greeted), world.person(world.formula)
    a.submit(Person(one.name, one.phone, other.email), expect=200)
    until(lambda: a.events("message.read", world.greeted), what="the read receipt")
    until(lambda: Lead.objects.get(pk=world.answered.pk).replied_at, what="the answer in its thread")
    synced = CrmSync.objects.filter(organization_id=a.organization_id, state="synced")
    until(lambda: synced.count() >= len(leads), what="the syncs")
