"""What an evaluation leaves behind: one row per episode, and everything needed to repeat it.

On disk it is a folder: `result.json`, strict JSON that any tool reads, and beside it one npz with the
executed actions, the predicted chunks and the way of the grippers.
"""

import functools
import hashlib
import io
import json
import math
import struct
import zipfile
import zlib
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from ..common.files import inside, sealed, unsealed, write_whole
from ..policies.execution import Execution
from .result_check import check_document, check_episodes

Outcome = Literal["success", "failure", "timeout", "error"]
"""`failure`: the episode ended by itself without success; `timeout`: time ran out; `error`: code raised."""
Condition = Literal["test", "swapped_instruction", "blank_image"]
CONDITIONS: tuple[Condition, ...] = ("test", "swapped_instruction", "blank_image")
TITLES = {"test": "test", "swapped_instruction": "swapped instruction", "blank_image": "blank image"}
"""The conditions in words."""
EXPERT = "expert"
"""Name of the scripted expert among policies."""

FILE = "result.json"
WEIGHTS = "model.safetensors"
"""Of a saved policy."""
FORMAT = 3
"""Version of the layout on disk."""
BULK = ("actions", "chunks", "path", "episodes")
"""Fields that the JSON of their owner does not hold."""

_DAMAGE = (
    OSError, ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError, MemoryError,
    EOFError, NotImplementedError, zipfile.BadZipFile, zlib.error, struct.error,
)  # fmt: skip
"""What reading a damaged JSON or npz raises: zipfile, zlib and numpy have their own ways to say it."""


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
    path: np.ndarray | None = None
    """Where each control step left the grippers, float32 [t, 3 x arms] [m, world]."""
    mode: str | None = None
    """Which of several equally good ways it took; None: it came to none, or the task has only one."""

    def __eq__(self, other: object) -> bool:
        """Equal in every number; arrays element by element."""
        if not isinstance(other, EpisodeResult):
            return NotImplemented
        if _plain(self) != _plain(other):
            return False
        if not (_same(self.actions, other.actions) and _same(self.path, other.path)):
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
    execution: Execution
    """Which actions of the chunks were executed, and when."""
    sampling: str
    """Settings of the head's sampling in place of the policy's own, see `policies.sampling`; mostly ""."""
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
    undecodable: float = 0.0
    """Share of the chunks, also of the batch's spare rows, that were no valid sequence of ids; their codec
    completed them."""
    weights: str = ""
    """Fingerprint of the policy that was judged (`weights_of`); "" for the expert, or if it was in memory."""

    @property
    def successes(self) -> int:
        """Episodes with outcome "success"."""
        return sum(e.outcome == "success" for e in self.episodes)

    @property
    def errors(self) -> int:
        """Episodes that raised; they are neither success nor failure and are reported apart."""
        return sum(e.outcome == "error" for e in self.episodes)

    @property
    def holds_hz(self) -> float:
        """Control rate that the policy can hold on the machine that judged it [Hz]; nan if not measured.

        At a higher one the steps executed of a chunk are over before the next chunk is there, in one of
        twenty cases, even if it is computed while they are executed.
        """
        return 1e3 * self.execution.execute / self.chunk_ms_p95

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
        checksum = hashlib.sha256(data).hexdigest()
        document = {"format": FORMAT, "arrays": arrays, "arrays_sha256": checksum} | _plain(self)
        document["episodes"] = [_plain(episode) for episode in self.episodes]
        text = json.dumps(sealed(document), indent=1, allow_nan=False) + "\n"
        write_whole(folder / arrays, data)
        write_whole(folder / FILE, text)
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
            document = unsealed(json.loads(path.read_text(encoding="utf-8")))
            if document.pop("format") != FORMAT:
                raise ResultError(
                    f"{path} was written by another version of this program; run the evaluation again"
                )
            check_document(document, get_args(Condition))
            check_episodes(document["episodes"], get_args(Outcome))
            data = inside(path.parent, document.pop("arrays")).read_bytes()
            # Results had no checksums at first.
            if document.pop("arrays_sha256", None) not in (None, hashlib.sha256(data).hexdigest()):
                raise ValueError("the arrays are not what was written")
            with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
                episodes = _unpack(document.pop("episodes"), dict(arrays))
            for name in ("chunk_ms_p50", "chunk_ms_p95"):
                document[name] = math.nan if document[name] is None else document[name]
            execution = Execution(**document.pop("execution"))
            return cls(episodes=episodes, execution=execution, **document)
        except ResultError:
            raise
        except _DAMAGE as error:
            raise ResultError(
                f"{path} is not an evaluation result, or is damaged ({error}): evaluate again, it is replaced"
            ) from error


def weights_of(policy: Path) -> str:
    """SHA-256 of the weights of the policy in this folder."""
    path = (policy / WEIGHTS).resolve()
    found = path.stat()
    return _digest(path, found.st_mtime_ns, found.st_size)


@functools.lru_cache
def _digest(path: Path, *_version: int) -> str:
    """Read once: a robustness report asks for the same weights some fifty times."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _plain(value: EpisodeResult | EvalResult) -> dict[str, Any]:
    """The fields that JSON can hold, nan as None."""
    plain = {}
    for name in (f.name for f in fields(value) if f.name not in BULK):
        item = getattr(value, name)
        item = asdict(item) if isinstance(item, Execution) else item
        plain[name] = None if isinstance(item, float) and math.isnan(item) else item
    return plain


def _pack(episodes: list[EpisodeResult]) -> dict[str, np.ndarray]:
    """All arrays of all episodes end to end, and how many rows belong to each (-1: not kept)."""
    actions, action_counts = _joined([e.actions for e in episodes])
    path, path_counts = _joined([e.path for e in episodes])
    chunks = [chunk for e in episodes for _, chunk in e.chunks]
    return {
        "actions": actions,
        "action_counts": action_counts,
        "path": path,
        "path_counts": path_counts,
        "chunks": np.stack(chunks) if chunks else np.zeros((0, 0, 0), np.float32),
        "chunk_steps": np.array([step for e in episodes for step, _ in e.chunks], np.int64),
        "chunk_counts": np.array([len(e.chunks) for e in episodes], np.int64),
    }


def _unpack(rows: list[dict[str, Any]], arrays: dict[str, np.ndarray]) -> list[EpisodeResult]:
    episodes = []
    parts = zip(
        _parts(arrays["actions"], arrays["action_counts"]),
        _parts(arrays["path"], arrays["path_counts"]),
        _parts(arrays["chunk_steps"], arrays["chunk_counts"]),
        _parts(arrays["chunks"], arrays["chunk_counts"]),
        strict=True,
    )
    for row, (actions, path, steps, chunks) in zip(rows, parts, strict=True):
        queries = list(zip(steps.tolist(), chunks, strict=True))
        episodes.append(EpisodeResult(**row, actions=actions, chunks=queries, path=path))
    return episodes


def _joined(arrays: list[np.ndarray | None]) -> tuple[np.ndarray, np.ndarray]:
    """End to end, and the rows of each, -1 for None."""
    kept = [array for array in arrays if array is not None]
    counts = np.array([-1 if array is None else len(array) for array in arrays], np.int64)
    return np.concatenate(kept) if kept else np.zeros((0, 0), np.float32), counts


def _parts(rows: np.ndarray, counts: np.ndarray) -> list[Any]:
    """What `_joined` has joined."""
    ends = np.maximum(counts, 0).cumsum()
    return [None if n < 0 else rows[end - n : end] for n, end in zip(counts, ends, strict=True)]


def _same(a: np.ndarray | None, b: np.ndarray | None) -> bool:
    """Equal element by element, or both None."""
    return a is b if a is None or b is None else np.array_equal(a, b)
