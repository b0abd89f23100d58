"""Flow matching against what can be known without training."""

import dataclasses
from typing import Literal

import pytest
import torch
from torch import Tensor
from toy_trunk import ToyTrunk, assert_both_modes, fit, generators, sample_many, two_modes

from vlasandbox.policies.head import draw_noise
from vlasandbox.policies.heads import flow
from vlasandbox.policies.heads.flow import Flow
from vlasandbox.policies.network import ActionNetwork
from vlasandbox.policies.networks import expert
from vlasandbox.policies.types import Prefix

K, A, B = 3, 2, 4
SMALL = expert.Config(width=32, mlp=64)


class Oracle(ActionNetwork):
    """The velocity field when every observation has one answer: straight to it, in the time left."""

    def __init__(self, actions: Tensor) -> None:
        super().__init__()
        self.actions = actions
        self.times: list[float] = []

    def forward(self, x: Tensor, t: Tensor, prefix: Prefix) -> Tensor:
        self.times.append(t[0].item())
        actions = self.actions.repeat_interleave(len(x) // len(self.actions), dim=0)
        return (actions - x) / (1 - t[:, None, None])


def oracle_head(
    steps: int = 10, draws: int = 4, time: Literal["beta", "uniform", "shifted"] = "beta"
) -> tuple[Flow, Prefix, Tensor]:
    actions = torch.randn(B, K, A, generator=torch.Generator().manual_seed(9))
    head = Flow(flow.Config(steps=steps, draws=draws, time=time), Oracle(actions), K, A)
    return head, ToyTrunk().prefix(torch.zeros(B, 2)), actions


@pytest.mark.parametrize("steps", [1, 2, 7, 10])
def test_true_velocity_leads_to_the_data_in_any_number_of_steps(steps: int):
    head, prefix, actions = oracle_head(steps)
    torch.testing.assert_close(head.sample(prefix, generators()), actions, atol=1e-5, rtol=1e-5)


def test_constant_velocity_from_the_drawn_noise_to_the_data_is_exact_too():
    head, prefix, actions = oracle_head()
    noise = draw_noise(generators(), K, A)
    head.network.forward = lambda x, t, prefix: actions - noise
    torch.testing.assert_close(head.sample(prefix, generators()), actions, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("time", ["beta", "uniform", "shifted"])
def test_true_velocity_has_no_loss_so_training_and_sampling_share_one_direction_of_time(
    time: Literal["beta", "uniform", "shifted"],
):
    head, prefix, actions = oracle_head(time=time)
    mask = torch.ones(B, K, dtype=torch.bool)
    loss, _ = head.loss(prefix, actions, mask, torch.Generator().manual_seed(3))
    assert loss.max() < 1e-4


def test_sampling_starts_at_time_zero_and_its_last_step_ends_at_one():
    head, prefix, _ = oracle_head(steps=5)
    head.sample(prefix, generators())
    assert isinstance(head.network, Oracle)
    assert head.network.times == pytest.approx([0, 0.2, 0.4, 0.6, 0.8])


def test_inputs_and_targets_are_openpis_mirrored_in_time():
    head, prefix, actions = oracle_head(draws=1)
    seen = []
    head.network.forward = lambda x, t, prefix: (seen.append((x, t)), torch.zeros_like(x))[1]
    loss, _ = head.loss(prefix, actions, torch.ones(B, K, dtype=torch.bool), torch.Generator().manual_seed(3))
    ((x, t),) = seen
    theirs = (1 - t)[:, None, None]
    noise = (x - (1 - theirs) * actions) / theirs  # openpi: x_t = t noise + (1 - t) actions
    target = noise - actions  # and u = noise - actions
    torch.testing.assert_close(loss, (-target).square().mean(dim=(1, 2)), atol=1e-4, rtol=1e-4)
    assert noise.std() == pytest.approx(1, abs=0.35)


def test_mean_training_time_is_that_of_pi0():
    head, _, _ = oracle_head()
    noisiness = 1 - head.times(20_000, torch.Generator().manual_seed(0))
    assert noisiness.mean().item() == pytest.approx(0.6004, abs=1e-3)
    assert noisiness.median().item() == pytest.approx(0.630, abs=2e-3)
    assert (noisiness > 0.5).float().mean().item() == pytest.approx(0.648, abs=3e-3)
    assert noisiness.min() >= 0.001 - 1e-6
    assert noisiness.max() <= 1


def test_uniform_training_times_are_uniform():
    head, _, _ = oracle_head(time="uniform")
    times = head.times(5000, torch.Generator().manual_seed(0))
    assert times.mean().item() == pytest.approx(0.5, abs=1e-2)
    assert times.var().item() == pytest.approx(1 / 12, abs=1e-3)


def test_shifted_training_times_are_the_beta_distribution_squeezed_towards_noise():
    medians = {}
    for shift in (1.0, 4.0, 8.0):
        head, _, _ = oracle_head()
        head.config = flow.Config(time="shifted", shift=shift)
        times = head.times(20_000, torch.Generator().manual_seed(0))
        assert times.min() >= 0
        assert times.max() <= 1
        medians[shift] = times.median().item()
        if shift == 1:
            assert times.mean().item() == pytest.approx(0.4, abs=1e-3)  # of Beta(1, 1.5)
            # Its distribution function is 1 - (1 - t)^1.5.
            assert (times < 0.5).float().mean().item() == pytest.approx(1 - 0.5**1.5, abs=2e-3)
    middle = 1 - 0.5 ** (2 / 3)
    assert medians == pytest.approx({a: middle / (1 + (a - 1) * (1 - middle)) for a in medians}, abs=2e-3)


def test_draws_of_an_observation_see_its_own_prefix_and_actions():
    trunk = ToyTrunk()
    head = flow.Config(network=SMALL, draws=3).build(trunk, K, A)
    features, actions = torch.randn(B, 2), torch.randn(B, K, A)
    mask = torch.ones(B, K, dtype=torch.bool)
    seen = []
    head.network.register_forward_pre_hook(lambda _, args: seen.append(args))
    head.loss(trunk.prefix(features), actions, mask, torch.Generator().manual_seed(0))
    ((x, t, many),) = seen
    assert x.shape == (3 * B, K, A)
    assert torch.equal(many.hidden[3:6], many.hidden[3:4].expand(3, -1, -1))
    residual = x - t[:, None, None] * actions.repeat_interleave(3, dim=0)
    assert residual.std(dim=(1, 2)).sub(1 - t).abs().max() < 0.8
    assert x.unique(dim=0).shape == x.shape


@pytest.mark.slow
def test_both_of_two_modes_are_recovered_for_the_whole_chunk():
    trunk = ToyTrunk()
    head = flow.Config(network=SMALL).build(trunk, 2, 1)
    fit(head, trunk, two_modes(2), steps=150)
    chunks = sample_many(head, trunk)
    assert_both_modes(chunks)
    assert (chunks[:, 0].sign() == chunks[:, 1].sign()).float().mean() > 0.95


@pytest.mark.parametrize("options", [{"steps": 0}, {"draws": 0}])
def test_impossible_counts_are_rejected(options: dict[str, int]):
    with pytest.raises(ValueError, match="must be at least 1, got"):
        dataclasses.replace(flow.Config(), **options).build(ToyTrunk(), K, A)


def test_a_shift_that_is_not_positive_is_rejected():
    with pytest.raises(ValueError, match="shift must be positive and finite, got 0"):
        flow.Config(shift=0.0).build(ToyTrunk(), K, A)


def test_temperature_scales_the_noise_that_sampling_starts_from():
    seen: list[Tensor] = []
    for temperature in (0.0, 0.5, 1.0):
        head, prefix, _ = oracle_head()
        head.config = dataclasses.replace(head.config, temperature=temperature)
        start: list[Tensor] = []
        head.network.forward = lambda x, t, prefix, start=start: start.append(x) or torch.zeros_like(x)
        head.sample(prefix, generators())
        seen.append(start[0])
    noise = draw_noise(generators(), K, A)
    torch.testing.assert_close(torch.stack(seen), torch.stack([0 * noise, 0.5 * noise, noise]))
