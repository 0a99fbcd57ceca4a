"""Circuit breakers: what fails again and again is left alone for a while.  Each process learns by itself."""

from dataclasses import dataclass
from threading import Lock
from time import monotonic


@dataclass
class _Circuit:
    failures: int = 0
    open_until: float = 0.0


_FAILURES_TO_OPEN = 5
_OPEN_FOR_S = 5.0
_circuits: dict[str, _Circuit] = {}
_lock = Lock()


def allows(name: str) -> bool:
    """Whether a call may be made now.

    Five failures in a row close the way for 5 s; then one caller at a time may probe, until one succeeds.
    """
    circuit = _circuits.get(name)
    if circuit is None or circuit.failures < _FAILURES_TO_OPEN:
        return True
    with _lock:
        if monotonic() < circuit.open_until:
            return False
        circuit.open_until = monotonic() + _OPEN_FOR_S
        return True


def succeeded(name: str) -> None:
    """The way is open, and earlier failures are forgotten."""
    if name in _circuits:
        _circuits.pop(name, None)


def failed(name: str) -> None:
    """One more failure in a row."""
    with _lock:
        circuit = _circuits.setdefault(name, _Circuit())
        circuit.failures += 1
        if circuit.failures >= _FAILURES_TO_OPEN:
            circuit.open_until = monotonic() + _OPEN_FOR_S
