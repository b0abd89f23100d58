"""The instruction grammar lists all that can be said."""

from vlasandbox import envs
from vlasandbox.envs import language, tasks


def test_the_sentence_is_the_documented_one():
    assert language.instruction("pick", "red", "cube") == "pick up the red cube"


def test_every_sentence_of_every_task_is_listed():
    said = {sentence for name in envs.task_names() for sentence in tasks.load(name).instructions()}
    assert said == set(language.all_instructions())
    assert len(language.all_instructions()) == len(said)


def test_the_vocabulary_covers_every_sentence():
    words = set(language.vocabulary())
    assert all(word in words for sentence in language.all_instructions() for word in sentence.split())
    assert "cube" in words
