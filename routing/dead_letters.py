"""Dead letters: jobs that gave up, to look at, try again or discard."""

from uuid import UUID

from django.db import transaction

from routing import sql
from swiftex.coordination import kick
from swiftex.database import execute

MORE_ATTEMPTS = 3


def retry(*, organization_id: UUID, job_ids: list[UUID]) -> int:
    """The dead jobs wait again, due now, with 3 more attempts each; returns how many.

    One whose key is open in another job stays dead: its obligation is being met already.
    """
    parameters = {"organization_id": organization_id, "ids": job_ids, "more_attempts": MORE_ATTEMPTS}
    with transaction.atomic():
        retried = execute(sql.RETRY_DEAD, parameters)
        transaction.on_commit(kick.kick_relay, robust=True)
    return retried


def discard(*, organization_id: UUID, job_ids: list[UUID]) -> int:
    """The dead jobs are gone, their summaries in the history as cancelled; returns how many."""
    return execute(sql.DISCARD_DEAD, {"organization_id": organization_id, "ids": job_ids, "end_state": "cancelled"})
