"""Tables of a study."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..compare.motion import MotionMetrics, motion_metrics
from ..compare.statements import MAX_CONTROL_RATE, execution
from ..table import Table
from .factors import NumericFactor
from .level import level_text
from .statements import interval
from .summary import Difference, Row, Summary
from .thresholds import TARGET, Crossing

OPEN_LOOP = (
    "Open-loop error: mean absolute error of the chunks on demonstrations that no training used, averaged "
    "over the steps of a chunk and over trainings, in the scale of the policy's action normalizer; not "
    "comparable between action spaces or chunk lengths. "
)


def ranking_table(rows: Sequence[Row], tuned: str | None) -> Table:
    """Rows of one evaluation in the given order, with their levels of the tuned factor."""
    lettered = any(row.group for row in rows)
    measured = any(row.open_loop is not None for row in rows)
    timed = any(math.isfinite(row.holds_hz) for row in rows)
    columns = {"": [row.name for row in rows], "rank": [_places(row) for row in rows]}
    if lettered:
        columns["group"] = [row.group for row in rows]
    if tuned:
        columns[f"{tuned} (tuned)"] = [level_text(row.levels[tuned]) for row in rows]
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
        columns["max control rate [Hz]"] = [_known(row.holds_hz, ".1f") for row in rows]
    columns["NFE"] = [str(row.evaluations) for row in rows]
    groups = (
        "Cells that share a letter are not distinguishable."
        if lettered
        else "Groups of indistinguishable cells overlap too much for letters."
    )
    note = (
        f"Rank: all ranks that the data allow, with 95% confidence for all cells simultaneously. {groups} "
        "Success: mean over trainings and episodes, with a 95% interval over both; the variation between "
        "trainings is estimated from all cells of the evaluation together. Between trainings: standard "
        "deviation of this cell's rate beyond what episodes explain, in percentage points. Steps: mean "
        f"control steps of the successes. {OPEN_LOOP * measured}{(MAX_CONTROL_RATE + ' ') * timed}NFE: "
        "network function evaluations of the action head per chunk."
    )
    return Table(list(columns), [list(cells) for cells in zip(*columns.values(), strict=True)], note)


def crossing_table(crossings: Sequence[Crossing], along: NumericFactor) -> Table:
    """Table of the crossings of the target, one row per series."""
    head = [f"{100 * TARGET:.0f}% at {along.label}", "crosses", "95% interval"]
    known = any(one.cpu_minutes for one in crossings)
    rows = [
        [
            one.line or "all cells",
            one.text,
            one.span or "–",
            *([_known(one.cpu_minutes, ".1f")] if known else []),
        ]
        for one in crossings
    ]
    how = "logarithmically" if along.logarithmic else "linearly"
    note = (
        f"First crossing of {100 * TARGET:.0f}%, interpolated {how} between neighboring levels. The interval "
        "is where the ends of the rates' intervals cross; – if not within the levels."
    )
    return Table([*head, "CPU-minutes there"] if known else head, rows, note)


def cost_table(summary: Summary) -> Table | None:
    """Cost of training each cell; None if it is known for none."""
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
        head, rows, "Per training, the mean over the trainings of a cell; CPU time summed over threads."
    )


def motion_table(summary: Summary) -> Table:
    """Motion metrics of the policies, and of the expert if known."""
    head = [
        "",
        "evaluation",
        "time to success [s]",
        "arc length",
        "jerk [m/s³]",
        "jump between chunks",
        "modes",
    ]
    rows = [[row.name, row.evaluation, *_motion(row.measures)] for row in summary.rows]
    rows += [["expert", expert.task, *_motion(motion_metrics(expert))] for expert in summary.experts]
    note = (
        "Time to success: mean of the successes. Arc length: spectral arc length of the speed (SPARC), "
        "closer to 0 is smoother. Jerk: root mean square. Neither is comparable between control rates. Jump "
        "between chunks: change of the commanded velocity where a new chunk begins, relative to changes "
        "within chunks. Modes: episodes by which of several equally good ways they took, and the entropy of "
        "the shares."
    )
    return Table(head, rows, note)


def difference_table(summary: Summary, differences: Sequence[Difference], within: str) -> Table:
    """The significant ones of some pairs, by increasing p-value.

    Args:
        summary: the study.
        differences: of pairs of cells, or of pairs of evaluations.
        within: what the two of a pair have in common: "evaluation" or "cell".
    """
    names = {row.label: row.name for row in summary.rows} | {name: name for name in summary.evaluations}
    rows = [
        [
            f"{names[one.first]} − {names[one.second]}",
            names[one.within],
            f"{100 * one.estimate.mean:+.1f}",
            f"[{100 * one.estimate.low:+.1f}, {100 * one.estimate.high:+.1f}]",
            f"{one.p:.2g}" if one.p >= 1e-4 else "< 0.0001",
        ]
        for one in sorted(differences, key=lambda one: one.p)
        if one.real
    ]
    note = (
        f"{len(rows)} of {len(differences)} pairs differ significantly (familywise error rate 5% among pairs "
        f"of the same {within}). p: corrected for these (Holm); the interval is not."
    )
    return Table(["", within, "points", "95% interval", "p"], rows, note)


def protocol_table(summary: Summary, fixed: Mapping[str, Any]) -> Table:
    """Table of everything needed to repeat the study."""
    results = [result for row in summary.rows for result in row.results]
    trainings = [one for row in summary.trained.values() for one in row.trainings]
    minutes = sum(one.cpu_seconds for one in trainings) / 60
    rows = [[name, str(value)] for name, value in fixed.items()]
    for name in dict.fromkeys(row.evaluation_name for row in summary.rows):
        how = _joined(
            execution(one) for row in summary.rows if row.evaluation_name == name for one in row.results
        )
        rows.append([f"evaluation: {name}", how])
    rows.append(["seeds", _joined(f"{len(row.seeds)} from {row.seeds[0]}" for row in summary.rows)])
    inference = (f"{one.lanes} lanes, {one.threads} threads" for one in results)
    rows.append(["inference", _joined(inference) + "; noise drawn per episode from its seed"])
    names = dict.fromkeys(name for result in results for name in result.spec)
    rows += [
        [f"environment: {name}", _joined(json.dumps(result.spec.get(name)) for result in results)]
        for name in names
    ]
    rows.append(["datasets", _joined(one.dataset[:12] for one in trainings) or "–"])
    rows.append(["initial weights", _joined(one.start for one in trainings) or "–"])
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


def _motion(metrics: MotionMetrics) -> list[str]:
    numbers = (
        (metrics.time_to_success, ".2f"), (metrics.sparc, ".2f"), (metrics.jerk, ".1f"),
        (metrics.boundary_jump, ".2f"),
    )  # fmt: skip
    total = sum(metrics.modes.values())
    entropy = -sum(count / total * math.log2(count / total) for count in metrics.modes.values())
    modes = ", ".join(f"{name} {count}" for name, count in metrics.modes.items())
    return [
        *(_known(value, form) for value, form in numbers),
        f"{modes} ({abs(entropy):.2f} bit)" if modes else "–",
    ]


def _joined(texts: Iterable[str]) -> str:
    """The distinct texts."""
    return "; ".join(dict.fromkeys(texts))
