"""Success rate of a policy under a condition, with its interval."""

import math
from dataclasses import dataclass
from typing import Any

from ..result import EvalResult
from ..stats.paired import wilson


@dataclass(frozen=True)
class SuccessRate:
    """Success rate of one policy under one condition."""

    result: EvalResult
    interval: tuple[float, float]
    """95% interval of the success rate (Wilson), in [0, 1]. An episode that raised or is missing could
    have gone either way: the lower end counts it as a failure, the upper end as a success."""

    @staticmethod
    def of(result: EvalResult) -> "SuccessRate":
        """Computes the success rate of `result`."""
        n = len(result.episodes)
        low, high = wilson(result.successes, n)[0], wilson(result.successes + result.undecided, n)[1]
        return SuccessRate(result, (low, high))

    @property
    def episodes(self) -> int:
        """Number of episodes, including those that raised or are missing."""
        return len(self.result.episodes)

    @property
    def rate(self) -> float:
        """Successes per episode that came to an end; NaN if none did."""
        finished = self.episodes - self.result.undecided
        return self.result.successes / finished if finished else math.nan

    @property
    def steps(self) -> float | None:
        """Mean control steps of the successful episodes; None without successes."""
        steps = [e.steps for e in self.result.episodes if e.outcome == "success"]
        return sum(steps) / len(steps) if steps else None

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "successes": self.result.successes,
            "episodes": self.episodes,
            "interval": list(self.interval),
            "errors": self.result.errors,
            "missing": self.result.missing,
            "mean_steps_to_success": self.steps,
        }

    @property
    def counts(self) -> str:
        """Successes and episodes: "97/100"."""
        return f"{self.result.successes}/{self.episodes}"

    @property
    def percent(self) -> str:
        """Interval in percent: "[91.5, 99.0]%"."""
        low, high = self.interval
        return f"[{100 * low:.1f}, {100 * high:.1f}]%"
