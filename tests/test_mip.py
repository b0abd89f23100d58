"""The MIP head against its definition."""

import pytest
import torch
from toy_trunk import Recorded, ToyTrunk, fit, generators, sample_many, two_modes

from vlasandbox.policies.heads import flow, mip
from vlasandbox.policies.networks import expert

K, A, B = 3, 2, 4
SMALL = expert.Config(width=32, mlp=64)


def test_sampling_asks_with_zeros_at_time_zero_and_then_with_its_own_answer_at_09():
    trunk = ToyTrunk()
    head = mip.Config(network=SMALL).build(trunk, K, A)
    head.network = recorded = Recorded(head.network)
    with torch.no_grad():
        chunk = head.sample(trunk.prefix(torch.randn(B, 2)), generators())
    (first_x, first_t, first), (second_x, second_t, second) = recorded.calls
    assert torch.equal(first_x, torch.zeros(B, K, A))
    assert torch.equal(first_t, torch.zeros(B))
    assert torch.equal(second_x, first)
    assert torch.equal(second_t, torch.full((B,), 0.9))
    assert torch.equal(chunk, second)


def test_training_shows_the_first_pass_nothing_and_the_second_the_actions_with_a_tenth_of_noise():
    trunk = ToyTrunk()
    head = mip.Config(network=SMALL).build(trunk, K, A)
    seen = []
    head.network.register_forward_pre_hook(lambda _, args: seen.append(args[:2]))
    actions = torch.randn(500, K, A)
    mask = torch.ones(500, K, dtype=torch.bool)
    head.loss(trunk.prefix(torch.randn(500, 2)), actions, mask, torch.Generator().manual_seed(0))
    ((x, t),) = seen
    assert torch.equal(x[::2], torch.zeros(500, K, A))
    assert torch.equal(t, torch.tensor([0.0, 0.9]).repeat(500))
    assert (x[1::2] - actions).std().item() == pytest.approx(0.1, abs=0.005)
    assert (x[1::2] - actions).mean().item() == pytest.approx(0, abs=0.01)


def test_errors_are_divided_by_09_and_by_01_before_they_are_squared():
    trunk = ToyTrunk()
    head = mip.Config(network=SMALL).build(trunk, 2, 2)
    actions = torch.randn(1, 2, 2)
    off = torch.tensor([[[0.9, 0.9], [50.0, 50.0]], [[0.2, 0.4], [50.0, 50.0]]])
    head.network.forward = lambda x, t, prefix: actions + off
    mask = torch.tensor([[True, False]])
    loss, metrics = head.loss(trunk.prefix(torch.randn(1, 2)), actions, mask, torch.Generator())
    assert loss.item() == pytest.approx(1 + (4 + 16) / 2, rel=1e-5)
    assert metrics["first_mse"].item() == pytest.approx(0.81, rel=1e-5)
    assert metrics["second_mse"].item() == pytest.approx(0.1, rel=1e-5)


def test_network_is_the_one_of_flow_matching_parameter_by_parameter():
    trunk = ToyTrunk()
    shapes = [
        {name: p.shape for name, p in head.build(trunk, 4, 3).named_parameters()}
        for head in (mip.Config(), flow.Config())
    ]
    assert shapes[0] == shapes[1]


@pytest.mark.slow
def test_between_two_modes_it_draws_nothing_and_answers_one_chunk():
    trunk = ToyTrunk()
    torch.manual_seed(3)
    head = mip.Config(network=SMALL).build(trunk, 2, 1)
    fit(head, trunk, two_modes(2), steps=100)
    chunks = sample_many(head, trunk, 4)
    torch.testing.assert_close(chunks[2], chunks[0])  # odd rows have other padding


@pytest.mark.parametrize("time", [0.0, 1.0])
def test_impossible_times_are_rejected(time: float):
    with pytest.raises(ValueError, match=rf"time must be between 0 and 1, got {time}"):
        mip.Config(time=time).build(ToyTrunk(), K, A)
