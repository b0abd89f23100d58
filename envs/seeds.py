"""Disjoint ranges of episode seeds: no policy is evaluated on the seeds it was trained on."""

from ..common.errors import InputError

DEMONSTRATIONS = range(0, 1_000_000)
"""Seeds of recorded demonstrations."""
ROLLOUTS = range(500_000, 900_000)
"""Part of DEMONSTRATIONS: seeds of the scenes that policies play to learn from."""
LIVE = range(900_000, 1_000_000)
"""Part of DEMONSTRATIONS: seeds of the scenes that are recorded on the live page."""
VALIDATION = range(1_000_000, 2_000_000)
"""Seeds for choosing a checkpoint."""
TEST = range(2_000_000, 3_000_000)
"""Seeds for the report, used only once."""

ATTEMPT = 10_000_000
"""Offset of the trial number per attempt at a scene: the scene is the same, the policy's noise
another."""


def trial(seed: int, attempt: int = 0) -> int:
    """One number for the `attempt`-th try of the scene of `seed`; the first one, 0, is the seed itself.

    Raises:
        ValueError: a seed that is not below ATTEMPT, or an attempt below 0.
    """
    if not 0 <= seed < ATTEMPT or attempt < 0:
        raise InputError(f"seed must be in 0..{ATTEMPT - 1} and attempt at least 0, got {seed} and {attempt}")
    return attempt * ATTEMPT + seed


def scene_of(number: int) -> tuple[int, int]:
    """Seed and attempt of a `trial`."""
    attempt, seed = divmod(number, ATTEMPT)
    return seed, attempt
