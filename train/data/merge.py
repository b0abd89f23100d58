"""Several datasets as one: a folder of LeRobotDatasets, e.g. one a task, is trained on like a single one.

A dataset of n windows is learned from n^BALANCE times as often: short tasks are not lost among long ones.
Other shares are given, as weights of several sources or as that of a `mixture`.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from . import schema
from .align import aligned
from .chunk_labels import ChunkLabels
from .dataset import Dataset
from .files import DatasetError
from .hub import local_folder
from .staging import FOLDER, staged_seeds

SHARED = ("robot", "action_space", "command_names", "control_hz", "image_size")
"""Settings in which the environments of all parts must agree, except for the LIMITS of the action space."""
BALANCE = 0.43
"""Exponent of pi0's mixture of datasets (arXiv 2410.24164, section V)."""
LIMITS = {"low": min, "high": max}
"""Differ from task to task. Each environment clips to its own; the whole allows what any part does."""


@dataclass(frozen=True)
class Merged(Dataset):
    """The parts' episodes, one part after the other."""

    parts: tuple[Dataset, ...] = ()
    """Parts, none of which is merged itself."""
    shares: tuple[float, ...] = ()
    """Shares of the windows that come from each part; they sum to 1."""

    @property
    def fingerprint(self) -> str:  # type: ignore[override]
        """SHA-256 over the fingerprints of the parts, in hexadecimal."""
        parts = [part.fingerprint for part in self.parts]
        if self.reordered:
            parts += [*self.cameras, *(self.state_names or ()), *(self.action_names or ())]
        return hashlib.sha256(" ".join(parts).encode()).hexdigest()

    def order(self, seed: int, epoch: int) -> Int[np.ndarray, " w"]:
        """Draws as many windows as there are; those of each part go on where the epoch before left off."""
        sizes = np.array([len(part) for part in self.parts])
        begun, ended = self._taken(epoch), self._taken(epoch + 1)
        drawn = []
        for part, first, end, start in zip(self.parts, begun, ended, np.cumsum(sizes) - sizes, strict=True):
            if first == end:  # a small share of few windows, or none at all
                continue
            size = part.num_windows
            rounds = range(first // size, (end - 1) // size + 1)
            orders = np.concatenate([part.order(seed, number) for number in rounds])
            skipped = first - rounds.start * size
            drawn.append(start + orders[skipped : skipped + end - first])
        return np.random.default_rng([seed, epoch]).permutation(np.concatenate(drawn))

    def _taken(self, epochs: int) -> Int[np.ndarray, " p"]:
        """Windows of each part that are learned from in so many epochs; fractions add up over the epochs, and
        the part with the largest share gives way."""
        shares, total = np.array(self.shares), epochs * self.num_windows
        taken = np.floor(shares * total + 1e-6).astype(int)
        taken[shares.argmax()] += total - taken.sum()
        return taken


def open_data(
    root: Path | str,
    others: Sequence[Path | str] = (),
    weights: Sequence[float] = (),
    *,
    failures: bool = False,
) -> Dataset:
    """The dataset at `root`, or all of those in its sub-folders as one.

    Args:
        root: a folder, or a name on the Hugging Face Hub.
        others: more of them, as one with it.
        weights: how often is learned from `root` and from each of the others, in proportion; by default as if
            all were in one folder.
        failures: whether to learn from episodes that failed, too.

    Raises:
        DatasetError: see `Dataset.open`; or the datasets do not fit together, or cannot be fetched.
    """
    if not others:
        return _open(Path(root), failures)
    sources = [_open(Path(source), failures) for source in (root, *others)]
    if weights:
        return _mixed(sources, (np.array(weights) / sum(weights)).tolist())
    parts = [part for source in sources for part in single(source)]
    return _merge(sources[0].root, parts, _balanced(parts))


def _open(root: Path, failures: bool) -> Dataset:
    root = local_folder(root)
    finished = {path.parent.parent for path in root.glob(f"*/{schema.INFO}")}
    begun = {path.parent for path in root.glob(f"*/{FOLDER}") if any(staged_seeds(path.parent).values())}
    folders = sorted(finished | begun)  # to open one that is not finished says so
    if (root / schema.INFO).exists() or not folders:
        folders = [root]
    parts = [Dataset.open(folder) for folder in folders]
    if failures:
        parts = [part.with_failures() for part in parts]
    if folders == [root]:
        return parts[0]
    return _merge(root, parts, _balanced(parts))


def mixture(data: Dataset, added: Sequence[Dataset], share: float) -> Dataset:
    """`data`, and of all windows the `share` that comes from `added`, from each as it is large.

    What has no windows (rollouts none of which succeeded) is left out; without any the result is `data`.

    Raises:
        DatasetError: they do not fit together.
    """
    added = [part for part in added if part.learned.any()]
    if not added:
        return data
    windows = np.array([part.num_windows for part in added])
    return _mixed([data, *added], [1 - share, *(share * windows / windows.sum())])


def single(data: Dataset) -> list[Dataset]:
    """The datasets that `data` consists of, none of which is of several."""
    return list(data.parts) if isinstance(data, Merged) else [data]


def _mixed(sources: Sequence[Dataset], shares: Sequence[float]) -> Merged:
    """All parts of the sources, of each source in its own proportions."""
    parts = [part for source in sources for part in single(source)]
    own = [source.shares if isinstance(source, Merged) else (1.0,) for source in sources]
    return _merge(
        sources[0].root,
        parts,
        [share * one for share, within in zip(shares, own, strict=True) for one in within],
    )


def _balanced(parts: Sequence[Dataset]) -> list[float]:
    powers = np.array([int(part.learned.sum()) for part in parts]) ** BALANCE
    return (powers / max(powers.sum(), 1.0)).tolist()


def _merge(root: Path, parts: list[Dataset], shares: Sequence[float]) -> Merged:
    first = parts[0]
    names = first.cameras, first.state_names, first.action_names
    parts = [first, *(aligned(part, *names) for part in parts[1:])]
    for part in parts[1:]:
        _check(first, part)
    starts = np.cumsum([0, *(len(part) for part in parts)])
    tasks = list(dict.fromkeys(task for part in parts for task in part.tasks))
    numbers = {task: number for number, task in enumerate(tasks)}

    def joined(name: str) -> Any:
        arrays = [getattr(part, name) for part in parts]
        return None if any(array is None for array in arrays) else np.concatenate(arrays)

    spec = _joined_spec([part.spec_dict for part in parts if part.spec_dict is not None])
    return Merged(
        root=root,
        fps=first.fps,
        cameras=first.cameras,
        image_sizes=first.image_sizes,
        state=joined("state"),
        action=joined("action"),
        reference=joined("reference"),
        command=joined("command"),
        perturbed=joined("perturbed"),
        target_uv=joined("target_uv"),
        target_xyz=joined("target_xyz"),
        learned=joined("learned"),
        progress=joined("progress"),
        by_policy=joined("by_policy"),
        chunks=ChunkLabels.joined([part.chunks for part in parts], [len(part) for part in parts]),
        starts=np.concatenate([part.starts + start for part, start in zip(parts, starts, strict=False)]),
        lengths=joined("lengths"),
        tasks=tasks,
        task_index=np.concatenate([[numbers[part.tasks[i]] for i in part.task_index] for part in parts]),
        runs=[
            replace(run, start=run.start + int(start))
            for part, start in zip(parts, starts, strict=False)
            for run in part.runs
        ],
        recording=None,
        spec_dict=spec,
        state_names=first.state_names,
        action_names=first.action_names,
        robot_type=first.robot_type,
        left_out=tuple(dict.fromkeys(name for part in parts for name in part.left_out)),
        reordered=any(part.reordered for part in parts),
        parts=tuple(parts),
        shares=tuple(float(share) for share in shares),
    )


def _joined_spec(specs: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Specification of the first part with the tasks and limits of all, as far as all say theirs."""
    if not specs:
        return None
    spaces, joined = [spec["action_space"] for spec in specs], dict(specs[0])
    limits = {
        name: [widest(values) for values in zip(*(space[name] for space in spaces), strict=True)]
        for name, widest in LIMITS.items()
        if all(name in space for space in spaces)
    }
    joined["action_space"] = {k: x for k, x in spaces[0].items() if k not in LIMITS} | limits
    joined.pop("task", None)
    if all("task" in spec for spec in specs):
        joined["task"] = "+".join(dict.fromkeys(spec["task"] for spec in specs))
    return joined


def _check(first: Dataset, other: Dataset) -> None:
    """Refuses two datasets that cannot be trained on together."""
    shapes = [
        {"fps": d.fps, "cameras": d.cameras, "image sizes": d.image_sizes, "state": d.state.shape[1],
         "action": d.action.shape[1], "names of the state": d.state_names,
         "names of the action": d.action_names, "robot type": d.robot_type}
        for d in (first, other)
    ]  # fmt: skip
    for name in ("names of the state", "names of the action", "robot type"):
        if any(shape[name] is None for shape in shapes):  # nothing to compare
            for shape in shapes:
                shape[name] = None
    specs = [d.spec_dict or {} for d in (first, other)]
    values = [
        shape | {name: _comparable(spec.get(name)) for name in SHARED}
        for shape, spec in zip(shapes, specs, strict=True)
    ]
    wrong = [
        f"{name} {values[0][name]!r} and {values[1][name]!r}"
        for name in values[0]
        if values[0][name] != values[1][name]
    ]
    wrong_robot = shapes[0]["robot type"] != shapes[1]["robot type"]
    if wrong:
        way = f" (where the robots are the same, say so in {other.root / schema.INFO})" if wrong_robot else ""
        raise DatasetError(f"{first.root} and {other.root} do not fit together: {'; '.join(wrong)}{way}")


def _comparable(value: Any) -> Any:
    return {k: v for k, v in value.items() if k not in LIMITS} if isinstance(value, dict) else value
