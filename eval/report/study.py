"""Writes a study down: an HTML page for people, Markdown for a repository, JSON for programs."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ...common.files import write_whole
from ..result import EvalResult
from ..study.power import power
from ..study.statements import cautions, headline, lead, limits
from ..study.summary import Difference, Row, StudyResult, Summary, summarise
from ..study.tables import Table, costs, crossing_table, differences, motion, protocol, ranking
from ..study.thresholds import crossings
from ..video.clips import Clip
from .html import svg_file
from .study_figures import picture
from .study_page import page

PICTURE = "results.svg"
"""Beside results.md."""


def write_study(
    folder: Path,
    question: str,
    results: Sequence[StudyResult],
    fixed: Mapping[str, Any],
    *,
    tuned: str | None = None,
    experts: Sequence[EvalResult] = (),
    clips: Sequence[Clip] = (),
) -> Path:
    """Writes results.json, .md with .svg, and .html into `folder`; returns the page's path.

    Args:
        fixed: what was held fixed, and how it was run (command, code, dates), for the protocol.
        tuned: the axis whose level each cell took on validation seeds; it is not compared.
        experts: results of the scripted expert, for comparison of how it moves.
        clips: videos to put into the page, the most important first.
    """
    summary = summarise(results, tuned, experts)
    document = json.dumps(to_dict(question, summary, fixed), indent=1, default=str, allow_nan=False)
    write_whole(folder / "results.json", document + "\n")
    write_whole(folder / "results.md", markdown(question, summary, fixed))
    write_whole(folder / PICTURE, svg_file(picture(summary)))
    write_whole(folder / "results.html", page(question, summary, fixed, clips))
    return folder / "results.html"


def to_dict(question: str, summary: Summary, fixed: Mapping[str, Any]) -> dict[str, Any]:
    """JSON-able: every number of the page but the learning curves."""
    found = power(summary.differences)
    return {
        "question": question,
        "rows": [_row(row) for row in summary.rows],
        "differences": [_difference(one) for one in summary.differences],
        "ways": [_difference(one) for one in summary.ways],
        "crossings": {scale.label: [one.to_dict() for one in found] for scale, found in crossings(summary)},
        "power": {name: _finite(value) for name, value in asdict(found).items()} if found else None,
        "tuned": summary.tuned,
        "protocol": dict(protocol(summary, fixed).rows),
    }


def markdown(question: str, summary: Summary, fixed: Mapping[str, Any]) -> str:
    """The page with one picture instead of many, PICTURE beside it."""
    several = len(summary.judged) > 1
    parts = [f"# {question}", lead(summary), _items([*headline(summary), *cautions(summary)])]
    parts.append(f"![Success]({PICTURE})")
    for i, judged in enumerate(summary.judged):
        of = ranking(summary.ranking(judged), summary.tuned)
        parts += [f"## {judged}" if several else "## Results", _table(of), of.note if i == 0 else ""]
    for scale, found in crossings(summary):
        of = crossing_table(found, scale)
        parts += [f"## Along {scale.label}", _table(of), of.note]
    for title, of in (
        ("Differences", differences(summary)),
        ("Ways of judging the same policies", differences(summary, ways=True)),
        ("How the policies move", motion(summary)),
        ("Cost", costs(summary)),
    ):
        if of is not None and of.rows:
            parts += [f"## {title}", _table(of), of.note]
    parts += ["## What this study cannot tell", _items(limits(summary))]
    parts += ["## Protocol", _table(protocol(summary, fixed))]
    return "\n\n".join(part for part in parts if part) + "\n"


def _table(of: Table) -> str:
    lines = [of.head, ["---"] * len(of.head), *of.rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _items(sentences: Sequence[str]) -> str:
    return "\n".join(f"- {sentence}" for sentence in sentences)


def _row(row: Row) -> dict[str, Any]:
    low, high = row.interval
    return {
        "levels": row.levels,
        "judged": row.judged,
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
    """JSON knows no nan and no infinity."""
    return value if value is None or math.isfinite(value) else None
