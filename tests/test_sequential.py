"""`vla compare --stop-early` and `--resolve`: what is played, what is said, and what is not."""

import re

import pytest
from made_up_results import result
from scripted_targets import make_run, make_summary, script

from vlasandbox.envs.seeds import TEST
from vlasandbox.eval.rollout import evaluate
from vlasandbox.eval.stats.sequential import compare_sequentially, sequential_statement
from vlasandbox.train.cli import main
from vlasandbox.train.evaluation import EvalConfig, eval_target
from vlasandbox.train.workflows.sequential import BLOCK, compare_early


@pytest.fixture
def runs(tmp_path, monkeypatch) -> list[str]:
    monkeypatch.chdir(tmp_path)
    return [make_run(tmp_path / name) for name in ("good", "bad")]


def test_a_clear_difference_is_established_within_the_first_block(runs, monkeypatch, capsys):
    played = script(monkeypatch, lambda name, _, i: name == "good" or i % 3 == 0)
    assert main(["compare", *runs, "--stop-early", "--episodes", "400"]) == 0
    assert played == [(name, "", list(TEST[:BLOCK])) for name in ("good", "bad")]
    said = capsys.readouterr().out
    # 8 seeds to none: E = 2^8 / 9 = 28.4; 2 of 3 seeds count, so the 8th comes with the 12th seed.
    assert re.search("good succeeds more often than bad, .*12 seeds: on 8 of them good alone", said)
    assert "evidence 28.4, p=0.035" in said
    assert "Played: 20 of at most 400 seeds each; successes good 20/20, bad 7/20." in said


def test_what_only_holds_for_a_fixed_number_of_seeds_is_not_printed(runs, monkeypatch, capsys):
    script(monkeypatch, lambda name, _, i: name == "good" or i % 3 == 0)
    main(["compare", *runs, "--stop-early", "--episodes", "400"])
    said = capsys.readouterr().out
    assert "[" not in said
    assert "Holm" not in said
    assert "not distinguishable" not in said


def test_without_a_difference_the_budget_is_spent_and_nothing_is_played_twice(runs, monkeypatch, capsys):
    played = script(monkeypatch, lambda name, _, i: i % 2 == (name == "good"))
    assert main(["compare", *runs, "--stop-early", "--episodes", "130"]) == 0
    for name in ("good", "bad"):
        assert [seed for who, _, seeds in played for seed in seeds if who == name] == list(TEST[:130])
    said = capsys.readouterr().out
    assert re.search("no .*difference on 130 seeds", said)
    assert re.search(r"\b20 needed", said)


def test_a_stopped_comparison_goes_on_from_its_stored_episodes(runs, monkeypatch):
    script(monkeypatch, lambda name, _, i: name == "good" or i % 3 == 0)
    evaluation = EvalConfig(episodes=400)
    good, bad = map(eval_target, runs)
    first = compare_early(good, bad, evaluation)
    played = script(monkeypatch, lambda *_: False)
    assert compare_early(good, bad, evaluation) == first
    assert played == []


def test_seeds_on_which_code_raised_do_not_count(runs, monkeypatch):
    letters = {"good": "e" * 10 + "s" * 10, "bad": "f" * 20}
    monkeypatch.setattr(evaluate, "evaluate", lambda *_, name, **__: result(name, letters[name]))
    good, bad = map(eval_target, runs)
    stopped = compare_early(good, bad, EvalConfig(episodes=20))
    assert (stopped.outcome.pairs, stopped.outcome.only_a) == (8, 8)


@pytest.mark.parametrize("arguments", [[], ["--condition", "test", "blank_image"]])
def test_stopping_early_is_for_two_runs_under_the_test_condition(runs, arguments, tmp_path, capsys):
    given = runs if arguments else [*runs, make_run(tmp_path / "third")]
    assert main(["compare", *given, "--stop-early", *arguments]) == 2
    assert "stop-early compares exactly two runs under the test condition" in capsys.readouterr().err


def test_the_statement_names_the_better_policy_whichever_comes_first():
    outcome = compare_sequentially([(False, True)] * 8)
    assert sequential_statement(outcome, "a", "b").startswith("b succeeds more often than a, ")


def test_the_seeds_that_a_difference_takes_are_said_before_anything_is_played(runs, monkeypatch, capsys):
    played = script(monkeypatch, lambda name, _, i: name == "good" or i % 5 > 0)
    main(["compare", *runs, "--resolve", "10", "--episodes", "50"])
    said = capsys.readouterr().out
    # The textbook figure for 10 points at a discordance of 20 % (tests/test_stats.py).
    assert "155 seeds, if two policies differ on 20% of them" in said
    assert "This comparison has 50." in said
    assert "so far" not in said
    assert len(played) == 2
    main(["compare", *runs, "--resolve", "10", "--episodes", "100"])
    assert "155 seeds for good and bad, which differ on 20% of 50 so far" in capsys.readouterr().out


def test_more_policies_take_more_seeds(runs, monkeypatch, tmp_path, capsys):
    script(monkeypatch, lambda *_: True)
    main(["compare", *runs, make_run(tmp_path / "third"), "--resolve", "10", "--episodes", "5"])
    assert "155 seeds" not in capsys.readouterr().out


def test_what_the_number_of_seeds_finds_is_said_after_every_comparison(runs, monkeypatch, capsys):
    script(monkeypatch, lambda name, _, i: name == "good" or i % 5 > 0)
    main(["compare", *runs, "--episodes", "155"])
    assert re.search("155 shared seeds .* difference of 10 points", capsys.readouterr().out)


@pytest.mark.parametrize("flags", [["--episodes", "10"], ["--stop-early", "--episodes", "400"]])
def test_runs_trained_in_different_precisions_are_named(runs, monkeypatch, capsys, flags):
    script(monkeypatch, lambda name, _, i: name == "good" or i % 3 == 0)
    for run, precision in zip(runs, ("bf16", "fp32"), strict=True):
        make_summary(run, precision=precision)
    main(["compare", *runs, *flags])
    assert "(bf16: good; fp32: bad)" in capsys.readouterr().out


@pytest.mark.parametrize("points", ["0", "-3", "101"])
def test_an_impossible_difference_is_refused(runs, points, capsys):
    assert main(["compare", *runs, "--resolve", points]) == 2
    assert f"at most 100 points, got {points}" in capsys.readouterr().err
