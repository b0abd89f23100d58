"""Writes a study down: an HTML page for people, Markdown for a repository, JSON for programs."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .files import write_whole
from .study_page import lead, limits, page
from .study_summary import StudyResult, markdown, summarise


def write_study(folder: Path, question: str, results: list[StudyResult], fixed: dict[str, Any]) -> Path:
    """Writes results.json, results.md and results.html into `folder`; returns the page's path.

    Args:
        fixed: what was held fixed, for the protocol.
    """
    rows, differences = summarise(results)
    fixed = fixed | {"versions": ", ".join(f"{k} {v}" for k, v in results[0].result.versions.items())}
    document = {
        "question": question,
        "rows": [{k: v for k, v in asdict(row).items() if k != "table"} for row in rows],
        "differences": [asdict(one) for one in differences],
        "fixed": fixed,
    }
    write_whole(folder / "results.json", json.dumps(document, indent=1, default=str) + "\n")
    text = [f"# {question}", lead(rows), markdown(rows, differences), limits(rows)]
    write_whole(folder / "results.md", "\n\n".join(text) + "\n")
    write_whole(folder / "results.html", page(question, rows, differences, fixed))
    return folder / "results.html"
