import threading
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
from django.db import connection, transaction

from accounts import idempotency
from accounts.models import IdempotencyRecord, Organization

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def organization_id() -> UUID:
    return Organization.objects.create(slug="acme", name="Acme").pk


def run_once(organization_id: UUID, key: str, body: bytes, answer: bytes) -> idempotency.Replay | None:
    with transaction.atomic():
        replay = idempotency.begin(organization_id, key, body)
        if replay is None:
            idempotency.remember(organization_id=organization_id, key=key, body=body, status=202, answer=answer)
        return replay


def test_repeated_key_gets_the_stored_bytes(organization_id: UUID) -> None:
    assert run_once(organization_id, "k", b"body", b'{"a": 1}') is None

    assert run_once(organization_id, "k", b"body", b"other") == idempotency.Replay(202, b'{"a": 1}')
    assert IdempotencyRecord.objects.count() == 1


def test_other_body_is_refused_and_other_organization_is_independent(organization_id: UUID) -> None:
    other = Organization.objects.create(slug="beta", name="Beta").pk
    run_once(organization_id, "k", b"body", b"1")

    with pytest.raises(idempotency.KeyReused):
        run_once(organization_id, "k", b"another", b"2")
    assert run_once(other, "k", b"another", b"3") is None


@pytest.mark.parametrize("key", ["", "x" * 256, "a\nb", "ä"])
def test_unusable_key_is_refused(organization_id: UUID, key: str) -> None:
    with pytest.raises(idempotency.KeyUnusable):
        run_once(organization_id, key, b"", b"")


def test_answer_older_than_a_day_is_forgotten_then_pruned(organization_id: UUID) -> None:
    run_once(organization_id, "old", b"body", b"1")
    run_once(organization_id, "older", b"body", b"1")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE accounts_idempotencyrecord SET created_at = now() - interval '25 hours'")

    assert run_once(organization_id, "old", b"another body", b"2") is None
    assert run_once(organization_id, "old", b"another body", b"3") == idempotency.Replay(202, b"2")
    assert idempotency.prune() == 1
    assert list(IdempotencyRecord.objects.values_list("key", flat=True)) == ["old"]


def test_copy_that_runs_at_the_same_time_leaves_at_once(organization_id: UUID) -> None:
    outcomes: list[str] = []

    def copy() -> None:
        try:
            outcomes.append(str(run_once(organization_id, "k", b"body", b"2")))
        except idempotency.StillRunning:
            outcomes.append("still running")
        finally:
            connection.close()

    with transaction.atomic():
        assert idempotency.begin(organization_id, "k", b"body") is None
        thread = threading.Thread(target=copy)
        thread.start()
        thread.join(timeout=5)
        assert outcomes == ["still running"]
        idempotency.remember(organization_id=organization_id, key="k", body=b"body", status=202, answer=b"1")
    assert run_once(organization_id, "k", b"body", b"2") == idempotency.Replay(202, b"1")


def test_ten_copies_at_once_have_one_effect(organization_id: UUID) -> None:
    barrier = threading.Barrier(10)

    def copy(number: int) -> str:
        try:
            barrier.wait()
            answer = f"answer {number}".encode()
            replay = run_once(organization_id, "k", b"body", answer)
            return "first" if replay is None else replay.body.decode()
        except idempotency.StillRunning:
            return "still running"
        finally:
            connection.close()

    with ThreadPoolExecutor(10) as pool:
        outcomes = list(pool.map(copy, range(10)))

    stored = bytes(IdempotencyRecord.objects.get().body).decode()
    assert outcomes.count("first") == 1
    assert stored == f"answer {outcomes.index('first')}"
    assert set(outcomes) <= {"first", "still running", stored}


def test_constraint_judges_a_copy_that_slipped_past_the_lock(organization_id: UUID) -> None:
    run_once(organization_id, "k", b"body", b"1")

    @transaction.atomic
    def run_unlocked() -> None:
        Organization.objects.create(slug="effect", name="Effect")
        idempotency.remember(organization_id=organization_id, key="k", body=b"body", status=202, answer=b"2")

    with pytest.raises(idempotency.StillRunning):
        run_unlocked()

    assert not Organization.objects.filter(slug="effect").exists()
    assert run_once(organization_id, "k", b"body", b"2") == idempotency.Replay(202, b"1")


def test_failed_work_frees_the_key(organization_id: UUID) -> None:
    @transaction.atomic
    def fail() -> None:
        idempotency.begin(organization_id, "k", b"body")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()

    assert run_once(organization_id, "k", b"body", b"1") is None
