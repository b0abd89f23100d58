"""Flow matching: a velocity field carries noise to actions in a few Euler steps, as in pi0.

Time runs from noise to data: `x_t = (1 - t) noise + t actions`, whose velocity is `v = actions - noise`.
openpi's code runs the other way (its t is our 1 - t, its velocity our -v); the distribution of training
times is its own, mirrored.

A chunk can also be drawn so that it goes on from the one that is being executed, see `Flow.sample_onto`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from einops import reduce, repeat
from jaxtyping import Bool, Float
from torch import Tensor

from ...common.errors import InputError
from ..head import ContinuingHead, HeadConfig, check_temperature, draw_noise, masked_mean, stratified_uniform
from ..network import ActionNetwork, NetworkConfig
from ..networks import expert
from ..realtime import LIMIT, guidance, own_copy
from ..trunk import Trunk
from ..types import Prefix

MOST_STEPS = 1000
"""Upper bound on Euler steps; beyond it only the computing time changes."""


@dataclass(frozen=True)
class Config(HeadConfig):
    """Generative head that can represent several ways of doing the task."""

    SAMPLING = ("steps", "temperature")

    network: NetworkConfig = field(default_factory=expert.Config)
    steps: int = 10
    """Euler steps per sampled chunk."""
    draws: int = 4
    """Noise draws per observation in training; they share one pass of the trunk."""
    time: Literal["beta", "uniform", "shifted"] = "beta"
    """Distribution of training times: "beta" is pi0's and favors noise; "shifted" (arXiv 2606.05737) favors
    it more strongly, for sampling in one step."""
    temperature: float = 1.0
    """Scale of the initial noise: 1 samples what was learned; 0 starts in the middle, which is steadier where
    there is one way of doing the task and may match none where there are several."""
    shift: float = 4.0
    """Strength of "shifted": 1 leaves Beta(1, 1.5) unchanged; 8 is reported to harm sampling in 10 steps
    (numbers from notes on that paper, not from its text)."""

    def build(self, trunk: Trunk, chunk: int, action_dim: int) -> "Flow":
        """Builds the head for `trunk`.

        Raises:
            ValueError: steps outside 1 .. MOST_STEPS, no draws, a temperature that is negative or not finite,
                or a shift that is not positive and finite.
        """
        if min(self.steps, self.draws) < 1:
            raise InputError(f"steps and draws must be at least 1, got {self.steps} and {self.draws}")
        if self.steps > MOST_STEPS:
            raise InputError(f"steps must be at most {MOST_STEPS}, got {self.steps}")
        check_temperature(self.temperature)
        if not 0 < self.shift < math.inf:
            raise InputError(f"shift must be positive and finite, got {self.shift}")
        return Flow(self, self.network.build(trunk, chunk, action_dim), chunk, action_dim)


class Flow(ContinuingHead):
    """Velocity field v = f(x, t, prefix), trained on straight lines from noise to data."""

    def __init__(self, config: Config, network: ActionNetwork, chunk: int, action_dim: int) -> None:
        super().__init__()
        self.config, self.network = config, network
        self.chunk, self.action_dim = chunk, action_dim

    @property
    def num_function_evaluations(self) -> int:
        """Number of Euler steps."""
        return self.config.steps

    def times(self, b: int, generator: torch.Generator) -> Float[Tensor, "b m"]:
        """Training times, m = `draws` per row, one in each m-th of the distribution.

        "beta": 1 - t follows 0.999 Beta(1.5, 1) + 0.001, whose mean is 0.6004 (pi0's appendix B; in
        openpi's code that is t itself). The inverse of the Beta(1.5, 1) distribution function u = s^1.5 is
        s = u^(2/3). "shifted": t = s / (1 + (shift - 1) (1 - s)) for s from Beta(1, 1.5).
        """
        u = stratified_uniform(b, self.config.draws, generator)
        if self.config.time == "uniform":
            return u
        if self.config.time == "shifted":
            noisiness = u ** (2 / 3)
            return (1 - noisiness) / (1 + (self.config.shift - 1) * noisiness)
        return 1 - (0.999 * u ** (2 / 3) + 0.001)

    def loss(
        self,
        prefix: Prefix,
        actions: Float[Tensor, "b k a"],
        mask: Bool[Tensor, "b k"],
        generator: torch.Generator,
    ) -> tuple[Float[Tensor, " b"], dict[str, Tensor]]:
        """Squared error of the velocity over the valid entries, averaged over the draws."""
        m = self.config.draws
        t = self.times(len(actions), generator).to(actions.device).flatten()
        # Masked actions would reach the valid ones through attention: they become 0, the center of the data.
        actions = repeat(actions.masked_fill(~mask.unsqueeze(-1), 0), "b k a -> (b m) k a", m=m)
        noise = torch.randn(actions.shape, generator=generator, device=generator.device).to(actions.device)
        x = torch.lerp(noise, actions, t[:, None, None])
        velocity = self.network(x, t, prefix.repeat(m))
        error = (velocity.float() - (actions - noise)).square()
        loss = reduce(masked_mean(error, mask.repeat_interleave(m, dim=0)), "(b m) -> b", "mean", m=m)
        return loss, {"velocity_mse": loss.detach().mean()}

    def sample(self, prefix: Prefix, generators: Sequence[torch.Generator]) -> Float[Tensor, "b k a"]:
        """Integrates by Euler's method from noise at t = 0 to actions at t = 1."""
        x = draw_noise(generators, self.chunk, self.action_dim).to(prefix.mask.device)
        x = self.config.temperature * x
        dt = 1 / self.config.steps
        times = torch.arange(self.config.steps, device=x.device) * dt
        for velocity in self.network.at(times, prefix):
            x = x.add(velocity(x), alpha=dt)
        return x

    def sample_onto(
        self,
        prefix: Prefix,
        generators: Sequence[torch.Generator],
        previous: Float[Tensor, "b k a"],
        weights: Float[Tensor, "b k"],
        limit: float = LIMIT,
    ) -> Float[Tensor, "b k a"]:
        """Samples like `sample`, but pulled toward the remainder of the previous chunk: real-time chunking
        (arXiv 2506.07339), for a policy that is queried while the robot keeps moving.

        Every step also backpropagates through the network: J^T below. This works with gradients off and in
        inference mode.

        Args:
            prefix: current observation.
            generators: as in `sample`.
            previous: normalized actions of the previous chunk from now on, with the action that is due when
                this chunk's first one would be at index 0; any finite numbers where the weight is 0.
            weights: weight of each of them, from 0 (plain sampling) to 1: see `realtime.overlap_weights`.
            limit: largest factor of the pull.
        """
        with torch.inference_mode(False), torch.enable_grad():
            known = self.network.prepare(own_copy(prefix))
            noise = draw_noise(generators, self.chunk, self.action_dim).to(prefix.mask.device)
            x = self.config.temperature * noise
            for step in range(self.config.steps):
                t = step / self.config.steps
                x.requires_grad_()
                velocity = self.network(x, x.new_full((len(x),), t), known).float()
                end = x + (1 - t) * velocity  # where this velocity leads
                error = weights.unsqueeze(-1) * (previous - end.detach())
                (pull,) = torch.autograd.grad(end, x, error)  # J^T error, J = d end / d x
                x = (x + (velocity + guidance(t, limit) * pull) / self.config.steps).detach()
            return x
