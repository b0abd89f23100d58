"""Disjoint ranges of episode seeds: what a policy was trained on is never what it is judged on."""

DEMONSTRATIONS = range(0, 1_000_000)
"""Recorded demonstrations."""
VALIDATION = range(1_000_000, 2_000_000)
"""Choosing a checkpoint."""
TEST = range(2_000_000, 3_000_000)
"""The report; touched once."""
