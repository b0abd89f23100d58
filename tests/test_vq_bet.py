"""The VQ-BeT head: codes and the offsets that correct them."""

import pytest
import torch
from toy_trunk import ToyTrunk, assert_both_modes, fit, sample_many, two_modes

from vlasandbox.policies.codecs import vq
from vlasandbox.policies.heads import vq_bet
from vlasandbox.policies.heads.vq_bet import VqBet

K, A, B = 3, 2, 5


def build(codec: vq.Config | None = None, **options) -> tuple[VqBet, ToyTrunk]:
    trunk = ToyTrunk()
    torch.manual_seed(5)
    codec = codec or vq.Config(codes=4, steps=50)
    return vq_bet.Config(codec=codec, **options).build(trunk, K, A), trunk


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(1)
    return torch.rand(B, K, A, generator=g) * 2 - 1, torch.ones(B, K, dtype=torch.bool)


def test_before_it_learns_an_action_is_what_its_codes_decode_to():
    head, trunk = build(temperature=0.0)
    with torch.no_grad():
        prefix = trunk.prefix(torch.randn(B, 2))
        chunk = head.sample(prefix, [])
        levels = head.codes(head._read(prefix)).view(B, 2, 4).argmax(dim=2)
    torch.testing.assert_close(chunk, head.codec.decode(levels + torch.tensor([0, 4]))[0])


def test_loss_is_that_of_the_paper_over_five():
    head, trunk = build(correct="sampled")
    actions, mask = batch()
    with torch.no_grad():
        head.codes.weight.zero_()
        head.codes.bias.fill_(-50.0)
        head.codes.bias[[1, 6]] = 0.0  # certain of code 1 of the first level and 2 of the second
    ids = head.codec.encode(actions)
    loss, metrics = head.loss(trunk.prefix(torch.randn(B, 2)), actions, mask, torch.Generator())
    decoded = head.codec.decode(torch.tensor([[1, 6]]))[0]
    l1 = (decoded - actions).abs().mean(dim=(1, 2))
    wrong = (ids != torch.tensor([1, 6])).float() * 50
    torch.testing.assert_close(loss, (5 * wrong[:, 0] + 0.5 * wrong[:, 1] + 100 * l1) / 5)
    torch.testing.assert_close(metrics["l1"], l1.mean())


def test_a_code_that_is_nearly_certain_counts_quadratically_less_than_in_cross_entropy():
    head, trunk = build(offset=0.0, other_codes=0.0)
    actions, mask = batch()
    ids = head.codec.encode(actions)
    prefix = trunk.prefix(torch.randn(B, 2))
    loss, _ = head.loss(prefix, actions, mask, torch.Generator())
    p = head.codes(head._read(prefix)).view(B, 2, 4)[:, 0].softmax(dim=1).gather(1, ids[:, :1]).squeeze(1)
    torch.testing.assert_close(loss, (1 - p) ** 2 * -p.log())


def test_offsets_are_those_of_the_chosen_codes_alone():
    head, trunk = build(temperature=0.0)
    prefix = trunk.prefix(torch.randn(B, 2))
    hidden = head._read(prefix)
    with torch.no_grad():
        head.offsets.bias.view(8, K, A)[2] = 1.0
        head.offsets.bias.view(8, K, A)[5] = 10.0
    for ids, shift in (([2, 4], 1.0), ([2, 5], 11.0), ([0, 5], 10.0), ([1, 7], 0.0)):
        tensor = torch.tensor([ids]).expand(B, -1)
        chunk = head._chunk(hidden, tensor)
        torch.testing.assert_close(chunk, head.codec.decode(tensor)[0] + shift)


def test_only_the_offsets_of_the_true_codes_learn_from_a_chunk():
    head, trunk = build()
    actions, mask = batch()
    loss, _ = head.loss(trunk.prefix(torch.randn(B, 2)), actions, mask, torch.Generator())
    loss.sum().backward()
    assert head.offsets.bias.grad is not None
    moved = head.offsets.bias.grad.view(8, K * A).abs().sum(dim=1) > 0
    assert moved.nonzero().flatten().tolist() == sorted(set(head.codec.encode(actions).flatten().tolist()))


def test_training_leaves_the_codec_alone():
    head, trunk = build()
    head.fit(batch()[0], torch.Generator())
    before = {name: x.clone() for name, x in head.codec.state_dict().items()}
    fit(head, trunk, lambda _: (torch.zeros(B, 2), *batch()), steps=3)
    assert all(torch.equal(x, before[name]) for name, x in head.codec.state_dict().items())


def test_both_of_two_modes_are_recovered_for_the_whole_chunk():
    trunk = ToyTrunk()
    torch.manual_seed(5)
    head = vq_bet.Config(codec=vq.Config(codes=4, steps=100)).build(trunk, 2, 1)
    actions = two_modes(2)(torch.Generator().manual_seed(3))[1]
    head.fit(actions, torch.Generator())
    fit(head, trunk, two_modes(2), steps=120)
    chunks = sample_many(head, trunk)
    assert_both_modes(chunks)
    assert (chunks[:, 0].sign() == chunks[:, 1].sign()).float().mean() > 0.95


def test_impossible_options_are_rejected():
    with pytest.raises(ValueError, match=r"must not be negative, got -1.0 and 0.1"):
        build(offset=-1.0)
    with pytest.raises(ValueError, match="temperature must be finite and not negative, got -1"):
        build(temperature=-1.0)
