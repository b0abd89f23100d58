"""The instruction grammar: what is kept from training stays out of it, in every task."""

import numpy as np
import pytest

from vlasandbox import envs
from vlasandbox.envs import tasks
from vlasandbox.envs.language import HELD_OUT, HELD_OUT_PAIRS, SYNONYMS, WORDINGS, Form, Meaning, Wording

FORM = Form("pick up the {object}", ("grab the {object}",), ("fetch me the {object}",))


def test_the_plain_wording_is_the_first_template_and_the_words_themselves():
    said = FORM.say(Meaning.of("name", object="red cube"), Wording.of("plain"), np.random.default_rng(0))
    assert said == "pick up the red cube"


@pytest.mark.parametrize("wording", WORDINGS)
def test_everything_that_is_said_is_listed_and_everything_listed_is_said(wording):
    meaning = Meaning.of("name", object="red cube")
    rng = np.random.default_rng(0)
    said = {FORM.say(meaning, Wording.of(wording), rng) for _ in range(300)}
    assert said == set(FORM.sentences(meaning, Wording.of(wording)))


def test_no_synonym_is_both_for_training_and_held_out():
    train = set(SYNONYMS).union(*(t for t, _ in SYNONYMS.values()))
    held_out = set().union(*(h for _, h in SYNONYMS.values()))
    assert not train & held_out


def test_a_held_out_combination_has_words_that_training_knows():
    said = {m.slots[0][1] for m in tasks.load("pick").meanings()}
    for words in HELD_OUT:
        colour, shape = words.split()
        assert any(s.startswith(colour) and s not in HELD_OUT for s in said)
        assert any(s.endswith(shape) and s not in HELD_OUT for s in said)


@pytest.mark.parametrize("task", ["push", "sort", "reach", "press_buttons", "turn_knob", "trace"])
def test_both_halves_of_a_held_out_pair_are_asked_for_in_training(task):
    meanings = tasks.load(task).meanings()
    said = [words for m in meanings if not m.is_held_out for _, words in m.slots[:2]]
    pairs = {tuple(words for _, words in m.slots[:2]) for m in meanings} & HELD_OUT_PAIRS
    assert pairs
    assert all(words in said for pair in pairs for words in pair)


def test_a_move_that_is_held_out_for_a_drawer_is_asked_for_of_others_and_the_other_one_of_it():
    meanings = tasks.load("drawer").meanings()
    held_out = {(m.form, m.slots[0][1]) for m in meanings if m.is_held_out}
    assert held_out == {("open", "yellow drawer"), ("close", "green drawer")}
    trained = {(m.form, m.slots[0][1]) for m in meanings} - held_out
    assert {("close", "yellow drawer"), ("open", "green drawer"), ("open", "red drawer")} < trained


@pytest.mark.parametrize("combinations", ["train", "held_out"])
def test_an_environment_asks_only_for_the_combinations_it_was_told_to(combinations):
    env = envs.make("pick", image_size=8, combinations=combinations)
    for seed in range(20):
        env.reset(seed=seed)
        assert env.scenario.asked.is_held_out == (combinations == "held_out")
    env.close()


def test_a_task_that_holds_nothing_out_says_so(monkeypatch):
    monkeypatch.setattr(Meaning, "is_held_out", False)
    with pytest.raises(ValueError, match="task 'pick' holds no combination out"):
        envs.make("pick", image_size=8, combinations="held_out")


def test_the_wording_changes_nothing_but_the_instruction():
    plain, other = envs.make("pick", image_size=8), envs.make("pick", image_size=8, wording="held_out")
    for seed in range(5):
        first, second = plain.reset(seed=seed)[0], other.reset(seed=seed)[0]
        assert first["instruction"] != second["instruction"]
        assert np.array_equal(plain.physics_state(), other.physics_state())
        assert np.array_equal(first["pixels"]["front"], second["pixels"]["front"])
    plain.close()
    other.close()
