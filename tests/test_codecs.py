"""The codecs text, vq and quantiles: known answers."""

import pytest
import torch
from torch import Tensor

from vlasandbox.policies.codecs import quantiles, text, vq
from vlasandbox.policies.codecs.text import END, SPACE, Text


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# Text


def spelled(codec: Text, words: str) -> Tensor:
    ids = [SPACE if c == " " else int(c) for c in words]
    return torch.tensor([ids + [END] * (codec.length - len(ids))])


def test_a_chunk_is_written_as_its_numbers():
    codec = text.Config().build(2, 2)
    ids = codec.encode(torch.tensor([[[-1.0, 1.0], [0.5, 0.0004]]]))
    assert torch.equal(ids, spelled(codec, "0 1000 750 500"))
    assert codec.length == 4 * 5


@pytest.mark.parametrize("levels", [2, 10, 11, 256, 1000, 1001])
def test_the_grammar_allows_every_number_in_range_and_no_other(levels: int):
    codec = text.Config(levels=levels).build(1, 1)
    for number in {0, 1, 5, 9, 10, 25, 26, 99, 100, 101, 255, 256, 999, 1000, 1001, 9999}:
        if len(str(number)) < codec.length:
            ids = spelled(codec, str(number))
            lawful = codec.allowed(ids).gather(2, ids.unsqueeze(2)).all().item()
            assert lawful == (number < levels), number
    for words in ("00", "01", " 1", "1 ", "1 1"):
        if len(words) < codec.length:
            ids = spelled(codec, words)
            assert not codec.allowed(ids).gather(2, ids.unsqueeze(2)).all(), words


def test_text_that_is_no_chunk_is_reported_and_read_as_far_as_it_goes():
    codec = text.Config().build(2, 2)
    broken = {
        "0 1000 750": (0, 1000, 750, 1000),  # what is missing repeats the step before
        "0 1000 750 500 3": (0, 1000, 750, 500),
        "0 1001 750 5": (0, 1000, 750, 5),
        "0  1000 750 7": (0, 1000, 750, 7),
        "": (500, 500, 500, 500),
    }
    for words, numbers in broken.items():
        actions, failed = codec.decode(spelled(codec, words))
        assert failed.all(), words
        torch.testing.assert_close(actions.flatten(), torch.tensor(numbers) / 500 - 1.0)


def test_only_numbers_of_known_steps_are_learned():
    codec = text.Config().build(2, 1)
    ids = codec.encode(torch.tensor([[[-1.0], [1.0]]]))  # "0 1000"
    known = codec.known(ids, torch.tensor([[True, False]]))
    assert known[0].tolist() == [True, True] + [False] * (codec.length - 2)
    assert (
        codec.known(ids, torch.tensor([[False, True]]))[0].tolist() == [False] * 2 + [True] * 5 + [False] * 3
    )


# Vector quantisation


def structured(count: int = 2000) -> Tensor:
    """Chunks that are one of 8 movements of one arm plus one of 8 of another, and a little noise."""
    g = generator(1)
    t = torch.linspace(0, 1, 8)[:, None]
    first, second = (torch.randn(8, 1, 2, generator=g) * (t * 3 + i).sin() for i in range(2))
    which = torch.randint(8, (2, count), generator=g)
    noise = 0.02 * torch.randn(count, 8, 4, generator=g)
    return torch.cat([first[which[0]], second[which[1]]], dim=2) + noise


def k_means_error(x: Tensor, k: int) -> float:
    """Mean squared error of the best of five runs of Lloyd's algorithm."""
    errors = []
    for seed in range(5):
        centres = x[torch.randperm(len(x), generator=generator(seed))[:k]]
        for _ in range(30):
            nearest = torch.cdist(x, centres).argmin(dim=1)
            sums = torch.zeros_like(centres).index_add_(0, nearest, x)
            counts = torch.bincount(nearest, minlength=k).unsqueeze(1)
            centres = torch.where(counts > 0, sums / counts.clamp(min=1), centres)
        errors.append(float((x - centres[torch.cdist(x, centres).argmin(dim=1)]).square().mean()))
    return min(errors)


def test_two_levels_of_codes_beat_k_means_with_as_many():
    actions = structured()
    codec = vq.Config(levels=2, codes=16, steps=800).build(8, 4)
    codec.fit(actions, generator())
    error = (codec.decode(codec.encode(actions))[0] - actions).square().mean()
    assert error < 0.5 * k_means_error(actions.flatten(1), 32)


def test_an_id_of_another_level_is_reported():
    codec = vq.Config(levels=2, codes=4).build(2, 1)
    actions, failed = codec.decode(torch.tensor([[1, 6], [5, 6]]))
    assert failed.tolist() == [False, True]
    torch.testing.assert_close(actions[0], actions[1])


def test_impossible_sizes_are_rejected():
    with pytest.raises(ValueError, match="codes must be at least 1, got 0"):
        vq.Config(codes=0).build(2, 1)
    with pytest.raises(ValueError, match="levels must be at least 2, got 1"):
        text.Config(levels=1).build(2, 1)
    with pytest.raises(ValueError, match=r"both finite, got \[1.0, 1.0\]"):
        text.Config(low=1.0).build(2, 1)
    with pytest.raises(ValueError, match="bins must be at least 2, got 1"):
        quantiles.Config(bins=1).build(2, 1)


# Quantiles


def test_every_id_is_used_equally_often_by_the_data():
    actions = torch.randn(400, 4, 1, generator=generator()).exp()  # far from uniform
    codec = quantiles.Config(bins=16).build(4, 1)
    codec.fit(actions, generator())
    counts = torch.bincount(codec.encode(actions).flatten(), minlength=16)
    assert (counts - 100).abs().max() <= 25


def test_a_value_that_repeats_is_met_exactly():
    actions = torch.where(torch.rand(300, 4, 1, generator=generator()) < 0.1, 1.0, -1.0)
    codec = quantiles.Config().build(4, 1)
    codec.fit(actions, generator())
    assert torch.equal(codec.decode(codec.encode(actions))[0], actions)


def test_normal_quantiles_are_those_of_the_normal_distribution_whatever_the_data():
    codec = quantiles.Config(bins=4, source="normal").build(3, 2)
    codec.fit(torch.rand(50, 3, 2), generator())
    assert codec.get_buffer("centres")[:, 1].tolist() == pytest.approx(
        [-1.15035, -0.31864, 0.31864, 1.15035], abs=1e-4
    )
