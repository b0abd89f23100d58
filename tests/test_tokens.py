"""Token heads: two ways in which the trunk itself predicts bins."""

import pytest
import torch
from toy_trunk import ToyTrunk, assert_both_modes, fit, real_prefix, sample_many, two_modes

from vlasandbox.policies.codecs import bins
from vlasandbox.policies.heads import tokens
from vlasandbox.policies.heads.tokens import Autoregressive, Parallel

K, A, B, V = 3, 2, 4, 16
FEW = bins.Config(bins=V)


def autoregressive(**options) -> tuple[Autoregressive, ToyTrunk]:
    trunk = ToyTrunk()
    torch.manual_seed(5)
    head = tokens.Config(codec=FEW, decoding="autoregressive", **options).build(trunk, K, A)
    assert isinstance(head, Autoregressive)
    return head, trunk


def parallel(**options) -> tuple[Parallel, ToyTrunk]:
    trunk = ToyTrunk()
    torch.manual_seed(5)
    head = tokens.Config(codec=FEW, decoding="parallel", **options).build(trunk, K, A)
    assert isinstance(head, Parallel)
    return head, trunk


def generators() -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in range(B)]


def test_decoding_token_by_token_on_the_cache_equals_one_teacher_forced_pass():
    head, trunk = autoregressive()
    with torch.no_grad():
        prefix = trunk.prefix(torch.randn(B, 2))
        chunk = head.sample(prefix, generators())
        ids = head.codec.encode(chunk)
        assert torch.equal(head.logits(prefix, ids).argmax(dim=-1), ids)
    assert len(ids.unique()) > 2


@torch.no_grad()
def test_the_same_holds_on_a_real_trunk_with_padding():
    trunk, prefix, _ = real_prefix()
    head = tokens.Config(codec=FEW, decoding="autoregressive").build(trunk, K, A)
    ids = head.codec.encode(head.sample(prefix, generators()[:2]))
    assert isinstance(head, Autoregressive)
    assert torch.equal(head.logits(prefix, ids).argmax(dim=-1), ids)


def test_logits_of_a_slot_depend_on_earlier_tokens_and_on_no_others():
    head, trunk = autoregressive()
    prefix = trunk.prefix(torch.randn(1, 2))
    ids = torch.randint(V, (1, K, A))
    before = head.logits(prefix, ids).flatten(1, 2)
    for slot in range(K * A):
        changed = ids.clone().flatten()
        changed[slot] = (changed[slot] + 3) % V
        after = head.logits(prefix, changed.view(1, K, A)).flatten(1, 2)
        moved = (after - before).abs().amax(dim=(0, 2)) > 0
        assert moved.tolist() == [later > slot for later in range(K * A)]


def test_parallel_logits_look_at_no_actions():
    head, trunk = parallel()
    prefix = trunk.prefix(torch.randn(B, 2))
    one, other = (head.logits(prefix, torch.full((B, K, A), fill)) for fill in (0, V - 1))
    assert torch.equal(one, other)


def test_plain_cross_entropy_is_the_sum_over_independent_values():
    head, trunk = parallel()
    prefix = trunk.prefix(torch.randn(B, 2))
    actions = torch.rand(B, K, A) * 2 - 1
    loss, metrics = head.loss(prefix, actions, torch.ones(B, K, dtype=torch.bool), torch.Generator())
    ids = head.codec.encode(actions)
    logp = head.logits(prefix, ids).log_softmax(dim=-1).gather(-1, ids.unsqueeze(-1))
    torch.testing.assert_close(loss, -logp.mean(dim=(1, 2, 3)))
    assert torch.equal(head.targets, torch.eye(V))
    assert 0 <= metrics["token_accuracy"] <= 1


def test_smoothed_targets_are_a_gaussian_over_neighbouring_bins():
    head, _ = parallel(smoothing=1.5)
    torch.testing.assert_close(head.targets.sum(dim=-1), torch.ones(V))
    middle = head.targets[8]
    assert middle.argmax() == 8
    torch.testing.assert_close(middle[7], middle[9])
    assert (middle[9] / middle[8]).log().item() == pytest.approx(-0.5 / 1.5**2, abs=1e-5)


def test_expectation_within_a_window_interpolates_but_does_not_average_two_modes():
    head, _ = parallel(decode="expectation", window=2)
    logits = torch.full((1, 1, A, V), -30.0)
    logits[..., 3], logits[..., 4] = 2.0, 2.0  # one mode on the edge between two bins
    logits[..., 12] = 1.9  # and another far away
    ids = torch.full((1, 1, A), 3)
    edge = (head.centres[3] + head.centres[4]) / 2
    torch.testing.assert_close(head.actions(ids, logits), edge.view(1, 1, A), atol=1e-5, rtol=0)


def test_argmax_decodes_to_the_centre_of_the_bin():
    head, _ = parallel(decode="argmax")
    ids = torch.randint(V, (1, K, A))
    assert torch.equal(head.actions(ids, torch.zeros(1, K, A, V)), head.codec.decode(ids))


def test_sampled_ids_follow_the_distribution_and_sharpen_as_it_cools():
    probability = torch.tensor([0.5, 0.3, 0.2] + [0.0] * (V - 3))
    logits = probability.log().expand(1, 3000, 1, V)
    for temperature in (1.0, 0.5):
        head, _ = parallel(temperature=temperature)
        ids = head.choose(logits, [torch.Generator().manual_seed(0)])
        expected = probability ** (1 / temperature)
        frequency = torch.bincount(ids.flatten(), minlength=V) / 3000
        assert (frequency - expected / expected.sum()).abs().max() < 0.03
    head, _ = parallel(temperature=0.0)
    assert (head.choose(logits, [torch.Generator()]) == 0).all()


def test_autoregressive_recovers_both_of_two_modes_for_the_whole_chunk():
    head, trunk = build_for_two_modes("autoregressive")
    chunks = sample_many(head, trunk)
    assert_both_modes(chunks)
    assert (chunks[:, 0].sign() == chunks[:, 1].sign()).float().mean() > 0.95


def test_parallel_recovers_both_modes_of_a_value_but_mixes_them_within_a_chunk():
    head, trunk = build_for_two_modes("parallel")
    chunks = sample_many(head, trunk)
    assert_both_modes(chunks)
    assert 0.3 < (chunks[:, 0].sign() == chunks[:, 1].sign()).float().mean() < 0.7


def build_for_two_modes(decoding) -> tuple[tokens.Tokens, ToyTrunk]:
    trunk = ToyTrunk()
    head = tokens.Config(codec=FEW, decoding=decoding, temperature=1.0).build(trunk, 2, 1)
    fit(head, trunk, two_modes(2), steps=120)
    return head, trunk


def test_evaluations_count_passes_of_the_trunk():
    assert autoregressive()[0].evaluations == K * A
    assert parallel()[0].evaluations == 1


@pytest.mark.parametrize("option", ["smoothing", "window", "temperature"])
def test_negative_options_are_rejected(option: str):
    with pytest.raises(ValueError, match=r"must not be negative, got .*-1"):
        parallel(**{option: -1 if option == "window" else -1.0})


@pytest.mark.parametrize("option", ["smoothing", "temperature"])
def test_options_that_are_no_numbers_are_rejected(option: str):
    with pytest.raises(ValueError, match=r"must be finite .*got .*nan"):
        parallel(**{option: float("nan")})
