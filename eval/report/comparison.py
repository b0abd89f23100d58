"""Writes a comparison down: an HTML page for people, Markdown for a repository, JSON for programs."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...common.files import write_whole
from ..compare.comparison import Comparison
from ..result import EXPERT
from ..training_record import TrainingRecord, cautions
from ..video.clips import Clip
from . import comparison_sections as sections
from .html import document, element

LIMIT = 8_000_000
"""Largest page [bytes]; videos that do not fit stay beside it."""


def write_report(
    folder: Path,
    comparison: Comparison,
    trainings: dict[str, TrainingRecord] | None = None,
    clips: list[Clip] | None = None,
) -> Path:
    """Writes report.html, report.md and report.json into `folder`, each whole or not at all.

    Returns the page's path.

    Args:
        trainings: what each policy's training cost, for those that are known.
        clips: videos to put into the page, the most important first.
    """
    folder.mkdir(parents=True, exist_ok=True)
    trainings = {name: t for name, t in (trainings or {}).items() if name in comparison.policies}
    numbers = to_dict(comparison, trainings)
    write_whole(folder / "report.json", json.dumps(numbers, indent=2, allow_nan=False) + "\n")
    write_whole(folder / "report.md", markdown(comparison, trainings))
    write_whole(folder / "report.html", page(comparison, trainings, clips or []))
    return folder / "report.html"


def to_dict(comparison: Comparison, trainings: dict[str, TrainingRecord]) -> dict[str, Any]:
    """`Comparison.to_dict` with each policy's training and the settings of the evaluation."""
    numbers = comparison.to_dict()
    for name, policy in numbers["policies"].items():
        policy["training"] = trainings[name].to_dict() if name in trainings else None
    return numbers


def page(comparison: Comparison, trainings: dict[str, TrainingRecord], clips: list[Clip]) -> str:
    """The page, with as many of the first `clips` as keep it below LIMIT."""
    shown = fitting(clips)
    title = _title(comparison)
    return document(
        title,
        element("h1", title),
        element("p", _lead(comparison), class_="lead"),
        sections.headline(comparison, trainings),
        sections.films(shown, [clip for clip in clips if clip not in shown]),
        sections.differences(comparison) if comparison.pairs else "",
        sections.learning(comparison, trainings),
        sections.controls(comparison),
        sections.endings(comparison),
        sections.limits(comparison),
        sections.protocol(comparison, trainings),
    )


def fitting(clips: Sequence[Clip]) -> list[Clip]:
    """The first clips that keep a page with all its plots below LIMIT."""
    size, shown = 500_000, []
    for clip in clips:
        size += clip.path.stat().st_size * 4 // 3
        if size <= LIMIT:
            shown.append(clip)
    return shown


def _title(comparison: Comparison) -> str:
    count = len(comparison.policies)
    who = f"{count} policies" if count > 1 else comparison.policies[0] if count else EXPERT
    return f"{who} on “{comparison.task}”"


def _lead(comparison: Comparison) -> str:
    numbers = sorted({cell.episodes for cell in comparison.cells.values()})
    episodes = f"{numbers[0]}" if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]}"
    return (
        f"{episodes} simulated episodes per policy and condition. Every rate below is a count of them; all "
        "policies of a table meet the same seeds."
    )


def markdown(comparison: Comparison, trainings: dict[str, TrainingRecord]) -> str:
    """The table and the verdicts."""
    costs = [
        f"- {name}: {t.demonstrations} demonstrations, {t.updates} updates, "
        f"{sections.duration(t.wall_seconds)} ({sections.duration(t.cpu_seconds)} CPU), "
        f"{t.parameters / 1e6:.2f} M parameters"
        for name, t in trainings.items()
    ]
    parts = [
        f"# {_title(comparison)}",
        _lead(comparison),
        f"```\n{comparison.table()}\n```",
        "\n".join(f"- {sentence}" for sentence in [*comparison.verdicts, *cautions(trainings)]),
        *(["## Training", "\n".join(costs)] if costs else []),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"
