"""Trainings that go on from a trained policy."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from synthetic_episodes import write_dataset

from vlasandbox.policies.policy import Policy
from vlasandbox.train import presets
from vlasandbox.train.build import build
from vlasandbox.train.cli import main
from vlasandbox.train.data.dataset import Dataset
from vlasandbox.train.data.files import read_json
from vlasandbox.train.loop import train

config = presets.load("debug")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a dataset `data`, a run `run` on it, and `more` data."""
    home = tmp_path_factory.mktemp("home")
    write_dataset(home / "data")
    write_dataset(home / "more", seeds=(7, 8))
    train(replace(config(home / "data"), updates=2), home / "run", bar=False)
    return home


def test_a_training_starts_with_the_weights_the_normalization_and_the_words(home: Path):
    going_on = replace(config(home / "more"), start_from=str(home / "run"))
    policy, sampler = build(going_on, Dataset.open(home / "more"), torch.device("cpu"))
    sampler.close()
    before = Policy.load(home / "run" / "policy")
    theirs = before.state_dict()
    assert [name for name, x in policy.state_dict().items() if not torch.equal(x, theirs[name])] == []
    assert policy.training
    assert policy.trunk.language.tokenize(before_words()) == before.trunk.language.tokenize(before_words())


def before_words() -> list[str]:
    return ["pick up the red cube", "pick up the purple cube"]


def test_the_command_line_goes_on_from_a_run_and_the_summary_says_so(home: Path, tmp_path: Path):
    command = (
        f"train debug --data {home}/more --start-from {home}/run --updates 1 --out {tmp_path}/on --threads 1"
    )
    assert main(command.split()) == 0
    after, before = (load_file(run / "policy/model.safetensors") for run in (tmp_path / "on", home / "run"))
    assert any(not torch.equal(after[name], before[name]) for name in before)
    assert read_json(tmp_path / "on" / "summary.json")["start_from"]["name"] == f"{home}/run"


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        ("--start-from {home}/data", "start_from: no policy in"),
        ("--start-from expert", "'expert' is no trained policy"),
        ("--start-from {home}/run --data.chunk 5", "chunk is 4 there and 5 here"),
        ("--start-from {home}/run --policy.shift 1", "shift is"),
    ],
)
def test_a_policy_that_does_not_fit_is_refused(home: Path, tmp_path: Path, capsys, flags: str, told: str):
    command = f"train debug --data {home}/data --out {tmp_path}/on --updates 1 {flags.format(home=home)}"
    assert main(command.split()) == 2
    assert told in capsys.readouterr().err
