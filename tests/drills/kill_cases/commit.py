"""Adding staged episodes to a dataset."""

from pathlib import Path

from synthetic_episodes import SETTINGS, SPEC, synthetic_episode

from vlasandbox.train.data.dataset import Dataset
from vlasandbox.train.data.writer import DatasetWriter

from ..kill import KillCase, Say
from ._common import files_in, seeds_in


def _prepare(folder: Path) -> None:
    writer = DatasetWriter(folder / "data", SETTINGS)
    for seed in range(2):
        writer.add_episode(synthetic_episode(seed), SPEC)
    writer.commit()
    writer = DatasetWriter(folder / "data", SETTINGS)
    for seed in range(2, 5):
        writer.add_episode(synthetic_episode(seed), SPEC)
    writer.add_failure(5)


def _run(folder: Path, say: Say) -> None:
    for seed in seeds_in(folder / "data"):
        say(seed)
    DatasetWriter(folder / "data", SETTINGS).commit()
    assert Dataset.open(folder / "data").fingerprint


CASE = KillCase(
    run=_run,
    holds=lambda folder: seeds_in(folder / "data"),
    outcome=lambda folder: files_in(folder / "data"),
    kills=500,
    prepare=_prepare,
)
