"""Studies: the grid, what is shared, what is refused, and one small study from start to end, twice."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_up_results import result

from vlasandbox.eval.study_page import page
from vlasandbox.eval.study_summary import StudyResult, markdown, summarise
from vlasandbox.train import study_run
from vlasandbox.train.study import Study, apply, load, pick_point
from vlasandbox.train.study_run import run_study

BASE = pick_point("debug", demonstrations=2, updates=2)
STUDY = Study(
    "Does anything happen?",
    BASE,
    {"chunk": {"4": {"train.data.chunk": 4}, "8": {"train.data.chunk": 8}}},
    judged={"execute 4": {"exam.episodes": 2}, "execute 2": {"exam.episodes": 2, "exam.execute": 2}},
    seeds=1,
)


def test_the_grid_has_every_combination_with_every_seed():
    study = replace(
        STUDY,
        axes={**STUDY.axes, "lr": {"a": {"train.optim.lr": 1e-3}, "b": {"train.optim.lr": 1e-4}}},
        seeds=3,
    )
    cells = study.cells()
    assert len(cells) == len({cell.name for cell in cells}) == 12
    assert {cell.point.train.seed for cell in cells} == {0, 1, 2}
    assert {(c.point.train.data.chunk, c.point.train.optim.lr) for c in cells} == {
        (k, lr) for k in (4, 8) for lr in (1e-3, 1e-4)
    }


def test_cells_share_demonstrations_exactly_if_they_ask_for_the_same():
    axes = {"episodes": {"2": {"record.episodes": 2}, "3": {"record.episodes": 3}}, **STUDY.axes}
    cells = replace(STUDY, axes=axes).cells()
    assert len({cell.data for cell in cells}) == 2
    assert len({cell.data for cell in cells if cell.levels["episodes"] == "2"}) == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train.data.chunks": 4}, "no field 'train.data.chunks'; valid in place of 'chunks': root, cache"),
        ({"judge.execute": 4}, "valid in place of 'judge': record, train, exam"),
        ({"train.seed.low": 4}, "valid in place of 'low': nothing"),
    ],
)
def test_a_field_that_is_none_is_named_before_anything_runs(changes, message):
    with pytest.raises(ValueError, match=message):
        apply(BASE, changes)
    with pytest.raises(ValueError, match=message):
        replace(STUDY, judged={"x": changes})


def test_a_tuned_axis_must_be_one():
    with pytest.raises(ValueError, match="tune names no axis: 'lr'; valid: chunk"):
        replace(STUDY, tune="lr")


def test_a_file_without_a_study_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="does not exist"):
        load(tmp_path / "none.py")
    (tmp_path / "empty.py").write_text("")
    with pytest.raises(ValueError, match="defines no function"):
        load(tmp_path / "empty.py")


def test_rows_are_means_over_trainings_and_pairs_are_judged_alike():
    results = [
        StudyResult({"head": head}, seed, judged, result(head, outcomes))
        for head, outcomes in (("flow", "ssssssssss" * 4), ("bins", "sfffffffff" * 4))
        for seed in range(3)
        for judged in ("a", "b")
    ]
    rows, differences = summarise(results)
    assert [(row.label, row.judged) for row in rows] == [
        ("head=flow", "a"), ("head=flow", "b"), ("head=bins", "a"), ("head=bins", "b"),
    ]  # fmt: skip
    assert rows[2].success.mean == pytest.approx(0.1)
    assert rows[2].success.trainings == 3
    assert len(differences) == 2
    assert all(one.p < 1e-6 and one.estimate.mean == pytest.approx(0.9) for one in differences)
    assert "head=flow against head=bins (a): +90.0 points" in markdown(rows, differences)


def test_the_page_is_whole_and_asks_for_nothing_from_outside():
    results = [
        StudyResult({"head": head}, seed, "a", result(head, "ssf" * 9)) for head in "xy" for seed in (0, 1)
    ]
    text = page("Is x < y?", *summarise(results), {"task": "pick"})
    assert "<h1>Is x &lt; y?</h1>" in text
    assert text.count("<svg") == 2
    assert "None of 1 pairs differ" in text
    assert not re.search(r'(src|href)="(?!#|data:)', text)


def test_a_study_runs_and_repeats_nothing_that_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    summary = run_study(STUDY, tmp_path)
    weights = sorted(tmp_path.glob("cells/*/policy/model.safetensors"))
    assert len(weights) == 2
    times = [path.stat().st_mtime_ns for path in weights]
    rows = json.loads((tmp_path / "results.json").read_text())["rows"]
    assert [row["judged"] for row in rows] == ["execute 4", "execute 2"] * 2
    (tmp_path / "results.md").unlink()
    monkeypatch.setattr(
        study_run, "run_side_by_side", lambda jobs, at_once: np.testing.assert_equal(jobs, [])
    )
    assert run_study(STUDY, tmp_path) == summary
    assert [path.stat().st_mtime_ns for path in weights] == times
    assert summary.exists()

    with pytest.raises(ValueError, match="holds another study"):
        run_study(replace(STUDY, question="What else?"), tmp_path)
    monkeypatch.setattr(study_run, "code_fingerprint", lambda: "0" * 64)
    with pytest.raises(ValueError, match="another version of the code"):
        run_study(STUDY, tmp_path)
