"""The FAST codec: cosine coefficients, byte pairs, and what becomes of sequences that spell no chunk."""

import numpy as np
import pytest
import scipy.fft
import torch
from torch import Tensor

from vlasandbox.policies.codecs import fast
from vlasandbox.policies.codecs.fast import Fast, cosine_transform

K, A = 12, 3


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def movements(k: int, count: int = 600, seed: int = 0) -> Tensor:
    """The same one-second movements for any k, seen k times: sums of two slow waves in [-1, 1]."""
    g = generator(seed)
    t = (torch.arange(k)[None, :, None] + 0.5) / k
    size, speed, phase = torch.rand(3, count, 1, A, 2, generator=g)
    wave = (speed * 4 * t.unsqueeze(3) + phase * 6).sin()
    return (size * wave).sum(dim=3) / 2


def fitted(k: int = K, actions: Tensor | None = None, **options) -> Fast:
    codec = fast.Config(**options).build(k, A)
    codec.fit(movements(k) if actions is None else actions, generator())
    return codec


@pytest.mark.parametrize("k", [1, 2, 7, 50])
def test_the_transform_is_scipys_orthonormal_one_and_its_transpose_undoes_it(k: int):
    matrix = cosine_transform(k)
    x = torch.randn(k, A, generator=generator())
    theirs = np.asarray(scipy.fft.dct(x.numpy(), axis=0, norm="ortho"))
    np.testing.assert_allclose(matrix @ x, theirs, atol=1e-5)
    torch.testing.assert_close(matrix.T @ (matrix @ x), x)


def test_coefficients_are_rounded_with_the_lowest_frequency_of_all_dimensions_first():
    actions = movements(K, 20)
    exact = np.asarray(scipy.fft.dct(actions.numpy(), axis=1, norm="ortho")) * 10
    ours = fast.Config().build(K, A).coefficients(actions).view(20, K, A)
    assert np.abs(ours.numpy() - exact).max() <= 0.5 + 1e-4


def test_byte_pairs_lose_nothing():
    codec = fitted()
    actions = movements(K, 50, seed=1)
    numbers = codec.coefficients(actions)
    decoded, failed = codec.decode(codec.encode(actions))
    assert not failed.any()
    clamped = numbers.clamp(int(codec.low), int(codec.low) + int(codec.symbols) - 1)
    assert torch.equal(codec.coefficients(decoded), clamped)
    assert (codec.real(codec.encode(actions)).sum(dim=1) < K * A).all()


def test_error_is_at_most_that_of_rounding_every_coefficient():
    noise = torch.rand(300, K, A, generator=generator()) * 2 - 1
    for actions in (movements(K), noise):
        codec = fitted(actions=actions)
        error = codec.decode(codec.encode(actions))[0] - actions
        assert error.square().mean().sqrt() <= 0.1 / 12**0.5 * 1.02
    # For noise, whose coefficients are large, it is that.
    assert error.square().mean().sqrt() >= 0.1 / 12**0.5 * 0.95


def test_a_movement_takes_about_as_many_tokens_whatever_the_rate():
    counts = {}
    for k in (10, 20, 50):
        codec = fitted(k, vocab=512)
        counts[k] = codec.real(codec.encode(movements(k, 100, seed=1))).sum(dim=1).float().mean()
    assert max(counts.values()) < 1.5 * min(counts.values())  # bins take five times as many


def test_a_finer_scale_costs_tokens_and_gains_accuracy():
    errors, counts = [], []
    for scale in (2.0, 5.0, 10.0, 30.0):
        codec = fitted(scale=scale, vocab=512)
        actions = movements(K, 100, seed=1)
        ids = codec.encode(actions)
        errors.append(float((codec.decode(ids)[0] - actions).square().mean()))
        counts.append(int(codec.real(ids).sum()))
    assert errors == sorted(errors, reverse=True)
    assert counts == sorted(counts)


def test_sequences_that_spell_too_little_or_too_much_are_reported_and_not_all_zero():
    codec = fitted()
    whole = codec.encode(movements(K, 3, seed=1))
    (short, long, good) = whole.clone()
    short[1:] = codec.vocab  # the end: the lowest frequencies alone
    count = int(codec.real(whole)[1].sum()) - 1
    long[count:] = whole[1, 0]  # goes on, without an end
    decoded, failed = codec.decode(torch.stack([short, long, good]))
    exact = codec.decode(whole)[0]
    assert failed.tolist() == [True, True, False]
    torch.testing.assert_close(decoded[1:], exact[1:])  # what is too long is cut
    first = codec.coefficients(decoded)[0]
    assert first.any()
    assert torch.equal(first, torch.where(first != 0, codec.coefficients(exact)[0], 0))


def test_actions_beyond_the_training_data_are_clamped_at_both_ends():
    codec = fitted()
    actions = torch.stack([torch.full((K, A), 3.0), torch.full((K, A), -3.0)])
    decoded, failed = codec.decode(codec.encode(actions))
    assert not failed.any()
    top = codec.low + codec.symbols - 1
    assert (codec.coefficients(decoded)[:, :A] == torch.stack([top, codec.low])[:, None]).all()


def test_until_it_is_fitted_each_coefficient_is_a_symbol():
    codec = fast.Config().build(K, A)
    actions = movements(K, 5)
    assert (codec.real(codec.encode(actions)).sum(dim=1) == K * A + 1).all()
    error = (codec.decode(codec.encode(actions))[0] - actions).square().mean().sqrt()
    assert error <= 0.1 / 12**0.5


def test_impossible_codecs_are_rejected():
    with pytest.raises(ValueError, match=r"vocab 20 cannot hold the 71 coefficients from -35 to 35"):
        fast.Config(vocab=20).build(K, A)
    with pytest.raises(ValueError, match=r"vocab 100 cannot hold the \d+ coefficients"):
        fitted(vocab=100, actions=movements(K) * 30)
    with pytest.raises(ValueError, match="scale must be positive and finite, got 0"):
        fast.Config(scale=0.0).build(K, A)
