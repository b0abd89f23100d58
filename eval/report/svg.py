"""Plots as inline SVG that follows the page's light or dark mode and reads well in grayscale."""

import html
import io
import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import matplotlib
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator

from ..compare.comparison import Comparison
from ..compare.score import SuccessRate
from ..compare.stages import count_endings
from ..palette import PALETTE, styles
from ..result import CONDITIONS, TITLES, Condition

INK, FAINT, RULE, PAPER = "#010101", "#020202", "#030303", "#040404"
"""Placeholder colors, replaced by the page's CSS variables."""
_VARIABLES = {INK: "ink", FAINT: "faint", RULE: "rule", PAPER: "paper"} | {
    color: name.replace(" ", "-") for name, color in PALETTE.items()
}
_SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "vlasandbox",
    "text.parse_math": False,  # a policy may be called "$x"
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": RULE,
    "axes.labelcolor": FAINT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "xtick.minor.size": 0,
    "legend.frameon": False,
    "legend.fontsize": 9,
}
WIDTH = 4.8
"""Width of every plot [inches]; letters stay legible on a phone."""
_CONDITION_LOOK: dict[Condition, tuple[str, Literal["full", "none"]]] = {
    "test": ("o", "full"),
    "swapped_instruction": ("s", "none"),
    "blank_image": ("^", "none"),
}


Curve = list[tuple[int, float]]
"""Points (update, loss)."""


@dataclass(frozen=True)
class Panel:
    """Curves that share a scale."""

    title: str
    color: str
    curves: list[Curve]


def success_plot(comparison: Comparison) -> Markup:
    """Plots success with 95% intervals of every policy under every condition."""
    names = comparison.names

    def draw(ax: Axes) -> None:
        look = styles(comparison.policies)
        seen: list[Condition] = [c for c in CONDITIONS if any(comparison.rate_of(name, c) for name in names)]
        for row, name in enumerate(names):
            color = look[name].color if name in look else INK
            run: list[Condition] = [
                condition for condition in CONDITIONS if comparison.rate_of(name, condition)
            ]
            for i, condition in enumerate(run):
                marker, fill = _CONDITION_LOOK[condition]
                rate = comparison.rates[name, condition]
                _point(ax, rate, row + 0.22 * (i - (len(run) - 1) / 2), color, marker, fill)
        ax.set_yticks(range(len(names)), [short(name) for name in names])
        ax.set_ylim(len(names) - 0.5, -0.5)
        ax.set_xlim(-2, 102)
        ax.set_xlabel("success [%]")
        ax.grid(axis="y", visible=False)
        for condition in seen:
            marker, fill = _CONDITION_LOOK[condition]
            ax.plot([], [], marker, color=INK, fillstyle=fill, label=TITLES[condition])
        legend_above(ax, 3)

    return svg("success", draw, 0.6 * len(names) + 1.2, "Success of every policy under every condition")


def _point(ax: Axes, rate: SuccessRate, y: float, color: str, marker: str, fill: str) -> None:
    low, high = (100 * end for end in rate.interval)
    ax.plot([low, high], [y, y], "-", color=color, linewidth=2, solid_capstyle="butt")
    if math.isfinite(rate.rate):
        ax.plot(
            [100 * rate.rate],
            [y],
            marker,
            color=color,
            fillstyle=fill,
            markersize=6.5,
            markerfacecoloralt=PAPER,
        )


def tradeoff_plot(
    comparison: Comparison, costs: dict[str, tuple[float, float]], label: str, name: str
) -> Markup:
    """Plots test success against a cost: policy -> (value, upper end of its spread or the value again)."""

    def draw(ax: Axes) -> None:
        for policy, style in styles(comparison.policies).items():
            rate = comparison.rate_of(policy)
            if rate is None or policy not in costs or not math.isfinite(rate.rate):
                continue
            value, upper = costs[policy]
            low, high = (100 * end for end in rate.interval)
            ax.plot([value, value], [low, high], "-", color=style.color, linewidth=1.6)
            ax.plot([value, upper], [100 * rate.rate] * 2, "-", color=style.color, linewidth=1.6)
            ax.plot(
                [value],
                [100 * rate.rate],
                style.marker,
                color=style.color,
                markersize=7,
                label=short(policy),
            )
        ax.set_ylabel("success [%]")
        ax.set_xlabel(label)
        lowest = min(rate.interval[0] for name in costs if (rate := comparison.rate_of(name)))
        ax.set_ylim(max(-2, 100 * lowest - 8), 102)
        ax.set_xlim(0, 1.1 * max(upper for _, upper in costs.values()))
        legend_above(ax, 2)

    return svg(name, draw, 3.2, f"Success against {label}")


def curves_plot(comparison: Comparison, curves: dict[str, list[dict[str, Any]]]) -> Markup | None:
    """Plots the loss of each policy over its updates, each on its own scale; None if no loss is known."""
    look = styles(comparison.policies)
    found = {name: loss_curve(curves.get(name, [])) for name in comparison.policies}
    panels = [Panel(short(name), look[name].color, [curve]) for name, curve in found.items() if curve]
    return panels_plot("curves", panels, "Training loss of every policy") if panels else None


def panels_plot(name: str, panels: list[Panel], label: str) -> Markup:
    """Plots losses over updates in panels side by side."""
    columns = 2
    lines = math.ceil(len(panels) / columns)

    def draw_all(figure: Figure) -> None:
        for i, panel in enumerate(panels):
            ax = figure.add_subplot(lines, columns, i + 1)
            for curve in panel.curves:
                ax.plot(
                    *zip(*curve, strict=True), color=panel.color, linewidth=1.4 / len(panel.curves) ** 0.5
                )
            if all(loss > 0 for curve in panel.curves for _, loss in curve):
                ax.set_yscale("log")
                ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=6))
                ax.yaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
                ax.minorticks_off()
            ax.set_title(panel.title, fontsize=10 if len(panel.title) <= 18 else 8, loc="left")
            ax.locator_params(axis="x", nbins=3)
            ax.tick_params(labelsize=8)
            if i >= len(panels) - columns:
                ax.set_xlabel("updates", fontsize=9)

    return render(name, draw_all, 1.75 * lines + 0.3, label)


def loss_curve(rows: list[dict[str, Any]]) -> Curve:
    """Extracts the losses from rows of metrics.jsonl."""
    return [(row["step"], float(row["loss"])) for row in rows if row.get("loss") is not None]


def stages_plot(comparison: Comparison) -> Markup:
    """Plots, for every policy and condition, the share of episodes that ended at each stage."""
    results = comparison.results
    stages, rows = count_endings(results)
    labels = [f"{short(r.policy)}, {TITLES[r.condition].split()[0]}" for r in results]
    return shares_plot("stages", labels, stages, rows, "Progress of the episodes")


def shares_plot(
    name: str, labels: Sequence[str], stages: Sequence[str], rows: Sequence[Counter[str]], label: str
) -> Markup:
    """Plots one bar per row, divided by the shares of `stages`, the best first."""
    colors = ["blue", "sky blue", "bluish green", "yellow", "orange", "vermillion", "reddish purple"]
    hatches = ["", "//", "..", "\\\\", "xx", "++", "oo"]

    def draw(ax: Axes) -> None:
        left = [0.0] * len(rows)
        for i, stage in enumerate(stages):
            shares = [100 * counts[stage] / sum(counts.values()) for counts in rows]
            color = RULE if stage == "success" else PALETTE[colors[i % len(colors)]]
            ax.barh(
                range(len(rows)), shares, left=left, height=0.7, color=color, edgecolor=PAPER, linewidth=0.6,
                hatch="" if stage == "success" else hatches[i % len(hatches)], label=stage.replace("_", " "),
            )  # fmt: skip
            left = [a + b for a, b in zip(left, shares, strict=True)]
        ax.set_yticks(range(len(rows)), labels)
        ax.set_ylim(len(rows) - 0.5, -0.5)
        ax.set_xlim(0, 100)
        ax.set_xlabel("episodes [%]")
        ax.grid(visible=False)
        legend_above(ax, 3)

    deep = sum(0.27 + 0.13 * label.count("\n") for label in labels)
    height = deep + 1.0 + 0.2 * math.ceil(len(stages) / 3)
    return svg(name, draw, height, label)


def short(name: str, length: int = 18) -> str:
    """Truncates `name` to `length` characters."""
    return name if len(name) <= length else name[: length - 1] + "…"


def legend_above(ax: Axes, columns: int) -> None:
    """Adds a legend above the figure, if anything has a label."""
    if ax.get_legend_handles_labels()[0]:
        assert isinstance(ax.figure, Figure)
        ax.figure.legend(
            *ax.get_legend_handles_labels(), loc="outside upper left", ncols=columns, handletextpad=0.5,
            columnspacing=1.2, borderpad=0.2,
        )  # fmt: skip


def svg(name: str, draw: Callable[[Axes], None], height: float, label: str) -> Markup:
    """Renders a figure with one plot (see `render`)."""
    return render(name, lambda figure: draw(figure.add_subplot()), height, label)


def render(name: str, draw: Callable[[Figure], None], height: float, label: str) -> Markup:
    """Renders a figure as an inline SVG element.

    Args:
        name: prefix of the element's ids; unique within a page.
        draw: draws into the figure.
        height: height of the figure [inches].
        label: alternative text for screen readers.
    """
    buffer = io.StringIO()
    with matplotlib.rc_context(_SETTINGS):
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        draw(figure)
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    alt = html.escape(label).replace("\\", "\\\\")
    # HTML needs no namespaces, the style sheet sets the size, and ids must differ between plots.
    svg = re.sub(
        r'<svg[^>]*viewBox="([^"]*)"[^>]*>', rf'<svg viewBox="\1" role="img" aria-label="{alt}">', svg
    )
    svg = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", svg)
    for color, variable in _VARIABLES.items():
        svg = svg.replace(color, f"var(--{variable})")
    return Markup(svg)
