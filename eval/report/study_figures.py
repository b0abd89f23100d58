"""The figures of a study's page: which rows go into which plot, and how many plots are too many."""

import math
from collections import Counter
from collections.abc import Sequence

from ..compare.stages import endings
from ..palette import PALETTE
from ..study.factors import Factor, NumericFactor, axes, lines, panels, scale
from ..study.summary import JUDGED, Row, Summary
from .html import Content, Markup, element, figure, section
from .study_heatmap import heat_map
from .study_plots import forest, latency_plot, lines_plot, wrapped
from .svg import Panel, loss_curve, panels_plot, shares_plot

LINES = 6
"""In one plot; more go into several plots."""
PLOTS = 6
"""Of one kind; all numbers are in results.json."""
BARS = 24
"""Of stages in one plot."""
CURVES = 12
"""Panels of learning curves."""
TIMED = 12
"""Cells in the plot of latency."""


def picture(summary: Summary) -> Markup:
    """The plot that says most: success along the one axis of numbers, over two axes, or of every cell."""
    found = axes(summary)
    scales = [along for axis in found if (along := scale(axis)) is not None and len(axis.levels) > 2]
    if len(scales) == 1:
        others, split = _split(summary.rows, scales[0], [axis for axis in found if axis != scales[0].axis])
        rows = panels(summary.rows, split)[0][1]
        if drawn := lines(rows, scales[0], others):
            return lines_plot("picture", drawn, scales[0])
    if len(found) > 1:
        rows = panels(summary.rows, found[2:])[0][1]
        return heat_map("picture", rows, *found[:2])
    return forest("picture", summary.ranking(summary.judged[0]))


def along(summary: Summary, of: NumericFactor, number: int) -> list[Content]:
    """Plots of success along one axis, the `number`-th of the page."""
    others, split = _split(summary.rows, of, [axis for axis in axes(summary) if axis != of.axis])
    plots: list[Content] = []
    for i, (name, rows) in enumerate(panels(summary.rows, split)[:PLOTS]):
        if drawn := lines(rows, of, others):
            plot = lines_plot(f"along-{number}-{i}", drawn, of)
            plots.append(figure(plot, f"Success along {of.label}" + (f": {name}." if name else ".")))
    return plots


def _split(
    rows: Sequence[Row], along: NumericFactor, others: list[Factor]
) -> tuple[list[Factor], list[Factor]]:
    """Axes that tell the lines of one plot apart, and those that go into different plots."""
    split: list[Factor] = []
    while len(others) > 1 and len(lines(rows, along, others)) > LINES:
        others, split = others[:-1], [others[-1], *split]
    return others, split


def maps(summary: Summary) -> Markup:
    """Success over the first two axes, one map for each combination of the rest."""
    found = axes(summary)
    if len(found) < 2:
        return Markup()
    down, across, *rest = found
    groups = panels(summary.rows, rest)
    plots = [
        figure(heat_map(f"map-{i}", rows, down, across), f"{name}." if name else "Success [%].")
        for i, (name, rows) in enumerate(groups[:PLOTS])
    ]
    note = (
        "Mean success in percent, and its 95 % interval. The darker, the more successful, in all maps alike."
    )
    if len(groups) > PLOTS:
        note += f" {PLOTS} of {len(groups)} maps; results.json has all numbers."
    return section(
        f"Success over {_title(down)} and {_title(across)}",
        element("div", plots, class_="figures"),
        element("p", note, class_="note"),
    )


def curves(summary: Summary) -> Markup:
    """Loss of every training, a panel a cell."""
    drawn = []
    for name, row in summary.trained.items():
        known = [curve for one in row.trainings if (curve := loss_curve(one.rows))]
        if known:
            drawn.append(Panel(wrapped(name), PALETTE["blue"], known))
    if not drawn:
        return Markup()
    halves = [drawn[:CURVES][i : i + CURVES // 2] for i in range(0, min(len(drawn), CURVES), CURVES // 2)]
    plots = [
        figure(panels_plot(f"curves-{i}", half, "Loss of every training"), "")
        for i, half in enumerate(halves)
    ]
    note = (
        "Training loss, a line a training, each cell on its own scale. A cross-entropy, a noise error and a "
        "distance between actions measure different things: compare the shapes, not the heights."
    )
    if len(drawn) > CURVES:
        note += f" The first {CURVES} of {len(drawn)} cells."
    return section(
        "Learning curves", element("div", plots, class_="figures"), element("p", note, class_="note")
    )


def stages(summary: Summary) -> Markup:
    """Where episodes ended: a plot for each way of judging and each task."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in summary.rows:
        groups.setdefault((row.judged, row.task), []).append(row)
    plots = []
    for i, ((judged, task), rows) in enumerate(list(groups.items())[:PLOTS]):
        rows = sorted(rows, key=lambda row: -row.success.mean)[:BARS]
        seen = sum((row.endings for row in rows), Counter())
        order = [stage for stage in endings(task) if seen[stage]]
        labels = [wrapped(row.name) for row in rows]
        plot = shares_plot(
            f"stages-{i}", labels, order, [row.endings for row in rows], "How far the episodes got"
        )
        plots.append(figure(plot, f"{task}, {judged}." if len(groups) > 1 else f"{task}."))
    note = "Share of episodes by the furthest stage that they reached."
    if len(groups) > PLOTS or any(len(rows) > BARS for rows in groups.values()):
        note += " Not all cells are shown; results.json has all numbers."
    return section(
        "How far the episodes got",
        element("div", plots, class_="figures"),
        element("p", note, class_="note"),
    )


def latency(summary: Summary) -> Markup:
    """Success against the time of a chunk, for the first way of judging that was timed."""
    for judged in summary.judged:
        rows = [row for row in summary.ranking(judged) if math.isfinite(row.chunk_ms)]
        if rows:
            where = f" ({judged})" if len(summary.judged) > 1 else ""
            caption = f"Success against the time of one chunk at batch 1, the median{where}."
            if len(rows) > TIMED:
                caption += f" The {TIMED} most successful cells."
            return figure(latency_plot("latency", rows[:TIMED]), caption)
    return Markup()


def _title(axis: Factor) -> str:
    return "ways of judging" if axis.name == JUDGED else axis.name
