"""`send_test_lead`: one lead goes the whole way, and its timeline is shown."""

import threading
from argparse import ArgumentParser
from time import monotonic
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from accounts.selectors import organization_id_by_slug
from leads.choices import GreetingState
from leads.selectors import lead_for_greeting, timeline_of
from leads.services import capture_lead
from leads.submission import Consent, InvalidSubmission, Submission
from leads.timeline import Timeline
from swiftex import clock
from swiftex.ids import public_id

_POLL_S = 0.05
_WELL_DONE = (GreetingState.GREETED, GreetingState.SUPPRESSED)


class Command(BaseCommand):
    help = "Captures a test lead as its source would, and shows its timeline until it is greeted."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The lead's source and details."""
        parser.add_argument("--organization", required=True, metavar="SLUG")
        parser.add_argument("--source", required=True, metavar="KEY")
        parser.add_argument("--phone", default="", help="as a person would write it")
        parser.add_argument("--email", default="")
        parser.add_argument("--name", default="Test Lead")
        parser.add_argument("--message", default="This is a test.")
        parser.add_argument("--wait", type=float, default=15.0, metavar="SECONDS", help="for the first message")

    def handle(self, *_: Any, **options: Any) -> None:
        """Exit status 0 when the lead was greeted or rightly suppressed within the wait."""
        organization_id = organization_id_by_slug(options["organization"])
        if organization_id is None:
            raise CommandError(f"there is no organization with the slug {options['organization']}")
        submission = Submission(
            organization_id=organization_id,
            source_key=options["source"],
            name=options["name"],
            phone=options["phone"],
            email=options["email"],
            message=options["message"],
            consent=Consent(is_given=True, evidence={"text": "entered by the command send_test_lead"}),
        )
        try:
            captured = capture_lead(submission, received_at=clock.now())
        except InvalidSubmission as fault:
            raise CommandError(f"refused - {fault}") from None
        lead_id = captured.lead_id
        what = "known already; a touch was added to" if captured.is_duplicate else "captured as"
        self.stdout.write(f"{what} {public_id('lead', lead_id)}")
        state = self._wait(organization_id, lead_id, options["wait"])
        self._show(timeline_of(organization_id=organization_id, lead_id=lead_id))
        if state not in _WELL_DONE:
            raise CommandError(f"the greeting is {state} after {options['wait']:g} s")

    def _wait(self, organization_id: UUID, lead_id: UUID, wait_s: float) -> str:
        until = monotonic() + wait_s
        pause = threading.Event()
        while True:
            lead = lead_for_greeting(organization_id=organization_id, lead_id=lead_id)
            state = GreetingState.PENDING.value if lead is None else lead.greeting_state
            if state != GreetingState.PENDING or monotonic() > until:
                return state
            pause.wait(_POLL_S)

    def _show(self, timeline: Timeline) -> None:
        for entry in timeline.entries:
            self.stdout.write(f"{entry.ms:10.1f} ms  {entry.label}")
        if timeline.segments:
            self.stdout.write("")
        for segment in timeline.segments:
            mark = "  <- slowest" if segment.is_slowest else ""
            self.stdout.write(f"{segment.label:>32} {segment.ms:9.1f} ms{mark}")
        if timeline.first_response_ms is not None:
            self.stdout.write(f"{'first message after':>32} {timeline.first_response_ms:9.1f} ms")
