"""Demonstrations that no training of a study learns from, and a policy's open-loop error on them."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from ...envs.seeds import DEMONSTRATIONS
from ...eval.compare.motion import mean_known
from ...eval.training_record import OPEN_LOOP
from ..data.files import write_json
from ..recording.record import RecordConfig

SEEDS = DEMONSTRATIONS[-10_000:]
"""Where they begin: the end of what recordings may have. Validation and test stay untouched."""
EPISODES = 20
"""Some 700 chunks of `pick`."""


def held_out(record: RecordConfig) -> RecordConfig:
    """Such demonstrations, recorded like those of `record`, in the same folder as yet.

    Raises:
        ValueError: that recording may come to the seeds that are held out.
    """
    # Where the expert fails in more than two of three episodes, recording stops.
    end = record.first_seed + 3 * record.episodes
    if end > SEEDS.start:
        raise ValueError(
            f"first_seed {record.first_seed} with {record.episodes} episodes may take seeds up to {end}, but "
            f"those from {SEEDS.start} on are held out, for the open-loop error: begin at a lower one"
        )
    return replace(record, episodes=EPISODES, first_seed=SEEDS.start)


def measure(run: Path, root: Path) -> None:
    """Writes OPEN_LOOP into the folder of a finished training, unless it is there.

    Args:
        root: the demonstrations.
    """
    from ...policies.policy import Policy  # imports torch
    from ..workflows.open_loop import open_loop_error

    if not (run / OPEN_LOOP).exists():
        error = open_loop_error(Policy.load(run / "policy"), root, bar=False)
        steps = [None if np.isnan(step) else float(step) for step in error]
        write_json(run / OPEN_LOOP, {"mean": mean_known(error), "steps": steps})
