"""Studies as data: the grid, what cells share, and what is refused before anything runs."""

from dataclasses import replace
from pathlib import Path

import pytest
from tiny_study import BASE, STUDY

from vlasandbox.train.study.cell import exams
from vlasandbox.train.study.definition import Study, apply, load, with_precision


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
        ({"judge.execute": 4}, "valid in place of 'judge': record, train, exam, condition"),
        ({"train.seed.low": 4}, "valid in place of 'low': nothing"),
    ],
)
def test_a_field_that_is_none_is_named_before_anything_runs(changes, message):
    with pytest.raises(ValueError, match=message):
        apply(BASE, changes)
    with pytest.raises(ValueError, match=message):
        replace(STUDY, evaluations={"x": changes})


@pytest.mark.parametrize("changes", [{"train.data.chunk": 8}, {"exam.execute": 2, "record.task": "reach"}])
def test_a_way_to_judge_changes_nothing_that_is_trained(changes):
    with pytest.raises(
        ValueError, match=r"evaluation 'x' changes '(train|record)\S+'.*valid are condition and"
    ):
        replace(STUDY, evaluations={"x": changes})


def test_ways_to_judge_are_exams_and_conditions():
    [cell, _] = STUDY.cells()
    found = exams(cell, {**STUDY.evaluations, "fast": {"exam.execute": 2, "exam.workers": 3}})
    assert {name: condition for name, (_, condition) in found.items()} == {
        "test": "test", "blank": "blank_image", "fast": "test",
    }  # fmt: skip
    assert [(exam.execute, exam.workers) for exam, _ in found.values()] == [(4, 1), (4, 1), (2, 3)]


def test_a_way_that_does_not_fit_the_policy_is_left_out():
    judged = {"long": {"exam.execute": 6}, **STUDY.evaluations}
    assert [list(exams(cell, judged)) for cell in STUDY.cells()] == [["test", "blank"], list(judged)]


def test_a_policy_that_can_be_judged_in_no_way_is_not_trained_first():
    with pytest.raises(
        ValueError, match=r"chunk=4,seed=0 cannot be judged: execute must be at most.* 4, got 6"
    ):
        exams(STUDY.cells()[0], {"long": {"exam.execute": 6}})


@pytest.mark.parametrize("filmed", [{"chunk": "5"}, {"length": "4"}])
def test_a_cell_to_film_that_never_will_be_is_named_before_anything_runs(filmed):
    with pytest.raises(
        ValueError, match=r"no cell to show in videos with .*; valid levels: .*\('chunk', '4'\)"
    ):
        replace(STUDY, videos=(filmed,))
    replace(STUDY, videos=({"chunk": "4"},))
    with pytest.raises(ValueError, match="no cell to show in videos with"):
        replace(STUDY, videos=({"chunk": "4"},), sweep="chunk")


def test_a_precision_left_to_the_machine_is_settled_wherever_it_stands():
    auto = replace(BASE.train, precision="auto")
    levels = {
        "a": {"train.precision": "auto"},
        "b": {"train": auto},
        "c": {"train.precision": "fp32"},
        "d": {"train": replace(auto, precision="fp32")},
        "e": {"train.updates": 3},
    }
    study = Study("Does it?", replace(BASE, train=auto), {"level": levels}, seeds=1)
    found = {
        cell.levels["level"]: cell.point.train.precision for cell in with_precision(study, "bf16").cells()
    }
    assert found == {"a": "bf16", "b": "bf16", "c": "fp32", "d": "fp32", "e": "bf16"}


def test_a_tuned_axis_must_be_one():
    with pytest.raises(ValueError, match="sweep names no axis: 'lr'; valid: chunk"):
        replace(STUDY, sweep="lr")


def test_former_names_of_a_studys_settings_are_understood():
    ways, shown = {"only": {"condition": "blank_image"}}, ({"lr": "a"},)
    axes = {"lr": {"a": {}}, "chunk": {"4": {}, "8": {"train.data.chunk": 8}}}
    now = Study("?", BASE, axes, evaluations=ways, sweep="chunk", videos=shown)
    before = Study("?", BASE, axes, judged=ways, tune="chunk", filmed=shown)
    assert before == now
    assert replace(before, sweep=None, seeds=1).evaluations == ways
    with pytest.raises(ValueError, match="sweep names no axis: 'lrr'"):
        Study("?", BASE, axes, tune="lrr")


def test_a_file_without_a_study_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="does not exist"):
        load(tmp_path / "none.py")
    (tmp_path / "empty.py").write_text("")
    with pytest.raises(ValueError, match="defines no function"):
        load(tmp_path / "empty.py")
