"""Disjoint ranges of episode seeds: no policy is evaluated on the seeds it was trained on."""

DEMONSTRATIONS = range(0, 1_000_000)
"""Seeds of recorded demonstrations."""
VALIDATION = range(1_000_000, 2_000_000)
"""Seeds for choosing a checkpoint."""
TEST = range(2_000_000, 3_000_000)
"""Seeds for the report, used only once."""
