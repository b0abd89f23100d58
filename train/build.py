"""Builds what a run begins with: the policy with its initial weights, and the source of its batches."""

from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float32

from ..envs.control import stored_space
from ..policies.policy import Policy
from ..policies.types import UNKNOWN_SPACE, PolicySpec
from .config import DataConfig, TrainConfig
from .data.cache import JoinedFrames, frame_cache
from .data.dataset import Dataset
from .data.files import DatasetError
from .data.schema import STATE
from .data.windows import WindowSampler
from .initial_policy import PolicySource

FITTED = 4096
"""Chunks that a head is fitted to before the first update, where it needs that."""


def build(config: TrainConfig, dataset: Dataset, device: torch.device) -> tuple[Policy, WindowSampler]:
    """Builds the policy, in training mode on `device`, and the source of its batches.

    The weights come from torch's global generator. The trunk is made before the head: with one seed, all
    heads start from the same trunk.

    Raises:
        ValueError: a part cannot be built, settings contradict each other, the data lacks what the policy
            needs, or `config.trunk_from` or `config.start_from` does not fit.
    """
    spec = policy_spec(dataset, config.data)
    if not spec.state_dim and config.policy.trunk.state != "none":
        raise DatasetError(
            f"{dataset.root} has no {STATE!r}; a policy that needs none has --policy.trunk.state none"
        )
    if config.start_from is not None:
        policy = PolicySource.find(config.start_from).load(config.policy, spec).to(device)
        cache = frame_cache(dataset, policy.trunk.image_size, config.data.cache)
        return policy, window_sampler(config, dataset, cache)
    if config.trunk_from is None:
        trunk = config.policy.trunk.build(spec.num_views, spec.observed_state_dim, dataset.tasks)
    else:
        source = PolicySource.find(config.trunk_from, "trunk_from")
        trunk = source.load_trunk(config.policy.trunk, spec, dataset.tasks)
    cache = frame_cache(dataset, trunk.image_size, config.data.cache)
    sampler = window_sampler(config, dataset, cache)
    stats = sampler.stats()
    config.policy.check_reach(stats)
    policy = replace(config.policy, trunk=trunk.config)
    return Policy(policy, spec, trunk, stats).to(device).train(), sampler


def window_sampler(
    config: TrainConfig,
    dataset: Dataset,
    cache: np.ndarray | JoinedFrames,
    weights: Float32[np.ndarray, " n"] | None = None,
) -> WindowSampler:
    """The source of a run's batches.

    Args:
        config: of the run.
        dataset: what is learned from.
        cache: its frames (see `frame_cache`).
        weights: how much the window at each frame counts (see `Batch`).
    """
    return WindowSampler(
        dataset,
        cache,
        config.data.chunk,
        config.batch_size,
        config.seed,
        config.data.action_space,
        config.data.history,
        weights,
    )


def fit_head(policy: Policy, sampler: WindowSampler, seed: int) -> None:
    """Fits the parts of the head that are not trained, such as a codec, to chunks of the data."""
    chunks = policy.action_normalizer.normalize(sampler.chunks(FITTED).to(policy.device))
    policy.head.fit(chunks, torch.Generator(policy.device).manual_seed(seed))


def policy_spec(dataset: Dataset, config: DataConfig) -> PolicySpec:
    """The sizes and meanings that a policy trained on `dataset` has."""
    stored, width, names = dataset.spec_dict, dataset.action.shape[1], dataset.action_names
    if stored is not None and config.action_space is not None:
        names = tuple(stored_space(stored, config.action_space).dims)
        width = len(names)
    return PolicySpec(
        cameras=dataset.cameras,
        state_dim=dataset.state.shape[1],
        action_dim=width,
        chunk=config.chunk,
        action_space=config.action_space or dataset.action_space or UNKNOWN_SPACE,
        control_hz=float(dataset.fps),
        image_size=max(max(size) for size in dataset.image_sizes),
        robot=None if stored is None else stored["robot"],
        history=config.history,
        state_names=dataset.state_names,
        action_names=names,
    )
