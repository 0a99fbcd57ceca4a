"""The stage of a benchmark: a whole stack of its own with the sandbox, organizations, and leads nobody sent before."""

import contextlib
import itertools
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import yaml

from benchmarks.load import Planned, json_body
from benchmarks.report import ROOT
from sandbox.client import Sandbox
from swiftex.runtime.stack import Stack

USUAL = {
    "web": 1,
    "relay": 2,
    "worker-greeting": 2,
    "worker-reply": 1,
    "worker-background": 1,
    "beat": 1,
    "flower": 1,
    "sandbox": 1,
}
MODEL: dict[str, Any] = {"median_ms": 600, "p95_ms": 900}
WHATSAPP: dict[str, Any] = {"median_ms": 150, "statuses": []}
_NAMES = ["Asha", "Ravi", "Meera", "Kabir", "Diya", "Arjun", "Nisha", "Vikram", "Leela", "Rohan"]


_LETTERS = str.maketrans("0123456789", "abcdefghij")
_DIGITS = str.maketrans("abcdefghij", "0123456789")


def in_letters(digits: str) -> str:
    """A number as letters, so that it stays in a prompt, where numbers are taken out."""
    return digits.translate(_LETTERS)


def in_digits(letters: str) -> str:
    """The number that in_letters made."""
    return letters.translate(_DIGITS)


@dataclass
class Organization:
    """One organization of the stage, with the sandbox's accounts of it."""

    slug: str
    number: str
    api_key: str
    first_phone: int
    _counter: Iterator[int] = field(default_factory=itertools.count)

    def lead(self, at_s: float, **more: Any) -> Planned:
        """A lead of a new person; its label is the phone's digits, as the sandbox's ledger has them."""
        index = next(self._counter)
        digits = f"91{self.first_phone + index}"
        body = {
            "source": "website",
            "name": f"{_NAMES[index % len(_NAMES)]} {chr(65 + index % 26)}.",
            "phone": f"+{digits}",
            "email": f"lead{index}.{self.slug}@example.com",
            "message": f"I would like to know more, my reference is {in_letters(digits)}",
            "attributes": {"product": "home loan", "amount": 2_500_000 + index},
            "utm": {"source": "search", "campaign": "autumn"},
            **more,
        }
        headers = {"Authorization": f"Bearer {self.api_key}", "Content-Type": "application/json"}
        return Planned(at_s=at_s, path="/api/v1/leads", body=json_body(body), headers=headers, label=digits)


@dataclass
class Stage:
    """A running stack and what a benchmark does with it."""

    stack: Stack
    sandbox: Sandbox
    _organizations: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def organization(self, *, without: Sequence[str] = ()) -> Organization:
        """A new organization, configured from benchmarks/organization.yaml, known to the sandbox.

        without: keys of the file that are left out, such as crm.
        """
        index = next(self._organizations)
        slug, number = f"bench-{index}", f"77000{index:04d}"
        made = Organization(
            slug=slug,
            number=number,
            api_key=f"swx_bench_{slug}_{'k' * 32}",
            first_phone=9_800_000_000 + index * 1_000_000,
        )
        environment = {
            "BENCH_SLUG": slug,
            "BENCH_NUMBER": number,
            "BENCH_API_KEY": made.api_key,
            "BENCH_CRM_SECRET": "whsec_" + "A" * 32,
            "SANDBOX_URL": self.stack.sandbox_url,
        }
        self.stack.env.update(environment)
        configuration = yaml.safe_load((ROOT / "benchmarks" / "organization.yaml").read_text())
        file = self.stack.folder / f"{slug}.yaml"
        file.write_text(yaml.safe_dump({name: part for name, part in configuration.items() if name not in without}))
        applied = self.stack.run("python", "manage.py", "apply_config", str(file), check=False)
        if applied.returncode:
            raise SystemExit(f"apply_config failed:\n{applied.stdout}\n{applied.stderr}")
        base = self.stack.base_url
        self.sandbox.whatsapp_sender(
            number,
            callback_url=f"{base}/webhooks/whatsapp/{slug}.wa-main",
            app_secret=f"wa-secret-{slug}",
            access_token=f"wa-token-{slug}",
            waba_id=f"9{number}",
        )
        self.sandbox.twilio_sender(
            f"AC{number}",
            callback_url=f"{base}/webhooks/twilio/{slug}.sms-main/sms",
            auth_token=f"sms-token-{slug}",
            from_number="+15550009999",
        )
        return made

    def connect(self) -> psycopg.Connection[Any]:
        """A connection to the stack's database."""
        return psycopg.connect(self.stack.env["DATABASE_URL"], autocommit=True)

    def wait_until_drained(self, *, kinds: list[str] | None = None, within_s: float = 60) -> float:
        """Seconds until no job (of those kinds) is open; infinite when some still are `within_s` later."""
        began = time.monotonic()
        with self.connect() as connection:
            while time.monotonic() - began < within_s:
                open_jobs = connection.execute(
                    "SELECT count(*) FROM routing_job WHERE state IN ('waiting', 'dispatched', 'running')"
                    " AND available_at < now() + interval '1 minute'"
                    " AND (%s::text[] IS NULL OR kind = ANY(%s::text[]))",
                    [kinds, kinds],
                ).fetchone()
                if open_jobs and open_jobs[0] == 0:
                    return time.monotonic() - began
                time.sleep(0.1)
        return float("inf")

    def conditions(self) -> dict[str, object]:
        """The PostgreSQL settings that make figures honest, as they are."""
        names = ("fsync", "full_page_writes", "synchronous_commit")
        with self.connect() as connection:
            rows = {name: connection.execute(f"SHOW {name}").fetchone() for name in names}
        return {name: row[0] if row else "unknown" for name, row in rows.items()}


@contextlib.contextmanager
def stage(*, counts: Mapping[str, int] | None = None, settings: Mapping[str, str] | None = None) -> Iterator[Stage]:
    """A ready stage in a temporary folder; nothing is left of it afterwards unless SWIFTEX_BENCH_KEEP is set."""
    folder = Path(tempfile.mkdtemp(prefix="swiftex-bench-"))
    merged = {
        "SWIFTEX_ALLOW_PRIVATE_HOSTS": "true",
        "SWIFTEX_API_KEY_REQUESTS_PER_MINUTE": "1000000",
        "SWIFTEX_API_ORGANIZATION_REQUESTS_PER_MINUTE": "1000000",
        **(settings or {}),
    }
    try:
        with Stack(folder, counts=counts or USUAL, settings=merged) as running:
            sandbox = Sandbox(running.sandbox_url)
            sandbox.wait_until_up()
            sandbox.set_dials("openai", **MODEL)
            sandbox.set_dials("whatsapp", **WHATSAPP)
            yield Stage(stack=running, sandbox=sandbox)
    finally:
        if os.environ.get("SWIFTEX_BENCH_KEEP"):
            print(f"kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
