"""Logs of a run: a JSONL file always, a progress bar for people, wandb on request.

Another process can follow a run by reading the last row of its `metrics.jsonl` (`last_row`): rows are written
whole and at once, every few updates, each with a checksum.
"""

import hashlib
import math
import os
from pathlib import Path
from typing import Any, Literal

from torch import Tensor
from tqdm import tqdm

from ..common.errors import InputError
from ..common.files import write_whole
from ..common.json_lines import LineError, from_line, to_line

WandbMode = Literal["off", "offline", "online"]
METRICS = "metrics.jsonl"
"""File of metrics in the folder of a run."""
TAIL = 65536
"""Upper bound on the size of a row [bytes]: a follower need not read the whole file again and again."""


class RunLog:
    """Metrics of one run. A resumed run first drops the rows after its checkpoint: no update comes twice."""

    def __init__(
        self, folder: Path, *, start: int, updates: int, bar: bool, wandb: WandbMode, config: dict[str, Any]
    ) -> None:
        """Opens the log of the run in `folder`, which continues after update `start` of `updates`."""
        self._path = path = folder / METRICS
        self.rows = _truncate(path, start)
        """Rows in the file."""
        self._file = path.open("a", encoding="utf-8")
        self._bar = tqdm(total=updates, initial=start, unit="update", disable=not bar, desc=folder.name)
        self._wandb = _open_wandb(folder, wandb, config)
        self._sums: dict[str, Tensor | float] = {}
        self._counts: dict[str, int] = {}
        self._seen: dict[str, str] = {}

    def __enter__(self) -> "RunLog":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._bar.close()
        if self._wandb is not None:
            self._wandb.finish()

    def add(self, metrics: dict[str, Tensor]) -> None:
        """Accumulates detached scalars; the next row holds their means. Waits for no device."""
        for name, value in metrics.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
            self._counts[name] = self._counts.get(name, 0) + 1

    def once(self, step: int, now: dict[str, int | float]) -> None:
        """Appends a row of its own about what happened between two updates, after `step` of them, unless an
        interrupted run has written one with this first value of `now` there."""
        name, value = next(iter(now.items()))
        if any(row["step"] == step and row.get(name) == value for row in stored_rows(self._path)):
            return
        row = {"step": step} | now
        self._append(row)
        if self._wandb is not None:
            self._wandb.log(row, step=step)

    def flush(self) -> None:
        """Makes the rows so far survive a power cut, as the checkpoint after them does."""
        os.fsync(self._file.fileno())

    def write(self, step: int, now: dict[str, float], video: Path | None = None) -> None:
        """Appends the row after `step` updates: the means since the last row, and the values in `now`.

        What was seen on other data than the batches stays in the bar until it is seen again; wandb is also
        given the `video`.
        """
        row = {"step": step} | {name: float(x) / self._counts[name] for name, x in self._sums.items()} | now
        self._sums, self._counts = {}, {}
        self._append(row)
        self._bar.update(step - self._bar.n)
        if "held_out_loss" in now:
            self._seen["held_out_loss"] = f"held out {now['held_out_loss']:.4f}"
        if "success" in now:
            self._seen["success"] = f"success {now['success']:.0%}"
        shown = [
            f"loss {row['loss']:.4f}",
            *self._seen.values(),
            f"{row['samples_per_second']:.0f} samples/s",
            f"waits for data {row['wait_share']:.1%}",
        ]
        self._bar.set_postfix_str(", ".join(shown))
        if self._wandb is not None:
            import wandb

            seen = {} if video is None else {"video": wandb.Video(str(video), format="mp4")}
            self._wandb.log(row | seen, step=step)

    def _append(self, row: dict[str, float | int]) -> None:
        # JSON has no word for a metric that is not finite, such as a mean over nothing.
        self._file.write(to_line({k: v if math.isfinite(v) else None for k, v in row.items()}))
        self._file.flush()
        self.rows += 1


def last_row(path: Path) -> dict[str, int | float | None] | None:
    """The newest complete row of a `metrics.jsonl` that another process writes; None before the first."""
    if not path.exists():
        return None
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - TAIL))
        lines = file.read().split(b"\n")[:-1]
    for line in reversed(lines):  # a power cut may have left anything at the end
        try:
            return from_line(line)
        except ValueError:
            continue
    return None


def _truncate(path: Path, start: int) -> int:
    """Keeps the `kept_rows` alone, and returns how many they are. A file that is not there is begun anew."""
    kept = kept_rows(path, start)
    write_whole(path, "".join(map(to_line, kept)))
    return len(kept)


def kept_rows(path: Path, start: int) -> list[dict[str, Any]]:
    """The rows up to update `start`, which the checkpoint is of; what comes later may be cut off.

    Raises:
        LineError: an earlier row is damaged or missing.
    """
    kept: list[dict[str, Any]] = []
    for number, line in enumerate(path.read_bytes().split(b"\n") if path.exists() else [], 1):
        if kept and kept[-1]["step"] >= start:
            break
        try:
            row = from_line(line)
            if not isinstance(row.get("step"), int):
                raise InputError("it has no step")
        except (ValueError, RecursionError) as error:
            if start == 0 or not line:
                break
            again = "delete that line, and the training goes on without it"
            raise LineError(f"{path} is damaged in line {number} ({error}): {again}") from None
        if row["step"] <= start:
            kept.append(row)
    if start and path.exists() and (not kept or kept[-1]["step"] < start):
        again = "delete it, and the training goes on without its earlier rows"
        raise LineError(f"{path} has no row of update {start}, which the checkpoint is of: {again}")
    return kept


def stored_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a `metrics.jsonl` of this process, which are complete."""
    return [from_line(line) for line in path.read_bytes().split(b"\n") if line] if path.exists() else []


def _open_wandb(folder: Path, mode: WandbMode, config: dict[str, Any]) -> Any:
    if mode == "off":
        return None
    import wandb  # 0.7 s, and only here

    # The same folder is the same run, also after a resume.
    run_id = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]
    return wandb.init(
        project="vlasandbox",
        name=folder.name,
        id=run_id,
        dir=folder,
        config=config,
        mode=mode,
        resume="allow",
    )
