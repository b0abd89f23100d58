"""Knowledge insulation: what each loss teaches, and what neither kind of action token sees of the other."""

import math
from dataclasses import replace

import pytest
import torch
from toy_trunk import ToyTrunk

from vlasandbox.policies.heads import insulated
from vlasandbox.policies.heads.flow import Config as FlowConfig
from vlasandbox.policies.networks import expert, mlp_resnet, readout_mlp

K, A = 4, 2
CONFIG = insulated.Config(flow=FlowConfig(expert.Config(width=32, mlp=64)), alpha=3.0)


def build(config: insulated.Config = CONFIG) -> tuple[insulated.Insulated, ToyTrunk]:
    trunk = ToyTrunk()
    torch.manual_seed(0)
    return config.build(trunk, K, A), trunk


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


FEATURES = torch.randn(3, 2, generator=generator())
ACTIONS = torch.rand(3, K, A, generator=generator()) * 2 - 1
MASK = torch.ones(3, K, dtype=torch.bool)


def losses(head: insulated.Insulated, trunk: ToyTrunk) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean loss of the tokens and of the flow, as they are in the head's loss."""
    prefix = trunk.prefix(FEATURES)
    said, _ = head.tokens.loss(prefix, ACTIONS, MASK, generator())
    both, _ = head.loss(prefix, ACTIONS, MASK, generator())
    return said.mean(), (both - said).mean()


def reached(loss: torch.Tensor, module: torch.nn.Module) -> set[str]:
    """Names of the parameters of `module` that `loss` teaches."""
    names, parameters = zip(*module.named_parameters(), strict=True)
    gradients = torch.autograd.grad(loss, parameters, allow_unused=True, retain_graph=True)
    return {n for n, g in zip(names, gradients, strict=True) if g is not None and g.abs().sum() > 0}


def test_the_flow_teaches_the_trunk_nothing_and_the_tokens_teach_it_all():
    head, trunk = build()
    prefix = trunk.prefix(FEATURES)
    said, _ = head.tokens.loss(prefix, ACTIONS, MASK, generator())
    flowed, _ = head.flow.loss(insulated.insulate(prefix), ACTIONS, MASK, generator())
    assert reached(said.mean(), trunk) == {name for name, _ in trunk.named_parameters()}
    assert reached(flowed.mean(), trunk) == set()
    # Not for lack of a way: without insulation the same loss reaches the trunk.
    bare, _ = head.flow.loss(prefix, ACTIONS, MASK, generator())
    assert reached(bare.mean(), trunk)


def test_gradient_of_the_whole_loss_on_the_trunk_is_that_of_the_tokens_whatever_alpha():
    gradients = []
    for alpha in (1e-3, 1e3):
        head, trunk = build(replace(CONFIG, alpha=alpha))
        loss, _ = head.loss(trunk.prefix(FEATURES), ACTIONS, MASK, generator())
        gradients.append(torch.autograd.grad(loss.mean(), [*trunk.parameters()], retain_graph=True))
        said, _ = head.tokens.loss(trunk.prefix(FEATURES), ACTIONS, MASK, generator())
        alone = torch.autograd.grad(said.mean(), [*trunk.parameters()])
        assert all(map(torch.equal, gradients[-1], alone))
    assert all(map(torch.equal, *gradients))


def test_neither_kind_of_token_sees_the_other():
    head, trunk = build()
    said, flowed = losses(head, trunk)
    with torch.no_grad():
        for parameter in head.tokens.parameters():
            parameter += torch.randn_like(parameter)
    other_tokens = losses(head, trunk)
    torch.testing.assert_close(other_tokens[1], flowed)
    assert not torch.isclose(other_tokens[0], said)
    with torch.no_grad():
        for parameter in head.flow.parameters():
            parameter += torch.randn_like(parameter)
    other_flow = losses(head, trunk)
    assert torch.equal(other_flow[0], other_tokens[0])
    assert not torch.isclose(other_flow[1], flowed)


def test_loss_is_the_cross_entropy_and_alpha_times_the_flows():
    head, trunk = build()
    prefix = trunk.prefix(FEATURES)
    loss, metrics = head.loss(prefix, ACTIONS, MASK, generator())
    said, _ = head.tokens.loss(prefix, ACTIONS, MASK, generator())
    flowed, _ = head.flow.loss(prefix, ACTIONS, MASK, generator())
    torch.testing.assert_close(loss, said + 3.0 * flowed)
    assert metrics["cross_entropy"] == pytest.approx(said.mean().item())
    assert metrics["velocity_mse"] == pytest.approx(flowed.mean().item())


def test_acting_is_the_flows_alone():
    head, trunk = build()
    generators = [torch.Generator().manual_seed(seed) for seed in range(3)]
    again = [torch.Generator().manual_seed(seed) for seed in range(3)]
    with torch.no_grad():
        prefix = trunk.prefix(FEATURES)
        assert torch.equal(head.sample(prefix, generators), head.flow.sample(prefix, again))
    assert head.num_function_evaluations == head.flow.num_function_evaluations


@pytest.mark.parametrize("alpha", [0.0, -1.0, math.inf, math.nan])
def test_an_impossible_weight_is_refused(alpha: float):
    with pytest.raises(ValueError, match="alpha must be positive and finite"):
        build(replace(CONFIG, alpha=alpha))


@pytest.mark.parametrize("network", [mlp_resnet, readout_mlp])
def test_a_network_that_would_teach_the_trunk_is_refused(network):
    name = network.__name__.rpartition(".")[2]
    with pytest.raises(ValueError, match=f"{name} runs the trunk, and so would teach it"):
        build(replace(CONFIG, flow=FlowConfig(network.Config())))
