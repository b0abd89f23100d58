"""Held-out demonstrations of a study, and the open-loop error of a policy on them."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from ...common.errors import InputError
from ...envs.seeds import DEMONSTRATIONS
from ...eval.compare.motion import mean_known
from ...eval.training_record import OPEN_LOOP
from ..data.files import write_sealed
from ..recording.record import RecordConfig

SEEDS = DEMONSTRATIONS[-10_000:]
"""Seeds of held-out demonstrations: the end of the range for demonstrations. Validation and test stay
untouched."""
EPISODES = 20
"""Number of held-out demonstrations: some 700 chunks of `pick`."""


def held_out(record: RecordConfig) -> RecordConfig:
    """Configures held-out demonstrations, recorded like those of `record`; leaves the folder as it is.

    Raises:
        ValueError: `record` may reach the held-out seeds.
    """
    # Recording stops if the expert fails in more than two of three episodes.
    end = record.first_seed + 3 * record.episodes
    if end > SEEDS.start:
        raise InputError(
            f"first_seed {record.first_seed} with {record.episodes} episodes may use seeds up to {end}, but "
            f"those from {SEEDS.start} on are held out for the open-loop error: choose a lower first_seed"
        )
    return replace(record, episodes=EPISODES, first_seed=SEEDS.start)


def measure(run: Path, root: Path) -> None:
    """Measures the open-loop error of a finished training and writes it to OPEN_LOOP, unless that exists.

    Args:
        run: folder of the training.
        root: folder of the demonstrations.
    """
    from ...policies.policy import Policy  # imports torch
    from ..workflows.open_loop import open_loop_error

    if not (run / OPEN_LOOP).exists():
        error = open_loop_error(Policy.load(run / "policy"), root, bar=False)
        steps = [None if np.isnan(step) else float(step) for step in error]
        write_sealed(run / OPEN_LOOP, {"mean": mean_known(error), "steps": steps})
