"""`manage.py issue_api_key ORGANIZATION NAME --scope ...`: a new key, shown once."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts import selectors, services
from accounts.models import Scope


class Command(BaseCommand):
    """Prints the new key as the only line on standard output; it is stored hashed and cannot be shown again."""

    help = "Makes an API key of an organization and prints it once."

    def add_arguments(self, parser: CommandParser) -> None:
        """Whose key, its name and its rights."""
        parser.add_argument("organization", help="the organization's slug")
        parser.add_argument("name", help="what the key is for")
        parser.add_argument("--scope", action="append", required=True, choices=Scope.values, help="may be repeated")

    def handle(self, *args: Any, **options: Any) -> None:
        """Issues the key."""
        organization_id = selectors.organization_id_by_slug(options["organization"])
        if organization_id is None:
            raise CommandError(f"there is no organization {options['organization']}")
        try:
            issued = services.issue_api_key(
                organization_id=organization_id,
                name=options["name"],
                scopes=options["scope"],
                actor="command:issue_api_key",
            )
        except ValueError as refused:
            raise CommandError(str(refused)) from None
        self.stdout.write(issued.text)
