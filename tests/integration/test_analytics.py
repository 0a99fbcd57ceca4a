"""The fold on a real log: exactly once, in commit order, and the same when built anew."""

import threading
from datetime import UTC, datetime, timedelta
from time import monotonic
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.test import Client

from accounts import services as accounts_services
from accounts.models import Organization
from accounts.selectors import forget_cached_organizations
from analytics import services
from analytics.models import LeadFact, LeadStat
from routing.event_log import BEGINNING, lock_position, settled_after
from routing.events import NewEvent, record
from routing.followers import all_followers, fold_once
from routing.models import Event, FollowerPosition

pytestmark = pytest.mark.django_db(transaction=True)
AT = datetime(2026, 11, 20, 20, 0, tzinfo=UTC)


@pytest.fixture
def organization():
    forget_cached_organizations()
    return Organization.objects.create(slug="acme", name="Acme", timezone="Asia/Kolkata")


def created(organization, lead_id, *, source="website", at=AT):
    return NewEvent(
        organization_id=organization.pk,
        type="lead.created",
        subject=f"lead_{lead_id.hex}",
        correlation_id=lead_id,
        data={
            "lead_id": str(lead_id),
            "contact_id": str(uuid4()),
            "touch_id": str(uuid4()),
            "source": source,
            "source_kind": "api",
            "campaign": None,
            "external_id": None,
            "has_phone": True,
            "has_email": False,
            "region": "IN",
            "decision": {"rule": "default", "version": 1, "queue": "greeting"},
            "is_spam": False,
            "received_at": at.isoformat(),
            "first_message_due_at": (at + timedelta(seconds=2)).isoformat(),
        },
    )


def accepted(organization, lead_id, *, after_ms=900, at=AT, kind="whatsapp_cloud", text_source="model", reason=None):
    return NewEvent(
        organization_id=organization.pk,
        type="message.accepted",
        subject=f"lead_{lead_id.hex}",
        correlation_id=lead_id,
        data={
            "message_id": str(uuid4()),
            "lead_id": str(lead_id),
            "conversation_id": None,
            "channel": "wa-main",
            "channel_kind": kind,
            "obligation": "greeting",
            "obligation_key": f"greeting:{lead_id}",
            "attempt": 1,
            "text_source": text_source,
            "text_reason": reason,
            "received_at": at.isoformat(),
            "dispatched_at": None,
            "started_at": None,
            "model_answered_at": None,
            "accepted_at": (at + timedelta(milliseconds=after_ms)).isoformat(),
        },
    )


def store(*events):
    with transaction.atomic():
        record(*events)


def fold():
    [one] = [one for one in all_followers() if one.name == services.NAME]
    return fold_once(one)


def follow():
    """Folds to the end of the log; returns how many events were read.

    The server is shared: a transaction in any of its databases may hold the log's last events back for a moment.
    """
    read, until = 0, monotonic() + 20
    while (taken := fold()) or (is_behind() and monotonic() < until):
        read += taken
        threading.Event().wait(0 if taken else 0.05)
    return read


def is_behind():
    position = FollowerPosition.objects.filter(name=services.NAME).first()
    last = Event.objects.order_by("-xact_id", "-id").first()
    return last is not None and (position is None or (position.xact_id, position.event_id) != (last.xact_id, last.id))


def figures():
    return sorted(
        LeadStat.objects.values_list("organization_id", "day", "source", "channel", "measure", "detail", "count")
    )


def counted(measure):
    return sum(LeadStat.objects.filter(measure=measure).values_list("count", flat=True))


def test_leads_are_counted_on_the_organizations_day(organization):
    lead_id = uuid4()
    store(created(organization, lead_id))
    store(accepted(organization, lead_id))

    follow()

    assert counted("captured") == 1
    assert counted("greeted") == 1
    # 20:00 in UTC is the next day in Kolkata.
    assert {stat.day.isoformat() for stat in LeadStat.objects.all()} == {"2026-11-21"}
    assert LeadFact.objects.get(pk=lead_id).first_response_ms == 900


def test_the_follower_counts_each_event_once_however_often_it_runs(organization):
    lead_ids = [uuid4() for _ in range(5)]
    for lead_id in lead_ids:
        store(created(organization, lead_id))
    follow()
    before = figures()

    assert follow() == 0
    assert figures() == before

    store(*[accepted(organization, lead_id) for lead_id in lead_ids])
    follow()
    assert counted("captured") == 5
    assert counted("greeted") == 5


def test_an_event_that_commits_late_is_not_skipped(organization):
    other = Organization.objects.create(slug="slow", name="Slow")
    is_written, may_commit = threading.Event(), threading.Event()

    def write_slowly():
        try:
            with transaction.atomic():
                record(created(other, uuid4(), source="slow"))
                is_written.set()
                may_commit.wait(10)
        finally:
            connection.close()

    slow = threading.Thread(target=write_slowly)
    slow.start()
    assert is_written.wait(10)
    store(created(organization, uuid4(), source="fast"))

    assert fold() == 0, "an older transaction still runs: what follows it is not settled"

    may_commit.set()
    slow.join()
    assert follow() == 2
    assert sorted(LeadStat.objects.values_list("source", flat=True)) == ["fast", "slow"]


def test_a_crash_in_the_middle_leaves_position_and_figures_together(organization):
    store(created(organization, uuid4()))

    settle()

    def fold_and_die():
        with transaction.atomic():
            assert services.fold_batch() == 1
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fold_and_die()

    assert LeadStat.objects.count() == 0
    assert follow() == 1
    assert counted("captured") == 1


def settle():
    """Waits until no transaction on the server is older than the log's events."""
    until = monotonic() + 20
    while len(settled_after(BEGINNING, types=(), most=1000)) < Event.objects.count() and monotonic() < until:
        threading.Event().wait(0.05)


def test_two_followers_at_once_count_once(organization):
    for _ in range(20):
        store(created(organization, uuid4()))

    def work():
        follow()
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    follow()

    assert counted("captured") == 20


def test_rebuilt_figures_equal_the_live_ones(organization, monkeypatch):
    monkeypatch.setattr(services, "BATCH", 7)
    for number in range(30):
        lead_id = uuid4()
        at = AT + timedelta(hours=number)
        store(created(organization, lead_id, source=f"source{number % 3}", at=at))
        if number % 2:
            store(accepted(organization, lead_id, at=at, after_ms=100 * number, text_source="fallback", reason="late"))
        if number % 5 == 0:
            store(accepted(organization, lead_id, at=at, after_ms=5000, kind="twilio_sms"))
        if number % 4 == 0:
            follow()
    follow()
    live, facts = figures(), sorted(LeadFact.objects.values_list())
    assert counted("captured") == 30

    call_command("rebuild_projections")

    assert figures() == live
    assert sorted(LeadFact.objects.values_list()) == facts
    assert follow() == 0


def test_the_live_fold_stands_still_while_a_rebuild_runs(organization):
    store(created(organization, uuid4()))
    follow()
    store(created(organization, uuid4()))
    is_locked, may_end = threading.Event(), threading.Event()

    def hold():
        with transaction.atomic():
            lock_position(services.NAME, wait=True)
            is_locked.set()
            may_end.wait(10)
        connection.close()

    holder = threading.Thread(target=hold)
    holder.start()
    assert is_locked.wait(10)
    settle()
    with transaction.atomic():
        assert services.fold_batch() == 0
    may_end.set()
    holder.join()

    assert follow() == 1


@pytest.mark.urls("tests.integration.analytics_urls")
def test_the_report_over_http(organization):
    other = Organization.objects.create(slug="other", name="Other")
    for after_ms in (500, 900, 2500):
        lead_id = uuid4()
        store(created(organization, lead_id))
        store(accepted(organization, lead_id, after_ms=after_ms))
    store(created(other, uuid4()))
    follow()

    answer = get_report(organization, "?from=2026-11-20&to=2026-11-21")

    assert answer.status_code == 200
    [row] = answer.json()["data"]
    assert (row["day"], row["source"], row["captured"], row["greeted"]) == ("2026-11-21", "website", 3, 3)
    assert row["greeted_by_channel"] == {"whatsapp_cloud": 3}
    assert 900 <= row["first_response_p50_ms"] <= 945
    assert 2500 <= row["first_response_p99_ms"] <= 2625
    assert row["under_2s_share"] == pytest.approx(2 / 3, abs=1e-4)
    assert answer.json()["total"]["captured"] == 3


@pytest.mark.urls("tests.integration.analytics_urls")
@pytest.mark.parametrize(
    ("query", "field"),
    [("?from=x", "from"), ("?from=2026-02-02&to=2026-02-01", "from"), ("?from=2020-01-01&to=2026-01-01", "from")],
)
def test_a_wrong_period_is_refused_by_name(organization, query, field):
    answer = get_report(organization, query)

    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == [field]


@pytest.mark.urls("tests.integration.analytics_urls")
def test_the_report_needs_a_key_that_may_read_leads(organization):
    assert Client().get("/api/v1/reports/first-response").status_code == 401
    assert get_report(organization, "", scopes=("leads:write",)).status_code == 403


def get_report(organization, query, scopes=("leads:read",)):
    key = accounts_services.issue_api_key(
        organization_id=organization.pk, name=uuid4().hex, scopes=list(scopes), actor="command:test"
    )
    client = Client(headers={"Authorization": f"Bearer {key.text}"})
    return client.get(f"/api/v1/reports/first-response{query}")
