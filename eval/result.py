"""Result of an evaluation: one row per episode, and everything needed to repeat it.

On disk it is a folder with `result.json`, strict JSON that any tool reads, and one npz with the executed
actions, the predicted chunks, and the paths of the grippers.
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

from ..common.errors import InputError, VlaError
from ..common.files import inside, read_sealed, remove_partials, sealed, write_whole
from ..policies.execution import Execution
from .result_check import check_document, check_episodes

Outcome = Literal["success", "failure", "timeout", "error", "missing"]
"""`failure`: the episode ended by itself without success; `timeout`: time ran out; `error`: the policy or the
task raised; `missing`: the machine failed each time that it was played."""
UNDECIDED: tuple[Outcome, ...] = ("error", "missing")
"""Outcomes that are neither success nor failure."""
Condition = Literal["test", "swapped_instruction", "blank_image"]
CONDITIONS: tuple[Condition, ...] = ("test", "swapped_instruction", "blank_image")
TITLES = {"test": "test", "swapped_instruction": "swapped instruction", "blank_image": "blank image"}
"""Conditions in words."""
EXPERT = "expert"
"""Name of the scripted expert, in place of a policy's."""

FILE = "result.json"
WEIGHTS = "model.safetensors"
"""File name of a saved policy's weights."""
FORMAT = 3
"""Version of the file format."""
BULK = ("actions", "chunks", "path", "episodes")
"""Fields that are stored in the npz, not in the JSON."""

_DAMAGE = (
    OSError, ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError, MemoryError,
    EOFError, NotImplementedError, zipfile.BadZipFile, zlib.error, struct.error,
)  # fmt: skip
"""Exceptions that damaged JSON or npz files raise in json, zipfile, zlib, and numpy."""


class ResultError(VlaError, ValueError):
    """Error about a stored result that cannot be read; the message names its path."""


@dataclass(eq=False)
class EpisodeResult:
    """Closed-loop episode of a policy."""

    seed: int
    outcome: Outcome
    steps: int
    """Number of executed control steps."""
    progress: float
    """Task progress at the end, in [0, 1]."""
    stage: str
    """Furthest stage reached, checked after each block of actions; shows where a failure happened."""
    instruction: str
    """Instruction given to the policy."""
    error: str | None = None
    """The exception in one line, for outcome "error"; how the process died, for "missing"."""
    actions: np.ndarray | None = None
    """Executed actions, float32 [t, a], from which `eval.video` replays the episode exactly."""
    chunks: list[tuple[int, np.ndarray]] = field(default_factory=list)
    """Control step and predicted chunk, float32 [k, a], of every query of the policy."""
    path: np.ndarray | None = None
    """Gripper positions after each control step, float32 [t, 3 x arms] [m, world frame]."""
    mode: str | None = None
    """Mode of the solution among several equally good ones; None if it reached none, or if the task has only
    one."""
    traceback: str | None = None
    """Complete traceback of the exception, for outcome "error"."""

    def __eq__(self, other: object) -> bool:
        """Compares all numbers; arrays element by element."""
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
    """Result of one policy under one condition on one range of seeds."""

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
    """Execution of the policy's chunks."""
    sampling: str
    """Settings of the head's sampling that replace the policy's own (see `policies.sampling`); usually ""."""
    lanes: int
    """Rows of the padded inference batch; an episode uses lane seed % lanes. 0 for the expert."""
    threads: int
    """Torch threads during inference; 0 for the expert."""
    evaluations: int
    """Network function evaluations of the head per chunk; 0 for the expert."""
    chunk_ms_p50: float
    """Median latency of one chunk at batch size 1 [ms]; NaN if not measured (expert, controls)."""
    chunk_ms_p95: float
    wall_seconds: float
    """Wall-clock time from starting the workers to the last episode, without the latency measurement [s]."""
    env_steps: int
    """Total control steps of all episodes."""
    spec: dict[str, Any]
    """Environment specification (`ManipulationEnv.spec_dict`)."""
    versions: dict[str, str]
    undecodable: float = 0.0
    """Fraction of the chunks, spare rows of the batch included, that were not a valid sequence of ids; the
    codec completed them."""
    weights: str = ""
    """Fingerprint of the policy (see `weights_of`); "" for the expert, or if the policy was in memory."""

    @property
    def successes(self) -> int:
        """Number of episodes with outcome "success"."""
        return sum(e.outcome == "success" for e in self.episodes)

    @property
    def errors(self) -> int:
        """Number of episodes that raised, which are neither success nor failure and are reported
        separately."""
        return sum(e.outcome == "error" for e in self.episodes)

    @property
    def missing(self) -> int:
        """Episodes that this machine could not play; they too are neither, and are reported apart."""
        return sum(e.outcome == "missing" for e in self.episodes)

    @property
    def undecided(self) -> int:
        """Episodes that are neither success nor failure."""
        return self.errors + self.missing

    @property
    def holds_hz(self) -> float:
        """Maximum control rate of the policy on the evaluation machine [Hz]; NaN if not measured.

        At a higher rate, the executed steps of a chunk end before the next chunk arrives in at least one of
        twenty cases, even if it is computed while they are executed.
        """
        return 1e3 * self.execution.execution_horizon / self.chunk_ms_p95

    def __eq__(self, other: object) -> bool:
        """Compares all numbers; a latency that neither measured counts as equal."""
        if not isinstance(other, EvalResult):
            return NotImplemented
        # As JSON: a tuple in the specification is a list once it is stored.
        return json.dumps(_plain(self)) == json.dumps(_plain(other)) and self.episodes == other.episodes

    def save(self, folder: Path) -> Path:
        """Writes the result into `folder`, atomically replacing an earlier one; returns the path of the JSON.

        The JSON names its npz, whose name depends on its content, so a program killed while writing leaves
        the earlier pair intact.
        """
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **_pack(self.episodes))  # pyright: ignore[reportArgumentType]
        data = buffer.getvalue()
        arrays = f"rollouts-{hashlib.sha256(data).hexdigest()[:12]}.npz"
        checksum = hashlib.sha256(data).hexdigest()
        document = {"format": FORMAT, "arrays": arrays, "arrays_sha256": checksum} | _plain(self)
        document["episodes"] = [_plain(episode) for episode in self.episodes]
        text = json.dumps(sealed(document), indent=1, allow_nan=False) + "\n"
        remove_partials(folder)
        write_whole(folder / arrays, data)
        write_whole(folder / FILE, text)
        for old in folder.glob("rollouts-*.npz"):
            if old.name != arrays:
                old.unlink()
        return folder / FILE

    @classmethod
    def load(cls, path: Path) -> "EvalResult":
        """Loads the result in the folder `path`, or whose JSON is `path`.

        Raises:
            ResultError: there is no result, or it is damaged.
        """
        path = path / FILE if path.is_dir() else path
        if not path.is_file():
            raise ResultError(f"no evaluation result at {path}")
        try:
            document = read_sealed(path)
            if document.pop("format") != FORMAT:
                raise ResultError(
                    f"{path} was written by another version of this program: run the evaluation again"
                )
            check_document(document, get_args(Condition))
            check_episodes(document["episodes"], get_args(Outcome))
            data = inside(path.parent, document.pop("arrays")).read_bytes()
            # Results of early versions have no checksums.
            if document.pop("arrays_sha256", None) not in (None, hashlib.sha256(data).hexdigest()):
                raise InputError("the arrays are not what was written")
            with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
                episodes = _unpack(document.pop("episodes"), dict(arrays))
            for name in ("chunk_ms_p50", "chunk_ms_p95"):
                document[name] = math.nan if document[name] is None else document[name]
            execution = Execution.of_json(document.pop("execution"))
            return cls(episodes=episodes, execution=execution, **document)
        except ResultError:
            raise
        except _DAMAGE as error:
            raise ResultError(
                f"{path} is not an evaluation result, or is damaged ({error}): evaluate again, it is replaced"
            ) from error


def weights_of(policy: Path) -> str:
    """Computes the SHA-256 of the weights of the policy in a folder."""
    path = (policy / WEIGHTS).resolve()
    found = path.stat()
    return _digest(path, found.st_mtime_ns, found.st_size)


@functools.lru_cache
def _digest(path: Path, *_version: int) -> str:
    """Hashes a file once: a robustness report asks for the same weights some fifty times."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _plain(value: EpisodeResult | EvalResult) -> dict[str, Any]:
    """Fields that JSON can hold, with NaN as None."""
    plain = {}
    for name in (f.name for f in fields(value) if f.name not in BULK):
        item = getattr(value, name)
        item = asdict(item) if isinstance(item, Execution) else item
        plain[name] = None if isinstance(item, float) and math.isnan(item) else item
    return plain


def _pack(episodes: list[EpisodeResult]) -> dict[str, np.ndarray]:
    """Concatenates the arrays of all episodes, with the number of rows of each (-1: not kept)."""
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
    """Concatenates arrays; returns the rows of each, -1 for None."""
    kept = [array for array in arrays if array is not None]
    counts = np.array([-1 if array is None else len(array) for array in arrays], np.int64)
    return np.concatenate(kept) if kept else np.zeros((0, 0), np.float32), counts


def _parts(rows: np.ndarray, counts: np.ndarray) -> list[Any]:
    """Splits what `_joined` concatenated."""
    ends = np.maximum(counts, 0).cumsum()
    return [None if n < 0 else rows[end - n : end] for n, end in zip(counts, ends, strict=True)]


def _same(a: np.ndarray | None, b: np.ndarray | None) -> bool:
    """Whether two arrays are equal element by element, or both None."""
    return a is b if a is None or b is None else np.array_equal(a, b)
