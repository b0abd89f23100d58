"""A policy small enough for tests, with the smallest head that uses everything, and a batch for it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from statistics_of import statistics
from tiny_trunk import CONFIG, INSTRUCTIONS, STATE, grounding, observation
from torch import nn

from vlasandbox.policies.head import ActionHead, HeadConfig, draw_noise, masked_mean
from vlasandbox.policies.policy import Policy, PolicyConfig
from vlasandbox.policies.types import Batch, PolicySpec

ACTION, CHUNK = 3, 4
SPEC = PolicySpec(("front", "wrist"), STATE, ACTION, CHUNK, "ee_delta", 10.0, 48)


@dataclass(frozen=True)
class MeanHead(HeadConfig):
    """A readout of the trunk's next token plus a little noise."""

    noise: float = 0.1

    def build(self, trunk, chunk, action_dim) -> "Mean":
        return Mean(self, trunk, chunk, action_dim)


class Mean(ActionHead):
    @property
    def num_function_evaluations(self) -> int:
        return 1

    def __init__(self, config, trunk, chunk, action_dim) -> None:
        super().__init__()
        self.noise, self.chunk, self.action_dim = config.noise, chunk, action_dim
        self.query = nn.Parameter(torch.randn(1, trunk.dim))
        self.readout = nn.Linear(trunk.dim, chunk * action_dim)

    def predict(self, prefix) -> torch.Tensor:
        hidden, _ = prefix.extend(self.query.expand(len(prefix.mask), -1, -1), "causal")
        return self.readout(hidden).view(-1, self.chunk, self.action_dim)

    def loss(self, prefix, actions, mask, generator) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        return masked_mean((self.predict(prefix) - actions).abs(), mask), {}

    def sample(self, prefix, generators: Sequence[torch.Generator]) -> torch.Tensor:
        return self.predict(prefix) + self.noise * draw_noise(generators, self.chunk, self.action_dim)


def stats() -> dict[str, dict[str, np.ndarray]]:
    rng = np.random.default_rng(0)
    actions = rng.normal(5, 2, (500, ACTION))
    actions[:, 2] = 0.25
    return {"state": statistics(rng.normal(size=(500, STATE))), "action": statistics(actions)}


def build(seed: int = 0, **changes) -> Policy:
    torch.manual_seed(seed)
    config = replace(PolicyConfig(MeanHead(), CONFIG, shift=2), **changes)
    return Policy.build(config, SPEC, stats(), INSTRUCTIONS)


def make_batch(rows: int = 3, seed: int = 0) -> Batch:
    g = torch.Generator().manual_seed(seed)
    actions = torch.randn(rows, CHUNK, ACTION, generator=g) * 2 + 5
    actions[..., 2] = 0.25
    seen = observation([INSTRUCTIONS[i % 3] for i in range(rows)], seed)
    return Batch(seen, actions, torch.ones(rows, CHUNK, dtype=torch.bool), grounding(rows))


def generators(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def loss_of(policy: Policy, batch: Batch, seed: int = 0) -> torch.Tensor:
    return policy.loss(batch, generators(seed)[0])[0]
