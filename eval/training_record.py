"""Cost and outcome of a training, as reports need them."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..common.errors import InputError
from ..common.files import read_sealed
from ..common.json_lines import read_lines

_AGAIN = "delete it, and the same command writes it again"
OPEN_LOOP = "open_loop.json"
"""File of a run that holds its open-loop error, if measured."""


@dataclass(frozen=True)
class TrainingRecord:
    """Training of one policy."""

    wall_seconds: float
    cpu_seconds: float
    """CPU time of the process, summed over threads [s]."""
    updates: int
    samples: int
    """Training windows seen."""
    demonstrations: int
    samples_per_second: float
    parameters: int
    dataset: str
    """Fingerprint of the dataset."""
    device: str
    precision: str
    """Precision of the forward and backward passes: bf16 or fp32; "unknown" if neither summary nor
    configuration records it."""
    threads: int
    rows: list[dict[str, Any]] = field(repr=False)
    """Rows of metrics.jsonl."""
    open_loop: float | None = None
    """Mean absolute error of the chunks on held-out demonstrations, in the scale of the action normalizer;
    None if not measured."""
    start: str = "random"
    """Origin of the initial weights: "random", or a trained policy with the start of its digest, all of it
    or "the trunk of" it."""

    @staticmethod
    def load(run: Path) -> "TrainingRecord":
        """Loads the record of the finished training in the folder `run`.

        Raises:
            ValueError: `run` holds no finished training, or a damaged one.
        """
        path = run / "summary.json"
        if not path.exists():
            raise InputError(f"{run} holds no finished training: there is no {path.name}")
        summary = read_summary(run)
        metrics, error, config = run / "metrics.jsonl", run / OPEN_LOOP, run / "config.json"
        if "precision" not in summary and config.exists():  # an earlier version's
            summary["precision"] = _read(config)["precision"]
        try:
            rows = read_rows(metrics, summary.get("rows", 0))
            if not isinstance(summary.get("precision", ""), str):
                raise InputError(f"{path} is damaged (it has no usable precision): {_AGAIN}")
            open_loop = _read(error)["mean"] if error.exists() else None
            if not isinstance(open_loop, int | float | None) or isinstance(open_loop, bool):
                raise InputError(
                    f"{error} is damaged (mean is a {type(open_loop).__name__}, no number): {_AGAIN}"
                )
            return TrainingRecord._of(summary, rows, open_loop)
        except (KeyError, TypeError, AttributeError) as wrong:
            raise InputError(f"{path} is damaged (it has no usable {wrong}): {_AGAIN}") from None

    @staticmethod
    def _of(summary: dict[str, Any], rows: list[dict[str, Any]], open_loop: float | None) -> "TrainingRecord":
        return TrainingRecord(
            wall_seconds=summary["train_wall_seconds"],
            cpu_seconds=summary["train_cpu_seconds"],
            updates=summary["updates"],
            samples=summary["samples"],
            demonstrations=summary["demonstrations"],
            samples_per_second=summary["samples_per_second"],
            parameters=sum(summary["parameters"].values()),
            dataset=summary["dataset"]["fingerprint"],
            device=summary["device"],
            precision=summary.get("precision", "unknown"),
            threads=summary["threads"],
            rows=rows,
            open_loop=open_loop,
            start=_start(summary),
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-able, without the metrics."""
        return {name: value for name, value in asdict(self).items() if name != "rows"}


def read_rows(path: Path, count: int) -> list[dict[str, Any]]:
    """The rows of the metrics.jsonl of a finished training.

    Args:
        count: how many there must be at least; 0 if that is not known.

    Raises:
        ValueError: one is damaged, or some are missing.
    """
    again = "copy the run again from where it is whole, or train again into another folder"
    rows = read_lines(path, again) if path.exists() else []
    if len(rows) < count:
        raise InputError(f"{path} has {len(rows)} rows of {count}: {again}")
    return rows


def read_summary(run: Path) -> dict[str, Any]:
    """The content of the summary.json in the folder of a finished run.

    Raises:
        ValueError: it is damaged.
    """
    path = run / "summary.json"
    found = _read(path)
    if not isinstance(found, dict) or not isinstance(found.get("dataset"), dict):
        raise InputError(f"{path} is damaged (it does not say what was learned from): {_AGAIN}")
    return found


def _read(path: Path) -> Any:
    try:
        return read_sealed(path)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is damaged ({error}): {_AGAIN}") from None


def _start(summary: dict[str, Any]) -> str:
    for setting, prefix in (("start_from", ""), ("trunk_from", "the trunk of ")):
        if (source := summary.get(setting)) is not None:
            return f"{prefix}{source['name']} ({source['sha256'][:8]})"
    return "random"


def cautions(trainings: Mapping[str, TrainingRecord]) -> list[str]:
    """Warns of settings that a fair comparison holds fixed and these trainings do not."""
    held = {
        "demonstrations": {t.demonstrations for t in trainings.values()},
        "dataset": {t.dataset for t in trainings.values()},
        "updates": {t.updates for t in trainings.values()},
        "samples seen": {t.samples for t in trainings.values()},
        "initial weights": {t.start for t in trainings.values()},
    }
    unequal = [name for name, values in held.items() if len(values) > 1]
    return [
        *(
            [f"Caution: the trainings differ in more than the policy: {', '.join(unequal)}."]
            if unequal
            else []
        ),
        *precision_cautions((name, t.precision) for name, t in trainings.items()),
    ]


def precision_cautions(trained: Iterable[tuple[str, str]]) -> list[str]:
    """Warns if not all were trained in the same precision.

    Args:
        trained: names with the precision of their training; a name may occur several times.
    """
    names: dict[str, dict[str, None]] = {}
    for name, precision in trained:
        names.setdefault(precision, {})[name] = None
    if len(names) < 2:
        return []
    groups = "; ".join(f"{precision}: {', '.join(of)}" for precision, of in sorted(names.items()))
    return [f"Caution: the trainings differ in precision ({groups})."]
