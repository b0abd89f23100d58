"""What was judged is kept, found again, and not taken for something else."""

import json
import os
from pathlib import Path

import pytest
from made_up_results import result

from vlasandbox.envs.config import EnvConfig
from vlasandbox.envs.seeds import TEST
from vlasandbox.eval.result import weights_of
from vlasandbox.eval.rollout.lane_player import EvaluationError
from vlasandbox.policies import packaged
from vlasandbox.train.evaluation import (
    EvalConfig,
    EvalTarget,
    default_evaluation,
    eval_target,
    evaluate_cached,
    expert_beside,
    learned_tasks,
    load_cached,
    warn_of_other_tasks,
    with_task,
)


@pytest.fixture
def judged(tmp_path) -> EvalTarget:
    """A run with four judged test episodes."""
    policy = tmp_path / "flow" / "policy"
    policy.mkdir(parents=True)
    for name in ("model.safetensors", "config.json"):
        (policy / name).touch()
    who = eval_target(str(tmp_path / "flow"))
    result("flow", "sfss").save(who.results / "pick" / "test")
    return who


def test_a_judged_exam_is_found_again(judged):
    found = load_cached(judged, EvalConfig(episodes=4), "test")
    assert found == result("flow", "sfss")


def test_a_longer_exam_holds_the_shorter_ones(judged):
    assert load_cached(judged, EvalConfig(episodes=2), "test") == result("flow", "sf")


def test_folders_keep_the_former_names_of_settings():
    varied = EvalConfig(execution_horizon=2, inference_delay=1, blocking=True)
    assert varied.folder == "pick,execute=2,delay=1,wait=True"


def test_a_longer_exam_is_not_taken_from_a_shorter_one(judged):
    assert load_cached(judged, EvalConfig(episodes=5), "test") is None


@pytest.mark.parametrize(
    "evaluation",
    [
        EvalConfig(episodes=4, execution_horizon=8),
        EvalConfig(episodes=4, task="stack"),
        EvalConfig(episodes=4, perturb="camera=3"),
    ],
)
def test_another_exam_is_not_taken_for_this_one(judged, evaluation):
    assert load_cached(judged, evaluation, "test") is None


def test_another_condition_is_not_taken_for_this_one(judged):
    assert load_cached(judged, EvalConfig(episodes=4), "blank_image") is None


def test_a_policy_that_was_trained_on_is_judged_anew(judged):
    written = (judged.results / "pick" / "test" / "result.json").stat().st_mtime_ns
    os.utime(judged.policy / "model.safetensors", ns=(written + 1, written + 1))
    assert load_cached(judged, EvalConfig(episodes=4), "test") is None


def test_a_policy_is_known_by_its_weights_not_by_the_time(judged):
    folder = judged.results / "pick" / "test"
    found = result("flow", "sfss")
    found.weights = weights_of(judged.policy)
    found.save(folder)
    late = folder.joinpath("result.json").stat().st_mtime_ns + 10**9
    os.utime(judged.policy / "model.safetensors", ns=(late, late))
    assert load_cached(judged, EvalConfig(episodes=4), "test") is not None
    (judged.policy / "model.safetensors").write_bytes(b"another policy, copied here with its old time")
    os.utime(judged.policy / "model.safetensors", ns=(0, 0))
    assert load_cached(judged, EvalConfig(episodes=4), "test") is None


def test_the_expert_has_the_robot_and_the_rate_of_the_policy_beside_it(judged, played, tmp_path):
    (judged.policy / "config.json").write_text('{"spec": {"robot": "so101_like", "control_hz": 20.0}}')
    expert = expert_beside(judged, tmp_path / "expert")
    assert expert.env == EnvConfig(robot="so101_like", control_hz=20.0)
    result("expert", "ssss").save(expert.results / "pick" / "test")  # the franka's, at 10 Hz
    assert load_cached(expert, EvalConfig(episodes=4), "test") is None
    assert expert_beside(expert) == expert


def test_a_damaged_result_is_judged_anew(judged):
    (judged.results / "pick" / "test" / "result.json").write_text("{")
    assert load_cached(judged, EvalConfig(episodes=4), "test") is None


@pytest.fixture
def played(monkeypatch) -> list[list[int]]:
    """Seeds that are played from now on, call by call; every episode succeeds."""
    calls: list[list[int]] = []

    def evaluate(policy, task, seeds, *, name, **_):
        calls.append(list(seeds))
        return result(name, "s" * len(seeds), first_seed=seeds[0])

    monkeypatch.setattr("vlasandbox.eval.rollout.evaluate.evaluate", evaluate)
    return calls


def test_only_the_episodes_that_are_missing_are_played(judged, played):
    longer = evaluate_cached(judged, EvalConfig(episodes=6), "test")
    assert played == [[TEST.start + 4, TEST.start + 5]]
    assert longer.episodes == result("flow", "sfssss").episodes
    assert (longer.seed_start, longer.env_steps, longer.wall_seconds) == (TEST.start, 120, 2.0)
    assert load_cached(judged, EvalConfig(episodes=6), "test") == longer


def test_episodes_of_other_versions_are_not_mixed(judged, played):
    older = result("flow", "sfss")
    older.versions = {"mujoco": "3.0.0"}
    older.save(judged.results / "pick" / "test")
    assert evaluate_cached(judged, EvalConfig(episodes=6), "test") == result("flow", "ssssss")
    assert played[-1] == list(TEST[:6])


def test_ctrl_c_keeps_the_episodes_that_were_finished(judged, played, monkeypatch):
    from vlasandbox.eval.rollout import evaluate as module

    play = module.evaluate
    evaluation = EvalConfig(episodes=9)

    def interrupted(policy, task, seeds, *, name, keep, **_):
        several = result(name, "st", first_seed=TEST.start + 7)
        assert several.episodes[0].seed in seeds
        keep(several)
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "evaluate", interrupted)
    with pytest.raises(KeyboardInterrupt, match="6 of 9 episodes of flow are kept"):
        evaluate_cached(judged, evaluation, "test")
    assert load_cached(judged, evaluation, "test") is None
    monkeypatch.setattr(module, "evaluate", play)
    assert evaluate_cached(judged, evaluation, "test").episodes == result("flow", "sfsssssst").episodes
    assert played == [[TEST.start + n for n in (4, 5, 6)]]
    assert [path.name for path in (judged.results / "pick").iterdir()] == ["test"]
    assert evaluate_cached(judged, evaluation, "test") == load_cached(judged, evaluation, "test")


def test_a_shorter_exam_loses_nothing_of_a_longer_one_that_was_interrupted(judged, played):
    result("flow", "tttt", first_seed=TEST.start + 5).save(judged.results / "pick" / "test.unfinished")
    assert (
        evaluate_cached(judged, EvalConfig(episodes=6), "test").episodes == result("flow", "sfssst").episodes
    )
    assert evaluate_cached(judged, EvalConfig(episodes=9), "test").successes == 4
    assert played == [[TEST.start + 4]]


def test_a_run_and_its_policy_folder_are_the_same_contestant(judged):
    assert eval_target(str(judged.policy)) == judged


def test_an_unfinished_training_is_told_from_a_missing_one(tmp_path):
    with pytest.raises(FileNotFoundError, match="no policy in"):
        eval_target(str(tmp_path))
    (tmp_path / "config.json").touch()
    with pytest.raises(FileNotFoundError, match="not finished"):
        eval_target(str(tmp_path))


@pytest.mark.parametrize(
    ("learned", "asked", "warned"),
    [
        ("place", "pick", True),
        ("place+stack", "pick+push", True),
        ("place+pick", "pick", False),
        ("pick", "pick+place", False),
        ("pick", "suite", False),
        (None, "pick", False),
    ],
)
def test_a_policy_that_never_learned_what_it_is_asked_is_named(judged, capsys, learned, asked, warned):
    summary = judged.results.parent / "summary.json"
    summary.write_text(json.dumps({"dataset": {"task": learned}}))
    warn_of_other_tasks([judged], EvalConfig(asked))
    said = f"flow is judged on {asked} but learned {learned} (--task)\n"
    assert capsys.readouterr().err == said * warned


def test_nothing_is_said_where_it_is_not_known_what_was_learned(judged, capsys):
    warn_of_other_tasks([judged, eval_target("expert")], EvalConfig())
    assert not capsys.readouterr().err


@pytest.mark.parametrize("episodes", [0, -1, 10**7])
def test_an_exam_of_an_impossible_length_is_refused(episodes):
    with pytest.raises(ValueError, match=str(episodes)):
        EvalConfig(episodes=episodes)


def trained(home, name: str, task: str | None) -> EvalTarget:
    """A run called `name` that was trained on `task`."""
    policy = home / name / "policy"
    policy.mkdir(parents=True)
    for file in ("model.safetensors", "config.json"):
        (policy / file).touch()
    if task is not None:
        (home / name / "summary.json").write_text(json.dumps({"dataset": {"task": task}}))
    return eval_target(str(home / name))


@pytest.mark.parametrize(
    ("learned", "asked", "judged_on"),
    [
        (["place"], "", "place"),
        (["place+stack"], "", "place+stack"),
        (["place", None], "", "place"),
        (["place", "stack"], "pick", "pick"),
        ([None], "", "pick"),
        ([], "", "pick"),
    ],
)
def test_policies_are_judged_on_what_they_learned_unless_a_task_is_named(tmp_path, learned, asked, judged_on):
    targets = [trained(tmp_path, str(i), task) for i, task in enumerate(learned)]
    config = with_task(EvalConfig(asked, episodes=3), [*targets, eval_target("expert")])
    assert config == EvalConfig(judged_on, episodes=3)


def test_policies_that_learned_different_tasks_need_one_to_be_named(tmp_path):
    targets = [trained(tmp_path, "a", "pick"), trained(tmp_path, "b", "place")]
    with pytest.raises(ValueError, match=r"different tasks \(a: pick; b: place\): name one with --task"):
        with_task(default_evaluation(), targets)


def test_the_best_policy_of_a_run_has_a_name_and_results_of_its_own(tmp_path):
    trained(tmp_path, "flow", "pick")
    best = trained(tmp_path / "flow", "best", "pick")
    assert (best.name, best.results) == ("flow-best", tmp_path / "flow" / "best" / "eval")


def test_the_packaged_policy_goes_by_its_name_and_knows_its_tasks(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(packaged, "FOLDER", tmp_path / "package")
    with pytest.raises(FileNotFoundError, match="carries no policy of its own"):
        eval_target("packaged")
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "model.safetensors").touch()
    (tmp_path / "package" / "summary.json").write_text(json.dumps({"dataset": {"task": "pick+place"}}))
    who = eval_target("packaged")
    assert who.policy == tmp_path / "package"
    assert who.results == Path("runs") / "packaged" / "eval"
    assert learned_tasks(who) == ["pick", "place"]


def test_a_missing_episode_is_tried_again_and_the_result_stands_meanwhile(
    judged, played, monkeypatch, capsys
):
    result("flow", "smss").save(judged.results / "pick" / "test")
    evaluation = EvalConfig(episodes=4)
    assert load_cached(judged, evaluation, "test") == result("flow", "smss")

    def fails(*_, **__):
        raise EvaluationError("no process can play")

    with monkeypatch.context() as broken:
        broken.setattr("vlasandbox.eval.rollout.evaluate.evaluate", fails)
        assert evaluate_cached(judged, evaluation, "test") == result("flow", "smss")
        assert "1 episodes of flow are still missing: no process can play" in capsys.readouterr().err
    found = evaluate_cached(judged, evaluation, "test")
    assert played == [[TEST.start + 1]]
    assert found.episodes == result("flow", "ssss").episodes
    assert load_cached(judged, evaluation, "test") == found


def test_what_a_kill_left_beside_a_finished_result_goes(judged, played):
    left = judged.results / "pick" / "test.unfinished"
    result("flow", "sf").save(left)
    assert evaluate_cached(judged, EvalConfig(episodes=4), "test") == result("flow", "sfss")
    assert not left.exists()
    assert played == []
