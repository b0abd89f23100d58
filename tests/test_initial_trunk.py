"""Trainings that start from the trunk of a trained policy."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from test_train_loop import data  # noqa: F401  a fixture

from vlasandbox.eval.training_record import TrainingRecord, cautions
from vlasandbox.policies.policy import Policy
from vlasandbox.train.initial_policy import PolicySource
from vlasandbox.train.loop import train
from vlasandbox.train.presets import debug


@pytest.fixture(scope="module")
def source(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: F811
    """A finished training with random initial weights."""
    out = tmp_path_factory.mktemp("source") / "run"
    train(debug.config(data, updates=2, seed=3), out, bar=False)
    return out


def trunk_weights(run: Path) -> dict[str, torch.Tensor]:
    tensors = load_file(run / "policy" / "model.safetensors")
    return {name: x for name, x in tensors.items() if name.startswith("trunk.")}


def without_learning(data: Path, **changes):  # noqa: F811
    config = debug.config(data, updates=1)
    return replace(config, optim=replace(config.optim, lr=1e-12), ema_decay=0.0, **changes)


def test_the_trunk_is_the_sources_and_the_head_is_new(source, data, tmp_path):  # noqa: F811
    train(without_learning(data, trunk_from=str(source)), tmp_path / "run", bar=False)
    ours, theirs = trunk_weights(tmp_path / "run"), trunk_weights(source)
    assert ours.keys() == theirs.keys()
    for name in ours:
        torch.testing.assert_close(ours[name], theirs[name], atol=1e-9, rtol=1e-6)

    train(without_learning(data), tmp_path / "scratch", bar=False)
    assert any(not torch.equal(x, trunk_weights(tmp_path / "scratch")[name]) for name, x in theirs.items())


def test_reports_name_where_the_trunk_came_from(source, data, tmp_path):  # noqa: F811
    train(without_learning(data, trunk_from=str(source)), tmp_path / "run", bar=False)
    mine, theirs = TrainingRecord.load(tmp_path / "run"), TrainingRecord.load(source)
    assert theirs.start == "random"
    assert mine.start.startswith(f"the trunk of {source} (")
    assert any("initial weights" in caution for caution in cautions({"mine": mine, "theirs": theirs}))


def test_a_stopped_run_resumes_to_the_same_weights(source, data, tmp_path, monkeypatch):  # noqa: F811
    config = debug.config(data, updates=6)
    config = replace(config, trunk_from=str(source), checkpoint_every=3)
    train(config, tmp_path / "whole", bar=False)

    original, calls = Policy.loss, []

    def loss(self, *args, **kwargs):
        calls.append(0)
        if len(calls) == 5:
            raise MemoryError
        return original(self, *args, **kwargs)

    monkeypatch.setattr(Policy, "loss", loss)
    with pytest.raises(MemoryError):
        train(config, tmp_path / "resumed", bar=False)
    monkeypatch.undo()
    train(config, tmp_path / "resumed", bar=False)
    whole, resumed = (
        load_file(tmp_path / run / "policy" / "model.safetensors") for run in ("whole", "resumed")
    )
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_a_source_that_does_not_fit_is_refused_by_what_differs(source, data, tmp_path):  # noqa: F811
    config = debug.config(data, updates=1)
    trunk = replace(config.policy.trunk, film=not config.policy.trunk.film)
    other = replace(config, policy=replace(config.policy, trunk=trunk), trunk_from=str(source))
    with pytest.raises(ValueError, match=r"film is .* there and .* here"):
        train(other, tmp_path / "film", bar=False)
    for name in ("expert", str(tmp_path / "nowhere")):
        with pytest.raises(ValueError, match="trunk_from"):
            train(replace(config, trunk_from=name), tmp_path / "none", bar=False)


def test_words_that_the_source_never_saw_are_named(source, data):  # noqa: F811
    found = PolicySource.find(str(source), "trunk_from")
    config = debug.config(data, updates=1)
    spec = Policy.load(found.folder).spec
    with pytest.raises(ValueError, match="lacks zebra"):
        found.load_trunk(config.policy.trunk, spec, ["pick up the zebra"])
