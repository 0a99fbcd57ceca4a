"""What became of a lead's first message and of its person's silence; written by whoever sends, in their transaction."""

from datetime import datetime
from uuid import UUID

from leads.choices import GreetingState
from swiftex.database import execute

# A greeting that went out stays `greeted`, whatever is reported late, except when the very channel that took it says
# that it failed. `unresolved` gives way to certainty only. `pending` is never written here: see leads/sql.py REPEAT.
_MARK_GREETING = """
UPDATE leads_lead
SET greeting_state = %(state)s::text,
    greeting_reason = %(reason)s::text,
    greeting_channel = coalesce(%(channel)s::text, greeting_channel),
    greeted_at = CASE WHEN %(state)s::text = 'greeted' THEN coalesce(greeted_at, %(at)s) ELSE greeted_at END,
    status = CASE WHEN %(state)s::text = 'greeted' AND status = 'new' THEN 'contacted' ELSE status END
WHERE organization_id = %(organization_id)s AND id = %(lead_id)s
  AND CASE greeting_state
      WHEN 'pending' THEN true
      WHEN 'greeted' THEN %(state)s::text = 'failed' AND greeting_channel = %(channel)s::text
      WHEN 'unresolved' THEN %(state)s::text IN ('greeted', 'failed')
      ELSE %(state)s::text IN ('greeted', 'unresolved', 'failed')
      END
"""

_MARK_REPLIED = """
UPDATE leads_lead
SET replied_at = coalesce(replied_at, %(at)s),
    status = CASE WHEN status IN ('new', 'contacted') THEN 'replied' ELSE status END
WHERE organization_id = %(organization_id)s AND id = %(lead_id)s
  AND (replied_at IS NULL OR status IN ('new', 'contacted'))
"""


def mark_greeting(
    *,
    organization_id: UUID,
    lead_id: UUID,
    state: str,
    channel: str | None = None,
    reason: str | None = None,
    at: datetime,
) -> bool:
    """The lead's first message is in this state, if that is a step forward; False when it changes nothing.

    state: a GreetingState other than `pending`.  channel: the name of the channel that greeted or failed last.
    reason: a short code, such as `opted_out` or `131026`.  Call it inside the transaction that stores the outcome.
    """
    if GreetingState(state) is GreetingState.PENDING:
        raise ValueError("a greeting becomes pending by being asked for, not by an outcome")
    parameters = {
        "organization_id": organization_id,
        "lead_id": lead_id,
        "state": str(state),
        "channel": channel,
        "reason": (reason or "")[:60],
        "at": at,
    }
    return execute(_MARK_GREETING, parameters) == 1


def mark_replied(*, organization_id: UUID, lead_id: UUID, at: datetime) -> bool:
    """The person answered: `replied_at` is the first answer's moment, and the lead is at least `replied`.

    False when that was so already.
    """
    return execute(_MARK_REPLIED, {"organization_id": organization_id, "lead_id": lead_id, "at": at}) == 1
