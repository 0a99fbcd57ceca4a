"""`manage.py add_member ORGANIZATION USERNAME --role ROLE`: somebody may log in to the admin."""

import os
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts import selectors, services
from accounts.models import Role

PASSWORD_VARIABLE = "SWIFTEX_MEMBER_PASSWORD"  # noqa: S105 - a variable's name


class Command(BaseCommand):
    """Makes the user if there is none of this name; called again it changes the role alone."""

    help = f"Makes a user a member of an organization. A new user's password is read from {PASSWORD_VARIABLE}."

    def add_arguments(self, parser: CommandParser) -> None:
        """Who, where and as what."""
        parser.add_argument("organization", help="the organization's slug")
        parser.add_argument("username")
        parser.add_argument("--role", choices=Role.values, default=Role.AGENT.value)
        parser.add_argument("--email", default="")

    def handle(self, *args: Any, **options: Any) -> None:
        """Adds the member."""
        organization_id = selectors.organization_id_by_slug(options["organization"])
        if organization_id is None:
            raise CommandError(f"there is no organization {options['organization']}")
        services.add_member(
            organization_id=organization_id,
            username=options["username"],
            role=Role(options["role"]),
            actor="command:add_member",
            password=os.environ.get(PASSWORD_VARIABLE),
            email=options["email"],
        )
        self.stdout.write(f"{options['username']} is {options['role']} of {options['organization']}")
