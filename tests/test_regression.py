"""The regression head."""

import pytest
import torch
from toy_trunk import ToyTrunk, fit, sample_many, two_modes

from vlasandbox.policies.heads import flow, regression
from vlasandbox.policies.networks import expert

SMALL = expert.Config(width=32, mlp=64)


def test_squared_error_between_two_modes_ends_at_their_mean():
    trunk = ToyTrunk()
    head = regression.Config(network=SMALL, loss="l2").build(trunk, 2, 1)
    fit(head, trunk, two_modes(2), steps=100)
    assert sample_many(head, trunk, 4).abs().max() < 0.35


@pytest.mark.parametrize(("loss", "expected"), [("l1", 2.0), ("l2", 5.0)])
def test_loss_is_the_mean_error_over_valid_entries(loss, expected: float):
    trunk = ToyTrunk()
    head = regression.Config(network=SMALL, loss=loss).build(trunk, 2, 2)
    prefix = trunk.prefix(torch.randn(1, 2))
    away = torch.tensor([[[1.0, -3.0], [50.0, 50.0]]])
    mask = torch.tensor([[True, False]])
    actual, _ = head.loss(prefix, (head.predict(prefix) + away).detach(), mask, torch.Generator())
    assert actual.item() == pytest.approx(expected, rel=1e-5)


def test_network_is_the_one_of_flow_matching_parameter_by_parameter():
    trunk = ToyTrunk()
    shapes = [
        {name: p.shape for name, p in head.build(trunk, 4, 3).named_parameters()}
        for head in (regression.Config(), flow.Config())
    ]
    assert shapes[0] == shapes[1]


def test_network_is_asked_once_with_zeros_at_time_zero():
    trunk = ToyTrunk()
    head = regression.Config(network=SMALL).build(trunk, 2, 3)
    seen = []
    head.network.register_forward_pre_hook(lambda _, args: seen.append(args))
    head.sample(trunk.prefix(torch.randn(2, 2)), [torch.Generator()] * 2)
    ((x, t, _),) = seen
    assert torch.equal(x, torch.zeros(2, 2, 3))
    assert torch.equal(t, torch.zeros(2))
