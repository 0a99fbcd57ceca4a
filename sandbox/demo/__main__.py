"""`python -m sandbox.demo`: exit status 0 only if every sample reached its end and no channel was used twice.

Environment: PUBLIC_URL or PORT (the web server), SWIFTEX_SANDBOX_URL or SWIFTEX_SANDBOX_PORT; DATABASE_URL and
REDIS_URL of the running product, for the commands that set the organization up; NO_COLOR.
"""

import os
import sys
import time
from collections.abc import Sequence
from urllib.error import URLError

from sandbox.client import Sandbox, SandboxError
from sandbox.demo.partner import Partner
from sandbox.demo.report import Report
from sandbox.demo.run import Run
from sandbox.demo.samples import SAMPLES_FILE, read_samples
from sandbox.demo.stage import LOGINS, StageError, cast, environment, make_organization, register_accounts
from sandbox.demo.verdict import Followed, copies_are_one, ledger_breaches, merged, sync_breaches


def main() -> int:
    """Runs the demo; a stage that cannot be set is one message and status 2."""
    report = Report()
    site = os.environ.get("PUBLIC_URL") or f"http://127.0.0.1:{os.environ.get('PORT', '8000')}"
    port = os.environ.get("SWIFTEX_SANDBOX_PORT", "9900")
    sandbox = Sandbox(os.environ.get("SWIFTEX_SANDBOX_URL") or f"http://127.0.0.1:{port}")
    try:
        return _demo(report, site.rstrip("/"), sandbox)
    except (StageError, SandboxError, URLError, RuntimeError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 2


def _demo(report: Report, site: str, sandbox: Sandbox) -> int:
    env = environment(sandbox.base_url)
    sandbox.wait_until_up()
    organization = make_organization(env)
    register_accounts(sandbox, env, site=site, organization=organization)
    # Eight digits of the clock: a second run, on the same database, meets strangers again.
    number = 10_000_000 + int(time.time()) % 90_000_000
    samples = read_samples(SAMPLES_FILE.read_text(), run=number)
    cast(sandbox, env, samples)
    report.head(len(samples))
    run = Run(Partner(site, env["DEMO_API_KEY"], organization=organization), samples, number=number)
    started_at = time.time()
    run.send()
    run.follow(lambda followed, end: report.line(followed, end, is_expected=run.is_expected(followed)))
    changed = list(run.look_again())
    report.figures(run.followed)
    accounts = (env["DEMO_PHONE_NUMBER_ID"], env["DEMO_TWILIO_SID"])
    is_good = _check(report, run, changed, sandbox, organization, accounts, started_at, len(samples))
    report.addresses(
        {
            "Form": f"{site}/forms/{organization}.landing",
            "API": f"{site}/api/docs (key {env['DEMO_API_KEY']})",
            "Admin": f"{site}/admin/",
            **{f"  as {role}": f"{name}, password {env['DEMO_PASSWORD']}" for name, role in LOGINS.items()},
        }
    )
    return 0 if is_good else 1


def _check(
    report: Report,
    run: Run,
    changed: list[Followed],
    sandbox: Sandbox,
    organization: str,
    accounts: Sequence[str],
    started_at: float,
    sample_count: int,
) -> bool:
    """Prints the checks of the whole run; True if all of them hold."""
    report.say()
    reached = sample_count - len(changed) - len(run.unsent)
    all_reached = reached == sample_count
    report.check(all_reached, f"{reached} of {sample_count} samples reached their end")
    for followed in changed:
        report.check(False, f"{followed.sample.key}: {run.shown_end(followed)}, expected {followed.sample.end}")
    for key in run.unsent:
        report.check(False, f"{key}: never sent, for nobody opted out")
    torn = [followed.sample.key for followed in run.followed if not copies_are_one(followed)]
    report.check(not torn, "copies of one moment made one lead" if not torn else f"copies apart: {', '.join(torn)}")
    accepted = merged(sandbox.accepted(account=account, since=started_at) for account in accounts)
    breaches = ledger_breaches(accepted, run.followed)
    report.check(
        not breaches, "the providers' ledger: no channel was used twice, nobody was written to who must not be"
    )
    for breach in breaches:
        report.check(False, breach)
    posts = sandbox.ledger(provider="crm", account=organization, since=started_at, processed="true")
    unsynced = sync_breaches(posts, run.followed)
    report.check(not unsynced, "every lead is in the CRM, once, and signed")
    for breach in unsynced:
        report.check(False, breach)
    return all_reached and not torn and not breaches and not unsynced


if __name__ == "__main__":
    sys.exit(main())
