"""What perturbations cost: pairing with the control arm, correction, report, and the commands."""

import json
import re

import pytest
from made_up_results import result
from page_reader import Reader
from scripted_targets import make_run, script

from vlasandbox.envs import perturb
from vlasandbox.envs.config import EnvConfig
from vlasandbox.eval.compare.robustness import PerturbedTrial, drop_table, drops, statements
from vlasandbox.eval.report.robustness import LIMITS, write_robustness
from vlasandbox.eval.stats.paired import mcnemar_exact, paired_interval
from vlasandbox.eval.stats.pairwise import holm
from vlasandbox.train.cli import main
from vlasandbox.train.evaluation import EvalConfig
from vlasandbox.train.workflows.robustness import trials

CONTROL = "s" * 97 + "f" * 3
WORSE = "f" * 37 + "s" * 60 + "f" * 2 + "s"


def perturbed_trials(policy: str = "flow", expert: str = "s" * 100) -> list[PerturbedTrial]:
    control, known = result(policy, CONTROL), result("expert", expert)
    return [
        PerturbedTrial("light=3", control, result(policy, "s" * 95 + "f" * 5), known),
        PerturbedTrial("camera=3", control, result(policy, WORSE), known),
        PerturbedTrial("camera=1", control, result(policy, CONTROL), known),
    ]


def test_a_drop_is_paired_by_seed():
    (drop,) = drops([perturbed_trials()[1]])
    assert drop.pair.table.only_a == 37
    assert drop.pair.table.only_b == 1
    assert drop.pair.points == pytest.approx(36)
    assert drop.pair.interval == pytest.approx([100 * end for end in paired_interval(60, 37, 1, 2)])
    assert str(drop) == (
        "flow, camera=3: control (unperturbed) 97/100, perturbed 61/100, drop 36 [26, 46] points, p<0.001"
    )


def test_the_most_harmful_axis_comes_first_with_its_levels_together():
    assert [drop.trial.name for drop in drops(perturbed_trials())] == ["camera=1", "camera=3", "light=3"]


def test_all_drops_of_a_table_are_corrected_together():
    found = drops([*perturbed_trials("flow"), *perturbed_trials("tokens")])
    raw = [mcnemar_exact(d.pair.table.only_a, d.pair.table.only_b) for d in found]
    assert [d.pair.p_holm for d in found] == pytest.approx(holm(raw))
    alone = drops(perturbed_trials()[1:2])[0].pair.interval
    low, high = next(d for d in found if d.trial.name == "camera=3").pair.interval
    assert low < alone[0] < alone[1] < high


def test_an_episode_that_raised_is_left_out_and_said():
    (drop,) = drops([PerturbedTrial("camera=3", result("flow", "sssf"), result("flow", "efss"))])
    assert drop.pair.table.n == 3
    assert re.search(r"; seeds excluded.* 1$", str(drop))


def test_what_was_not_established_is_not_called_a_drop():
    said = statements(drops(perturbed_trials()))
    assert said[0] == "flow succeeds less often under camera=3 (36 points)."
    assert said[1].startswith("flow: no ")
    assert "camera=1, light=3" in said[1]
    assert "n=100" in said[1]
    assert len(said) == 2


def test_episodes_that_the_expert_fails_too_are_no_fault_of_the_policy():
    said = statements(drops([perturbed_trials(expert="s" * 90 + "f" * 10)[1]]))
    assert said[-1].startswith("Caution: ")
    assert "camera=3 (90/100)" in said[-1]


def test_a_policy_twice_is_refused():
    with pytest.raises(ValueError, match=r"'flow' \(light=3\)"):
        drops([*perturbed_trials(), *perturbed_trials()])


def test_the_table_is_aligned():
    lines = drop_table(drops(perturbed_trials())).aligned(left=2).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert lines[3].split() == [
        "flow",
        "camera",
        "3",
        "97/100",
        "61/100",
        "36",
        "[23,",
        "48]",
        "<0.001",
        "100/100",
    ]


def test_the_report_holds_the_numbers_and_asks_for_nothing_from_outside(tmp_path):
    found = drops([*perturbed_trials("flow"), *perturbed_trials("<b>")])
    path = write_robustness(tmp_path, found, {"seeds": "test"})
    text = path.read_text()
    page = Reader(text)
    assert "http:" not in text
    assert "https:" not in text
    assert page.tags.count("svg") == 2
    assert len(page.ids) == len(set(page.ids))
    for shown in ("61/100", "97/100", "100/100", "<b>", *statements(found), *LIMITS):
        assert shown in page.text
    numbers = json.loads((tmp_path / "robustness.json").read_text())
    camera = next(d for d in numbers["drops"] if (d["axis"], d["level"]) == ("camera", "3"))
    assert camera["drop"]["difference_points"] == pytest.approx(36)
    assert camera["perturbed"]["successes"] == 61
    written = (tmp_path / "robustness.md").read_text()
    assert "| flow | camera | 3 | 97/100 | 61/100 | **36** |" in written
    assert "\\<b>" in written


def test_every_axis_is_tried_by_default_at_every_level_asked_for():
    asked = trials(EvalConfig(), levels="2-3")
    names = [f"{axis}={level}" for axis in perturb.names() for level in (2, 3)]
    assert [trial.name for trial in asked] == [*names, "combinations=held_out"]
    for trial in asked[:-1]:
        assert (trial.evaluation.perturb, trial.control) == (trial.name, EvalConfig())


def test_held_out_combinations_have_those_of_training_as_control():
    (trial,) = trials(EvalConfig(), "combinations")
    assert (trial.evaluation.combinations, trial.control.combinations) == ("held_out", "train")


def test_a_task_that_holds_no_combination_out_is_not_asked_for_any():
    assert "combinations=held_out" not in [trial.name for trial in trials(EvalConfig("push_t"))]


def test_a_task_is_not_asked_for_what_it_has_nothing_for():
    asked = {trial.name.partition("=")[0] for trial in trials(EvalConfig("trace"))}
    assert "light" in asked
    assert not asked & {"mass", "object_size", "object_shape", "object_colour"}
    assert "distractors" not in [trial.name.partition("=")[0] for trial in trials(EvalConfig("handover"))]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"axes": "camra"}, "unknown axis 'camra'.*camera"),
        ({"axes": "mass", "evaluation": EvalConfig("drawer")}, "'mass': Drawer has no movable objects"),
        ({"levels": "0"}, "got '0'"),
        ({"levels": "2-6"}, "got '2-6'"),
        ({"levels": "3-2"}, "got '3-2'"),
        ({"levels": "x"}, "got 'x'"),
        ({"evaluation": EvalConfig(perturb="light=2")}, "exclude each other"),
    ],
)
def test_impossible_trials_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        trials(**{"evaluation": EvalConfig(), **given})


@pytest.fixture
def run(tmp_path, monkeypatch) -> str:
    monkeypatch.chdir(tmp_path)
    return make_run(tmp_path / "flow")


def loses_a_third_to_camera(name: str, env: EnvConfig, i: int) -> bool:
    return name == "expert" or "camera" not in env.perturb or i % 3 > 0


def test_the_command_judges_both_arms_and_the_expert_once(run, monkeypatch, capsys, tmp_path):
    played = script(monkeypatch, loses_a_third_to_camera)
    command = ["robustness", run, "--axes", "camera,light", "--levels", "3", "--episodes", "60"]
    assert main(command) == 0
    said = capsys.readouterr().out
    judged = [(name, perturb) for name, perturb, _ in played]
    assert judged == [("flow", ""), *((n, f"{a}=3") for a in ("camera", "light") for n in ("flow", "expert"))]
    assert "flow succeeds less often under camera=3 (33 points)." in said
    assert re.search("flow: no .*light=3", said)
    assert (tmp_path / "flow" / "robustness" / "robustness.html").exists()
    played.clear()
    assert main([*command, "--out", "elsewhere"]) == 0
    assert played == []
    assert (tmp_path / "elsewhere" / "robustness.json").exists()


def test_eval_prints_the_drop_against_the_stored_control(run, monkeypatch, capsys):
    script(monkeypatch, loses_a_third_to_camera)
    assert main(["eval", run, "--episodes", "60"]) == 0
    assert "control" not in capsys.readouterr().out
    played = script(monkeypatch, loses_a_third_to_camera)
    assert main(["eval", run, "--episodes", "60", "--perturb", "camera=3"]) == 0
    assert [perturb for _, perturb, _ in played] == ["camera=3"]
    assert (
        "flow, camera=3: control (unperturbed) 60/60, perturbed 40/60, drop 33 [" in capsys.readouterr().out
    )
