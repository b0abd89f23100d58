"""Cost and outcome of a training, as reports need them."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

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

    @staticmethod
    def load(run: Path) -> "TrainingRecord":
        """Loads the record of the finished training in the folder `run`.

        Raises:
            ValueError: `run` holds no finished training.
        """
        path = run / "summary.json"
        if not path.exists():
            raise ValueError(f"no finished training in {run}: {path.name} is missing")
        summary = json.loads(path.read_text(encoding="utf-8"))
        metrics, error, config = run / "metrics.jsonl", run / OPEN_LOOP, run / "config.json"
        if "precision" not in summary and config.exists():  # written by an earlier version
            summary["precision"] = json.loads(config.read_text(encoding="utf-8"))["precision"]
        lines = metrics.read_text(encoding="utf-8").splitlines() if metrics.exists() else []
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
            rows=[json.loads(line) for line in lines],
            open_loop=json.loads(error.read_text(encoding="utf-8"))["mean"] if error.exists() else None,
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-able, without the metrics."""
        return {name: value for name, value in asdict(self).items() if name != "rows"}


def cautions(trainings: Mapping[str, TrainingRecord]) -> list[str]:
    """Warns of settings that a fair comparison holds fixed and these trainings do not."""
    held = {
        "demonstrations": {t.demonstrations for t in trainings.values()},
        "dataset": {t.dataset for t in trainings.values()},
        "updates": {t.updates for t in trainings.values()},
        "samples seen": {t.samples for t in trainings.values()},
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
