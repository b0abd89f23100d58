"""The tables of a study, as text: the page and the Markdown show the same ones."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..compare.motion import MotionMetrics, measures
from ..compare.statements import HOLDS, execution
from .factors import NumericFactor
from .statements import interval
from .summary import Row, Summary
from .thresholds import TARGET, Crossing

OPEN_LOOP = (
    "Open-loop error: mean absolute error of the chunks on demonstrations that no training learned from, the "
    "mean over the steps of a chunk and over trainings, in the scale of the policy's action normaliser; it "
    "cannot be compared between action spaces or chunk lengths. "
)


@dataclass(frozen=True)
class Table:
    """Cells of text; the first column names the row."""

    head: list[str]
    rows: list[list[str]]
    note: str = ""


def ranking(rows: Sequence[Row], tuned: str | None) -> Table:
    """Rows judged alike, in the given order, with the level of the tuned axis."""
    lettered = any(row.group for row in rows)
    measured = any(row.open_loop is not None for row in rows)
    timed = any(math.isfinite(row.holds_hz) for row in rows)
    columns = {"": [row.name for row in rows], "place": [_places(row) for row in rows]}
    if lettered:
        columns["group"] = [row.group for row in rows]
    if tuned:
        columns[f"{tuned} (tuned)"] = [row.levels[tuned] for row in rows]
    columns["success [%]"] = [f"{100 * row.success.mean:.1f} {interval(row)}" for row in rows]
    columns["between trainings"] = [
        f"{100 * row.success.between_trainings:.1f}" if row.success.about_trainings else "unknown"
        for row in rows
    ]
    columns["steps"] = [_known(row.steps, ".1f") for row in rows]
    if measured:
        columns["open-loop error"] = [_known(row.open_loop, ".3f") for row in rows]
    columns["ms per chunk"] = [_known(row.chunk_ms, ".1f") for row in rows]
    if timed:
        columns["holds up to [Hz]"] = [_known(row.holds_hz, ".1f") for row in rows]
    columns["passes"] = [str(row.evaluations) for row in rows]
    groups = (
        "Cells that share a letter are not distinguishable."
        if lettered
        else "The groups of cells that are not distinguishable overlap too much for letters."
    )
    note = (
        f"Place: all that the data allow, with 95 % confidence for all cells at once. {groups} Success: mean "
        "over trainings and episodes, with its 95 % interval over both; how much trainings vary, all cells "
        "judged alike tell together. Between trainings: standard deviation of the rate beyond what episodes "
        "explain, of this cell alone, in points. Steps: mean control steps of the successes. "
        f"{OPEN_LOOP * measured}{(HOLDS + ' ') * timed}Passes: evaluations of the action head per chunk."
    )
    return Table(list(columns), [list(cells) for cells in zip(*columns.values(), strict=True)], note)


def crossing_table(found: Sequence[Crossing], along: NumericFactor) -> Table:
    """Where each line crosses the target."""
    head = [f"{100 * TARGET:.0f} % at {along.label}", "crosses", "95 % interval"]
    known = any(one.cpu_minutes for one in found)
    rows = [
        [
            one.line or "all cells",
            one.text,
            one.span or "–",
            *([_known(one.cpu_minutes, ".1f")] if known else []),
        ]
        for one in found
    ]
    way = "in the logarithm of the levels" if along.logarithmic else "straight"
    note = (
        f"Where the rate first gets across {100 * TARGET:.0f} %, interpolated {way} between neighbouring "
        "levels; the interval is where the ends of the rates' intervals do, – if not within the levels."
    )
    return Table([*head, "CPU-minutes there"] if known else head, rows, note)


def costs(summary: Summary) -> Table | None:
    """What a training of each cell took; None if that is not known of any."""
    cells = {name: row for name, row in summary.trained.items() if row.trainings}
    if not cells:
        return None
    head = ["", "CPU-minutes", "parameters", "demonstrations", "updates", "windows/s"]
    rows = [
        [
            name,
            f"{row.cpu_minutes:.1f}",
            _joined(f"{one.parameters / 1e6:.2f} M" for one in row.trainings),
            _joined(str(one.demonstrations) for one in row.trainings),
            _joined(str(one.updates) for one in row.trainings),
            f"{sum(one.samples_per_second for one in row.trainings) / len(row.trainings):.0f}",
        ]
        for name, row in cells.items()
    ]
    return Table(
        head, rows, "Of one training, the mean over the trainings of a cell; CPU time of all threads."
    )


def motion(summary: Summary) -> Table:
    """How the policies moved, and the expert, if it is known."""
    head = [
        "",
        "judged",
        "time to success [s]",
        "arc length",
        "jerk [m/s³]",
        "jump between chunks",
        "ways taken",
    ]
    rows = [[row.name, row.judged, *_moved(row.measures)] for row in summary.rows]
    rows += [["expert", expert.task, *_moved(measures(expert))] for expert in summary.experts]
    note = (
        "Time to success: mean of the successes. Arc length: of the spectrum of the speed (SPARC), nearer to "
        "0 is smoother. Jerk: root mean square. Neither is comparable between control rates. Jump between "
        "chunks: change of the commanded velocity where a new chunk begins, relative to changes inside. "
        "Ways taken: episodes by equally good way, and the entropy of their shares."
    )
    return Table(head, rows, note)


def differences(summary: Summary, *, ways: bool = False) -> Table:
    """The pairs of cells (or of ways of judging a cell) that differ, the surest first."""
    found = summary.ways if ways else summary.differences
    within = "cell" if ways else "judged"
    names = {row.label: row.name for row in summary.rows} | {judged: judged for judged in summary.judged}
    rows = [
        [
            f"{names[one.first]} − {names[one.second]}",
            names[one.within],
            f"{100 * one.estimate.mean:+.1f}",
            f"[{100 * one.estimate.low:+.1f}, {100 * one.estimate.high:+.1f}]",
            f"{one.p:.2g}" if one.p >= 1e-4 else "< 0.0001",
        ]
        for one in sorted(found, key=lambda one: one.p)
        if one.real
    ]
    note = (
        f"{len(rows)} of {len(found)} pairs differ (5 % in all for those with the same “{within}”). p: "
        "corrected for these (Holm); the interval is not."
    )
    return Table(["", within, "points", "95 % interval", "p"], rows, note)


def protocol(summary: Summary, fixed: Mapping[str, Any]) -> Table:
    """Everything that is needed to repeat it."""
    results = [result for row in summary.rows for result in row.results]
    trainings = [one for row in summary.trained.values() for one in row.trainings]
    minutes = sum(one.cpu_seconds for one in trainings) / 60
    rows = [[name, str(value)] for name, value in fixed.items()]
    for way in dict.fromkeys(row.way for row in summary.rows):
        ways = _joined(execution(one) for row in summary.rows if row.way == way for one in row.results)
        rows.append([f"judged: {way}", ways])
    rows.append(["seeds", _joined(f"{len(row.seeds)} from {row.seeds[0]}" for row in summary.rows)])
    inference = (f"{one.lanes} lanes, {one.threads} threads" for one in results)
    rows.append(["inference", _joined(inference) + "; noise drawn per episode from its seed"])
    names = dict.fromkeys(name for result in results for name in result.spec)
    rows += [
        [f"environment: {name}", _joined(json.dumps(result.spec.get(name)) for result in results)]
        for name in names
    ]
    rows.append(["datasets", _joined(one.dataset[:12] for one in trainings) or "–"])
    rows.append(["trained on", _joined(f"{one.device}, in {one.precision}" for one in trainings) or "–"])
    rows.append(["CPU-minutes of these trainings", f"{minutes:.0f}" if minutes else "–"])
    rows.append(["minutes of all evaluations", f"{sum(one.wall_seconds for one in results) / 60:.0f}"])
    versions = (", ".join(f"{k} {v}" for k, v in sorted(one.versions.items())) for one in results)
    rows.append(["versions", _joined(versions)])
    return Table(["", ""], rows)


def _known(value: float | None, form: str) -> str:
    return "–" if value is None or not math.isfinite(value) else f"{value:{form}}"


def _places(row: Row) -> str:
    first, last = row.places
    return str(first) if first == last else f"{first}–{last}"


def _moved(of: MotionMetrics) -> list[str]:
    numbers = (
        (of.time_to_success, ".2f"), (of.sparc, ".2f"), (of.jerk, ".1f"), (of.boundary_jump, ".2f"),
    )  # fmt: skip
    total = sum(of.modes.values())
    entropy = -sum(count / total * math.log2(count / total) for count in of.modes.values())
    ways = ", ".join(f"{name} {count}" for name, count in of.modes.items())
    return [
        *(_known(value, form) for value, form in numbers),
        f"{ways} ({abs(entropy):.2f} bit)" if ways else "–",
    ]


def _joined(texts: Iterable[str]) -> str:
    """Those that differ."""
    return "; ".join(dict.fromkeys(texts))
