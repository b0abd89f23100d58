"""Studies as data: the grid, what cells share, and what is refused before anything runs."""

from dataclasses import replace
from pathlib import Path

import pytest
from tiny_study import BASE, CHUNKS, NAMED, STUDY

from vlasandbox.train.study.cell import evaluations_of
from vlasandbox.train.study.definition import (
    Factor,
    Study,
    apply,
    description,
    load,
    named,
    with_precision,
)


def test_the_grid_has_every_combination_with_every_seed():
    study = replace(
        STUDY,
        factors=[CHUNKS, Factor("lr", {"a": {"train.optim.lr": 1e-3}, "b": {"train.optim.lr": 1e-4}})],
        seeds=3,
    )
    cells = study.cells()
    assert len(cells) == len({cell.name for cell in cells}) == 12
    assert {cell.point.train.seed for cell in cells} == {0, 1, 2}
    assert {(c.point.train.data.chunk, c.point.train.optim.lr) for c in cells} == {
        (k, lr) for k in (4, 8) for lr in (1e-3, 1e-4)
    }


def test_cells_share_demonstrations_exactly_if_they_ask_for_the_same():
    episodes = Factor("episodes", {2: {"record.episodes": 2}, 3: {"record.episodes": 3}})
    cells = replace(STUDY, factors=[episodes, CHUNKS]).cells()
    assert len({cell.data for cell in cells}) == 2
    assert len({cell.data for cell in cells if cell.levels["episodes"] == 2}) == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train.data.chunks": 4}, "no field 'train.data.chunks'; valid in place of 'chunks': root, "),
        ({"judge.execute": 4}, "valid in place of 'judge': record, train, evaluation, condition"),
        ({"train.seed.low": 4}, "valid in place of 'low': nothing"),
    ],
)
def test_a_field_that_is_none_is_named_before_anything_runs(changes, message):
    with pytest.raises(ValueError, match=message):
        apply(BASE, changes)
    with pytest.raises(ValueError, match=message):
        replace(STUDY, evaluations={"x": changes})


@pytest.mark.parametrize(
    "changes", [{"train.data.chunk": 8}, {"evaluation.execution_horizon": 2, "record.task": "reach"}]
)
def test_an_evaluation_changes_nothing_that_is_trained(changes):
    with pytest.raises(
        ValueError, match=r"evaluation 'x' changes '(train|record)\S+'.*valid are condition and"
    ):
        replace(STUDY, evaluations={"x": changes})


def test_evaluations_change_the_evaluation_config_and_the_condition():
    [cell, _] = STUDY.cells()
    fast = {"evaluation.execution_horizon": 2, "evaluation.workers": 3}
    found = evaluations_of(cell, {**NAMED, "fast": fast})
    assert {name: condition for name, (_, condition) in found.items()} == {
        "test": "test", "blank": "blank_image", "fast": "test",
    }  # fmt: skip
    assert [(config.execution_horizon, config.workers) for config, _ in found.values()] == [
        (4, 1),
        (4, 1),
        (2, 3),
    ]


def test_an_evaluation_that_does_not_fit_the_policy_is_left_out():
    asked = {"long": {"evaluation.execution_horizon": 6}, **NAMED}
    found = [list(evaluations_of(cell, asked)) for cell in STUDY.cells()]
    assert found == [["test", "blank"], list(asked)]


def test_a_policy_that_cannot_be_evaluated_at_all_is_not_trained_first():
    with pytest.raises(
        ValueError, match=r"chunk=4,seed=0 cannot be evaluated: execution_horizon must be at most.* 4, got 6"
    ):
        evaluations_of(STUDY.cells()[0], {"long": {"evaluation.execution_horizon": 6}})


@pytest.mark.parametrize("shown", [{"chunk": 5}, {"length": 4}])
def test_a_cell_to_film_that_never_will_be_is_named_before_anything_runs(shown):
    with pytest.raises(
        ValueError, match=r"no cell to show in videos with .*; valid levels: .*\('chunk', '4'\)"
    ):
        replace(STUDY, videos=(shown,))
    replace(STUDY, videos=({"chunk": "4"},))
    with pytest.raises(ValueError, match="no cell to show in videos with"):
        replace(STUDY, videos=({"chunk": 4},), sweep="chunk")


def test_a_precision_left_to_the_machine_is_settled_wherever_it_stands():
    auto = replace(BASE.train, precision="auto")
    levels = {
        "a": {"train.precision": "auto"},
        "b": {"train": auto},
        "c": {"train.precision": "fp32"},
        "d": {"train": replace(auto, precision="fp32")},
        "e": {"train.updates": 3},
    }
    study = Study("Does it?", replace(BASE, train=auto), [Factor("level", levels)], seeds=1)
    found = {
        cell.levels["level"]: cell.point.train.precision for cell in with_precision(study, "bf16").cells()
    }
    assert found == {"a": "bf16", "b": "bf16", "c": "fp32", "d": "fp32", "e": "bf16"}


def test_a_swept_factor_must_be_one():
    with pytest.raises(ValueError, match="'lr'; valid: chunk"):
        replace(STUDY, sweep="lr")


def test_former_names_of_a_studys_settings_are_understood():
    ways, shown = {"only": {"condition": "blank_image"}}, ({"lr": "a"},)
    axes = {"lr": {"a": {}}, "chunk": {"4": {}, "8": {"train.data.chunk": 8}}}
    factors = [
        Factor(label, levels)
        for label, levels in (("lr", {"a": {}}), ("chunk", {4: {}, 8: CHUNKS.levels[8]}))
    ]
    now = Study("?", BASE, factors, evaluations=ways, sweep="chunk", videos=shown)
    before = Study("?", BASE, axes=axes, judged=ways, tune="chunk", filmed=shown)
    assert before == now
    assert replace(before, sweep=None, seeds=1).evaluations == ways
    with pytest.raises(ValueError, match="'lrr'; valid: lr, chunk"):
        Study("?", BASE, axes=axes, tune="lrr")


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("8", 8),
        ("0.0005", 0.0005),
        ("-1", -1),
        ("1e-3", "1e-3"),
        ("08", "08"),
        ("nan", "nan"),
        ("pi0", "pi0"),
    ],
)
def test_former_levels_are_numbers_if_cells_keep_their_names(text, level):
    study = Study("?", BASE, axes={"x": {text: {}}}, seeds=1)
    [cell] = study.cells()
    assert cell.levels == {"x": level}
    assert cell.name == f"x={text},seed=0"


def test_former_paths_of_fields_are_understood():
    assert apply(BASE, {"exam.execute": 2}) == apply(BASE, {"evaluation.execution_horizon": 2})
    before = replace(STUDY, evaluations={"fast": {"exam.execute": 2}})
    now = replace(STUDY, evaluations={"fast": {"evaluation.execution_horizon": 2}})
    assert description(before) == description(now)


def test_evaluations_are_the_combinations_of_their_factors():
    handling = Factor("handling", {"waits": {"evaluation.blocking": True}, "goes on": {}})
    late = Factor("", {d: {"evaluation.inference_delay": d} for d in (0, 2)}, unit="late")
    found = named([handling, late])
    assert list(found) == ["waits, 0 late", "waits, 2 late", "goes on, 0 late", "goes on, 2 late"]
    assert found["waits, 2 late"].changes == {"evaluation.blocking": True, "evaluation.inference_delay": 2}
    assert found["waits, 2 late"].settings == {"handling": "waits", "[late]": 2}
    assert list(named(Factor("execute", {1: {}, 4: {}}))) == ["execute 1", "execute 4"]


def test_two_factors_of_one_name_are_refused():
    with pytest.raises(ValueError, match="chunk, chunk"):
        replace(STUDY, factors=[CHUNKS, CHUNKS])


def test_a_file_without_a_study_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="does not exist"):
        load(tmp_path / "none.py")
    (tmp_path / "empty.py").write_text("")
    with pytest.raises(ValueError, match="defines no function"):
        load(tmp_path / "empty.py")
