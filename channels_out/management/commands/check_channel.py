"""`manage.py check_channel NAME`: is the channel ready to send?"""

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.selectors import organization_id_by_slug
from channels_out.selectors import organizations_with_channel
from channels_out.services.checking import UnknownChannel, check_channel


class Command(BaseCommand):
    """Asks the provider and our own callback address; sends nothing to anybody. Exit status 1 if a check fails."""

    help = "Check that a channel's token is valid, its templates approved, and its callback reachable."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The channel's name, alone or as organization.name."""
        parser.add_argument("name", help="wa-main, or acme.wa-main when several organizations have one")
        parser.add_argument("--json", action="store_true", help="print the checks as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Every check with its remedy, one a line."""
        slug, _, name = options["name"].rpartition(".")
        organization_id = organization_id_by_slug(slug) if slug else _only(organizations_with_channel(name), name)
        if organization_id is None:
            raise CommandError(f"there is no organization {slug}")
        try:
            checks = check_channel(organization_id=organization_id, name=name)
        except UnknownChannel:
            raise CommandError(f"there is no channel {name}") from None
        if options["json"]:
            self.stdout.write(json.dumps([asdict(check) for check in checks]))
        else:
            for check in checks:
                self.stdout.write(f"{'ok  ' if check.is_ok else 'FAIL'} {check.name}: {check.detail}")
        if not all(check.is_ok for check in checks):
            raise CommandError(f"{name} is not ready", returncode=1)


def _only(organization_ids: list[Any], name: str) -> Any:
    if len(organization_ids) > 1:
        raise CommandError(f"several organizations have a channel {name}: name it as organization.{name}")
    if not organization_ids:
        raise CommandError(f"there is no channel {name}")
    return organization_ids[0]
