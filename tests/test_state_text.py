"""A state in words: the integers of pi0-FAST, spelled as the tokenizer spells them, but never -1."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_trunk import INSTRUCTIONS

from vlasandbox.policies.state_text import PREFIX, VOCABULARY, StateText, integers
from vlasandbox.policies.tokenizer import train_tokenizer


def byte_level(pad: str = "<end>") -> Any:
    """A byte-level tokenizer that splits numbers into digits, as Qwen's and SmolLM2's do."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.Sequence(  # pyright: ignore
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]  # pyright: ignore
    )
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        special_tokens=["<end>"], initial_alphabet=alphabet, vocab_size=300, show_progress=False
    )
    raw.train_from_iterator([*INSTRUCTIONS, ", state: 1 2"], trainer)
    return PreTrainedTokenizerFast(tokenizer_object=raw, eos_token="<end>", pad_token=pad)


def written(text: StateText, state: list[float]) -> list[int]:
    ids, real = text(torch.tensor([state]))
    return ids[0][real[0]].tolist()


@given(st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=5))
def test_integers_are_those_of_pi0_fast(values):
    expected = np.digitize(np.array(values), np.linspace(-1, 1, 257)[:-1]) - 1
    assert integers(torch.tensor([values]))[0].tolist() == expected.tolist()


def test_values_outside_the_range_are_in_the_outer_bins_and_none_is_minus_one():
    state = torch.tensor([[-1.0001, -50.0, 1.0, 1.0001, 50.0, 0.0, -1.0]])
    assert integers(state)[0].tolist() == [0, 0, 255, 255, 255, 128, 0]


def test_a_tokenizer_trained_for_it_knows_every_word():
    tokenizer = train_tokenizer([*INSTRUCTIONS, VOCABULARY])
    ids = written(StateText(tokenizer), [-1.0, 0.0, 1.0])
    assert tokenizer.convert_ids_to_tokens(ids) == [",", "state", ":", "0", "128", "255"]


def test_numbers_of_several_tokens_are_spelled_as_the_whole_sentence_would_be():
    tokenizer = byte_level()
    state = [-1.0, -0.93, 0.0, 0.99, 3.0]
    sentence = " ".join([PREFIX, *map(str, integers(torch.tensor([state]))[0].tolist())])
    assert written(StateText(tokenizer), state) == tokenizer(sentence)["input_ids"]


def test_every_state_takes_as_many_places_and_padding_stands_behind_each_number():
    ids, real = StateText(byte_level())(torch.tensor([[-1.0, 1.0], [1.0, 1.0]]))
    assert ids.shape == real.shape == (2, ids.shape[1])
    assert real.sum(dim=1).tolist() == [ids.shape[1] - 2, ids.shape[1]]
    assert real[1].all()


def test_a_tokenizer_that_cannot_write_numbers_is_refused():
    with pytest.raises(ValueError, match="cannot write a state as text: it does not know ', state:'"):
        StateText(train_tokenizer(INSTRUCTIONS))
    with pytest.raises(ValueError, match="does not know ' 0'"):
        StateText(train_tokenizer([*INSTRUCTIONS, PREFIX]))
