"""Pace: when to draw within a control step, and how long to wait, so that the clock and the scene agree."""

import time
from collections.abc import Callable

FRAMES_PER_SECOND = 20.0
"""Pictures aimed at [Hz]."""


class Pace:
    """The clock of a scene. A step that comes late is not made up for: the scene runs slower for a while."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._next = 0.0
        """When the next step is due."""
        self._last = 0.0
        """When the last picture was drawn."""
        self._start = self._seconds = 0.0
        self._shares: list[float] = []
        self._due = 0.0

    def begin(self, seconds: float) -> None:
        """Starts a control step that shall take so long; 0 is as fast as possible."""
        now = self._clock()
        # Up to one step of delay is caught up with: what a policy takes to answer does not slow things down.
        self._start = self._next if now - seconds <= self._next <= now else now
        self._seconds, self._next = seconds, self._start + seconds
        frames = max(1, round(seconds * FRAMES_PER_SECOND))
        self._shares = [(i + 1) / frames for i in range(frames)]

    def is_due(self, share: float) -> bool:
        """Whether to draw when this share of the step is done. What cannot be shown in time is left out,
        but never for longer than a fifth of a second."""
        if not self._shares or share < self._shares[0] - 1e-9:
            return False
        due = self._start + self._shares.pop(0) * self._seconds
        now = self._clock()
        interval = 1 / FRAMES_PER_SECOND
        if self._seconds == 0.0:
            if now - self._last < interval:
                return False
        elif now > due + interval and now - self._last < 0.2:
            return False
        self._last, self._due = now, due
        return True

    def left(self) -> float:
        """Time until the picture that was drawn last is due [s]."""
        return self._due - self._clock() if self._seconds else 0.0
