"""Heat-maps of a study: success over two axes, as numbers on shades that grey printing keeps."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from ..palette import PALETTE
from ..study.factors import Factor, level, scale
from ..study.summary import Row
from .html import Markup
from .study_plots import wrapped
from .svg import INK, PAPER, svg

FITS = 60
"""Characters beside each other along a map: an axis that needs more goes down, if the other needs less."""
_DARK = 0.8
"""Above this rate the shade is so dark that its number is printed in the colour of the paper."""


def heat_map(name: str, rows: Sequence[Row], down: Factor, across: Factor) -> Markup:
    """Success of rows that differ along two axes; a cell that was not run stays empty.

    Shades go from 0 to 100 % in all maps alike. The opacity, not the hue, carries the rate.
    """
    if _needs(across) > max(FITS, _needs(down)):
        down, across = across, down
    lines, columns = _ordered(down), _ordered(across)
    found = {(level(row, down.name), level(row, across.name)): row for row in rows}

    def draw(ax: Axes) -> None:
        for y, line in enumerate(lines):
            for x, column in enumerate(columns):
                if (row := found.get((line, column))) is None:
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
        ax.set_xlabel(across.name)
        ax.set_ylabel(down.name)
        ax.grid(visible=False)
        ax.spines[["left", "bottom"]].set_visible(False)

    return svg(name, draw, 0.46 * len(lines) + 0.8, f"Success over {down.name} and {across.name}")


def _needs(axis: Factor) -> int:
    """Characters that the levels take beside each other, each broken into lines of one word."""
    return len(axis.levels) * max(len(word) for name in axis.levels for word in name.split())


def _ordered(axis: Factor) -> list[str]:
    """Levels by what they say before their number, and by that; without one as they occur."""
    along = scale(axis)
    if along is None:
        return axis.levels
    return sorted(axis.levels, key=lambda name: (along.line_of[name], along.numbers[name]))
