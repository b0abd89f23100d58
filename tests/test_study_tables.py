"""Columns of a study's tables: there where they are known, and the same in page, Markdown and JSON."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from made_up_results import result
from made_up_studies import study, training
from page_reader import Reader

from vlasandbox.eval.report.study import write_study
from vlasandbox.eval.study.summary import StudyResult, summarize
from vlasandbox.eval.study.tables import ranking_table


def test_open_loop_error_and_rate_have_columns_where_they_are_known(tmp_path: Path):
    def known(one: StudyResult) -> StudyResult:
        error = {"flow": 0.1 + 0.05 * one.seed, "bins": None}[str(one.levels["head"])]
        made = result("x", "ss" if one.levels["head"] == "flow" else "ff", ms=8.0)
        return replace(one, result=made, training=replace(training(), open_loop=error))

    results = study({"head": ["flow", "bins"]}, lambda levels, _: 1.0)
    measured = [known(one) for one in results]
    table = ranking_table(summarize(measured).ranking("test"), None)
    columns = dict(zip(table.head, zip(*table.rows, strict=True), strict=True))
    assert columns["open-loop error"] == ("0.150", "–")
    # Four steps, and 12 ms at worst.
    assert columns["max control rate [Hz]"] == ("333.3", "333.3")
    assert "Open-loop error" in table.note
    assert "Max control rate" in table.note
    page = Reader(write_study(tmp_path, "?", measured, {}).read_text()).text
    for text in ("open-loop error", "0.150", "333.3", table.note):
        assert text in page
        assert text in (tmp_path / "results.md").read_text()
    [flow, bins] = json.loads((tmp_path / "results.json").read_text())["rows"]
    assert flow["open_loop"] == pytest.approx(0.15)
    assert [one["open_loop"] for one in flow["trainings"]] == pytest.approx([0.1, 0.15, 0.2])
    assert bins["open_loop"] is None
    assert flow["holds_hz"] == pytest.approx(1000 / 3)

    untimed = [replace(one, result=result("x", "ss", "blank_image")) for one in results]
    table = ranking_table(summarize(untimed).ranking("test"), None)
    assert {"open-loop error", "max control rate [Hz]"}.isdisjoint(table.head)
    assert "pen-loop" not in table.note
    assert "Max control rate" not in table.note
