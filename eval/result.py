"""What an evaluation leaves behind: one row per episode, and everything needed to repeat it.

On disk it is a folder: `result.json`, strict JSON that any tool reads, and beside it one npz with the
executed actions and the predicted chunks.
"""

import hashlib
import io
import json
import math
import os
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np

Outcome = Literal["success", "failure", "timeout", "error"]
"""`failure`: the episode ended by itself without success; `timeout`: time ran out; `error`: code raised."""
Condition = Literal["test", "swapped_instruction", "blank_image"]

FILE = "result.json"
FORMAT = 2
"""Version of the layout on disk."""


class ResultError(ValueError):
    """A stored result that cannot be read; the message is one sentence that names the path."""


@dataclass(eq=False)
class EpisodeResult:
    """One closed-loop episode."""

    seed: int
    outcome: Outcome
    steps: int
    """Control steps executed."""
    progress: float
    """The task's own progress at the end, in [0, 1]."""
    stage: str
    """The furthest named stage, looked at after each block of actions: where a failure happened."""
    instruction: str
    """What the policy was told."""
    error: str | None = None
    """The exception's text, for outcome "error"."""
    actions: np.ndarray | None = None
    """Executed actions, float32 [t, a], from which `eval.video` replays the episode exactly."""
    chunks: list[tuple[int, np.ndarray]] = field(default_factory=list)
    """(control step, predicted chunk float32 [k, a]) of every query of the policy."""

    def __eq__(self, other: object) -> bool:
        """Equal in every number; arrays element by element."""
        if not isinstance(other, EpisodeResult):
            return NotImplemented
        if _plain(self) != _plain(other) or (self.actions is None) != (other.actions is None):
            return False
        if self.actions is not None and not np.array_equal(self.actions, other.actions):  # pyright: ignore
            return False
        return len(self.chunks) == len(other.chunks) and all(
            step == other_step and np.array_equal(chunk, other_chunk)
            for (step, chunk), (other_step, other_chunk) in zip(self.chunks, other.chunks, strict=True)
        )


@dataclass(eq=False)
class EvalResult:
    """One policy under one condition on one range of seeds."""

    policy: str
    """Name shown to people, or "expert"."""
    checkpoint: str
    """Path of the policy folder; "" for the expert."""
    task: str
    condition: Condition
    seed_start: int
    """Smallest seed."""
    episodes: list[EpisodeResult]
    execute: int
    """Executed actions per chunk."""
    delay: int
    """Control steps by which an answer of the policy came late."""
    guided: bool
    """Whether a chunk went on from the last one (real-time chunking)."""
    ensemble: float | None
    """Decay of the temporal ensemble's weights; None: there was none."""
    lanes: int
    """Rows of the padded inference batch; an episode sits in lane seed % lanes. 0 for the expert."""
    threads: int
    """torch threads during inference; 0 for the expert."""
    evaluations: int
    """Forward passes of the head per chunk; 0 for the expert."""
    chunk_ms_p50: float
    """Latency of one chunk at batch 1 [ms], median; nan where it was not measured (expert, controls)."""
    chunk_ms_p95: float
    wall_seconds: float
    """From starting the workers to the last episode, the latency measurement excepted [s]."""
    env_steps: int
    """Control steps of all episodes."""
    spec: dict[str, Any]
    """Environment specification (`ManipulationEnv.spec_dict`)."""
    versions: dict[str, str]

    @property
    def successes(self) -> int:
        """Episodes with outcome "success"."""
        return sum(e.outcome == "success" for e in self.episodes)

    @property
    def errors(self) -> int:
        """Episodes that raised; they are neither success nor failure and are reported apart."""
        return sum(e.outcome == "error" for e in self.episodes)

    def __eq__(self, other: object) -> bool:
        """Equal in every number; a latency that neither measured counts as equal."""
        if not isinstance(other, EvalResult):
            return NotImplemented
        # As JSON: a tuple in the specification is a list once it is stored.
        return json.dumps(_plain(self)) == json.dumps(_plain(other)) and self.episodes == other.episodes

    def save(self, folder: Path) -> Path:
        """Writes the result into `folder`, replacing an earlier one in one step, and returns the JSON's path.

        The JSON names its npz, whose name depends on its content; so a program that is killed while writing
        leaves the earlier pair intact.
        """
        folder.mkdir(parents=True, exist_ok=True)
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **_pack(self.episodes))  # pyright: ignore[reportArgumentType]
        data = buffer.getvalue()
        arrays = f"rollouts-{hashlib.sha256(data).hexdigest()[:12]}.npz"
        document = {"format": FORMAT, "arrays": arrays} | _plain(self)
        document["episodes"] = [_plain(episode) for episode in self.episodes]
        text = json.dumps(document, indent=1, allow_nan=False) + "\n"
        _replace(folder / arrays, data)
        _replace(folder / FILE, text.encode())
        for old in folder.glob("rollouts-*.npz"):
            if old.name != arrays:
                old.unlink()
        return folder / FILE

    @classmethod
    def load(cls, path: Path) -> "EvalResult":
        """The result in folder `path`, or whose JSON is `path`.

        Raises:
            ResultError: there is none, or it is damaged.
        """
        path = path / FILE if path.is_dir() else path
        if not path.is_file():
            raise ResultError(f"no evaluation result at {path}")
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            if document.pop("format") != FORMAT:
                raise ResultError(
                    f"{path} was written by another version of this program; run the evaluation again"
                )
            with np.load(path.parent / document.pop("arrays"), allow_pickle=False) as arrays:
                episodes = _unpack(document.pop("episodes"), dict(arrays))
            for name in ("chunk_ms_p50", "chunk_ms_p95"):
                document[name] = math.nan if document[name] is None else document[name]
            return cls(episodes=episodes, **document)
        except ResultError:
            raise
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ResultError(f"{path} is not an evaluation result, or is damaged ({error})") from error


def _plain(value: EpisodeResult | EvalResult) -> dict[str, Any]:
    """The fields that JSON can hold, nan as None."""
    plain = {}
    for name in (f.name for f in fields(value) if f.name not in ("actions", "chunks", "episodes")):
        item = getattr(value, name)
        plain[name] = None if isinstance(item, float) and math.isnan(item) else item
    return plain


def _pack(episodes: list[EpisodeResult]) -> dict[str, np.ndarray]:
    """All arrays of all episodes end to end, and how many rows belong to each (-1: actions not kept)."""
    actions = [e.actions for e in episodes if e.actions is not None]
    chunks = [chunk for e in episodes for _, chunk in e.chunks]
    return {
        "actions": np.concatenate(actions) if actions else np.zeros((0, 0), np.float32),
        "action_counts": np.array([-1 if e.actions is None else len(e.actions) for e in episodes], np.int64),
        "chunks": np.stack(chunks) if chunks else np.zeros((0, 0, 0), np.float32),
        "chunk_steps": np.array([step for e in episodes for step, _ in e.chunks], np.int64),
        "chunk_counts": np.array([len(e.chunks) for e in episodes], np.int64),
    }


def _unpack(rows: list[dict[str, Any]], arrays: dict[str, np.ndarray]) -> list[EpisodeResult]:
    episodes = []
    action, chunk = 0, 0
    counts = zip(arrays["action_counts"].tolist(), arrays["chunk_counts"].tolist(), strict=True)
    for row, (n_actions, n_chunks) in zip(rows, counts, strict=True):
        actions = None if n_actions < 0 else arrays["actions"][action : action + n_actions]
        steps = arrays["chunk_steps"][chunk : chunk + n_chunks].tolist()
        chunks = list(zip(steps, arrays["chunks"][chunk : chunk + n_chunks], strict=True))
        episodes.append(EpisodeResult(**row, actions=actions, chunks=chunks))
        action, chunk = action + max(n_actions, 0), chunk + n_chunks
    return episodes


def _replace(path: Path, data: bytes) -> None:
    """Writes a file whole or not at all."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
