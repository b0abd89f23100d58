"""Discrete diffusion: what is hidden, when, and what may be seen."""

import math

import pytest
import torch
from torch import Tensor
from toy_trunk import ToyTrunk, assert_both_modes, fit, sample_many, two_modes

from vlasandbox.policies.codecs import bins, fast
from vlasandbox.policies.heads import discrete_diffusion
from vlasandbox.policies.heads.discrete_diffusion import DiscreteDiffusion, ranks

K, A, B = 3, 2, 4
M = K * A
MASK = 16


def build(**options) -> tuple[DiscreteDiffusion, ToyTrunk]:
    trunk = ToyTrunk()
    torch.manual_seed(7)
    return discrete_diffusion.Config(**{"codec": bins.Config(bins=MASK), **options}).build(trunk, K, A), trunk


def watch(head: DiscreteDiffusion) -> list[Tensor]:
    """The ids that the trunk is shown from now on, `MASK` where they are hidden."""
    seen: list[Tensor] = []
    head.embedding.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    return seen


def test_share_of_hidden_ids_follows_the_cosine_and_is_never_none():
    head, _ = build()
    known = torch.ones(4000, 40, dtype=torch.bool)
    asked = head.asked(known, torch.Generator().manual_seed(0))
    share = asked.sum(dim=1) / 40
    assert share.min() >= 1 / 40
    assert share.mean().item() == pytest.approx(2 / math.pi + 0.5 / 40, abs=0.015)
    assert (share <= 0.5).float().mean().item() == pytest.approx(1 / 3, abs=0.03)
    per_place = asked.float().mean(dim=0)
    assert (per_place - per_place.mean()).abs().max() < 0.05  # every place alike


def test_only_known_ids_are_asked_for_and_at_least_one():
    head, _ = build()
    known = torch.rand(500, M, generator=torch.Generator().manual_seed(0)) < 0.4
    asked = head.asked(known, torch.Generator().manual_seed(1))
    assert not (asked & ~known).any()
    assert torch.equal(asked.any(dim=1), known.any(dim=1))


def test_loss_is_the_cross_entropy_of_the_hidden_ids_given_the_others():
    head, trunk = build()
    actions = torch.rand(B, K, A) * 2 - 1
    mask = torch.arange(K) < torch.tensor([3, 3, 2, 1])[:, None]
    prefix, seen = trunk.prefix(torch.randn(B, 2)), watch(head)
    loss, _ = head.loss(prefix, actions, mask, torch.Generator().manual_seed(0))
    (shown,) = seen
    ids = head.codec.encode(actions)
    known = mask.repeat_interleave(A, dim=1)
    hidden = shown == MASK
    assert torch.equal(shown[~hidden], ids[~hidden])
    assert hidden[~known].all()  # padding is never in view
    asked = hidden & known
    logp = head.log_probabilities(prefix, ids, hidden).gather(-1, ids.unsqueeze(-1)).squeeze(-1)
    torch.testing.assert_close(loss, -(logp * asked).sum(dim=1) / asked.sum(dim=1))


def test_a_hidden_id_has_no_influence_on_what_is_predicted():
    head, trunk = build()
    prefix = trunk.prefix(torch.randn(B, 2))
    hidden = torch.arange(M) % 2 == 0
    ids = torch.randint(MASK, (B, M))
    other = torch.where(hidden, (ids + 1) % MASK, ids)
    first, second = (head.log_probabilities(prefix, x, hidden.expand(B, -1)) for x in (ids, other))
    assert torch.equal(first, second)
    later = head.log_probabilities(prefix, (ids + 1) % MASK, hidden.expand(B, -1))
    assert not torch.isclose(first, later).all(dim=2).any()  # an id in view has, in both directions


@pytest.mark.parametrize("rounds", [1, 2, 4, 12])
def test_fewer_ids_are_hidden_from_round_to_round_and_none_at_the_end(rounds: int):
    head, trunk = build(rounds=rounds)
    seen = watch(head)
    with torch.no_grad():
        head.sample(trunk.prefix(torch.randn(B, 2)), [])
    counts = [(shown == MASK).sum(dim=1).unique().tolist() for shown in seen]
    expected = [M] + [max(1, int(M * math.cos(math.pi / 2 * r / rounds))) for r in range(1, rounds)]
    assert counts == [[n] for n in expected]
    assert head.hidden_after(rounds) == 0


def test_the_least_certain_are_hidden_again_though_they_were_filled_in_before():
    head, trunk = build(rounds=3)
    assert [head.hidden_after(r) for r in (1, 2, 3)] == [5, 3, 0]
    # Round by round how certain the network is of each place.
    certainty = iter(
        [[0.5, 0.9, 0.2, 0.2, 0.2, 0.2], [0.99, 0.98, 0.99, 0.95, 0.4, 0.93], [1, 1, 1, 1, 1, 1]]
    )
    offered = iter([3, 5, 7])

    def answer(prefix, ids: Tensor, hidden: Tensor) -> Tensor:
        p, best = torch.tensor(next(certainty)).clamp(0.01, 0.999), next(offered)
        logp = ((1 - p) / (MASK - 1)).log().unsqueeze(-1).repeat(1, MASK)
        logp[:, best] = p.log()
        views.append((ids.masked_fill(hidden, MASK)[0]).tolist())
        return logp.expand(len(ids), -1, -1)

    views: list[list[int]] = []
    head.log_probabilities = answer  # pyright: ignore[reportAttributeAccessIssue]
    chunk = head.sample(trunk.prefix(torch.randn(1, 2)), [])
    _ = MASK
    assert views == [[_] * 6, [_, 3, _, _, _, _], [5, _, 5, 5, _, _]]
    assert head.codec.encode(chunk)[0].tolist() == [5, 7, 5, 5, 7, 7]


def test_ranks_count_from_the_smallest_and_equals_by_place():
    assert ranks(torch.tensor([[0.3, 0.1, 0.3, 0.2]])).tolist() == [[2, 0, 3, 1]]


def test_both_of_two_modes_are_recovered_for_the_whole_chunk():
    trunk = ToyTrunk()
    torch.manual_seed(7)
    head = discrete_diffusion.Config(codec=bins.Config(bins=MASK), temperature=1.0).build(trunk, 2, 1)
    fit(head, trunk, two_modes(2), steps=150)
    chunks = sample_many(head, trunk)
    assert_both_modes(chunks)
    assert (chunks[:, 0].sign() == chunks[:, 1].sign()).float().mean() > 0.95


def test_impossible_options_are_rejected():
    with pytest.raises(ValueError, match=r"rounds must be in 1\.\.1000, got 0"):
        build(rounds=0)
    with pytest.raises(ValueError, match="temperature must be finite and not negative, got -1"):
        build(temperature=-1.0)
    with pytest.raises(ValueError, match=r"fixed length.* Fast"):
        build(codec=fast.Config())
