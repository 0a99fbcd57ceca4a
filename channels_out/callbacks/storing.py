"""The raw body is stored once: one insert for receipts, and one transaction when a person wrote something."""

import hashlib
from collections.abc import Callable
from uuid import UUID

from django.db import transaction

from channels_out.senders import Sender
from swiftex.coordination import fingerprints
from swiftex.database import fetch_all
from swiftex.ids import new_id
from swiftex.observability import metrics

# Providers redeliver for up to seven days; the constraint remembers longer, Redis only spares it the first repeats.
_REMEMBERED_S = 900

_STORE = """
INSERT INTO channels_out_callback
    (id, organization_id, channel_id, provider, endpoint, query, body, content_type, digest, quarantine, folded_at)
VALUES (%(id)s, %(organization_id)s, %(channel_id)s, %(provider)s, %(endpoint)s, %(query)s, %(body)s, %(content_type)s,
        %(digest)s, %(quarantine)s, CASE WHEN %(is_to_fold)s THEN NULL ELSE clock_timestamp() END)
ON CONFLICT (channel_id, digest) DO NOTHING
RETURNING id
"""


class Received:
    """One verified callback on its way into the database."""

    def __init__(self, sender: Sender, *, endpoint: str, query: str, body: bytes, content_type: str) -> None:
        self.sender = sender
        self.provider = sender.kind.partition("_")[0]
        self._endpoint = endpoint
        self._query = query[:500]
        self._body = body
        self._content_type = content_type[:100]
        self._digest = hashlib.sha256(endpoint.encode() + b"\n" + query.encode() + b"\n" + body).digest()
        self._fingerprint = f"callback:{sender.id.hex}:{self._digest.hex()}"

    def store(self, *, is_to_fold: bool, act: Callable[[], None] | None = None, quarantine: str = "") -> bool:
        """The body is stored and what it says is done, in one transaction; False for a body that was stored before.

        is_to_fold: receipts in it wait for the follower.  act: what must be in effect before the provider hears 200.
        """
        if fingerprints.is_known(self._fingerprint):
            return self._count("duplicate")
        if act is None:
            is_new = self._insert(is_to_fold, quarantine) is not None
        else:
            with transaction.atomic():
                is_new = self._insert(is_to_fold, quarantine) is not None
                if is_new:
                    act()
        fingerprints.remember(self._fingerprint, _REMEMBERED_S)
        return self._count(("quarantined" if quarantine else "stored") if is_new else "duplicate")

    def _insert(self, is_to_fold: bool, quarantine: str) -> UUID | None:
        rows = fetch_all(
            _STORE,
            {
                "id": new_id(), "organization_id": self.sender.organization_id, "channel_id": self.sender.id,
                "provider": self.provider, "endpoint": self._endpoint, "query": self._query, "body": self._body,
                "content_type": self._content_type, "digest": self._digest, "quarantine": quarantine,
                "is_to_fold": is_to_fold,
            },
        )  # fmt: skip
        return rows[0][0] if rows else None

    def _count(self, outcome: str) -> bool:
        metrics.callback_received(provider=self.provider, outcome=outcome)
        return outcome != "duplicate"
