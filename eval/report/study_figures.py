"""Figures of a study: which rows go into which plot, and how many plots are drawn."""

import math
from collections import Counter
from collections.abc import Sequence

from markupsafe import Markup

from ..compare.stages import endings
from ..palette import PALETTE
from ..study.analysis import Analysis, Curve
from ..study.factors import Factor, NumericFactor, lines, panels
from ..study.summary import EVALUATION, Row, Summary
from .document import Block, Figure, Figures, Section
from .study_heatmap import heat_map
from .study_plots import forest, latency_plot, lines_plot, wrapped
from .svg import Panel, loss_curve, panels_plot, shares_plot

LINES = 6
"""Maximum lines in one plot; more are split over several plots."""
PLOTS = 6
"""Maximum plots of one kind; results.json has all numbers."""
BARS = 24
"""Maximum bars in a plot of stages."""
CURVES = 12
"""Maximum panels of learning curves."""
TIMED = 12
"""Maximum cells in the plot of latency."""


def picture(analysis: Analysis) -> Markup:
    """The most informative plot: success along the one numeric factor, over two factors, or of every cell."""
    rows, found = analysis.summary.rows, analysis.factors
    curves = [curve for curve in analysis.curves if len(curve.along.numbers) > 2]
    if len(curves) == 1:
        others, split = _split(rows, curves[0].along, curves[0].others)
        first = panels(rows, split)[0][1]
        if series := lines(first, curves[0].along, others):
            return lines_plot("picture", series, curves[0].along)
    if len(found) > 1:
        first = panels(rows, found[2:])[0][1]
        return heat_map("picture", first, *found[:2])
    return forest("picture", analysis.summary.ranking(analysis.summary.evaluations[0]))


def curve_figures(summary: Summary, curve: Curve, number: int) -> list[Figure]:
    """Plots of success along a numeric factor; `number` keeps their ids apart from those of other factors."""
    others, split = _split(summary.rows, curve.along, curve.others)
    figures = []
    for i, (name, rows) in enumerate(panels(summary.rows, split)[:PLOTS]):
        if series := lines(rows, curve.along, others):
            plot = lines_plot(f"along-{number}-{i}", series, curve.along)
            figures.append(
                Figure(plot, f"Success along {curve.along.label}" + (f": {name}." if name else "."))
            )
    return figures


def _split(
    rows: Sequence[Row], along: NumericFactor, others: list[Factor]
) -> tuple[list[Factor], list[Factor]]:
    """Factors that distinguish the lines of one plot, and factors that distinguish plots."""
    split: list[Factor] = []
    while len(others) > 1 and len(lines(rows, along, others)) > LINES:
        others, split = others[:-1], [others[-1], *split]
    return others, split


def maps(analysis: Analysis) -> list[Block]:
    """Success over the first two factors, one map for each combination of the others."""
    if len(analysis.factors) < 2:
        return []
    down, across, *rest = analysis.factors
    groups = panels(analysis.summary.rows, rest)
    figures = [
        Figure(heat_map(f"map-{i}", rows, down, across), f"{name}." if name else "Success [%].")
        for i, (name, rows) in enumerate(groups[:PLOTS])
    ]
    note = (
        "Mean success in percent, with its 95% interval. Darker is more successful; all maps share a scale."
    )
    if len(groups) > PLOTS:
        note += f" {PLOTS} of {len(groups)} maps; results.json has all numbers."
    return [Section(f"Success over {_title(down)} and {_title(across)}", [Figures(figures, note)])]


def learning_curves(summary: Summary) -> Figures:
    """Loss of every training, one panel per cell."""
    drawn = []
    for name, row in summary.trained.items():
        known = [curve for one in row.trainings if (curve := loss_curve(one.rows))]
        if known:
            drawn.append(Panel(wrapped(name), PALETTE["blue"], known))
    halves = [drawn[:CURVES][i : i + CURVES // 2] for i in range(0, min(len(drawn), CURVES), CURVES // 2)]
    figures = [
        Figure(panels_plot(f"curves-{i}", half, "Loss of every training")) for i, half in enumerate(halves)
    ]
    note = (
        "Training loss, one line per training, each cell on its own scale. Cross-entropy, noise error, and "
        "action distance measure different things: compare the shapes, not the heights."
    )
    if len(drawn) > CURVES:
        note += f" The first {CURVES} of {len(drawn)} cells."
    return Figures(figures, note)


def stages(summary: Summary) -> Figures:
    """Stages at which the episodes ended: one plot for each evaluation and task."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in summary.rows:
        groups.setdefault((row.evaluation, row.task), []).append(row)
    figures = []
    for i, ((evaluation, task), rows) in enumerate(list(groups.items())[:PLOTS]):
        rows = sorted(rows, key=lambda row: -row.success.mean)[:BARS]
        seen = sum((row.endings for row in rows), Counter())
        order = [stage for stage in endings(task) if seen[stage]]
        labels = [wrapped(row.name) for row in rows]
        plot = shares_plot(
            f"stages-{i}", labels, order, [row.endings for row in rows], "Progress of the episodes"
        )
        figures.append(Figure(plot, f"{task}, {evaluation}." if len(groups) > 1 else f"{task}."))
    note = "Share of episodes by the furthest stage reached."
    if len(groups) > PLOTS or any(len(rows) > BARS for rows in groups.values()):
        note += " Not all cells are shown; results.json has all numbers."
    return Figures(figures, note)


def latency(summary: Summary) -> list[Figure]:
    """Success against the latency of a chunk, for the first evaluation that measured it."""
    for evaluation in summary.evaluations:
        rows = [row for row in summary.ranking(evaluation) if math.isfinite(row.chunk_ms)]
        if rows:
            where = f" ({evaluation})" if len(summary.evaluations) > 1 else ""
            caption = f"Success against the median latency of one chunk at batch size 1{where}."
            if len(rows) > TIMED:
                caption += f" The {TIMED} most successful cells."
            return [Figure(latency_plot("latency", rows[:TIMED]), caption)]
    return []


def _title(factor: Factor) -> str:
    return "evaluations" if factor.label == EVALUATION else factor.label
