"""Real-time chunking: a new chunk that goes on from what is left of the one before."""

from functools import cache

import pytest
import torch
from torch import Tensor
from toy_trunk import Recorded, ToyTrunk, fit, real_prefix, sample_many, two_modes

from vlasandbox.policies.head import draw_noise
from vlasandbox.policies.heads import flow
from vlasandbox.policies.heads.flow import Flow
from vlasandbox.policies.networks import dit, expert, readout_mlp
from vlasandbox.policies.realtime import guidance, overlap_weights, own_copy
from vlasandbox.policies.types import Prefix

K, A, B = 4, 2, 3
SMALL = expert.Config(width=32, mlp=64)
ALL, NONE = torch.ones(B, K), torch.zeros(B, K)


def generators() -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in range(B)]


def small_flow(steps: int = 10) -> tuple[Flow, Prefix, Tensor]:
    """A flow with random weights, a prefix, and what is left of a previous chunk."""
    trunk = ToyTrunk()
    torch.manual_seed(4)
    head = flow.Config(network=SMALL, steps=steps).build(trunk, K, A)
    with torch.no_grad():
        return head, trunk.prefix(torch.randn(B, 2)), torch.randn(B, K, A).clamp(-1, 1)


def test_weights_are_those_of_the_published_code():
    expected = [1, 1, 0.571, 0.287, 0.114, 0.026, 0, 0, 0, 0]
    assert overlap_weights(10, 2, 6).tolist() == pytest.approx(expected, abs=1e-3)
    assert overlap_weights(5, 0, 5).tolist() == pytest.approx([0.647, 0.376, 0.192, 0.077, 0.018], abs=2e-2)
    assert overlap_weights(4, 0, 0).tolist() == [0, 0, 0, 0]
    assert overlap_weights(4, 4, 4).tolist() == [1, 1, 1, 1]


@pytest.mark.parametrize(("frozen", "overlap"), [(-1, 2), (3, 2), (2, 11)])
def test_impossible_overlaps_are_rejected(frozen: int, overlap: int):
    with pytest.raises(ValueError, match=rf"chunk length 10, got {frozen} and {overlap}"):
        overlap_weights(10, frozen, overlap)


def test_the_pull_is_limited_at_both_ends_and_weakest_in_the_middle():
    assert guidance(0.0, 5.0) == guidance(0.01, 5.0) == guidance(0.99, 5.0) == 5.0
    assert guidance(0.5, 5.0) == pytest.approx(2.0)
    assert guidance(0.2, 5.0) == pytest.approx((0.8 / 0.2) * (0.2**2 + 0.8**2) / 0.8**2)


def test_without_weights_it_is_plain_sampling():
    head, prefix, previous = small_flow()
    with torch.no_grad():
        plain = head.sample(prefix, generators())
    torch.testing.assert_close(head.sample_onto(prefix, generators(), previous, NONE), plain)


def test_with_full_weights_and_a_large_limit_it_is_the_previous_chunk():
    head, prefix, previous = small_flow()
    velocity = torch.randn(B, K, A)
    head.network.forward = lambda x, t, prefix: 0 * x + velocity  # J is the identity
    chunk = head.sample_onto(prefix, generators(), previous, ALL, limit=10.0)
    torch.testing.assert_close(chunk, previous, atol=1e-4, rtol=0)


def test_only_weighted_steps_are_pulled_if_steps_do_not_mix():
    head, prefix, previous = small_flow()
    head.network = Recorded(lambda x, t, prefix: 0.1 * x)
    weights = torch.tensor([1.0, 0, 0, 0]).expand(B, -1)
    with torch.no_grad():
        plain = head.sample(prefix, generators())
    chunk = head.sample_onto(prefix, generators(), previous, weights)
    torch.testing.assert_close(chunk[:, 1:], plain[:, 1:])
    assert ((chunk - previous)[:, 0].abs() < (plain - previous)[:, 0].abs()).all()


def test_rows_have_weights_of_their_own():
    head, prefix, previous = small_flow()
    with torch.no_grad():
        plain = head.sample(prefix, generators())
    chunk = head.sample_onto(prefix, generators(), previous, torch.eye(B)[0].unsqueeze(1).expand(-1, K))
    torch.testing.assert_close(chunk[1:], plain[1:])
    assert not torch.allclose(chunk[0], plain[0], atol=0.05)


def test_the_pull_goes_through_the_network_and_not_around_it():
    head, prefix, previous = small_flow(steps=2)
    weights = torch.rand(B, K)
    x = draw_noise(generators(), K, A)
    for t in (0.0, 0.5):

        def end(x: Tensor, t: float = t) -> Tensor:
            return x + (1 - t) * head.network(x, torch.full((B,), t), prefix)

        jacobian = torch.autograd.functional.jacobian(end, x)
        assert isinstance(jacobian, Tensor)
        error = weights.unsqueeze(-1) * (previous - end(x))
        pull = torch.einsum("bka,bkacld->cld", error, jacobian)
        assert not torch.allclose(pull, error, atol=0.01)  # what the identity for J would give
        x = (x + 0.5 * ((end(x) - x) / (1 - t) + min(5.0, 2.0 if t else 5.0) * pull)).detach()
    chunk = head.sample_onto(prefix, generators(), previous, weights)
    torch.testing.assert_close(chunk, x, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("network", [SMALL, readout_mlp.Config(), dit.Config(width=32, mlp=48)])
def test_it_is_the_same_in_inference_mode_and_leaves_no_gradient(network):
    torch.manual_seed(4)
    trunk, prefix, _ = real_prefix()
    head = flow.Config(network=network, steps=3).build(trunk, K, A)
    previous, weights = torch.rand(2, K, A), torch.rand(2, K)
    watched = head.sample_onto(prefix, generators()[:2], previous, weights)
    with torch.inference_mode():
        refused = own_copy(prefix)  # by autograd, as all tensors made in this mode
        assert refused.keys[0].is_inference()
        unwatched = head.sample_onto(refused, generators()[:2], previous.clone(), weights.clone())
    torch.testing.assert_close(unwatched, watched)
    assert not watched.requires_grad
    assert all(p.grad is None for p in head.parameters())


@cache
def two_way_flow() -> tuple[Flow, ToyTrunk]:
    trunk = ToyTrunk()
    torch.manual_seed(4)
    head = flow.Config(network=SMALL).build(trunk, K, 1)
    fit(head, trunk, two_modes(K), steps=100)
    return head, trunk


def test_of_two_ways_the_new_chunk_takes_that_of_the_previous_one():
    head, trunk = two_way_flow()
    n = 100
    ways = torch.where(torch.arange(n) % 2 == 0, 1.0, -1.0)[:, None, None].expand(-1, K, 1)
    weights = overlap_weights(K, 2, 3).expand(n, -1)
    seeds = [torch.Generator().manual_seed(seed) for seed in range(n)]
    chunk = head.sample_onto(trunk.prefix(torch.zeros(n, 2)), seeds, ways, weights)
    assert (chunk.sign() == ways).float().mean(dim=0).min() > 0.95  # the last step, without weight, too
    assert (sample_many(head, trunk, n).sign() == ways).float().mean() < 0.7
