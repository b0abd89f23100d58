"""Training windows: what is seen at frame t, and the actions t .. t+k-1, with a mask of those that count.

An action of the chunk counts (mask True) if the policy could have known it at t:
- it lies inside the episode: t + h <= T - 1;
- nothing was disturbed on the way there: no perturbed frame among t .. t+h-1. What the expert does after a
  disturbance answers something that could not be seen at t. The label of a perturbed frame itself is valid:
  the expert's action was recorded, something else was executed.

Example, T = 6, frame 3 perturbed, k = 4:  t = 0 -> 1 1 1 1,  t = 2 -> 1 1 0 0,  t = 3 -> 1 0 0 0,
t = 4 -> 1 1 0 0. Where the mask is False the last valid action is repeated.

Where an expert was asked for a whole chunk (chunk_labels.py), that is the window's, and it counts as far as
the expert went.

With a history of 3, frame 1 is seen as frames 0 0 1: before the episode lies its first frame, repeated.
"""

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Bool, Float, Float32, Int

from ...envs.control import ActionSpace, stored_space
from ...policies.types import Batch, Grounding, Observation
from .cache import JoinedFrames
from .dataset import Dataset
from .files import DatasetError
from .schema import REFERENCE


def horizons(
    starts: Int[np.ndarray, " e"], lengths: Int[np.ndarray, " e"], perturbed: Bool[np.ndarray, " n"]
) -> Int[np.ndarray, " n"]:
    """Number of actions from each frame on that are valid, at least 1: `mask[t, h] = h < horizons[t]`."""
    last = np.empty(len(perturbed), np.int64)
    for start, length in zip(starts, lengths, strict=True):
        end = start + length
        # The last valid action is the first perturbed frame's, or the episode's last one.
        stops = np.where(perturbed[start:end], np.arange(start, end), end - 1)
        last[start:end] = np.minimum.accumulate(stops[::-1])[::-1]
    return last - np.arange(len(perturbed)) + 1


class WindowSampler:
    """Batches of windows in an order that depends on (seed, step) alone.

    The stream of frames is one epoch after another (`Dataset.order`); batch `step` is its frames step *
    batch_size .. (step + 1) * batch_size - 1.
    """

    def __init__(
        self,
        dataset: Dataset,
        cache: np.ndarray | JoinedFrames,
        chunk: int,
        batch_size: int,
        seed: int,
        action_space: str | None = None,
        history: int = 1,
        weights: Float32[np.ndarray, " n"] | None = None,
    ) -> None:
        """
        Args:
            cache: frames uint8 [n, v, h, w, 3] (see `frame_cache`).
            chunk: actions per window (k).
            action_space: space of `envs.control` to convert the actions to; the dataset's own by default.
            history: frames seen, the present one and those before (see `Observation`).
            weights: how much the window at each frame counts (see `Batch`).

        Raises:
            DatasetError: there is nothing to learn from, or the dataset does not say what its actions mean,
                so they cannot be converted.
        """
        assert len(cache) == len(dataset), f"{len(cache)} cached frames for {len(dataset)} frames"
        self.chunk, self.batch_size, self.seed, self.history = chunk, batch_size, seed, history
        self.wait_seconds = 0.0
        """Time for which `batch` kept its caller waiting, in all [s]."""
        self._dataset, self._cache = dataset, cache
        self._space = _space(dataset, action_space)
        self._weights, self._num_windows = weights, dataset.num_windows
        self._horizon = horizons(dataset.starts, dataset.lengths, dataset.perturbed)
        self._first = np.repeat(dataset.starts, dataset.lengths)  # of each frame's episode
        self._order = lru_cache(maxsize=4)(lambda epoch: dataset.order(seed, epoch))
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="windows")
        self._lock = threading.Lock()
        self._ahead: dict[int, Future[Batch]] = {}

    @property
    def cache(self) -> np.ndarray | JoinedFrames:
        """All frames of the dataset, uint8 [n, v, h, w, 3]."""
        return self._cache

    def batch(self, step: int) -> Batch:
        """Batch number `step` >= 0; the two that follow are prepared in the background meanwhile."""
        begin = time.perf_counter()
        with self._lock:
            wanted = {
                s: self._ahead.pop(s, None) or self._thread.submit(self._make, s)
                for s in (step, step + 1, step + 2)
            }
            for unwanted in self._ahead.values():
                unwanted.cancel()
            self._ahead = {s: future for s, future in wanted.items() if s != step}
        batch = wanted[step].result()
        self.wait_seconds += time.perf_counter() - begin
        return batch

    def frames(self, step: int) -> Int[np.ndarray, " b"]:
        """The dataset's frames at which the windows of batch `step` start."""
        stream = np.arange(step * self.batch_size, (step + 1) * self.batch_size)
        epochs, offsets = np.divmod(stream, self._num_windows)
        return np.array([self._order(int(e))[o] for e, o in zip(epochs, offsets, strict=True)])

    def chunks(self, count: int) -> Float[torch.Tensor, "n k a"]:
        """The actions of `count` windows drawn over the whole dataset, or of all where there are fewer."""
        frames = self._order(0)[:count]
        return torch.from_numpy(self._chunks(frames)[0])

    def stats(self) -> dict[str, dict[str, Float32[np.ndarray, " d"]]]:
        """Min, max, mean, std, q01 and q99 per dimension of "action" (after conversion) and "state"."""
        frames = np.flatnonzero(self._dataset.learned)
        actions = self._actions(frames[:, None] + np.arange(1))
        if self._space is not None and self._space.mode == "relative":
            # Farther from the start of the chunk the numbers are larger.
            actions, valid = self._chunks(frames)
            actions = actions[valid]
        return {
            "action": _statistics(actions.reshape(-1, actions.shape[-1])),
            "state": _statistics(self._dataset.state[frames]),
        }

    def close(self) -> None:
        """Ends the background thread."""
        self._thread.shutdown(cancel_futures=True)

    def _actions(self, rows: Int[np.ndarray, "b k"]) -> Float32[np.ndarray, "b k a"]:
        """The actions at frames `rows`, each row of them a chunk."""
        if self._space is None:
            return self._dataset.action[rows]
        command, reference = self._dataset.command, self._dataset.reference
        assert command is not None
        assert reference is not None
        start = reference[rows[:, :1]] if self._space.mode == "relative" else reference[rows]
        return self._space.encode(command[rows], start).astype(np.float32)

    def _make(self, step: int) -> Batch:
        data, frames = self._dataset, self.frames(step)
        actions, mask = self._chunks(frames)
        past = np.arange(1 - self.history, 1)
        seen = np.maximum(frames[:, None] + past, self._first[frames, None])  # [b, t]
        observation = Observation(
            images=rearrange(torch.from_numpy(self._cache[seen]), "b t v h w c -> b (t v) h w c"),
            state=rearrange(torch.from_numpy(data.state[seen]), "b t s -> b (t s)"),
            instruction=[data.tasks[i] for i in data.task_index[frames]],
        )
        grounding = None
        if data.target_uv is not None and data.target_xyz is not None:
            grounding = Grounding(
                torch.from_numpy(data.target_uv[frames]), torch.from_numpy(data.target_xyz[frames])
            )
        weight = None if self._weights is None else torch.from_numpy(self._weights[frames])
        return Batch(observation, torch.from_numpy(actions), torch.from_numpy(mask), grounding, weight)

    def _chunks(
        self, frames: Int[np.ndarray, " b"]
    ) -> tuple[Float32[np.ndarray, "b k a"], Bool[np.ndarray, "b k"]]:
        """The actions of the windows at `frames`, and which of them count."""
        data = self._dataset
        rows, mask = self._rows(frames)
        actions = self._actions(rows)
        if data.chunks is not None:
            assert data.spec_dict is not None
            assert data.reference is not None
            space = self._space or stored_space(data.spec_dict)
            data.chunks.write(frames, data.reference[frames], space, actions, mask)
        return actions, mask

    def _rows(self, frames: Int[np.ndarray, " b"]) -> tuple[Int[np.ndarray, "b k"], Bool[np.ndarray, "b k"]]:
        """The frames of the actions of each window, the last valid one repeated, and which are valid."""
        ahead, horizon = np.arange(self.chunk), self._horizon[frames][:, None]
        return frames[:, None] + np.minimum(ahead, horizon - 1), ahead < horizon


def _space(dataset: Dataset, to: str | None) -> ActionSpace | None:
    """The space to convert actions to; None to leave them as they are."""
    source = dataset.action_space
    # A "relative" action counts from the start of its chunk, which no single frame knows.
    if to is None or (to == source and not to.endswith("_relative")):
        return None
    if source is None or dataset.reference is None or dataset.command is None:
        lacks = "does not say what its actions mean" if source is None else f"has no {REFERENCE!r}"
        raise DatasetError(
            f"{dataset.root} {lacks}, so they cannot be converted to {to!r}: leave the action space out to "
            "train on them as they are"
        )
    assert dataset.spec_dict is not None
    return stored_space(dataset.spec_dict, to)


def _statistics(values: Float32[np.ndarray, "n d"]) -> dict[str, Float32[np.ndarray, " d"]]:
    low, high = np.quantile(values, [0.01, 0.99], axis=0)
    stats = {
        "min": values.min(0),
        "max": values.max(0),
        "mean": values.mean(0, dtype=np.float64),
        "std": values.std(0, dtype=np.float64),
        "q01": low,
        "q99": high,
    }
    return {name: x.astype(np.float32) for name, x in stats.items()}
