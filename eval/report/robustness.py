"""Report of robustness: how much success each perturbation costs each policy."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup
from matplotlib.axes import Axes

from ..compare.robustness import SuccessDrop, drop_table, statements
from ..stats.pairwise import ALPHA
from ..table import Table
from .document import Document, Figure, Figures, Items, Section, TableBlock, Text
from .svg import INK, PAPER, legend_above, svg
from .write import write_document

MARKERS = "os^Dv"

LIMITS = (
    "One training per policy: another training seed of the same recipe may drop by a different amount.",
    "The severity of each level was chosen by hand for each perturbation. Drops of one perturbation compare "
    "policies; drops of two perturbations do not tell which factor matters more in the real world.",
    "A perturbation is new to a policy only if its demonstrations did not vary that factor.",
    "One simulated task and one robot. Nothing was measured on hardware.",
)
COMBINATIONS = (
    "“combinations” asks for attribute combinations that are left out of demonstrations recorded with "
    "--combinations train, and its control asks for the others. Those are different scenes for the same "
    "seed, so pairing does not narrow this interval."
)


def write_robustness(folder: Path, drops: Sequence[SuccessDrop], protocol: Mapping[str, Any]) -> Path:
    """Writes robustness.html, .md, and .json into `folder`; returns the path of the page.

    Args:
        folder: where to write the report.
        drops: what to report.
        protocol: settings of the evaluations, by name.
    """
    return write_document(robustness_report(drops, protocol), folder, "robustness")


def robustness_report(drops: Sequence[SuccessDrop], protocol: Mapping[str, Any]) -> Document:
    """Builds the report of some success drops."""
    said = statements(drops)
    numbers = {"protocol": dict(protocol), "statements": said, "drops": [drop.to_dict() for drop in drops]}
    policies = list(dict.fromkeys(drop.trial.policy for drop in drops))
    task = drops[0].trial.perturbed.task
    figures = [
        Figure(
            _plot(policy, i, drops),
            f"{policy}: success lost to each perturbation [percentage points], with 95% intervals.",
        )
        for i, policy in enumerate(policies)
    ]
    limits = [*LIMITS, *([COMBINATIONS] if any(d.trial.axis == "combinations" for d in drops) else [])]
    facts = Table(["", ""], [[name, str(value)] for name, value in protocol.items()])
    return Document(
        f"Robustness of {', '.join(policies)} on “{task}”",
        [
            Text(_lead(drops), "lead"),
            Items(said, highlighted=True),
            Figures(figures),
            TableBlock(drop_table(drops, _note(drops))),
            Section("What these numbers cannot tell", [Items(limits)]),
            Section("Protocol", [TableBlock(facts, prose=True)]),
        ],
        numbers,
    )


def _lead(drops: Sequence[SuccessDrop]) -> str:
    return (
        f"{len(drops[0].trial.perturbed.episodes)} simulated episodes per perturbation, and as many for the "
        "control. A perturbed episode differs from the control episode of the same seed in one factor only, "
        "so the two are paired."
    )


def _note(drops: Sequence[SuccessDrop]) -> str:
    return (
        "Drop: success rate of the control minus that of the perturbed episodes in percentage points, with "
        "an interval (Newcombe, paired) and the p-value of McNemar's exact test (Holm). Both are corrected "
        f"for {len(drops)} drops: with 95% confidence all intervals hold simultaneously. Bold: p < {ALPHA}. "
        "Expert: on the perturbed episodes."
    )


def _plot(policy: str, number: int, drops: Sequence[SuccessDrop]) -> Markup:
    own = [drop for drop in drops if drop.trial.policy == policy]
    axes = list(dict.fromkeys(drop.trial.axis for drop in own))
    levels = sorted({drop.trial.level for drop in own if drop.trial.level.isdigit()})

    def draw(ax: Axes) -> None:
        for drop in own:
            same_axis = [other for other in own if other.trial.axis == drop.trial.axis]
            y = axes.index(drop.trial.axis) + 0.7 * ((same_axis.index(drop) + 0.5) / len(same_axis) - 0.5)
            marker = MARKERS[levels.index(drop.trial.level)] if drop.trial.level in levels else "P"
            ax.plot(drop.pair.interval, [y, y], "-", color=INK, linewidth=1.6, solid_capstyle="butt")
            face = INK if drop.pair.real else PAPER
            ax.plot([drop.pair.points], [y], marker, color=INK, markersize=5.5, markerfacecolor=face)
        ax.axvline(0, color=INK, linewidth=0.8)
        labels = [drop.trial.name for drop in own] if len(axes) == len(own) else axes
        ax.set_yticks(range(len(axes)), [label.replace("_", " ") for label in labels])
        ax.set_ylim(len(axes) - 0.5, -0.5)
        ends = [end for drop in drops for end in drop.pair.interval]
        ax.set_xlim(min(ends) - 3, max(ends) + 3)  # of all policies, so that their plots can be compared
        ax.set_xlabel("drop [percentage points]; filled: significant")
        ax.grid(axis="y", visible=False)
        if len(levels) > 1:
            for level, marker in zip(levels, MARKERS, strict=False):
                ax.plot([], [], marker, color=INK, label=f"level {level}")
            legend_above(ax, 3)

    height = 1.2 + max(0.3 * len(axes), 0.16 * len(own))
    return svg(f"drops{number}", draw, height, f"Success drop of {policy} under every perturbation")
