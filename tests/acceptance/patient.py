"""A client as the documentation asks for: one Idempotency-Key per submission, tried again until a 2xx."""

import contextlib
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import requests

from tests.acceptance.shop import Person, Shop, somebody

_PAUSE_S = 0.2


@dataclass
class Submission:
    """One person's submission: every answer that came, None for a connection that broke, and the lead's id."""

    person: Person
    answers: list[int | None] = field(default_factory=list)
    lead_id: str = ""


@dataclass
class Load:
    """A small, steady load. `submissions` is complete once the block of `under_load` has been left."""

    submissions: list[Submission] = field(default_factory=list)

    @property
    def people(self) -> list[Person]:
        """Who was submitted."""
        return [submission.person for submission in self.submissions]

    @property
    def lead_ids(self) -> set[str]:
        """What the answers with 2xx called the leads."""
        return {submission.lead_id for submission in self.submissions}

    @property
    def statuses(self) -> set[int | None]:
        """Every kind of answer that came."""
        return {answer for submission in self.submissions for answer in submission.answers}


@contextlib.contextmanager
def under_load(shop: Shop, *, count: int, per_s: float, patience_s: float = 40) -> Iterator[Load]:
    """Leads arrive while the block runs; when it is left, each one got its 2xx, or the test fails."""
    load, futures = Load(), []
    with ThreadPoolExecutor(24) as pool:
        arriving = threading.Thread(target=_arrive, args=(shop, load, futures, pool, count, per_s, patience_s))
        arriving.start()
        yield load
        arriving.join()
        for future in futures:
            future.result()


def _arrive(
    shop: Shop,
    load: Load,
    futures: list[Future[None]],
    pool: ThreadPoolExecutor,
    count: int,
    per_s: float,
    patience_s: float,
) -> None:
    for _ in range(count):
        submission = Submission(somebody())
        load.submissions.append(submission)
        futures.append(pool.submit(_submit, shop, submission, patience_s))
        time.sleep(1 / per_s)


def _submit(shop: Shop, submission: Submission, patience_s: float) -> None:
    body, key, deadline = shop.body(submission.person), str(uuid.uuid4()), time.monotonic() + patience_s
    while True:
        try:
            answer = shop.post(body, key=key, timeout_s=3)
        except requests.RequestException:
            submission.answers.append(None)
        else:
            submission.answers.append(answer.status_code)
            if answer.ok:
                submission.lead_id = answer.json()["id"]
                return
        assert time.monotonic() < deadline, f"no 2xx in {patience_s} s, but {submission.answers}"
        time.sleep(_PAUSE_S)
