"""One run: send every sample, follow each to its end, and look again when all is quiet."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby

from sandbox.demo.partner import Answer, Partner
from sandbox.demo.samples import Sample
from sandbox.demo.verdict import Followed, ends_of

FOLLOW_TIMEOUT_S = 40.0
POLL_INTERVAL_S = 0.2
# A receipt that undoes a greeting may come a moment after everything else is quiet.
QUIET_S = 2.0
# Longer than a form takes a script for a person.
TYPING_S = 3.2

OnEnd = Callable[[Followed, str], None]


class Run:
    """The samples of one run and what became of them so far."""

    def __init__(self, partner: Partner, samples: Sequence[Sample], *, number: int) -> None:
        self._partner = partner
        self._number = number
        self._unsent = [sample for sample in samples if sample.after]
        self._first = [sample for sample in samples if not sample.after]
        self.followed: list[Followed] = []
        self._by_key: dict[str, Followed] = {}

    def send(self) -> None:
        """Everybody who waits for nobody is submitted; samples of one batch that stand together go in one request."""
        forms = [sample for sample in self._first if sample.via == "form"]
        hidden = {sample.key: self._partner.open_form(sample) for sample in forms}
        opened_at = time.monotonic()
        others = [sample for sample in self._first if sample.via != "form"]
        for is_batch, group in groupby(others, key=lambda sample: sample.via == "batch"):
            samples = list(group)
            if is_batch:
                self._note_all(samples, self._partner.submit_batch(samples))
            else:
                for sample in samples:
                    self._send_one(sample)
        threading.Event().wait(opened_at + TYPING_S - time.monotonic())
        self._note_all(forms, [self._partner.submit_form(sample, hidden[sample.key]) for sample in forms])

    def follow(self, on_end: OnEnd) -> None:
        """`on_end` is told of each sample once: when it reaches the end it should, or when time is up."""
        deadline = time.monotonic() + FOLLOW_TIMEOUT_S
        open_ones = {followed.sample.key for followed in self.followed}
        while (open_ones or self._unsent) and time.monotonic() < deadline:
            open_ones |= self._send_waiting()
            for followed in [each for each in self.followed if each.sample.key in open_ones]:
                self._read(followed)
                if self.is_expected(followed):
                    open_ones.discard(followed.sample.key)
                    on_end(followed, self.shown_end(followed))
            threading.Event().wait(POLL_INTERVAL_S)
        for followed in self.followed:
            if followed.sample.key in open_ones:
                on_end(followed, self.shown_end(followed))

    def look_again(self) -> Iterator[Followed]:
        """Everybody is read once more when all is quiet; gives those who are not where they should be."""
        threading.Event().wait(QUIET_S)
        for followed in self.followed:
            self._read(followed)
            if not self.is_expected(followed):
                yield followed

    @property
    def unsent(self) -> list[str]:
        """Keys of samples that waited in vain for somebody to opt out."""
        return [sample.key for sample in self._unsent]

    def is_expected(self, followed: Followed) -> bool:
        """Whether the sample has reached the end it declares."""
        return followed.sample.end in self._ends(followed)

    def shown_end(self, followed: Followed) -> str:
        """The end to print: the declared one if reached, with the reason of a fallback; otherwise the real one."""
        ends = self._ends(followed)
        return followed.sample.end if followed.sample.end in ends else ends[0]

    def _ends(self, followed: Followed) -> list[str]:
        keys = {str(each.answer.lead.get("id")): each.sample.key for each in self.followed if each.is_captured}
        return ends_of(followed, keys)

    def _send_one(self, sample: Sample) -> None:
        if sample.repeats:
            original = self._by_key[sample.repeats].answer
            answer = self._partner.submit(sample, idempotency_key=self._idempotency_key(sample.repeats))
            self._note(sample, answer, [original])
        elif sample.copies > 1:
            with ThreadPoolExecutor(sample.copies) as threads:
                answers = list(threads.map(self._partner.submit, [sample] * sample.copies))
            answers.sort(key=lambda answer: answer.status != 202)
            self._note(sample, answers[0], answers[1:])
        else:
            key = self._idempotency_key(sample.key) if sample.via == "api" else None
            self._note(sample, self._partner.submit(sample, idempotency_key=key), [])

    def _send_waiting(self) -> set[str]:
        """Samples whose person has opted out by now are submitted; gives their keys."""
        ready = [sample for sample in self._unsent if self._has_opted_out(sample.after or "")]
        for sample in ready:
            self._unsent.remove(sample)
            self._send_one(sample)
        return {sample.key for sample in ready}

    def _has_opted_out(self, key: str) -> bool:
        lead = self._by_key[key].answer.lead
        return bool(lead) and self._partner.contact(str(lead["contact_id"]))["opted_out_at"] is not None

    def _idempotency_key(self, key: str) -> str:
        return f"demo-{self._number}-{key}"

    def _note_all(self, samples: Sequence[Sample], answers: Sequence[Answer]) -> None:
        for sample, answer in zip(samples, answers, strict=True):
            self._note(sample, answer, [])

    def _note(self, sample: Sample, answer: Answer, others: Sequence[Answer]) -> None:
        followed = Followed(sample, answer, others)
        self.followed.append(followed)
        self._by_key[sample.key] = followed

    def _read(self, followed: Followed) -> None:
        if followed.is_captured and not followed.sample.repeats:
            lead_id = str(followed.answer.lead["id"])
            followed.lead = self._partner.lead(lead_id)
            followed.timeline = self._partner.timeline(lead_id)
