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


@pytest.mark.parametrize("task", envs.task_names())
def test_every_sentence_asks_what_it_means_and_nothing_else(task):
    definition = tasks.load(task)
    rng, meanings = np.random.default_rng(0), tasks.load(task).meanings()
    for i in rng.permutation(len(meanings))[:6]:
        wording = Wording(*rng.choice(WORDINGS, 2))
        said = definition.say(meanings[i], wording, rng)
        asked = [meaning for meaning in meanings if definition.forms[meaning.form].asks(meaning, said)]
        assert asked == [meanings[i]], said


@pytest.mark.parametrize(
    ("sentence", "asks"),
    [
        ("  Grab the RED  cube. ", True),
        ("fetch me the crimson block", True),
        ("pick up the red cub", False),
        ("pick up the red cube now", False),
        ("pick up the blue cube", False),
        ("", False),
    ],
)
def test_a_typed_sentence_may_mix_words_but_not_invent_them(sentence, asks):
    assert FORM.asks(Meaning.of("name", object="red cube"), sentence) == asks


def test_a_template_is_no_pattern():
    form = Form("is it (really) the {object}?", (), ())
    assert form.asks(Meaning.of("name", object="red cube"), "Is it (really) the red cube?")
    assert not form.asks(Meaning.of("name", object="red cube"), "is it really the red cube")


def test_a_sentence_that_asks_nothing_of_the_scene_is_told_and_not_judged():
    env = envs.make("pick", image_size=8)
    own = env.reset(seed=0)[1]["instruction"]
    start = env.physics_state()
    observation, info = env.reset(seed=0, options={"sentence": "Dance, little arm!"})
    assert observation["instruction"] == info["instruction"] == "Dance, little arm!"
    assert np.array_equal(env.physics_state(), start)
    assert not env.is_scored
    expert, done, truncated, total = env.definition.expert(), False, False, 0.0
    while not done:  # the expert does what the scene's own instruction asks
        _, reward, terminated, truncated, info = env.step(expert.act(env))
        done, total = terminated or truncated, total + reward
    assert truncated
    assert not info["is_success"]
    assert (total, info["progress"], info["stage"]) == (0.0, 0.0, "start")
    assert env.reset(seed=0)[1]["instruction"] == own
    assert env.is_scored
    env.close()


@pytest.mark.parametrize("sentence", ["", "  ", "x" * 300])
def test_a_sentence_of_impossible_length_is_refused(sentence):
    env = envs.make("pick", cameras=())
    with pytest.raises(ValueError, match="a sentence has 1 to 200 characters"):
        env.reset(seed=0, options={"sentence": sentence})
    env.close()


def test_a_sentence_and_an_instruction_exclude_each_other():
    env = envs.make("pick", cameras=())
    with pytest.raises(ValueError, match="exclude each other"):
        env.reset(seed=0, options={"sentence": "go", "instruction": "swapped"})
    env.close()
