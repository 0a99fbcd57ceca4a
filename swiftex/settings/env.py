"""Typed reading of the environment: a value that can't be right is refused with its name and the reason."""

import os

from django.core.exceptions import ImproperlyConfigured


def text(name: str, default: str | None = None) -> str:
    """The variable's value, or the default; raises ImproperlyConfigured when it is unset without a default."""
    value = os.environ.get(name, "").strip()
    if value:
        return value
    if default is None:
        raise ImproperlyConfigured(f"{name} is not set, and it has no default")
    return default


def choice(name: str, default: str, choices: tuple[str, ...]) -> str:
    """One of the choices."""
    value = text(name, default)
    if value not in choices:
        raise ImproperlyConfigured(f"{name} must be one of {', '.join(choices)}, not {value!r}")
    return value


def integer(name: str, default: int, *, low: int, high: int) -> int:
    """A whole number in [low, high]."""
    return int(_number(name, str(default), int, low, high))


def decimal(name: str, default: float, *, low: float, high: float) -> float:
    """A number in [low, high]."""
    return _number(name, str(default), float, low, high)


def boolean(name: str, default: bool) -> bool:
    """True for 1, true, yes, on; False for 0, false, no, off."""
    value = text(name, "true" if default else "false").lower()
    if value in {"1", "true", "yes", "on"}:
        return True
    if value in {"0", "false", "no", "off"}:
        return False
    raise ImproperlyConfigured(f"{name} must be true or false, not {value!r}")


def words(name: str, default: str = "") -> list[str]:
    """A list, split at commas, without empty entries."""
    return [word.strip() for word in text(name, default).split(",") if word.strip()]


def service_url(name: str, default: str, schemes: tuple[str, ...]) -> str:
    """A URL of one of the schemes."""
    value = text(name, default)
    if not value.startswith(tuple(f"{scheme}://" for scheme in schemes)):
        raise ImproperlyConfigured(f"{name} must begin with {' or '.join(s + '://' for s in schemes)}")
    return value


def _number(name: str, default: str, kind: type[int] | type[float], low: float, high: float) -> float:
    value = text(name, default)
    try:
        number = kind(value)
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be a number, not {value!r}") from None
    if not low <= number <= high:
        raise ImproperlyConfigured(f"{name} must be between {low} and {high}, not {number}")
    return number
