"""Report of a study: which cells succeed most, what that takes, and which of them differ."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ...common.files import sealed
from ..result import EvalResult
from ..study.analysis import Analysis, analyze
from ..study.level import level_text
from ..study.statements import cautions, headline, lead, limits
from ..study.summary import Difference, Row, StudyResult, Summary
from ..study.tables import (
    cost_table,
    crossing_table,
    difference_table,
    motion_table,
    protocol_table,
    ranking_table,
)
from ..table import Table
from ..video.clips import Clip
from .comparison import clip_videos
from .document import Block, Document, Figure, Figures, Items, Section, TableBlock, Text
from .study_figures import curve_figures, latency, learning_curves, maps, picture, stages
from .study_plots import forest
from .write import render_json, write_document

OPEN = 12
"""Maximum rows of a table of differences that is not folded."""
FOREST = 40
"""Maximum rows of the plot of all intervals."""


def write_study(
    folder: Path,
    question: str,
    results: Sequence[StudyResult],
    fixed: Mapping[str, Any],
    *,
    tuned: str | None = None,
    experts: Sequence[EvalResult] = (),
    videos: Callable[[Summary], Sequence[Clip]] | None = None,
) -> Path:
    """Writes results.html, results.md with results.svg, and results.json into `folder`.

    Args:
        folder: where to write the report.
        question: what the study asks; the title.
        results: one for each training and evaluation.
        fixed: settings that all cells share, and how the study was run, for the protocol.
        tuned: label of the factor whose level each cell chose on validation seeds; it is not compared.
        experts: results of the scripted expert, as a reference for motion metrics.
        videos: renders the videos; called once the report without them is written.

    Returns:
        Path of the page.
    """
    analysis = analyze(results, tuned, experts)
    document = study_report(question, analysis, fixed)
    # As it will be read back; `vla check` verifies it.
    document = replace(document, numbers=sealed(json.loads(render_json(document.numbers))))
    path = write_document(document, folder, "results")
    if videos is not None and (clips := videos(analysis.summary)):
        write_document(document.with_videos(clip_videos(clips)), folder, "results")
    return path


def study_report(question: str, analysis: Analysis, fixed: Mapping[str, Any]) -> Document:
    """Builds the report of a study, without videos.

    Args:
        question: the title.
        analysis: what to report.
        fixed: settings that all cells share, by name, for the protocol.
    """
    summary = analysis.summary
    protocol, costs = protocol_table(summary, fixed), cost_table(summary)
    curves = [(curve, crossing_table(curve.crossings, curve.along)) for curve in analysis.curves]
    blocks: list[Block] = [
        Text(lead(summary), "lead"),
        Items([*headline(summary), *cautions(summary)], highlighted=True),
        Section("Results", _results(summary)),
        *(
            Section(
                f"Success along {curve.along.label}",
                [Figures(curve_figures(summary, curve, i)), TableBlock(table)],
            )
            for i, (curve, table) in enumerate(curves)
        ),
        *maps(analysis),
        Section("Episodes", [clip_videos([])]),
        Section("Differences", _differences(summary)),
        Section("Progress of the episodes", [stages(summary)]),
        Section("Motion", [TableBlock(motion_table(summary))]),
        Section("Cost", [TableBlock(costs)] if costs else []),
        Section("Learning curves", [learning_curves(summary)]),
        Section("What this study cannot tell", [Items(limits(analysis))]),
        Section("Protocol", [TableBlock(protocol, prose=True)]),
    ]
    return Document(question, blocks, _numbers(question, analysis, protocol), picture(analysis))


def _results(summary: Summary) -> list[Block]:
    first, *others = summary.evaluations
    figures = [
        Figure(
            forest("forest", summary.ranking(first)[:FOREST]),
            "Success with 95% intervals over trainings and episodes; groups at the right.",
        ),
        *latency(summary),
    ]
    table = TableBlock(ranking_table(summary.ranking(first), summary.tuned))
    blocks: list[Block] = [Section(first, [table], level=3) if others else table, Figures(figures)]
    for evaluation in others:
        table = ranking_table(summary.ranking(evaluation), summary.tuned)
        without_note = TableBlock(Table(table.head, table.rows))
        blocks.append(Section(evaluation, [without_note], level=3, folded=len(others) > 2))
    return blocks


def _differences(summary: Summary) -> list[Block]:
    blocks: list[Block] = []
    for title, differences, within in (
        ("Cells", summary.differences, "evaluation"),
        ("Evaluations of the same cell", summary.evaluation_differences, "cell"),
    ):
        if not differences:
            continue
        table = difference_table(summary, differences, within)
        content: Block = TableBlock(table)
        if not table.rows:
            content = Text(
                f"None of the {len(differences)} pairs differ significantly (5%, Holm's correction)."
            )
        elif len(table.rows) > OPEN:
            content = Section(f"All {len(table.rows)} significant pairs", [content], level=3, folded=True)
        blocks.append(Section(title, [content], level=3))
    return blocks


def _numbers(question: str, analysis: Analysis, protocol: Table) -> dict[str, Any]:
    """JSON-able: every number of the report except the learning curves."""
    summary, power = analysis.summary, analysis.power
    return {
        "question": question,
        "rows": [_row(row) for row in summary.rows],
        "differences": [_difference(one) for one in summary.differences],
        "evaluation_differences": [_difference(one) for one in summary.evaluation_differences],
        "crossings": {
            curve.along.label: [crossing.to_dict() for crossing in curve.crossings]
            for curve in analysis.curves
        },
        "power": {name: _finite(value) for name, value in asdict(power).items()} if power else None,
        "tuned": summary.tuned,
        "protocol": {str(name): str(value) for name, value in protocol.rows},
    }


def _row(row: Row) -> dict[str, Any]:
    low, high = row.interval
    return {
        "levels": {factor: level_text(level) for factor, level in row.levels.items()},
        "evaluation": row.evaluation,
        "task": row.task,
        "success": asdict(row.success) | {"low": low, "high": high},
        "group": row.group,
        "places": row.places,
        "steps": row.steps,
        "chunk_ms": _finite(row.chunk_ms),
        "holds_hz": _finite(row.holds_hz),
        "open_loop": row.open_loop,
        "evaluations": row.evaluations,
        "measures": {k: v if k == "modes" else _finite(v) for k, v in asdict(row.measures).items()},
        "endings": row.endings,
        "trainings": [one.to_dict() for one in row.trainings],
    }


def _difference(one: Difference) -> dict[str, Any]:
    return {
        "first": one.first,
        "second": one.second,
        "within": one.within,
        "estimate": asdict(one.estimate),
        "p": one.p,
        "real": one.real,
    }


def _finite(value: float | int | None) -> float | int | None:
    """Replaces NaN and infinity, which JSON lacks."""
    return value if value is None or math.isfinite(value) else None
