"""Open-loop error of a policy's chunks on demonstrations that it has not seen; nothing is simulated."""

from contextlib import closing
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from tqdm import tqdm

from ...common.errors import InputError
from ...eval.rollout.inference import LANES, inference_mode
from ...policies.policy import Policy
from ..build import policy_spec
from ..config import DataConfig
from ..data.align import aligned
from ..data.cache import frame_cache
from ..data.episodes import read_learned, shared
from ..data.merge import open_data
from ..data.windows import WindowSampler


def known_episodes(run: Path, root: Path) -> tuple[int | None, int]:
    """Counts the demonstrations in `root` that the policy of `run` was trained on, and all of them; the first
    is None where the run does not record it."""
    dataset, learned = open_data(root), read_learned(run)
    return None if learned is None else len(shared(dataset, learned)), len(dataset.lengths)


def open_loop_error(policy: Policy, root: Path, *, bar: bool = True) -> Float[np.ndarray, " k"]:
    """Mean absolute error of each step of a predicted chunk, over all frames of the demonstrations in `root`
    (of several datasets, each as often as training learns from it).

    Each dimension is measured in the scale of the policy's action normalizer (by default half of what lies
    between the 1 % and the 99 % quantile of its training data), and the mean is over those that vary. A step
    counts where training would count it (see `data/windows.py`); nan if no frame has such a one. The noise
    of a frame comes from a generator of its own, seeded with the frame's number.

    Args:
        bar: whether to show how it goes.

    Raises:
        ValueError: the demonstrations show or mean something else than the policy was made for.
    """
    made_for = policy.spec
    dataset = aligned(open_data(root), made_for.cameras, made_for.state_names, made_for.action_names)
    space = made_for.action_space if dataset.action_space else None
    config = DataConfig(root, action_space=space, chunk=made_for.chunk, history=made_for.history)
    found = policy_spec(dataset, config)
    mine, theirs = vars(made_for), vars(found)
    # A policy without a robot takes the one that there is; what either does not name cannot be compared.
    unnamed = [k for k in ("state_names", "action_names") if theirs[k] is None]
    different = [k for k in mine if mine[k] not in (None, theirs[k]) and k not in unnamed]
    wrong = [f"{k}: policy {mine[k]!r}, demonstrations {theirs[k]!r}" for k in different]
    if wrong:
        raise InputError(f"the policy does not fit the demonstrations in {root} ({'; '.join(wrong)})")

    cache = frame_cache(dataset, policy.trunk.image_size)
    sampler = WindowSampler(dataset, cache, made_for.chunk, LANES, 0, space, made_for.history)
    normalizer = policy.action_normalizer
    error = torch.zeros(made_for.chunk, made_for.action_dim, dtype=torch.float64)
    count = torch.zeros(made_for.chunk, 1)
    with closing(sampler), inference_mode(policy):
        batches = range(0, len(dataset), LANES)
        for start in tqdm(batches, desc="open-loop error", unit="batch", leave=False, disable=not bar):
            step = start // LANES
            batch = sampler.batch(step)
            generators = [torch.Generator(policy.device).manual_seed(int(f)) for f in sampler.frames(step)]
            chunks = policy.act(batch.observation, generators)
            wanted = normalizer.normalize(batch.actions.to(policy.device))
            apart = (normalizer.normalize(chunks) - wanted).abs().cpu()
            # Every frame once: the last batch goes on into a second round.
            valid = batch.mask[: len(dataset) - start].unsqueeze(2)
            error += (apart[: len(valid)] * valid).sum(dim=0)
            count += valid.sum(dim=0)
    varies = (normalizer.scale > 0).cpu()
    return (error[:, varies].mean(dim=1) / count[:, 0]).numpy()
