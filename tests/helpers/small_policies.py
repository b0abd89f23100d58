"""Real policies, one per head, small enough to be rolled out in tests: random weights, plausible actions."""

import numpy as np
import torch

from vlasandbox.envs import robots
from vlasandbox.envs.control import ActionSpace
from vlasandbox.envs.tasks import load
from vlasandbox.policies.codecs import text
from vlasandbox.policies.head import HeadConfig
from vlasandbox.policies.heads import diffusion, flow, regression, tokens
from vlasandbox.policies.language import LanguageConfig
from vlasandbox.policies.networks import expert
from vlasandbox.policies.policy import Policy, PolicyConfig
from vlasandbox.policies.trunk import TrunkConfig
from vlasandbox.policies.types import PolicySpec
from vlasandbox.vision.encoders import siglip

CHUNK = 8
HEADS: dict[str, HeadConfig] = {
    "regression": regression.Config(network=expert.Config(width=32)),
    "tokens": tokens.Config(),
    "tokens_autoregressive": tokens.Config(decoding="autoregressive"),
    "diffusion": diffusion.Config(network=expert.Config(width=32), steps=3),
    "flow": flow.Config(network=expert.Config(width=32), steps=3),
}
VARIABLE: dict[str, HeadConfig] = {
    "tokens_text": tokens.Config(text.Config(), "autoregressive", temperature=1.0),
}
"""Heads whose chunks take a varying number of passes."""


def small_policy(
    head: str,
    cameras: tuple[str, ...] = ("front", "wrist"),
    state_dim: int = 17,
    image_size: int = 96,
    history: int = 1,
) -> Policy:
    """The policy with that head; always the same weights."""
    space = ActionSpace("ee_delta", tuple(arm.spec for arm in robots.load("franka")), 10.0)
    state = np.full(state_dim, 2.0)
    stats = {"action": _stats(*space.bounds()), "state": _stats(-state, state)}
    trunk = TrunkConfig(
        siglip.Config(image_size=32, width=32, layers=1, heads=2, mlp=64),
        LanguageConfig(width=32, layers=2, heads=2, kv_heads=1, mlp=64),
    )
    spec = PolicySpec(
        cameras, state_dim, len(space.dims), CHUNK, "ee_delta", 10.0, image_size, history=history
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Policy.build(
            PolicyConfig((HEADS | VARIABLE)[head], trunk), spec, stats, load("pick").instructions()
        ).eval()


def _stats(low: np.ndarray, high: np.ndarray) -> dict[str, np.ndarray]:
    return {
        "min": low,
        "max": high,
        "mean": (low + high) / 2,
        "std": (high - low) / 4,
        "q01": low,
        "q99": high,
    }
