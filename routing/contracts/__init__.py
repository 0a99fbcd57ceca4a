"""The contracts of events: one JSON Schema per type and version, in <type>/<version>.json beside this file.

Contracts are open: a reader ignores fields that it does not know (docs/reference/events.md).
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs

FOLDER = Path(__file__).resolve().parent


class UnknownContract(LookupError):
    """There is no contract for this type and version."""


class ContractBroken(ValueError):
    """The data is not what the contract says.  path: where, such as `decision.queue`; reason: without the value."""

    def __init__(self, *, type: str, version: int, path: str, reason: str) -> None:
        super().__init__(f"{type} v{version}: {path or 'data'}: {reason}")
        self.path = path
        self.reason = reason


def validate(*, type: str, version: int, data: dict[str, Any]) -> None:
    """The data fits the contract; raises ContractBroken with the first fault, or UnknownContract."""
    validator = _validator(type, version)
    if validator.is_valid(data):
        return
    fault = next(iter(validator.iter_errors(data)))
    path = ".".join(str(part) for part in fault.instance_path)
    keyword = str(fault.schema_path[-1]) if fault.schema_path else "schema"
    raise ContractBroken(type=type, version=version, path=path, reason=f"breaks {keyword!r} of the contract")


def schema_of(type: str, version: int) -> dict[str, Any]:
    """The JSON Schema of that contract; raises UnknownContract."""
    try:
        loaded: dict[str, Any] = json.loads((FOLDER / type / f"{version}.json").read_text())
    except FileNotFoundError:
        raise UnknownContract(f"{type} v{version}") from None
    return loaded


def all_contracts() -> list[tuple[str, int]]:
    """Every type and version that has a contract, sorted."""
    return sorted((file.parent.name, int(file.stem)) for file in FOLDER.glob("*/*.json"))


@cache
def _validator(type: str, version: int) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(schema_of(type, version), validate_formats=True)
