"""A circuit breaker: who fails again and again is left alone for a while.

The pattern is that of M. Nygard, "Release It!" (2007). The packaged ones were looked at first:
pybreaker holds its lock while the call runs, so that calls would go one after the other.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

FAILURES = 5
OPEN_S = 10.0


class CircuitOpenError(Exception):
    """The call must not be made now.

    Attributes:
        failures: How many in a row opened the circuit.
        left_s: For how long it stays open; 0 while another call probes.
    """

    def __init__(self, failures: int, left_s: float) -> None:
        super().__init__(f"open for {left_s:.1f} s more")
        self.failures = failures
        self.left_s = left_s


class CircuitBreaker:
    """Opens after so many failures in a row, and lets one call probe when the time is over.

    Threads may share it.

    Args:
        failures: So many in a row open it.
        open_s: For so long no call is let through.
        clock: Gives the time in seconds.
    """

    def __init__(
        self,
        failures: int | None = None,
        open_s: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._allowed = FAILURES if failures is None else failures
        self._open_s = OPEN_S if open_s is None else open_s
        self._clock = clock
        self._lock = threading.Lock()
        self._failed = 0
        self._open_until: float | None = None
        self._probing = False

    def admit(self) -> bool:
        """Let a call through; what it returns is given to ``settle``, whatever comes of the call.

        Returns:
            Whether the call probes, all others being held back until it is settled.

        Raises:
            CircuitOpenError: If the call must not be made.
        """
        with self._lock:
            if self._open_until is None:
                return False
            left_s = self._open_until - self._clock()
            if left_s > 0 or self._probing:
                raise CircuitOpenError(self._failed, max(left_s, 0.0))
            self._probing = True
            return True

    def settle(self, probe: bool, healthy: bool | None) -> None:
        """Say how a call went; None tells nothing of who was called, as when it was broken off."""
        with self._lock:
            if probe:
                self._probing = False
            if healthy:
                self._failed, self._open_until = 0, None
            # What was on its way when the circuit opened does not keep it open for longer.
            elif healthy is False and (probe or self._open_until is None):
                self._failed += 1
                if self._failed >= self._allowed:
                    self._open_until = self._clock() + self._open_s


_breakers: dict[str, CircuitBreaker] = {}
_breakers_lock = threading.Lock()


def breaker_of(who: str) -> CircuitBreaker:
    """The one circuit breaker that this process has for a server."""
    with _breakers_lock:
        return _breakers.setdefault(who, CircuitBreaker())
