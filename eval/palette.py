"""Colors that color-blind readers can distinguish, with markers and line styles for grayscale.

Okabe and Ito, "Color Universal Design" (2008); https://jfly.uni-koeln.de/color/.
"""

from dataclasses import dataclass

PALETTE = {
    "blue": "#0072b2",
    "orange": "#e69f00",
    "bluish green": "#009e73",
    "vermillion": "#d55e00",
    "reddish purple": "#cc79a7",
    "sky blue": "#56b4e9",
    "yellow": "#f0e442",
}


@dataclass(frozen=True)
class Style:
    """Appearance of one policy in every plot."""

    color: str
    marker: str
    """Marker, by matplotlib's name."""
    line: str


_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_LINES = ("-", "--", "-.", ":")


def styles(names: list[str]) -> dict[str, Style]:
    """Style of each policy, by its place in `names`; colors repeat with different markers."""
    colors, found = list(PALETTE.values()), {}
    for i, name in enumerate(names):
        marker = _MARKERS[(i + i // len(colors)) % len(_MARKERS)]
        found[name] = Style(colors[i % len(colors)], marker, _LINES[i % len(_LINES)])
    return found


def rgb(color: str) -> tuple[int, int, int]:
    """Converts a hexadecimal color: "#d55e00" -> (213, 94, 0)."""
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)
