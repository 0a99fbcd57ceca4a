"""Fields of the API whose shape no field of DRF has: flat objects of bounded size, and consent."""

import math
from collections.abc import Mapping
from typing import Any, NoReturn

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from leads.submission import Consent

MAX_KEY_CHARS = 64
MAX_LIST_ITEMS = 20
# Whole numbers beyond this are not the same number everywhere JSON is read (RFC 8259, section 6).
_MAX_INTEGER = 2**53 - 1

Faults = dict[str, list[serializers.ErrorDetail]]


def _fault(reason: str) -> list[serializers.ErrorDetail]:
    return [serializers.ErrorDetail(reason, "invalid")]


@extend_schema_field({"type": "object", "additionalProperties": {}, "maxProperties": 50})
class FlatObjectField(serializers.Field):  # type: ignore[type-arg]
    """An object of at most `max_keys` texts, numbers, booleans, nulls, and lists of them."""

    def __init__(self, *, max_keys: int = 50, max_chars: int = 2000, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.max_keys = max_keys
        self.max_chars = max_chars

    def to_internal_value(self, data: object) -> dict[str, Any]:
        """The object as it is; raises ValidationError with each key at fault."""
        if not isinstance(data, dict):
            raise serializers.ValidationError("must be an object")
        if len(data) > self.max_keys:
            raise serializers.ValidationError(f"has more than {self.max_keys} keys")
        faults: Faults = {}
        for key, value in data.items():
            reason = self._fault_of_key(key) or self._fault_of(value, may_be_list=True)
            if reason:
                faults[str(key)[:MAX_KEY_CHARS]] = _fault(reason)
        if faults:
            raise serializers.ValidationError(faults)
        return data

    def to_representation(self, value: Mapping[str, Any]) -> Mapping[str, Any]:
        """The object as it is."""
        return value

    def _fault_of_key(self, key: str) -> str | None:
        return None if 0 < len(key) <= MAX_KEY_CHARS else f"a key must have 1 to {MAX_KEY_CHARS} characters"

    def _fault_of(self, value: object, *, may_be_list: bool) -> str | None:
        if isinstance(value, str):
            return None if len(value) <= self.max_chars else f"is longer than {self.max_chars} characters"
        if value is None or isinstance(value, bool):
            return None
        if isinstance(value, int):
            return None if abs(value) <= _MAX_INTEGER else "is too large a number"
        if isinstance(value, float):
            return None if math.isfinite(value) else "is not a finite number"
        if isinstance(value, list) and may_be_list:
            return self._fault_of_list(value)
        return "must be text, a number, true, false, null" + (" or a list of them" if may_be_list else "")

    def _fault_of_list(self, values: list[object]) -> str | None:
        if len(values) > MAX_LIST_ITEMS:
            return f"has more than {MAX_LIST_ITEMS} items"
        reasons = (self._fault_of(value, may_be_list=False) for value in values)
        return next((reason for reason in reasons if reason), None)


_EVIDENCE_LIMITS = {"text": 2000, "version": 40, "given_at": 40, "ip": 45, "url": 500, "user_agent": 300}


@extend_schema_field(
    {
        "oneOf": [
            {"type": "boolean"},
            {
                "type": "object",
                "required": ["given"],
                "additionalProperties": False,
                "properties": {
                    "given": {"type": "boolean"},
                    **{name: {"type": "string", "maxLength": limit} for name, limit in _EVIDENCE_LIMITS.items()},
                },
            },
        ],
        "description": "Whether the person agreed to be contacted, and what proves it.",
    }
)
class ConsentField(serializers.Field):  # type: ignore[type-arg]
    """`true`, `false`, or an object with `given` and the evidence: text, version, given_at, ip, url, user_agent."""

    def to_internal_value(self, data: object) -> Consent:
        """The consent; raises ValidationError with each key at fault."""
        if isinstance(data, bool):
            return Consent(is_given=data)
        if not isinstance(data, dict):
            self._refuse("must be true, false or an object with `given`")
        if not isinstance(data.get("given"), bool):
            raise serializers.ValidationError({"given": _fault("must be true or false")})
        evidence = {key: value for key, value in data.items() if key != "given"}
        faults: Faults = {}
        for key, value in evidence.items():
            limit = _EVIDENCE_LIMITS.get(key)
            if limit is None:
                faults[key[:MAX_KEY_CHARS]] = _fault("is not a known part of a consent")
            elif not isinstance(value, str) or len(value) > limit:
                faults[key] = _fault(f"must be text of at most {limit} characters")
        if faults:
            raise serializers.ValidationError(faults)
        return Consent(is_given=data["given"], evidence=evidence)

    def to_representation(self, value: Consent) -> dict[str, Any]:
        """As it may be sent."""
        return {"given": value.is_given, **value.evidence}

    def _refuse(self, reason: str) -> NoReturn:
        raise serializers.ValidationError(reason)
