"""ChunkLabels: whole chunks as labels of single frames, from an expert that was asked in a branch.

The actions of the frames that follow are the policy's and lead elsewhere, so such a chunk cannot be cut from
them as that of a demonstration.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Int

from ...envs.control import ActionSpace
from . import schema
from .files import DatasetError


@dataclass(frozen=True)
class ChunkLabels:
    """m chunks for the n frames of a dataset."""

    index: Int[np.ndarray, " n"]
    """Index of the chunk that is a frame's label; -1: none is."""
    commands: Float32[np.ndarray, "m k r"]
    """Commands that the actions of each chunk ask for (see `envs.control`)."""
    steps: Int[np.ndarray, " m"]
    """Number of a chunk's actions that count, at least 1."""

    @staticmethod
    def of(root: Path, frames: dict[str, np.ndarray], spec: dict[str, Any] | None) -> "ChunkLabels | None":
        """Labels in a dataset's columns; None if it has none.

        Args:
            root: of the dataset, for messages.
            frames: its columns.
            spec: its `Dataset.spec_dict`.

        Raises:
            DatasetError: a chunk is no whole number of commands.
        """
        if spec is None or schema.CHUNK not in frames or schema.CHUNK_STEPS not in frames:
            return None
        width = len(spec["command_names"])
        flat, steps = frames[schema.CHUNK], frames[schema.CHUNK_STEPS].reshape(-1)
        k, rest = divmod(flat.shape[1], width)
        if rest or steps.min() < 0 or steps.max() > k:
            raise DatasetError(f"{root} has {schema.CHUNK!r} that are no chunks of {width} numbers an action")
        (asked,) = np.nonzero(steps)
        index = np.full(len(steps), -1)
        index[asked] = np.arange(len(asked))
        return ChunkLabels(index, flat[asked].reshape(-1, k, width).astype(np.float32), steps[asked])

    @staticmethod
    def joined(parts: Sequence["ChunkLabels | None"], sizes: Sequence[int]) -> "ChunkLabels | None":
        """Labels of several datasets of `sizes` frames, one after the other.

        Raises:
            DatasetError: chunks of different lengths.
        """
        found = [part for part in parts if part is not None]
        if not found:
            return None
        lengths = sorted({part.commands.shape[1] for part in found})
        if len(lengths) > 1:
            raise DatasetError(f"the expert was asked for chunks of different lengths: {lengths}")
        index, before = [], 0
        for part, size in zip(parts, sizes, strict=True):
            own = np.full(size, -1) if part is None else part.index
            index.append(np.where(own < 0, -1, own + before))
            before += 0 if part is None else len(part.steps)
        return ChunkLabels(
            np.concatenate(index),
            np.concatenate([part.commands for part in found]),
            np.concatenate([part.steps for part in found]),
        )

    def write(
        self,
        frames: Int[np.ndarray, " b"],
        reference: Float32[np.ndarray, "b r"],
        space: ActionSpace,
        actions: Float32[np.ndarray, "b k a"],
        mask: Bool[np.ndarray, "b k"],
    ) -> None:
        """Puts the chunks of those of `frames` that have one into `actions` and `mask`.

        Args:
            frames: where the windows begin.
            reference: the command in force there.
            space: of `actions`.
        """
        (rows,) = np.nonzero(self.index[frames] >= 0)
        if not len(rows):
            return
        chosen, ahead = self.index[frames[rows]], np.arange(actions.shape[1])
        last = np.minimum(self.steps[chosen] - 1, len(ahead) - 1)[:, None]
        commands = self.commands[chosen[:, None], np.minimum(ahead, last)]
        start = reference[rows, None]
        # Within a chunk each action counts from the one before, unless all count from the first.
        before = self.commands[chosen[:, None], np.minimum(ahead, last)[:, 1:] - 1]
        follows = np.concatenate([start, before], axis=1)
        actions[rows] = space.encode(commands, start if space.mode == "relative" else follows)
        mask[rows] = ahead <= last
