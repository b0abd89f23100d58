"""Writes drops down: an HTML page for people, Markdown for a repository, JSON for programs."""

import json
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes

from ...common.files import write_whole
from ..compare.robustness import SuccessDrop, rows, table, verdicts
from ..stats.pairwise import ALPHA
from .html import Markup, document, element, figure, section
from .html import table as html_table
from .svg import INK, PAPER, legend_above, svg

MARKERS = "os^Dv"

LIMITS = (
    "One training per policy: another training seed of the same recipe may drop by another amount.",
    "How harsh a level is was chosen by hand for each axis. Drops of one axis compare policies; drops of two "
    "axes do not say which factor matters more in the world.",
    "An axis is new to a policy only if its demonstrations were not varied in it.",
    "One simulated task and one robot. Nothing here was measured on hardware.",
)
COMBINATIONS = (
    "combinations asks for the attribute combinations that are kept from demonstrations recorded with "
    "--combinations train, and its control asks for the others. Those are other scenes of the same seed, so "
    "that pairing makes its interval no narrower."
)


def write_robustness(folder: Path, found: list[SuccessDrop], protocol: dict[str, Any]) -> Path:
    """Writes robustness.json, .md and .html into `folder`, each whole or not at all; returns the page's path.

    Args:
        protocol: how it was judged, name -> value.
    """
    folder.mkdir(parents=True, exist_ok=True)
    said = verdicts(found)
    numbers = {"protocol": protocol, "verdicts": said, "drops": [drop.to_dict() for drop in found]}
    write_whole(folder / "robustness.json", json.dumps(numbers, indent=2, allow_nan=False) + "\n")
    bullets = "\n".join(f"- {sentence}" for sentence in said)
    parts = [f"# {_title(found)}", _lead(found), f"```\n{table(found)}\n```", _note(found), bullets]
    write_whole(folder / "robustness.md", "\n\n".join(parts) + "\n")
    write_whole(folder / "robustness.html", page(found, protocol))
    return folder / "robustness.html"


def page(found: list[SuccessDrop], protocol: dict[str, Any]) -> str:
    """A self-contained HTML page."""
    title = _title(found)
    head, *body = rows(found)
    cells = [
        [row[0], *row[1:5], element("b", row[5]) if drop.pair.real else row[5], *row[6:]]
        for row, drop in zip(body, found, strict=True)
    ]
    plots = [
        figure(_plot(policy, i, found), f"{policy}: points lost to each perturbation, with 95 % interval.")
        for i, policy in enumerate(_policies(found))
    ]
    limits = [*LIMITS, *([COMBINATIONS] if any(d.trial.axis == "combinations" for d in found) else [])]
    facts = [[name, str(value)] for name, value in protocol.items()]
    return document(
        title,
        element("h1", title),
        element("p", _lead(found), class_="lead"),
        element("ul", [element("li", sentence) for sentence in verdicts(found)], class_="verdicts"),
        element("div", plots, class_="figures"),
        html_table(head, cells, _note(found)),
        section("What these numbers cannot tell", element("ul", [element("li", limit) for limit in limits])),
        section("Protocol", element("div", html_table(["", ""], facts), class_="protocol")),
    )


def _policies(found: list[SuccessDrop]) -> list[str]:
    return list(dict.fromkeys(drop.trial.policy for drop in found))


def _title(found: list[SuccessDrop]) -> str:
    return f"Robustness of {', '.join(_policies(found))} on “{found[0].trial.perturbed.task}”"


def _lead(found: list[SuccessDrop]) -> str:
    return (
        f"{len(found[0].trial.perturbed.episodes)} simulated episodes per arm. A perturbed episode differs "
        "from the control episode of the same seed in one factor alone, so the two are paired."
    )


def _note(found: list[SuccessDrop]) -> str:
    return (
        "Drop: success of the control minus that of the perturbed episodes, in points of 100, with an "
        "interval (Newcombe, paired) and the p-value of McNemar's exact test (Holm). Both are corrected for "
        f"{len(found)} drops: with 95 % confidence all intervals hold at once. Established: p < {ALPHA}. "
        "Expert: on the perturbed episodes."
    )


def _plot(policy: str, number: int, found: list[SuccessDrop]) -> Markup:
    mine = [drop for drop in found if drop.trial.policy == policy]
    axes = list(dict.fromkeys(drop.trial.axis for drop in mine))
    levels = sorted({drop.trial.level for drop in mine if drop.trial.level.isdigit()})

    def draw(ax: Axes) -> None:
        for drop in mine:
            among = [other for other in mine if other.trial.axis == drop.trial.axis]
            y = axes.index(drop.trial.axis) + 0.7 * ((among.index(drop) + 0.5) / len(among) - 0.5)
            marker = MARKERS[levels.index(drop.trial.level)] if drop.trial.level in levels else "P"
            ax.plot(drop.pair.interval, [y, y], "-", color=INK, linewidth=1.6, solid_capstyle="butt")
            face = INK if drop.pair.real else PAPER
            ax.plot([drop.pair.points], [y], marker, color=INK, markersize=5.5, markerfacecolor=face)
        ax.axvline(0, color=INK, linewidth=0.8)
        labels = [drop.trial.name for drop in mine] if len(axes) == len(mine) else axes
        ax.set_yticks(range(len(axes)), [label.replace("_", " ") for label in labels])
        ax.set_ylim(len(axes) - 0.5, -0.5)
        ends = [end for drop in found for end in drop.pair.interval]
        ax.set_xlim(min(ends) - 3, max(ends) + 3)  # of all policies, so that their plots can be compared
        ax.set_xlabel("drop [points]; filled: established")
        ax.grid(axis="y", visible=False)
        if len(levels) > 1:
            for level, marker in zip(levels, MARKERS, strict=False):
                ax.plot([], [], marker, color=INK, label=f"level {level}")
            legend_above(ax, 3)

    height = 1.2 + max(0.3 * len(axes), 0.16 * len(mine))
    return svg(f"drops{number}", draw, height, f"Drop of {policy} on every axis")
