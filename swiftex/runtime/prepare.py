"""Brings a database and the static files up to date, once, however many launchers start at the same moment.

Run as `python -m swiftex.runtime.prepare`: a process of its own, so that the launcher needs no Django.
"""

import hashlib
import os
from pathlib import Path

import django

# Any number that nobody else locks: CRC-32 of "swiftex.migrate".
MIGRATION_LOCK = 2861306453


def main() -> None:
    """Migrations are applied and static files collected."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "swiftex.settings")
    django.setup()
    from django.core.management import call_command
    from django.db import connection

    with connection.cursor() as cursor:
        # Another launcher's migrations may take longer than a statement of ours ever should.
        cursor.execute("SET statement_timeout = 0; SET lock_timeout = 0")
        cursor.execute("SELECT pg_advisory_lock(%s)", [MIGRATION_LOCK])
    call_command("migrate", interactive=False, verbosity=0)
    _collect_static()
    connection.close()


def _collect_static() -> None:
    """Collected files are those of the installed packages and our own; free when nothing has changed."""
    from django.conf import settings
    from django.contrib.staticfiles.finders import get_finders
    from django.core.management import call_command

    sources = sorted(
        (path, os.path.getmtime(storage.path(path))) for finder in get_finders() for path, storage in finder.list([])
    )
    stamp = Path(settings.STATIC_ROOT) / ".collected"
    digest = hashlib.sha256(repr(sources).encode()).hexdigest()
    if not stamp.exists() or stamp.read_text() != digest:
        call_command("collectstatic", interactive=False, verbosity=0)
        stamp.parent.mkdir(exist_ok=True)
        stamp.write_text(digest)


if __name__ == "__main__":
    main()
