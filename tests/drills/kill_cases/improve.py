"""A policy that goes on learning: two rounds of rollouts, and a checkpoint after each update."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from vlasandbox.envs.config import EnvConfig
from vlasandbox.envs.episode import Episode
from vlasandbox.train import algorithms, checkpoint, loop
from vlasandbox.train.data.writer import DatasetWriter
from vlasandbox.train.improve import Improvement, improve
from vlasandbox.train.loop import train
from vlasandbox.train.presets import debug
from vlasandbox.train.recording.record import RecordConfig, record
from vlasandbox.train.rollout_source import RolloutConfig

from ..kill import KillCase, Say
from ._common import TASK, files_in, fork_programs, seeds_in
from .train import holds, outcome


def _prepare(folder: Path) -> None:
    record(RecordConfig(folder / "data", episodes=2, env=EnvConfig(TASK, image_size=32)), watch=lambda: None)
    config = replace(debug.config(folder / "data", updates=1), checkpoint_every=1, threads=1)
    train(config, folder / "run", bar=False)


def _run(folder: Path, say: Say) -> None:
    fork_programs()
    add, save = DatasetWriter.add_episode, checkpoint.save

    def adding(self: DatasetWriter, episode: Episode, spec: dict[str, Any]) -> None:
        add(self, episode, spec)
        say(f"{self.root.parent.name}: seed {episode.seed}")

    def saving(path: Path, *state: Any) -> None:
        save(path, *state)
        say(f"update {state[-1].step}")

    DatasetWriter.add_episode = adding
    loop.checkpoint.save = saving
    algorithm = algorithms.default_config("takeover")
    assert isinstance(algorithm, RolloutConfig)
    small = replace(algorithm, updates=4, warmup=1, rounds=2, episodes=2)
    data = (str(folder / "data"),)
    improve(Improvement(str(folder / "run"), small, folder / "improved", data, threads=1), bar=False)
    say("policy")


def _rounds(folder: Path) -> list[Path]:
    return sorted((folder / "improved/rollouts").glob("*/*/"))


def _holds(folder: Path) -> set[str]:
    seeds = {f"{root.parent.name}: {seed}" for root in _rounds(folder) for seed in seeds_in(root)}
    return seeds | holds(folder / "improved")


def _outcome(folder: Path) -> dict[str, Any]:
    found = outcome(folder / "improved")
    for root in _rounds(folder):
        found |= {f"{root.parent.name}/{name}": value for name, value in files_in(root).items()}
    return found


CASE = KillCase(run=_run, holds=_holds, outcome=_outcome, kills=60, prepare=_prepare)
