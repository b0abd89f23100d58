"""Videos of a study: its best and worst cell, or the given ones, side by side on the same seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ...common.errors import InputError
from ..compare.comparison import compare
from ..result import EvalResult
from ..video.clips import Clip, film
from .level import Level
from .summary import Row, Summary, names

MOST = 4
"""Maximum number of cells side by side."""


def film_study(
    summary: Summary, folder: Path, shown: Sequence[Mapping[str, Level]] = (), *, progress: bool = True
) -> list[Clip]:
    """Renders videos of the first training of some cells, in the first evaluation; empty if none can be
    shown.

    The rules of `video.clips.choose` select the seeds: where all succeed, where they disagree, where all
    fail, and the first failure of each.

    Args:
        summary: the study.
        folder: where to write the videos.
        shown: levels of at most MOST cells ({"head": "flow", "chunk": 8}), each of which stands for the most
            successful cell with these levels. By default the best cell of all, and the worst one that runs
            the same episodes.
        progress: whether to show a progress bar.

    Raises:
        ValueError: too many cells, an unknown cell, or cells with different episodes.
        ReplayError: the replay of an episode differs from its record.
    """
    ranking = summary.ranking(summary.evaluations[0])
    if len(shown) > MOST:
        raise InputError(f"at most {MOST} cells fit side by side in a video, got {len(shown)}")
    rows = [_with(levels, ranking) for levels in shown] or _extremes(ranking)
    if len({_scene(row) for row in rows}) > 1:
        raise InputError("cells side by side in a video must have the same task and control rate")
    # Only the levels in which they differ: there is little room above a picture.
    titles = names([row.levels for row in rows], summary.tuned) if len(rows) > 1 else [rows[0].name]
    results = [replace(row.results[0], policy=name) for row, name in zip(rows, titles, strict=True)]
    if not any(e.actions is not None for result in results for e in result.episodes):
        return []
    return film(compare(results), folder, progress=progress)


def _with(levels: Mapping[str, Level], ranking: Sequence[Row]) -> Row:
    for row in ranking:
        if levels.items() <= row.levels.items():
            return row
    raise InputError(
        f"no cell with the levels {dict(levels)}; valid: {'; '.join(row.label for row in ranking)}"
    )


def _extremes(ranking: Sequence[Row]) -> list[Row]:
    best = ranking[0]
    alike = [row for row in ranking if _scene(row) == _scene(best)]
    return [best, alike[-1]] if len(alike) > 1 else [best]


def _scene(row: Row) -> tuple[str, ...]:
    """Settings that must be equal for episodes to be shown side by side."""
    result: EvalResult = row.results[0]
    spec = result.spec
    return (
        result.task,
        result.condition,
        *(str(spec.get(k)) for k in ("control_hz", "wording", "combinations", "perturb")),
    )
