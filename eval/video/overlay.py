"""Draws the policy's name, the instruction, the planned chunk, and the outcome into an episode's pictures."""

import math
from functools import lru_cache

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from ...common.errors import InputError
from ..palette import PALETTE, rgb
from .replay import Footage, Plan, Shot

BAR = 24
"""Height of the bar with the policy's name, and of one caption line [pixels]."""
GAP = 6
"""Gap between two policies side by side, and around text [pixels]."""
TEXT_SIZE = 14
"""Font size [pixels]."""
INK, PAPER, FAINT = (236, 238, 241), (22, 25, 29), (150, 158, 168)
BADGES = {
    "success": ("success", PALETTE["bluish green"]),
    "failure": ("failure", PALETTE["vermillion"]),
    "timeout": ("out of time", PALETTE["vermillion"]),
    "error": ("error", PALETTE["reddish purple"]),
    "missing": ("missing", PALETTE["reddish purple"]),
    "not judged": ("not judged", "#5c6670"),
}
_NOTES = {
    "test": "",
    "swapped_instruction": "swapped instruction",
    "blank_image": "policies see blank images",
}
PLAN_COLOR, CLOSE_COLOR = (255, 255, 255), rgb(PALETTE["yellow"])
_FINE = 3
"""Supersampling factor that smooths the edges of lines."""


def draw_shot(shot: Shot) -> UInt8[np.ndarray, "h w 3"]:
    """Draws the wrist view into the lower right corner of the view, and the rest of the chunk as a path."""
    picture = Image.fromarray(shot.image).convert("RGB")
    if shot.plan is not None:
        _draw_plan(picture, shot.plan)
    inset = Image.fromarray(shot.inset)
    left, top = picture.width - inset.width - 6, picture.height - inset.height - 6
    picture.paste(inset, (left, top))
    frame = (left - 1, top - 1, left + inset.width, top + inset.height)
    ImageDraw.Draw(picture).rectangle(frame, outline=INK)
    return np.asarray(picture)


def _draw_plan(picture: Image.Image, plan: Plan) -> None:
    """Draws a dark-rimmed line through dots that fade with time, and a ring where the gripper closes."""
    size = (picture.width * _FINE, picture.height * _FINE)
    layer = Image.new("RGBA", size, (0, 0, 0, 0))
    draw = ImageDraw.Draw(layer)
    points = [(float(x) * _FINE, float(y) * _FINE) for x, y in plan.points]
    for color, width in (((*PAPER, 150), 3.0), ((*PLAN_COLOR, 200), 1.4)):
        if len(points) > 1:
            draw.line(points, fill=color, width=round(width * _FINE), joint="curve")
    for i, (x, y) in enumerate(points):
        alpha = round(255 * (1 - 0.6 * i / len(points)))
        _circle(draw, x, y, 2.2 * _FINE, fill=(*PLAN_COLOR, alpha), outline=(*PAPER, alpha))
    for (x, y), closes in zip(points, plan.closes, strict=True):
        if closes:
            _circle(draw, x, y, 6.0 * _FINE, outline=(*PAPER, 255), width=3 * _FINE)
            _circle(draw, x, y, 5.5 * _FINE, outline=(*CLOSE_COLOR, 255), width=2 * _FINE)
    layer = layer.resize(picture.size, Image.Resampling.BOX)
    picture.paste(layer, (0, 0), layer)


def _circle(draw: ImageDraw.ImageDraw, x: float, y: float, radius: float, **style: object) -> None:
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), **style)  # type: ignore[arg-type]


def draw_badge(image: UInt8[np.ndarray, "h w 3"], outcome: str) -> UInt8[np.ndarray, "h w 3"]:
    """Draws a frame and a label with the outcome."""
    text, color = BADGES[outcome]
    picture = Image.fromarray(image)
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 0, picture.width - 1, picture.height - 1), outline=color, width=3)
    font = _font(TEXT_SIZE)
    width = round(font.getlength(text)) + 2 * GAP
    box = (6, picture.height - BAR - 6, 6 + width, picture.height - 6)
    draw.rounded_rectangle(box, radius=4, fill=color)
    draw.text((6 + width / 2, picture.height - BAR / 2 - 6), text, font=font, fill="white", anchor="mm")
    return np.asarray(picture)


def draw_mark(image: UInt8[np.ndarray, "h w 3"], text: str) -> UInt8[np.ndarray, "h w 3"]:
    """Draws a dark label into the upper left corner."""
    picture = Image.fromarray(image)
    draw = ImageDraw.Draw(picture)
    width = round(_font(TEXT_SIZE).getlength(text)) + 2 * GAP
    draw.rounded_rectangle((6, 6, 6 + width, 6 + BAR), radius=4, fill=PAPER, outline=PLAN_COLOR)
    draw.text((6 + width / 2, 6 + BAR / 2), text, font=_font(TEXT_SIZE), fill=INK, anchor="mm")
    return np.asarray(picture)


def side_by_side(
    footages: list[Footage], *, speed: float = 1.0, hold: float = 1.0, parted: int | None = None
) -> list[UInt8[np.ndarray, "h w 3"]]:
    """Arranges episodes of one seed and condition in rows, with names above and the instruction below.

    An episode that ends first stands still with its outcome; at the end all do, for `hold` [s]. The caption
    states `speed`, the playback speed relative to real time. After `parted` control steps every picture is
    marked: the episodes have diverged.

    Raises:
        ValueError: no footage, or footage of different seeds, conditions, instructions, rates, or sizes.
    """
    kinds = {(f.seed, f.condition, f.instruction, f.fps, f.shots[0].image.shape) for f in footages}
    if len(kinds) != 1:
        raise InputError(
            f"side by side needs one seed, condition, instruction, rate and size, got {sorted(kinds)}"
        )
    fps = footages[0].fps
    tiles = [[draw_shot(shot) for shot in footage.shots] for footage in footages]
    ends = [draw_badge(drawn[-1], footage.outcome) for drawn, footage in zip(tiles, footages, strict=True)]
    canvas, corners = _canvas(footages, speed)
    frames = []
    longest = max(len(drawn) for drawn in tiles)
    for t in range(longest + round(hold * speed * fps)):
        frame = canvas.copy()
        for (x, y), drawn, end in zip(corners, tiles, ends, strict=True):
            tile = end if t >= len(drawn) - 1 else drawn[t]
            if parted is not None and t >= parted:
                tile = draw_mark(tile, "apart")
            frame[y : y + tile.shape[0], x : x + tile.shape[1]] = tile
        frames.append(frame)
    return frames


def _canvas(
    footages: list[Footage], speed: float
) -> tuple[UInt8[np.ndarray, "h w 3"], list[tuple[int, int]]]:
    """Draws the static background; returns it with the upper left corner of each policy's picture."""
    first = footages[0]
    height, width = first.shots[0].image.shape[:2]
    columns = math.ceil(math.sqrt(len(footages)))
    rows = math.ceil(len(footages) / columns)
    total = columns * (width + GAP) - GAP
    below = rows * (BAR + height)
    pace = "" if speed == 1 else f"{speed:g}x speed"
    footer = "  ·  ".join(part for part in (f"seed {first.seed}", pace, _NOTES[first.condition]) if part)
    lines = [(line, INK) for line in _wrap(f"“{first.instruction}”", total - 2 * GAP)]
    lines += [(line, FAINT) for line in _wrap(footer, total - 2 * GAP)]
    picture = Image.new("RGB", (_even(total), _even(below + BAR * len(lines))), PAPER)
    draw = ImageDraw.Draw(picture)
    corners = [
        (i % columns * (width + GAP), i // columns * (BAR + height) + BAR) for i in range(len(footages))
    ]
    for (x, y), footage in zip(corners, footages, strict=True):
        name = _fit(footage.policy, width - 2 * GAP)
        draw.text((x + width / 2, y - BAR / 2), name, font=_font(TEXT_SIZE), fill=INK, anchor="mm")
    for i, (line, color) in enumerate(lines):
        draw.text((total / 2, below + BAR * (i + 0.5)), line, font=_font(TEXT_SIZE), fill=color, anchor="mm")
    return np.asarray(picture).copy(), corners


def _wrap(text: str, width: int) -> list[str]:
    """Wraps `text` into lines of at most `width` pixels."""
    lines: list[str] = []
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and _font(TEXT_SIZE).getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _fit(text: str, width: int) -> str:
    """Truncates `text` to `width` pixels."""
    if _font(TEXT_SIZE).getlength(text) <= width:
        return text
    while text and _font(TEXT_SIZE).getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"


def _even(pixels: int) -> int:
    """Rounds up to an even size, which H.264 with subsampled color requires."""
    return pixels + pixels % 2


@lru_cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont), "Pillow was built without FreeType"
    return font
