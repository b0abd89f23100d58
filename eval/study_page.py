"""The page of a study: its question, every cell with its interval, what differs, and what cannot be told."""

import math
from typing import Any

from matplotlib.axes import Axes

from .page import Markup, document, element, figure, section, table
from .pairs import ALPHA
from .plots import INK, svg
from .study_summary import Difference, Row


def page(question: str, rows: list[Row], differences: list[Difference], fixed: dict[str, Any]) -> str:
    """A self-contained HTML page.

    Args:
        fixed: what was held fixed, name -> value, for the protocol.
    """
    plots = [figure(_forest(rows), "Success with 95 % interval over trainings and episodes.")]
    if any(math.isfinite(row.chunk_ms) for row in rows):
        plots.append(figure(_latency(rows), "Success against the time of one chunk at batch 1."))
    return document(
        question,
        element("h1", question),
        element("p", lead(rows), class_="lead"),
        section("Results", _table(rows), element("div", plots, class_="figures")),
        section("Differences", _differences(differences)),
        section("What this study cannot tell", element("p", limits(rows))),
        section("Protocol", table(["", ""], [[name, str(value)] for name, value in fixed.items()])),
    )


def lead(rows: list[Row]) -> str:
    """How much was run."""
    trainings, episodes = ({getattr(row.success, name) for row in rows} for name in ("trainings", "episodes"))
    return (
        f"{len(rows)} cells of {_span(trainings)} trainings, each judged on {_span(episodes)} episodes; all "
        "of them meet the same seeds."
    )


def limits(rows: list[Row]) -> str:
    """The width of the intervals in words, and whether other training seeds are covered."""
    half = max(row.success.high - row.success.low for row in rows) / 2
    text = f"The widest interval is {100 * half:.0f} points to each side: smaller effects may hide in it."
    if not all(row.success.about_trainings for row in rows):
        text += " With one training a cell, nothing here says how another training seed would do."
    return text + " All of it holds for policies, tasks and data of this size."


def _table(rows: list[Row]) -> Markup:
    head = [
        *rows[0].levels,
        "judged",
        "success",
        "from training to training",
        "steps",
        "ms per chunk",
        "passes",
    ]
    body = [
        [
            *row.levels.values(),
            row.judged,
            [f"{100 * row.success.mean:.1f} %", element("small", interval(row))],
            f"{100 * row.success.between_trainings:.1f} points" if row.success.about_trainings else "unknown",
            f"{row.steps:.1f}" if row.steps else "-",
            f"{row.chunk_ms:.1f}" if math.isfinite(row.chunk_ms) else "-",
            str(row.evaluations),
        ]
        for row in rows
    ]
    note = (
        "Success: mean over trainings and episodes. From training to training: standard deviation of the "
        "rate beyond what episodes explain. Steps: mean control steps of the successes. Passes: evaluations "
        "of the action head per chunk."
    )
    return table(head, body, note)


def _differences(differences: list[Difference]) -> Markup:
    real = [one for one in differences if one.p < ALPHA]
    if not real:
        return element("p", f"None of {len(differences)} pairs differ (5 % in all, Holm's correction).")
    rows = [
        [
            f"{one.first} − {one.second}",
            one.judged,
            f"{100 * one.estimate.mean:+.1f}",
            f"{100 * one.estimate.low:+.1f} … {100 * one.estimate.high:+.1f}",
            f"{one.p:.2g}",
        ]
        for one in sorted(real, key=lambda one: one.p)
    ]
    note = f"{len(real)} of {len(differences)} pairs. p: corrected for all pairs judged alike (Holm)."
    return table(["", "judged", "points", "95 % interval", "p"], rows, note)


def interval(row: Row) -> str:
    """ "[91.2, 97.0] %"."""
    return f"[{100 * max(row.success.low, 0):.1f}, {100 * min(row.success.high, 1):.1f}] %"


def _span(values: set[int]) -> str:
    return str(min(values)) if len(values) == 1 else f"{min(values)} to {max(values)}"


def _forest(rows: list[Row]) -> Markup:
    judged = list(dict.fromkeys(row.judged for row in rows))
    labels = list(dict.fromkeys(row.label for row in rows))

    def draw(ax: Axes) -> None:
        for row in rows:
            i = judged.index(row.judged)
            y = labels.index(row.label) + 0.6 * ((i + 0.5) / len(judged) - 0.5)
            low, high = (100 * min(max(x, 0.0), 1.0) for x in (row.success.low, row.success.high))
            ax.plot([low, high], [y, y], "-", color=INK, linewidth=1.6)
            ax.plot([100 * row.success.mean], [y], "os^Dv<>p"[i % 8], color=INK, markersize=5)
        for i, name in enumerate(judged):
            ax.plot([], [], "os^Dv<>p"[i % 8], color=INK, label=name)
        ax.set_yticks(range(len(labels)), labels)
        ax.set_ylim(len(labels) - 0.5, -0.5)
        ax.set_xlim(-2, 102)
        ax.set_xlabel("success [%]")
        ax.grid(axis="y", visible=False)
        if len(judged) > 1:
            ax.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2)

    return svg("forest", draw, 0.35 * len(labels) + 1.2, "Success of every cell")


def _latency(rows: list[Row]) -> Markup:
    def draw(ax: Axes) -> None:
        for row in rows:
            if math.isfinite(row.chunk_ms):
                ax.plot([row.chunk_ms], [100 * row.success.mean], "o", color=INK, markersize=5)
                ax.annotate(row.label, (row.chunk_ms, 100 * row.success.mean), fontsize=7)
        ax.set_xlim(0, None)
        ax.set_xlabel("time per chunk [ms]")
        ax.set_ylabel("success [%]")

    return svg("latency", draw, 3.2, "Success against latency")
