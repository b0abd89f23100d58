"""Datasets of random shapes: what is written is read, and every window is what the rule says."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from synthetic_episodes import SETTINGS, SPEC, synthetic_episode

from vlasandbox.envs.episode import Episode
from vlasandbox.train.data.cache import frame_cache
from vlasandbox.train.data.dataset import Dataset
from vlasandbox.train.data.windows import WindowSampler
from vlasandbox.train.data.writer import DatasetWriter

SIZE = 16
VIEWS = st.lists(st.sampled_from(["front", "wrist", "side"]), min_size=1, max_size=3, unique=True)
DISTURBED = st.lists(st.lists(st.booleans(), min_size=1, max_size=7), min_size=1, max_size=4)
"""Per episode, which of its steps were disturbed."""


def episode(seed: int, views: list[str], disturbed: list[bool]) -> Episode:
    """The synthetic one with these views and disturbances, in pictures of one colour per step and view."""
    made = synthetic_episode(seed, len(disturbed), SIZE, [t for t, flag in enumerate(disturbed) if flag])
    steps = np.arange(len(disturbed))
    shades = {view: (40 + 60 * i + 8 * steps + seed).astype(np.uint8) for i, view in enumerate(views)}
    images = {
        view: np.broadcast_to(shade[:, None, None, None], (len(steps), SIZE, SIZE, 3)).copy()
        for view, shade in shades.items()
    }
    uv = np.random.default_rng(seed).uniform(size=(len(steps), len(views), 2)).astype(np.float32)
    return replace(made, images=images, target_uv=uv)


@settings(deadline=None, max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(views=VIEWS, disturbed=DISTURBED, chunk=st.integers(1, 9), batch_size=st.integers(1, 5))
def test_every_window_of_a_dataset_is_the_rule_spelled_out(
    tmp_path: Path, views: list[str], disturbed: list[list[bool]], chunk: int, batch_size: int
):
    root = tmp_path / "data"
    shutil.rmtree(root, ignore_errors=True)
    episodes = [episode(seed, views, flags) for seed, flags in enumerate(disturbed)]
    writer = DatasetWriter(root, SETTINGS)
    for one in episodes:
        writer.add_episode(one, SPEC | {"cameras": views})
    writer.commit()

    dataset = Dataset.open(root)
    assert dataset.cameras == tuple(views)
    assert dataset.image_sizes == ((SIZE, SIZE),) * len(views)
    assert dataset.lengths.tolist() == [len(flags) for flags in disturbed]
    cache = frame_cache(dataset, SIZE)
    windows = WindowSampler(dataset, cache, chunk, batch_size, seed=0)
    place = [(one, t) for one in episodes for t in range(len(one))]
    seen: set[int] = set()
    for step in range(-(-len(dataset) // batch_size)):
        batch = windows.batch(step)
        assert batch.grounding is not None
        for row, frame in enumerate(windows.frames(step).tolist()):
            seen.add(frame)
            one, t = place[frame]
            valid = [h for h in range(chunk) if t + h <= len(one) - 1 and not one.perturbed[t : t + h].any()]
            assert batch.mask[row].nonzero().flatten().tolist() == valid
            wanted = one.action[[t + min(h, valid[-1]) for h in range(chunk)]]
            assert torch.equal(batch.actions[row], torch.from_numpy(wanted))
            assert torch.equal(batch.observation.state[row], torch.from_numpy(one.state[t]))
            assert batch.observation.instruction[row] == one.instruction
            assert torch.equal(batch.grounding.uv[row], torch.from_numpy(one.target_uv[t]))
            for v, view in enumerate(views):  # a step's shade is 8 from its neighbours', a view's 60
                shade = batch.observation.images[row, v].float().mean().item()
                assert abs(shade - float(one.images[view][t].mean())) < 4
    assert seen == set(range(len(dataset)))
    windows.close()
