"""What every algorithm of `vla improve` must satisfy; a new file in train/algorithms is tested by this."""

import json
import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from vlasandbox.envs.config import EnvConfig
from vlasandbox.envs.seeds import ROLLOUTS
from vlasandbox.eval.rollout import rollouts
from vlasandbox.eval.training_record import TrainingRecord
from vlasandbox.policies.config_io import from_dict, to_dict
from vlasandbox.policies.policy import Policy
from vlasandbox.train import algorithms
from vlasandbox.train.algorithm import AlgorithmConfig
from vlasandbox.train.cli import main
from vlasandbox.train.data.dataset import Dataset
from vlasandbox.train.data.writer import DatasetWriter
from vlasandbox.train.evaluation import learned_task
from vlasandbox.train.improve import Improvement, improve
from vlasandbox.train.loop import train
from vlasandbox.train.presets import debug
from vlasandbox.train.recording.record import RecordConfig, record
from vlasandbox.train.recording.rollouts import RolloutRecordConfig, record_rollouts
from vlasandbox.train.rollout_source import RolloutConfig

every_algorithm = pytest.mark.parametrize("name", algorithms.names())


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with demonstrations `data`, a run `run` on them that has learned a little, and `mixed`: the
    demonstrations and rollouts of that run, none of which succeeds."""
    home = tmp_path_factory.mktemp("home")
    small = EnvConfig(image_size=32)
    record(RecordConfig(home / "data", episodes=3, env=small, workers=1), watch=lambda: None)
    train(replace(debug.config(home / "data", updates=3), threads=1), home / "run", bar=False)
    shutil.copytree(home / "data", home / "mixed" / "demonstrations")
    rollouts = RolloutRecordConfig(home / "mixed" / "rollouts", str(home / "run"), episodes=2, workers=1)
    record_rollouts(rollouts, progress=False)
    return home


def small(name: str) -> AlgorithmConfig:
    """The algorithm at a size for tests."""
    config = algorithms.default_config(name)
    if isinstance(config, RolloutConfig):
        return replace(config, updates=4, warmup=1, rounds=2, episodes=2)
    return replace(config, updates=4, warmup=1)


def improvement(home: Path, name: str, out: Path) -> Improvement:
    data = (str(home / "mixed"),) if name == "weighted" else ()
    return Improvement(str(home / "run"), small(name), out, data, threads=1)


@pytest.fixture(scope="module")
def improved(home: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A finished run of every algorithm."""
    folder = tmp_path_factory.mktemp("improved")
    for name in algorithms.names():
        improve(improvement(home, name, folder / name), bar=False)
    return {name: folder / name for name in algorithms.names()}


def weights(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / "policy" / "model.safetensors")


def rows(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


@every_algorithm
def test_settings_survive_json(name: str):
    config = small(name)
    assert from_dict(AlgorithmConfig, json.loads(json.dumps(to_dict(config, AlgorithmConfig)))) == config


@every_algorithm
def test_the_result_is_a_run_like_any_other(home: Path, improved: dict[str, Path], name: str):
    run, before = improved[name], Policy.load(home / "run" / "policy")
    after = Policy.load(run / "policy")
    assert after.spec == before.spec
    assert after.config == before.config
    for part in ("action_normalizer", "state_normalizer"):
        ours, theirs = getattr(after, part).state_dict(), getattr(before, part).state_dict()
        assert all(torch.equal(ours[key], theirs[key]) for key in theirs)
    assert any(not torch.equal(x, weights(home / "run")[key]) for key, x in weights(run).items())
    record_of_it = TrainingRecord.load(run)
    assert record_of_it.updates == 4
    assert learned_task(run) == "pick"
    assert rows(run)[-1]["step"] == 4
    summary = json.loads((run / "summary.json").read_text())
    assert summary["start_from"]["name"] == str(home / "run")


@every_algorithm
def test_rollouts_are_stored_datasets_from_their_own_range_of_seeds(improved: dict[str, Path], name: str):
    if not isinstance(small(name), RolloutConfig):
        assert not (improved[name] / "rollouts").exists()
        return
    seen = []
    for number in (1, 2):
        data = Dataset.open(improved[name] / "rollouts" / str(number) / "pick")
        assert data.recording is not None
        seen += [episode["seed"] for episode in data.recording["episodes"]]
        assert np.isfinite(data.progress).all()
        assert data.by_policy.any()
    assert len(set(seen)) == 4
    assert set(seen) <= set(ROLLOUTS)
    told = [row for row in rows(improved[name]) if "round" in row]
    assert [(row["step"], row["round"], row["rollouts"]) for row in told] == [(0, 1, 2), (2, 2, 2)]
    assert all(row["rollout_cpu_seconds"] > 0 for row in told)


@every_algorithm
def test_stopped_while_it_plays_and_while_it_learns_it_ends_bit_by_bit_the_same(
    home: Path, improved: dict[str, Path], tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
):
    how = improvement(home, name, tmp_path / "parts")
    with monkeypatch.context() as patch:
        # The first episode of each round and the second update, which is the last one before round 2.
        _interrupt(patch, DatasetWriter, "add_episode", calls=(1, 3))
        _interrupt(patch, Policy, "loss", calls=(2,))
        for _ in range(3 if isinstance(how.algorithm, RolloutConfig) else 1):
            with pytest.raises(KeyboardInterrupt):
                improve(how, bar=False)
            assert not (how.out / "policy").exists()
        improve(how, bar=False)
    whole, parts = weights(improved[name]), weights(how.out)
    assert [key for key, x in whole.items() if not torch.equal(x, parts[key])] == []
    steps = [(row["step"], row.get("round")) for row in rows(how.out)]
    assert len(set(steps)) == len(steps)


def _interrupt(patch: pytest.MonkeyPatch, owner: type, method: str, calls: tuple[int, ...]) -> None:
    """Sends this process SIGINT within these calls of a method, the first being number 1."""
    original, made = getattr(owner, method), []

    def interrupting(self: Any, *args: Any, **kwargs: Any) -> Any:
        made.append(method)
        if len(made) in calls:
            os.kill(os.getpid(), signal.SIGINT)
        return original(self, *args, **kwargs)

    patch.setattr(owner, method, interrupting)


@every_algorithm
def test_a_finished_run_is_left_alone(
    home: Path, improved: dict[str, Path], name: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(rollouts, "play_rollouts", None)
    before = (improved[name] / "summary.json").stat().st_mtime_ns
    improve(improvement(home, name, improved[name]), bar=False)
    assert (improved[name] / "summary.json").stat().st_mtime_ns == before
    other = replace(improvement(home, name, improved[name]), seed=5)
    with pytest.raises(ValueError, match="another folder"):
        improve(other, bar=False)


@every_algorithm
def test_other_settings_need_another_folder(home: Path, improved: dict[str, Path], name: str):
    how = improvement(home, name, improved[name])
    with pytest.raises(ValueError, match=r"algorithm\.rate is 1\.0 there and 0\.5 here"):
        improve(replace(how, algorithm=replace(how.algorithm, rate=0.5)), bar=False)


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("improve {home}/run", "--by METHOD, one of dagger, filtered, takeover, weighted"),
        (
            "improve {home}/run --by magic",
            "unknown algorithm 'magic'; valid: dagger, filtered, takeover, weighted",
        ),
        ("improve {home}/data --by takeover", "no policy in"),
        ("improve {home}/run --by weighted --out {home}/w", "do not say how the task progressed; valid are"),
        ("improve expert --by takeover", "says nothing of how it was trained"),
        ("improve {home}/run/policy --by takeover --data {home}/none", "give them as --data"),
    ],
)
def test_a_mistake_is_told_in_one_sentence(home: Path, capsys: Any, command: str, told: str):
    assert main(command.format(home=home).split()) == 2
    assert told in capsys.readouterr().err
