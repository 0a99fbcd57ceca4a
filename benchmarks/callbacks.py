"""How fast receipts are taken at 250 a second, and how soon they show on the messages.

    python -m benchmarks.callbacks [--rate 250] [--seconds 20]

Real messages are sent first; then every receipt of theirs (sent, delivered, read) comes in, signed, one per request.
"""

import argparse
import hashlib
import hmac
import json
import sys
import time

from benchmarks import load, report
from benchmarks.load import Planned
from benchmarks.report import Target
from benchmarks.stage import Organization, Stage, stage

STATUSES = ("sent", "delivered", "read")
TARGETS = {
    "answered": Target(least=1.0),
    "callback_p99_ms": Target(most=100),
    "folded": Target(least=1.0),
}


def accepted_messages(on: Stage) -> list[tuple[str, str, str]]:
    """(provider id, attempt id, recipient's digits) of every accepted attempt."""
    with on.connect() as connection:
        return connection.execute(
            "SELECT attempt.provider_id, attempt.id::text, ltrim(contact.phone, '+')"
            " FROM channels_out_attempt attempt JOIN channels_out_message message ON message.id = attempt.message_id"
            " JOIN leads_contact contact ON contact.id = message.contact_id WHERE attempt.state = 'accepted'"
        ).fetchall()


def receipt(organization: Organization, message: tuple[str, str, str], status: str, at_s: float) -> Planned:
    """One signed WhatsApp status, as Meta posts it."""
    provider_id, attempt_id, digits = message
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "15550001111", "phone_number_id": organization.number},
        "statuses": [
            {
                "id": provider_id,
                "status": status,
                "timestamp": str(int(time.time())),
                "recipient_id": digits,
                "biz_opaque_callback_data": attempt_id,
            }
        ],
    }
    change = {"id": f"9{organization.number}", "changes": [{"field": "messages", "value": value}]}
    body = json.dumps({"object": "whatsapp_business_account", "entry": [change]}).encode()
    signature = hmac.new(f"wa-secret-{organization.slug}".encode(), body, hashlib.sha256).hexdigest()
    headers = {"X-Hub-Signature-256": f"sha256={signature}", "Content-Type": "application/json"}
    path = f"/webhooks/whatsapp/{organization.slug}.wa-main"
    return Planned(at_s=at_s, path=path, body=body, headers=headers, label=provider_id)


def wait_until_read(on: Stage, count: int, *, within_s: float = 30) -> tuple[float, float]:
    """Share of the messages that show as read, and the seconds it took."""
    began = time.monotonic()
    with on.connect() as connection:
        while True:
            row = connection.execute("SELECT count(*) FROM channels_out_message WHERE status = 'read'").fetchone()
            shown = row[0] if row else 0
            if shown >= count or time.monotonic() - began > within_s:
                return shown / count, time.monotonic() - began
            time.sleep(0.05)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=250)
    parser.add_argument("--seconds", type=float, default=20)
    chosen = parser.parse_args()
    total = round(chosen.rate * chosen.seconds)
    with stage() as on:
        organization = on.organization()
        leads = -(-total // len(STATUSES))
        load.run(on.stack.base_url, [organization.lead(at) for at in load.evenly(leads, seconds=leads / 80)])
        on.wait_until_drained()
        messages = accepted_messages(on)
        todo = [(message, status) for status in STATUSES for message in messages][:total]
        times = load.evenly(len(todo), seconds=len(todo) / chosen.rate)
        planned = [receipt(organization, *one, at) for one, at in zip(todo, times, strict=True)]
        before = on.stack.cpu_seconds_by_process()
        sent = load.run(on.stack.base_url, planned)
        reads = sum(status == "read" for _, status in todo)
        folded, folded_s = wait_until_read(on, reads)
        after = on.stack.cpu_seconds_by_process()
        conditions = {**on.conditions(), "rate_per_s": chosen.rate}
    figures = {
        "callbacks": len(sent),
        "answered": sum(one.status == 200 for one in sent) / len(sent),
        **report.spread([one.seconds * 1000 for one in sent], "callback", "ms", 1),
        "folded": folded,
        "folded_after_s": round(folded_s, 2),
        "cpu_ms_per_callback": round(
            sum(after[name] - before[name] for name in after if name != "sandbox") * 1000 / len(sent), 2
        ),
    }
    return 0 if report.finish("callbacks", figures, TARGETS, conditions) else 1


if __name__ == "__main__":
    sys.exit(main())
