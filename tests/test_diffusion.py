"""Diffusion against closed forms and against diffusers' own scheduler."""

from typing import Literal, get_args

import numpy as np
import pytest
import torch
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from torch import Tensor
from toy_trunk import ToyTrunk, assert_both_modes, fit, sample_many, two_modes

from vlasandbox.policies.head import draw_noise
from vlasandbox.policies.heads import diffusion
from vlasandbox.policies.heads.diffusion import Diffusion
from vlasandbox.policies.network import ActionNetwork
from vlasandbox.policies.networks import expert
from vlasandbox.policies.types import Prefix

K, A, B = 3, 2, 4
SMALL = expert.Config(width=32, mlp=64)
Prediction = Literal["epsilon", "sample", "v_prediction"]
every_prediction = pytest.mark.parametrize("prediction", get_args(Prediction))


class Oracle(ActionNetwork):
    """What a perfect network predicts when every observation has one answer."""

    def __init__(self, actions: Tensor, prediction: str) -> None:
        super().__init__()
        self.actions, self.prediction = actions, prediction
        self.abar = torch.empty(0)
        self.times: list[float] = []

    def forward(self, x: Tensor, t: Tensor, prefix: Prefix) -> Tensor:
        self.times.append(t[0].item())
        actions = self.actions.repeat_interleave(len(x) // len(self.actions), dim=0)
        abar = self.abar[((1 - t) * (len(self.abar) - 1)).round().long()][:, None, None]
        noise = (x - abar.sqrt() * actions) / (1 - abar).sqrt()
        if self.prediction == "epsilon":
            return noise
        return actions if self.prediction == "sample" else abar.sqrt() * noise - (1 - abar).sqrt() * actions


def oracle_head(prediction, steps: int = 10, clip: float | None = None) -> tuple[Diffusion, Prefix, Tensor]:
    actions = torch.rand(B, K, A, generator=torch.Generator().manual_seed(9)) * 2 - 1
    oracle = Oracle(actions, prediction)
    head = Diffusion(diffusion.Config(prediction=prediction, steps=steps, clip=clip), oracle, K, A)
    oracle.abar = head.abar
    return head, ToyTrunk().prefix(torch.zeros(B, 2)), actions


def generators() -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in range(B)]


@every_prediction
@pytest.mark.parametrize("steps", [1, 5, 10, 100])
def test_perfect_predictions_lead_to_the_actions(prediction: Prediction, steps: int):
    head, prefix, actions = oracle_head(prediction, steps)
    # The noise alone determines the actions badly where they are 1/2000 of the signal: divided back, the
    # rounding errors of float32 are 2000 times as large.
    tolerance = 1e-2 if prediction == "epsilon" else 1e-4
    torch.testing.assert_close(head.sample(prefix, generators()), actions, atol=tolerance, rtol=0)


@every_prediction
def test_perfect_predictions_have_no_loss_so_training_and_sampling_agree(prediction: Prediction):
    head, prefix, actions = oracle_head(prediction)
    mask = torch.ones(B, K, dtype=torch.bool)
    loss, _ = head.loss(prefix, actions, mask, torch.Generator().manual_seed(3))
    assert loss.max() < 1e-4


@every_prediction
@pytest.mark.parametrize("clip", [None, 0.8])
def test_a_chunk_is_the_one_that_diffusers_own_steps_give(prediction: Prediction, clip: float | None):
    trunk = ToyTrunk()
    config = diffusion.Config(network=SMALL, prediction=prediction, clip=clip)
    head = config.build(trunk, K, A)
    scheduler = DDIMScheduler(
        num_train_timesteps=100,
        beta_schedule="squaredcos_cap_v2",
        prediction_type=prediction,
        clip_sample=clip is not None,
        clip_sample_range=clip or 1.0,
        timestep_spacing="trailing",
    )
    scheduler.set_timesteps(10)
    with torch.no_grad():
        prefix = trunk.prefix(torch.randn(B, 2))
        x = draw_noise(generators(), K, A)
        for timestep in scheduler.timesteps:
            prediction_ = head.network(x, head.time(timestep.expand(B)), prefix)
            x = scheduler.step(prediction_, int(timestep), x, eta=0.0, return_dict=False)[0]
        actual = head.sample(prefix, generators())
    scale = x.abs().max().item()
    torch.testing.assert_close(actual / scale, x / scale, atol=1e-4, rtol=1e-4)


@every_prediction
@pytest.mark.parametrize("clip", [None, 0.8])
@pytest.mark.parametrize("schedule", ["cosine", "linear"])
def test_ddpm_steps_are_those_of_diffusers_with_the_same_noise(prediction: Prediction, clip, schedule):
    trunk = ToyTrunk()
    config = diffusion.Config(
        network=SMALL, prediction=prediction, clip=clip, sampler="ddpm", schedule=schedule, steps=20
    )
    head = config.build(trunk, K, A)
    scheduler = DDPMScheduler(
        num_train_timesteps=100,
        beta_schedule="squaredcos_cap_v2",
        trained_betas=np.linspace(1e-3, 0.2, 100) if schedule == "linear" else None,
        prediction_type=prediction,
        clip_sample=clip is not None,
        clip_sample_range=clip or 1.0,
        timestep_spacing="trailing",
    )
    scheduler.set_timesteps(20)
    with torch.no_grad():
        prefix = trunk.prefix(torch.randn(1, 2))  # theirs has one generator for all rows
        generator = torch.Generator().manual_seed(5)
        x = draw_noise([generator], K, A)
        for timestep in scheduler.timesteps:
            output = head.network(x, head.time(timestep.expand(1)), prefix)
            x = scheduler.step(output, int(timestep), x, generator, return_dict=False)[0]
        actual = head.sample(prefix, [torch.Generator().manual_seed(5)])
    scale = x.abs().max().item()
    torch.testing.assert_close(actual / scale, x / scale, atol=1e-4, rtol=1e-4)


@every_prediction
def test_perfect_predictions_lead_to_the_actions_whatever_noise_ddpm_adds(prediction: Prediction):
    head, prefix, actions = oracle_head(prediction, steps=50)
    object.__setattr__(head.config, "sampler", "ddpm")
    torch.testing.assert_close(head.sample(prefix, generators()), actions, atol=1e-2, rtol=0)


def test_linear_schedule_is_that_of_ddpm_and_ends_in_noise_for_fewer_steps_too():
    def abar(train_steps: int) -> Tensor:
        config = diffusion.Config(network=SMALL, schedule="linear", train_steps=train_steps)
        return config.build(ToyTrunk(), K, A).abar

    theirs = DDPMScheduler(num_train_timesteps=1000, beta_schedule="linear").alphas_cumprod
    torch.testing.assert_close(abar(1000), theirs)
    for train_steps in (10, 50, 100):
        short = abar(train_steps)
        assert (short.diff() < 0).all()
        assert 0 < short[-1] < 1e-4 < 0.8 < short[0]


def test_there_are_as_many_timesteps_as_steps_and_none_below_zero():
    for steps in (1, 3, 10, 29, 31, 58, 62, 97, 100):  # with some of these diffusers' list ends in -1
        head, _, _ = oracle_head("sample", steps=steps)
        assert len(head.timesteps.unique()) == steps
        assert head.timesteps.min() >= 0


def test_bound_holds_for_every_noisy_chunk_after_the_first():
    head, prefix, _ = oracle_head("sample", steps=20)
    object.__setattr__(head.config, "bound", 0.7)
    seen: list[Tensor] = []
    head.network.register_forward_pre_hook(lambda _, args: seen.append(args[0].abs().max()))
    chunk = head.sample(prefix, generators())
    assert seen[0] > 0.7
    assert max(*seen[1:], chunk.abs().max()) <= 0.7


def test_noising_and_velocity_are_those_of_diffusers():
    head, prefix, actions = oracle_head("v_prediction")
    object.__setattr__(head.config, "draws", 1)
    seen = []
    head.network.forward = lambda x, t, prefix: (seen.append((x, t)), torch.zeros_like(x))[1]
    mask = torch.ones(B, K, dtype=torch.bool)
    loss, _ = head.loss(prefix, actions, mask, torch.Generator().manual_seed(3))
    ((x, t),) = seen
    timesteps = ((1 - t) * 99).round().long()
    generator = torch.Generator().manual_seed(3)
    torch.rand(B, 1, generator=generator)
    noise = torch.randn(B, K, A, generator=generator)
    theirs = DDIMScheduler(num_train_timesteps=100, beta_schedule="squaredcos_cap_v2")
    torch.testing.assert_close(x, theirs.add_noise(actions, noise, timesteps))  # pyright: ignore
    velocity = theirs.get_velocity(actions, noise, timesteps)  # pyright: ignore[reportArgumentType]
    torch.testing.assert_close(loss, velocity.square().mean(dim=(1, 2)))


def test_signal_falls_monotonically_from_nearly_all_to_nearly_none():
    head, _, _ = oracle_head("sample")
    assert (head.abar.diff() < 0).all()
    assert head.abar[0] > 0.999
    assert 0 < head.abar[-1] < 1e-6
    # beta = 1 - abar_t / abar_{t - 1} is clipped to 0.999 at the noisy end (Nichol and Dhariwal 2021).
    betas = 1 - head.abar[1:].double() / head.abar[:-1].double()
    assert betas.max().item() == betas[-1].item() == pytest.approx(0.999, abs=1e-6)


def test_sampling_starts_at_pure_noise_and_every_level_is_told_as_a_time_towards_one():
    head, prefix, _ = oracle_head("sample", steps=5)
    head.sample(prefix, generators())
    assert head.timesteps.tolist() == [99, 79, 59, 39, 19]
    assert isinstance(head.network, Oracle)
    assert head.network.times == pytest.approx([0, 20 / 99, 40 / 99, 60 / 99, 80 / 99])


def test_all_randomness_is_in_the_initial_noise():
    trunk = ToyTrunk()
    head = diffusion.Config(network=SMALL).build(trunk, K, A)
    prefix = trunk.prefix(torch.randn(B, 2))
    torch.manual_seed(0)
    first = head.sample(prefix, generators())
    torch.manual_seed(1)
    assert torch.equal(first, head.sample(prefix, generators()))


def test_interleaved_samplings_do_not_disturb_each_other():
    short, prefix, actions = oracle_head("sample", steps=3)
    long, _, _ = oracle_head("sample", steps=50)
    for head in (short, long, short):
        torch.testing.assert_close(head.sample(prefix, generators()), actions, atol=1e-4, rtol=0)


def test_clip_bounds_what_is_predicted():
    head, prefix, actions = oracle_head("sample", clip=0.5)
    torch.testing.assert_close(head.sample(prefix, generators()), actions.clamp(-0.5, 0.5), atol=1e-4, rtol=0)


@every_prediction
def test_both_of_two_modes_are_recovered_for_the_whole_chunk(prediction: Prediction):
    trunk = ToyTrunk()
    head = diffusion.Config(network=SMALL, prediction=prediction).build(trunk, 2, 1)
    fit(head, trunk, two_modes(2), steps=150)
    for sampler in ("ddim", "ddpm"):
        object.__setattr__(head.config, "sampler", sampler)
        chunks = sample_many(head, trunk)
        assert_both_modes(chunks)
        assert (chunks[:, 0].sign() == chunks[:, 1].sign()).float().mean() > 0.9


@pytest.mark.parametrize(
    "options",
    [
        {"steps": 0},
        {"steps": 101},
        {"draws": 0},
        {"clip": 0.0},
        {"bound": -1.0},
        {"train_steps": 1, "steps": 1},
    ],
)
def test_impossible_numbers_are_rejected_by_value(options: dict[str, float]):
    with pytest.raises(ValueError, match=f"got {next(iter(options.values()))}"):
        diffusion.Config(**options).build(ToyTrunk(), K, A)  # pyright: ignore[reportArgumentType]
