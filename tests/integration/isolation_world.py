"""Rows of an organization in every table that belongs to one, made from the models themselves.

A new model is covered without a line here, unless a constraint needs values that only a person can think of.
"""

import itertools
from datetime import date
from typing import Any
from uuid import UUID

from django.apps import apps
from django.contrib.auth import get_user_model
from django.db import connection, models, transaction
from django.utils import timezone

from accounts.models import Organization, OrganizationOwned
from swiftex.encryption import EncryptedJSONField
from swiftex.ids import new_id

CANARY = "canarybird"
# Values that the constraints of a table ask for: table -> column -> value.
SPECIAL: dict[str, dict[str, Any]] = {
    "accounts_membership": {"role": "viewer"},
    "accounts_idempotencyrecord": {"status": 202},
    "leads_contact": {"phone": "+15550102030", "email": "canarybird@example.com", "timezone": "", "opt_out_source": ""},
    "leads_identity": {"kind": "phone", "value": "+15550102030"},
    "leads_lead": {"phone": "+15550102030", "email": "canarybird@example.com"},
}
# Columns that need another row of their own table's target.
SECOND_ROWS = {("leads_mergesuggestion", "other")}
_numbers = itertools.count(1)


def owned_models() -> list[type[models.Model]]:
    """Every table that belongs to organizations."""
    return [model for model in apps.get_models() if issubclass(model, OrganizationOwned) and not model._meta.proxy]


def populate(organization: Organization) -> dict[type[models.Model], models.Model]:
    """One row of each model, all of this organization, which refer to each other."""
    made: dict[type[models.Model], models.Model] = {}
    with transaction.atomic():
        for model in owned_models():
            _make(model, organization, made)
    return made


def snapshot(organization_id: UUID) -> dict[str, list[str]]:
    """Everything that the organization owns, as text by table: equal before and after means that nothing changed."""
    content = {}
    with connection.cursor() as cursor:
        for model in owned_models():
            table = model._meta.db_table
            cursor.execute(
                f'SELECT t::text FROM "{table}" AS t WHERE organization_id = %s ORDER BY 1', [organization_id]
            )
            content[table] = [row[0] for row in cursor.fetchall()]
    return content


def _make(model: Any, organization: Organization, made: dict[Any, Any]) -> Any:
    if model not in made:
        special = SPECIAL.get(model._meta.db_table, {})
        values = {"organization": organization, **special}
        for field in model._meta.concrete_fields:
            if field.name in values:
                continue
            if field.is_relation:
                values[field.name] = _related(field, organization, made)
            elif _needs_value(field):
                values[field.name] = _value(field)
        made[model] = model._default_manager.create(**values)
    return made[model]


def _needs_value(field: Any) -> bool:
    if getattr(field, "auto_now_add", False) or isinstance(field, models.AutoField):
        return False
    if isinstance(field, models.CharField | models.TextField) and field.default == "" and not field.choices:
        return field.max_length is None or field.max_length >= 60
    return not (field.has_default() or field.has_db_default() or field.null)


def _related(field: Any, organization: Organization, made: dict[Any, Any]) -> Any:
    target = field.related_model
    if issubclass(target, get_user_model()):
        return target.objects.create_user(f"{CANARY}{next(_numbers)}")
    if target is field.model:
        return None
    if (field.model._meta.db_table, field.name) in SECOND_ROWS:
        return _make(target, organization, {})
    return _make(target, organization, made)


def _value(field: Any) -> Any:
    if field.choices:
        return field.choices[0][0]
    number = next(_numbers)
    makers: list[tuple[Any, Any]] = [
        (EncryptedJSONField, lambda: {"token": f"{CANARY}-secret"}),
        (models.UUIDField, new_id),
        (models.BooleanField, lambda: False),
        (models.DateTimeField, timezone.now),
        (models.DateField, date.today),
        (models.JSONField, dict),
        (models.BinaryField, lambda: f"{CANARY}{number}".encode()),
        (models.IntegerField, lambda: 1),
        (models.FloatField, lambda: 1.0),
        (models.GenericIPAddressField, lambda: "192.0.2.1"),
        (models.CharField | models.TextField, lambda: f"{CANARY}{number}"[: field.max_length or 100]),
    ]
    for kind, make in makers:
        if isinstance(field, kind):
            return make()
    raise AssertionError(f"isolation_world knows no value for {field}")
