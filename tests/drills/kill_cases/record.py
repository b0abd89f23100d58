"""Recording with two simulation processes."""

from pathlib import Path

from vlasandbox.envs.config import EnvConfig
from vlasandbox.train.recording.record import RecordConfig, record

from ..kill import KillCase, Say
from ._common import TASK, files_in, fork_programs, seeds_in


def _run(folder: Path, say: Say) -> None:
    fork_programs()
    root = folder / "data"
    config = RecordConfig(root, episodes=6, env=EnvConfig(TASK, image_size=32), workers=2)
    record(config, watch=lambda: [say(seed) for seed in seeds_in(root)])
    for seed in seeds_in(root):
        say(seed)


CASE = KillCase(
    run=_run,
    holds=lambda folder: seeds_in(folder / "data"),
    outcome=lambda folder: files_in(folder / "data"),
    kills=160,
)
