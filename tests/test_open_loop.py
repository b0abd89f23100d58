"""The open-loop error of policies that are off by a known amount, on demonstrations that are known."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from statistics_of import statistics
from synthetic_episodes import SETTINGS, SPEC, synthetic_episode
from tiny_policy import MeanHead
from tiny_trunk import CONFIG
from torch import Tensor

from vlasandbox.envs.config import EnvConfig
from vlasandbox.eval.training_record import OPEN_LOOP
from vlasandbox.policies.policy import Policy, PolicyConfig
from vlasandbox.policies.types import Observation
from vlasandbox.train.build import policy_spec
from vlasandbox.train.cli import main
from vlasandbox.train.config import DataConfig
from vlasandbox.train.data.dataset import Dataset
from vlasandbox.train.data.files import read_json
from vlasandbox.train.data.writer import DatasetWriter
from vlasandbox.train.recording.record import RecordConfig
from vlasandbox.train.study.held_out import EPISODES, SEEDS, held_out, measure
from vlasandbox.train.workflows.open_loop import open_loop_error

CHUNK = 4
LENGTHS = (9, 13)
"""Together no multiple of the batch: the last one holds frames for the second time."""
PERTURBED = 3
CONSTANT = 2
"""The action dimension that does not vary."""
AHEAD = torch.arange(CHUNK)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state says (episode, step), and the actions are a function of both."""
    folder = tmp_path_factory.mktemp("open_loop") / "pick"
    writer = DatasetWriter(folder, SETTINGS)
    for seed, length in enumerate(LENGTHS):
        episode = synthetic_episode(seed, length, perturbed=[PERTURBED])
        state = np.array([[seed, step, 0] for step in range(length)], np.float32)
        action = truth(torch.full((length,), seed), torch.arange(length)).numpy()
        writer.add_episode(replace(episode, state=state, action=action), SPEC)
    writer.commit()
    return folder


def truth(episode: Tensor, step: Tensor) -> Tensor:
    """Actions [..., 5]."""
    phase = (7.0 * episode + step)[..., None] * torch.tensor([0.3, 0.5, 0.0, 0.9, 1.1])
    return phase.sin() * torch.tensor([0.01, 0.02, 1.0, 0.3, 1.0])


def policy(root: Path, act: Callable[[Observation, Any], Tensor] | None = None) -> Policy:
    """One for these demonstrations; instead of a network's, the answers of `act`."""
    dataset = Dataset.open(root)
    spec = policy_spec(dataset, DataConfig(root, chunk=CHUNK))
    torch.manual_seed(0)
    stats = {"state": statistics(dataset.state), "action": statistics(dataset.action)}
    made = Policy.build(PolicyConfig(MeanHead(), CONFIG), spec, stats, dataset.tasks)
    if act is not None:
        made.act = act  # pyright: ignore[reportAttributeAccessIssue]
    return made


def test_the_error_is_that_of_each_step_in_the_scale_of_the_normaliser_and_over_valid_steps_only(root):
    def off(observation, generators):
        episode, step = observation.state[:, 0].long(), observation.state[:, 1].long()
        later = step[:, None] + AHEAD
        exact = truth(episode[:, None].expand_as(later), later)
        # Farther off with every step, in turn above and below.
        error = 0.1 * (AHEAD + 1) * (-1) ** AHEAD
        valid = (later < torch.tensor(LENGTHS)[episode][:, None]) & ~(
            (step[:, None] <= PERTURBED) & (later > PERTURBED)
        )
        error = torch.where(valid, error, 1e3)[:, :, None] * made.action_normalizer.scale
        error[:, :, CONSTANT] = 5.0
        return exact + error

    made = policy(root, off)
    assert made.action_normalizer.scale[CONSTANT] == 0
    assert open_loop_error(made, root) == pytest.approx([0.1, 0.2, 0.3, 0.4], abs=1e-5)


def test_every_frame_counts_once(root):
    seen = []

    def centre(observation, generators):
        seen.extend(map(tuple, observation.state[:, :2].int().tolist()))
        return made.action_normalizer.center.expand(len(observation.state), CHUNK, -1)

    made = policy(root, centre)
    error = open_loop_error(made, root)
    frames = [(episode, step) for episode, length in enumerate(LENGTHS) for step in range(length)]
    assert set(seen) == set(frames)
    assert len(seen) > len(frames)
    actions = torch.from_numpy(Dataset.open(root).action)
    first = made.action_normalizer.normalize(actions).abs()[:, [0, 1, 3, 4]]
    assert error[0] == pytest.approx(float(first.mean()), rel=1e-5)


def test_a_policy_with_noise_has_the_same_error_each_time_and_stays_as_it_was(root):
    noisy = policy(root).train()
    first = open_loop_error(noisy, root)
    torch.rand(3)
    assert np.array_equal(open_loop_error(noisy, root), first)
    assert np.isfinite(first).all()
    assert noisy.training


def test_steps_that_no_demonstration_reaches_have_no_error(tmp_path):
    writer = DatasetWriter(tmp_path / "short", SETTINGS)
    writer.add_episode(synthetic_episode(0, 3), SPEC)
    writer.commit()
    error = open_loop_error(policy(tmp_path / "short"), tmp_path / "short")
    assert np.isnan(error).tolist() == [False, False, False, True]


def test_the_command_says_it_step_by_step(tmp_path, monkeypatch, capsys):
    writer = DatasetWriter(tmp_path / "short", SETTINGS)
    writer.add_episode(synthetic_episode(0, 3), SPEC)
    writer.commit()
    made = policy(tmp_path / "short")
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).touch()
    monkeypatch.setattr(Policy, "load", lambda folder: made)
    assert main(["open-loop", str(tmp_path), str(tmp_path / "short")]) == 0
    table = [line.split() for line in capsys.readouterr().out.splitlines()[2:7]]
    error = open_loop_error(made, tmp_path / "short")
    assert table == [
        *([str(ahead), f"{error[ahead]:.3f}"] for ahead in range(3)),
        ["3", "-"],
        ["mean", f"{np.nanmean(error):.3f}"],
    ]


@pytest.mark.parametrize(("run", "said"), [("expert", "no trained policy"), ("nowhere", "no policy in")])
def test_the_command_needs_a_policy(run, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["open-loop", run, "data"]) == 2
    assert said in capsys.readouterr().err


def test_what_is_held_out_is_recorded_alike_and_is_never_trained_on(root, tmp_path, monkeypatch):
    training = RecordConfig(root, 1000, EnvConfig("stack"), noise=None, first_seed=500)
    held = held_out(training)
    assert held.settings() == training.settings() | {"first_seed": SEEDS.start}
    assert (held.episodes, held.noise) == (EPISODES, None)
    assert set(range(500, 500 + 3 * 1000)).isdisjoint(SEEDS)
    with pytest.raises(ValueError, match=r"first_seed 989000 .* 992000"):
        held_out(replace(training, first_seed=989_000))


def test_the_error_of_a_run_is_measured_once(root, tmp_path, monkeypatch):
    made = policy(root)
    monkeypatch.setattr(Policy, "load", lambda folder: made)
    measure(tmp_path, root)
    stored = read_json(tmp_path / OPEN_LOOP)
    assert stored["steps"] == pytest.approx(open_loop_error(made, root))
    assert stored["mean"] == pytest.approx(np.mean(stored["steps"]))
    monkeypatch.delattr(Policy, "load")
    measure(tmp_path, root)


def test_demonstrations_of_something_else_are_refused(root):
    made = policy(root)
    made.spec = replace(made.spec, cameras=("front",), state_dim=9, robot=None)
    with pytest.raises(ValueError, match=r"cameras: policy \('front',\), .* state_dim: policy 9, [^;]*\)"):
        open_loop_error(made, root)
