"""Diffusion: DDPM training and DDIM or DDPM sampling, as in Diffusion Policy (arXiv 2303.04137).

The noise schedule and the timesteps are those of diffusers' `DDIMScheduler`, its step is not: it depends on
the scheduler's last `set_timesteps`, so that one scheduler cannot serve two samplers, and it draws the noise
of all rows from one generator. The update is a few lines, written here and tested against theirs. Their
timestep T - 1 is noise and 0 is nearly data; the network is told t = 1 - timestep / (T - 1), so that 0 is
noise and 1 is data as everywhere in this house.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from einops import reduce, repeat
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ...common.errors import InputError
from ..head import ActionHead, HeadConfig, check_temperature, draw_noise, masked_mean, stratified_uniform
from ..network import ActionNetwork, NetworkConfig
from ..networks import expert
from ..reach import Reach
from ..trunk import Trunk
from ..types import Prefix


@dataclass(frozen=True)
class Config(HeadConfig):
    """Generative head that can represent several ways of doing the task."""

    SAMPLING = ("steps", "temperature", "sampler", "bound", "clip")

    network: NetworkConfig = field(default_factory=expert.Config)
    prediction: Literal["epsilon", "sample", "v_prediction"] = "v_prediction"
    """Quantity that the network predicts: the noise, the actions, or sqrt(abar) noise - sqrt(1 - abar)
    actions. At the noisy end the first has no information about the actions, and the last is minus the
    actions."""
    steps: int = 10
    """Steps per sampled chunk."""
    draws: int = 4
    """Noise draws per observation in training; they share one pass of the trunk."""
    train_steps: int = 100
    """Noise levels of the schedule (T)."""
    clip: float | None = 1.5
    """Predicted actions are clipped to [-clip, clip] at every step. Only for actions normalized to about [-1,
    1]: above 1 for quantiles, which leave outliers; None for z-scores."""

    temperature: float = 1.0
    """Scale of the noise in sampling: 1 samples what was learned; 0 starts in the middle, which is steadier
    where there is one way of doing the task and may match none where there are several."""
    sampler: Literal["ddim", "ddpm"] = "ddim"
    """DDIM draws noise once, at the start; DDPM also after each step but the last, and prefers more steps."""
    schedule: Literal["cosine", "linear"] = "cosine"
    """Schedule of noise levels: squared cosine (arXiv 2102.09672), or DDPM's betas from 1e-4 to 0.02, which
    are for T = 1000 and are multiplied by 1000 / T."""
    bound: float | None = None
    """The noisy chunk is clipped to [-bound, bound] after every step; 5 in Octo."""

    @property
    def reach(self) -> tuple[str, Reach | None]:
        """The narrower of clip and bound."""
        limits = {name: x for name, x in (("clip", self.clip), ("bound", self.bound)) if x is not None}
        name = min(limits, key=limits.__getitem__, default="")
        return f"head.{name}", (-limits[name], limits[name]) if name else None

    def build(self, trunk: Trunk, chunk: int, action_dim: int) -> "Diffusion":
        """Builds the head for `trunk`.

        Raises:
            ValueError: `steps` outside 1 .. train_steps, no draws, a clip or bound that is not positive, or a
                temperature that is negative or not finite.
        """
        if not 1 <= self.steps <= self.train_steps:
            raise InputError(f"steps must be in 1..{self.train_steps} (train_steps), got {self.steps}")
        if self.train_steps < 2:
            raise InputError(f"train_steps must be at least 2, got {self.train_steps}")
        if self.draws < 1:
            raise InputError(f"draws must be at least 1, got {self.draws}")
        for name, value in (("clip", self.clip), ("bound", self.bound)):
            if value is not None and not value > 0:
                raise InputError(f"{name} must be positive or None, got {value}")
        check_temperature(self.temperature)
        return Diffusion(self, self.network.build(trunk, chunk, action_dim), chunk, action_dim)


class Diffusion(ActionHead):
    """Denoising of x = sqrt(abar) actions + sqrt(1 - abar) noise, in steps (arXiv 2006.11239, 2010.02502)."""

    abar: Tensor
    """Share of the actions' variance left at each timestep, from near 1 to near 0, [T]."""
    timesteps: Tensor
    """Timesteps visited in sampling, descending, int64 [steps]."""

    def __init__(self, config: Config, network: ActionNetwork, chunk: int, action_dim: int) -> None:
        super().__init__()
        # diffusers takes seconds to import, and only this head needs it.
        from diffusers.schedulers.scheduling_ddim import DDIMScheduler

        self.config, self.network = config, network
        self.chunk, self.action_dim = chunk, action_dim
        # "leading", the default spacing, visits 90, 80, .., 0 of 100: sampling would start from pure noise
        # at a level whose inputs, in training, still hold some of the actions. "trailing" visits 99, 89,
        # .., 9, and its last step goes to abar = 1 (set_alpha_to_one), that is, to the predicted actions
        # themselves.
        schedule = DDIMScheduler(
            num_train_timesteps=config.train_steps,
            beta_schedule="squaredcos_cap_v2",
            trained_betas=_linear_betas(config.train_steps) if config.schedule == "linear" else None,
            timestep_spacing="trailing",
            set_alpha_to_one=True,
        )
        schedule.set_timesteps(config.steps)
        self.register_buffer("abar", schedule.alphas_cumprod.clone(), persistent=False)
        # diffusers' list has one timestep too many, -1, where T / steps rounds up a little, as 100 / 29 does.
        self.register_buffer("timesteps", schedule.timesteps[: config.steps].long(), persistent=False)

    @property
    def num_function_evaluations(self) -> int:
        """Steps of the sampler."""
        return self.config.steps

    def time(self, timesteps: Int[Tensor, " b"]) -> Float[Tensor, " b"]:
        """The network's time, 0 for noise and 1 for data."""
        return 1 - timesteps / (self.config.train_steps - 1)

    def loss(
        self,
        prefix: Prefix,
        actions: Float[Tensor, "b k a"],
        mask: Bool[Tensor, "b k"],
        generator: torch.Generator,
    ) -> tuple[Float[Tensor, " b"], dict[str, Tensor]]:
        """Squared error of the prediction over the valid entries, averaged over the draws."""
        m = self.config.draws
        u = stratified_uniform(len(actions), m, generator).to(actions.device).flatten()
        timesteps = (u * self.config.train_steps).long().clamp(max=self.config.train_steps - 1)
        # Masked actions would reach the valid ones through attention: they become 0, the center of the data.
        actions = repeat(actions.masked_fill(~mask.unsqueeze(-1), 0), "b k a -> (b m) k a", m=m)
        noise = torch.randn(actions.shape, generator=generator, device=generator.device).to(actions.device)
        signal, spread = _scales(self.abar[timesteps])
        x = signal * actions + spread * noise
        targets = {"epsilon": noise, "sample": actions, "v_prediction": signal * noise - spread * actions}
        prediction = self.network(x, self.time(timesteps), prefix.repeat(m))
        error = (prediction.float() - targets[self.config.prediction]).square()
        loss = reduce(masked_mean(error, mask.repeat_interleave(m, dim=0)), "(b m) -> b", "mean", m=m)
        return loss, {f"{self.config.prediction}_mse": loss.detach().mean()}

    def sample(self, prefix: Prefix, generators: Sequence[torch.Generator]) -> Float[Tensor, "b k a"]:
        """Denoises from noise to actions, through the levels of `timesteps`."""
        x = self._noise(prefix, generators)
        levels = self.abar[self.timesteps]
        nexts = torch.cat([levels[1:], torch.ones_like(levels[:1])])
        networks = self.network.at(self.time(self.timesteps), prefix)
        for left, level, following, network in zip(
            reversed(range(len(levels))), levels, nexts, networks, strict=True
        ):
            fresh = self._noise(prefix, generators) if left and self.config.sampler == "ddpm" else None
            x = self.step(x, network(x).float(), level, following, fresh)
        return x

    def step(
        self,
        x: Float[Tensor, "b k a"],
        prediction: Float[Tensor, "b k a"],
        abar: Tensor,
        following: Tensor,
        fresh: Float[Tensor, "b k a"] | None = None,
    ) -> Float[Tensor, "b k a"]:
        """Steps from the noise level `abar` to the one of `following` (equation 12 of DDIM).

        Without `fresh` noise, sigma is 0. With it, sigma is that of eta = 1 in equation 16, and if the
        prediction was clipped, the noise is taken to be what then remains of x: this is the step of DDPM,
        equation 7 there, with the smaller of its two variances.
        """
        signal, spread = abar.sqrt(), (1 - abar).sqrt()
        if self.config.prediction == "epsilon":
            actions, noise = (x - spread * prediction) / signal, prediction
        elif self.config.prediction == "sample":
            actions, noise = prediction, (x - signal * prediction) / spread
        else:
            actions, noise = signal * x - spread * prediction, signal * prediction + spread * x
        if self.config.clip is not None:
            actions = actions.clamp(-self.config.clip, self.config.clip)
        if fresh is None:
            x = following.sqrt() * actions + (1 - following).sqrt() * noise
        else:
            noise = (x - signal * actions) / spread
            sigma = ((1 - following) * (1 - abar / following)).sqrt() / spread
            kept = (1 - following) * (abar / following).sqrt() / spread  # sqrt(1 - following - sigma^2)
            x = following.sqrt() * actions + kept * noise + sigma * fresh
        return x if self.config.bound is None else x.clamp(-self.config.bound, self.config.bound)

    def _noise(self, prefix: Prefix, generators: Sequence[torch.Generator]) -> Float[Tensor, "b k a"]:
        noise = draw_noise(generators, self.chunk, self.action_dim).to(prefix.mask.device)
        return self.config.temperature * noise


def _scales(abar: Float[Tensor, " b"]) -> tuple[Float[Tensor, "b 1 1"], Float[Tensor, "b 1 1"]]:
    """Scales of the actions and of the noise."""
    return abar.sqrt()[:, None, None], (1 - abar).sqrt()[:, None, None]


def _linear_betas(train_steps: int) -> np.ndarray:
    """DDPM's noise variance per step, for T steps instead of 1000; at most 0.999, as in the cosine
    schedule."""
    return np.minimum(np.linspace(1e-4, 0.02, train_steps) * 1000 / train_steps, 0.999)
