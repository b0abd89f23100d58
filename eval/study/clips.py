"""Films a study: its best and its worst cell, or those that are named, side by side on the same seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ..compare.comparison import compare
from ..result import EvalResult
from ..video.clips import Clip, film
from .summary import Row, Summary, names

MOST = 4
"""Cells side by side."""


def film_study(
    summary: Summary, folder: Path, filmed: Sequence[Mapping[str, str]] = (), *, progress: bool = True
) -> list[Clip]:
    """Videos of the first training of some cells, in the first way of judging; empty if none can be shown.

    Which seeds are shown follows from the rules of `film.choose`: where all succeed, where they disagree,
    where all fail, and the first failure of each.

    Args:
        filmed: levels of at most MOST cells ({"head": "flow", "chunk": "8"}), the most successful cell with
            these; otherwise the best of all, and the worst of those that play the same episodes as it.

    Raises:
        ValueError: too many cells, one that is not there, or cells that do not play the same episodes.
        ReplayError: an episode does not replay as it was recorded.
    """
    ranking = summary.ranking(summary.judged[0])
    if len(filmed) > MOST:
        raise ValueError(f"at most {MOST} cells can be filmed side by side, got {len(filmed)}")
    shown = [_with(levels, ranking) for levels in filmed] or _extremes(ranking)
    if len({_scene(row) for row in shown}) > 1:
        raise ValueError("cells filmed side by side must be judged on the same task at the same control rate")
    # Without what they have in common: there is little room above a picture.
    called = names([row.levels for row in shown], summary.tuned) if len(shown) > 1 else [shown[0].name]
    results = [replace(row.results[0], policy=name) for row, name in zip(shown, called, strict=True)]
    if not any(e.actions is not None for result in results for e in result.episodes):
        return []
    return film(compare(results), folder, progress=progress)


def _with(levels: Mapping[str, str], ranking: Sequence[Row]) -> Row:
    for row in ranking:
        if levels.items() <= row.levels.items():
            return row
    raise ValueError(f"no cell to film with {dict(levels)}; valid: {'; '.join(row.label for row in ranking)}")


def _extremes(ranking: Sequence[Row]) -> list[Row]:
    best = ranking[0]
    alike = [row for row in ranking if _scene(row) == _scene(best)]
    return [best, alike[-1]] if len(alike) > 1 else [best]


def _scene(row: Row) -> tuple[str, ...]:
    """What must be equal for episodes to be shown side by side."""
    result: EvalResult = row.results[0]
    spec = result.spec
    return (
        result.task,
        result.condition,
        *(str(spec.get(k)) for k in ("control_hz", "wording", "combinations", "perturb")),
    )
