"""The audit log: who changed keys, roles and configuration."""

from collections.abc import Mapping
from uuid import UUID

from accounts.models import AuditEntry


def record_audit(
    *, organization_id: UUID, actor: str, action: str, target: str, details: Mapping[str, object] | None = None
) -> None:
    """One entry stands in the caller's transaction: it is there if and only if the change is.

    actor: `user:<id>`, `key:<id>` or `command:<name>`.  action: such as `api_key.revoked`.
    details: names of what changed; never a secret, a name, a phone or a text.
    """
    AuditEntry.objects.create(
        organization_id=organization_id, actor=actor, action=action, target=target, details=dict(details or {})
    )


def user_actor(user_id: object) -> str:
    """How the audit log names a user."""
    return f"user:{user_id}"
