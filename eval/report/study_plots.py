"""Plots of a study: intervals of all cells, success along a numeric factor, and success against latency."""

import math
import textwrap
from collections.abc import Sequence

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from ..palette import styles
from ..study.factors import NumericFactor, Series
from ..study.summary import Row
from ..study.thresholds import TARGET
from .svg import FAINT, INK, legend_above, svg

CHARACTERS = 30
"""Width at which labels of an axis wrap."""


def forest(name: str, rows: Sequence[Row]) -> Markup:
    """Plots success with its interval and letters, one line per row, in the given order from the top."""

    def draw(ax: Axes) -> None:
        for y, row in enumerate(rows):
            low, high = (100 * end for end in row.interval)
            ax.plot([low, high], [y, y], "-", color=INK, linewidth=1.6)
            ax.plot([100 * row.success.mean], [y], "o", color=INK, markersize=5)
            ax.annotate(
                row.group,
                (1.02, y),
                xycoords=("axes fraction", "data"),
                va="center",
                fontsize=8,
                color=FAINT,
            )
        ax.set_yticks(range(len(rows)), [wrapped(row.name) for row in rows], fontsize=9)
        ax.set_ylim(len(rows) - 0.5, -0.5)
        ax.set_xlim(-2, 102)
        ax.set_xlabel("success [%]")
        ax.grid(axis="y", visible=False)

    deep = sum(1 + wrapped(row.name).count("\n") for row in rows)
    return svg(name, draw, 0.17 * deep + 0.1 * len(rows) + 0.8, "Success of every cell")


def lines_plot(name: str, lines: Sequence[Series], along: NumericFactor) -> Markup:
    """Plots success with intervals along a numeric factor; every line is labeled at its end."""
    look = styles([line.name for line in lines])
    ticks = sorted({x for line in lines for x in line.xs})

    def draw(ax: Axes) -> None:
        if along.logarithmic:
            ax.set_xscale("log", base=2)
        ax.axhline(100 * TARGET, color=FAINT, linewidth=0.8, linestyle=(0, (1, 2)))
        for i, line in enumerate(lines):
            style = look[line.name]
            xs = [_beside(x, i - (len(lines) - 1) / 2, ticks, along.logarithmic) for x in line.xs]
            ys = [100 * row.success.mean for row in line.rows]
            for x, row in zip(xs, line.rows, strict=True):
                ax.plot(
                    [x, x],
                    [100 * end for end in row.interval],
                    "-",
                    color=style.color,
                    linewidth=1,
                    alpha=0.7,
                )
            ax.plot(xs, ys, style.line, marker=style.marker, color=style.color, markersize=5, linewidth=1.4)
        ax.set_xticks(ticks, [f"{x:g}" for x in ticks])
        ax.xaxis.set_minor_locator(NullLocator())
        ax.set_ylim(-3, 103)
        ax.set_xlabel(along.label)
        ax.set_ylabel("success [%]")
        ends = [100 * line.rows[-1].success.mean for line in lines]
        height = 103 + 3
        for line, end, y in zip(lines, ends, _apart(ends, 0.052 * height), strict=True):
            if line.name:
                ax.annotate(
                    wrapped(line.name, 24), (1.0, end), xytext=(1.06, y), xycoords=("axes fraction", "data"),
                    textcoords=("axes fraction", "data"), va="center", fontsize=8, color=INK,
                    arrowprops={"arrowstyle": "-", "color": look[line.name].color, "linewidth": 0.7},
                )  # fmt: skip

    return svg(name, draw, 3.2, f"Success along {along.label}")


def latency_plot(name: str, rows: Sequence[Row]) -> Markup:
    """Plots success against the latency of one chunk, which must be known for all rows."""
    look = styles([row.label for row in rows])

    def draw(ax: Axes) -> None:
        for row in rows:
            style = look[row.label]
            x = row.chunk_ms
            ax.plot(
                [x, x], [100 * end for end in row.interval], "-", color=style.color, linewidth=1, alpha=0.7
            )
            ax.plot(
                [x], [100 * row.success.mean], style.marker, color=style.color, markersize=6,
                label=wrapped(row.name),
            )  # fmt: skip
        ax.set_xlim(0, 1.1 * max(row.chunk_ms for row in rows))
        ax.set_ylim(-3, 103)
        ax.set_xlabel("time per chunk [ms]")
        ax.set_ylabel("success [%]")
        legend_above(ax, 2)

    deep = sum(1 + wrapped(row.name).count("\n") for row in rows)
    return svg(name, draw, 2.8 + 0.19 * math.ceil(deep / 2), "Success against latency")


def wrapped(text: str, width: int = CHARACTERS) -> str:
    """Wraps `text` into lines of at most `width` characters."""
    return "\n".join(textwrap.wrap(text, width, break_long_words=False)) or text


def _beside(x: float, place: float, ticks: Sequence[float], logarithmic: bool) -> float:
    """Shifts `x` a little by the place of its line, so that whiskers do not overlap."""
    gap = 0.012 * place
    return x * (ticks[-1] / ticks[0]) ** gap if logarithmic else x + gap * (ticks[-1] - ticks[0])


def _apart(wanted: Sequence[float], gap: float) -> list[float]:
    """Heights near the `wanted` ones, at least `gap` apart; clusters stay centered."""
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    clusters: list[list[int]] = []
    for i in order:
        clusters.append([i])
        while len(clusters) > 1 and _low(clusters[-1], wanted, gap) < (
            _low(clusters[-2], wanted, gap) + gap * len(clusters[-2])
        ):
            last = clusters.pop()
            clusters[-1] += last
    heights = [0.0] * len(wanted)
    for cluster in clusters:
        for place, i in enumerate(cluster):
            heights[i] = _low(cluster, wanted, gap) + gap * place
    return heights


def _low(cluster: list[int], wanted: Sequence[float], gap: float) -> float:
    """Lowest height of a cluster of labels that is centered on the mean of its wanted heights."""
    return sum(wanted[i] for i in cluster) / len(cluster) - gap * (len(cluster) - 1) / 2
