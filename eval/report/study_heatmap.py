"""Heat maps of a study: success over two factors, as numbers on shades that survive grayscale printing."""

from collections.abc import Sequence

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from ..palette import PALETTE
from ..study.factors import Factor, numeric, text_of
from ..study.summary import Row
from .study_plots import wrapped
from .svg import INK, PAPER, svg

FITS = 60
"""Characters that fit along a map: if the factor across needs more, it goes down, unless the other needs
even more."""
_DARK = 0.8
"""Success rate above which the shade is so dark that the number is printed in the color of the paper."""


def heat_map(name: str, rows: Sequence[Row], down: Factor, across: Factor) -> Markup:
    """Plots the success of rows that differ in two factors; a cell without a row stays empty.

    Shades range from 0 to 100% in all maps. The opacity, not the hue, encodes the rate.
    """
    if _needs(across) > max(FITS, _needs(down)):
        down, across = across, down
    lines, columns = _ordered(down, rows), _ordered(across, rows)
    cells = {(text_of(row, down.label), text_of(row, across.label)): row for row in rows}

    def draw(ax: Axes) -> None:
        for y, line in enumerate(lines):
            for x, column in enumerate(columns):
                if (row := cells.get((line, column))) is None:
                    continue
                rate = row.success.mean
                corner = (x - 0.48, y - 0.46)
                ax.add_patch(
                    Rectangle(
                        corner, 0.96, 0.92, color=PALETTE["blue"], alpha=0.06 + 0.94 * rate, linewidth=0
                    )
                )
                ink = PAPER if rate > _DARK else INK
                low, high = (100 * end for end in row.interval)
                ax.text(x, y - 0.13, f"{100 * rate:.0f}", ha="center", va="center", fontsize=10, color=ink)
                ax.text(
                    x, y + 0.25, f"{low:.0f}–{high:.0f}", ha="center", va="center", fontsize=6.5, color=ink
                )
        ax.set_xticks(
            range(len(columns)), [wrapped(column, FITS // len(columns)) for column in columns], fontsize=8
        )
        ax.set_yticks(range(len(lines)), [wrapped(line, 20) for line in lines], fontsize=9)
        ax.set_xlim(-0.5, len(columns) - 0.5)
        ax.set_ylim(len(lines) - 0.5, -0.5)
        ax.set_xlabel(across.label)
        ax.set_ylabel(down.label)
        ax.grid(visible=False)
        ax.spines[["left", "bottom"]].set_visible(False)

    return svg(name, draw, 0.46 * len(lines) + 0.8, f"Success over {down.label} and {across.label}")


def _needs(factor: Factor) -> int:
    """Characters that the levels take next to each other, with each broken into lines of one word."""
    return len(factor.texts) * max(len(word) for text in factor.texts for word in text.split())


def _ordered(factor: Factor, rows: Sequence[Row]) -> list[str]:
    """Numeric levels by line and number, others in their order."""
    along = numeric(factor, rows)
    if along is None:
        return factor.texts
    return sorted(factor.texts, key=lambda text: (along.line_of[text], along.numbers[text]))
