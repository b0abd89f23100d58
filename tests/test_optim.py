"""AdamW's schedule and parameter groups."""

import math
from typing import Any

import pytest
import torch
from tiny_policy import build as build_policy
from tiny_policy import loss_of, make_batch
from torch import nn

from vlasandbox.policies.policy import Policy
from vlasandbox.train.optim import OptimConfig, Rates


def test_learning_rate_rises_over_the_warmup_then_holds_then_falls_to_zero_over_the_last_half():
    config = OptimConfig(warmup=100, decay="linear")
    rate = [config.multiplier(step, 1000) for step in range(1001)]
    assert rate[0] == pytest.approx(0.01)
    assert rate[49] == pytest.approx(0.5)
    assert rate[99:501] == [1.0] * 402
    assert rate[750] == pytest.approx(0.5)
    assert 0 < rate[999] < 0.003
    assert rate[1000] == 0
    assert all(0 <= r <= 1 for r in rate)


def test_cosine_decay_is_half_way_down_in_the_middle():
    config = OptimConfig(warmup=0, decay="cosine")
    assert config.multiplier(0, 1000) == 1
    assert config.multiplier(500, 1000) == pytest.approx(0.5)
    assert config.multiplier(1000, 1000) == pytest.approx(0)


def test_constant_rate_stays_after_the_warmup():
    config = OptimConfig(warmup=10, decay="constant")
    assert [config.multiplier(step, 100) for step in (9, 50, 99)] == [1, 1, 1]


def test_weight_decay_touches_matrices_only():
    model = nn.Sequential(nn.Conv2d(3, 4, 2), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2))
    decayed, exempt = OptimConfig(weight_decay=0.3).build(model).param_groups
    assert (decayed["weight_decay"], exempt["weight_decay"]) == (0.3, 0.0)
    assert [p.ndim for p in decayed["params"]] == [4, 2]
    assert {p.ndim for p in exempt["params"]} == {1}
    assert len(decayed["params"]) + len(exempt["params"]) == len(list(model.parameters()))


def test_frozen_parameters_are_left_out():
    model = nn.Linear(2, 2)
    model.bias.requires_grad_(False)
    groups = OptimConfig().build(model).param_groups
    assert [len(group["params"]) for group in groups] == [1, 0]


def test_fused_update_equals_the_plain_one():
    torch.manual_seed(0)
    models = [nn.Linear(3, 3), nn.Linear(3, 3)]
    models[1].load_state_dict(models[0].state_dict())
    config = OptimConfig()
    ours = config.build(models[0])
    plain = torch.optim.AdamW(
        [
            {"params": [models[1].weight], "weight_decay": config.weight_decay},
            {"params": [models[1].bias], "weight_decay": 0.0},
        ],
        lr=config.lr,
        betas=config.betas,
        fused=False,
        foreach=False,
    )
    x = torch.randn(5, 3)
    for _ in range(5):
        for model, optimizer in zip(models, (ours, plain), strict=True):
            optimizer.zero_grad()
            model(x).square().mean().backward()
            optimizer.step()
    torch.testing.assert_close(models[0].weight, models[1].weight)
    torch.testing.assert_close(models[0].bias, models[1].bias)


def moves(rates: Rates) -> tuple[Policy, dict[str, torch.Tensor]]:
    """A policy after one update, and by how much each of its parameters moved."""
    policy = build_policy().train()
    before = {name: p.detach().clone() for name, p in policy.named_parameters()}
    config = OptimConfig(weight_decay=0.0, rates=rates)
    config.freeze(policy)
    optimizer = config.build(policy)
    loss_of(policy, make_batch()).backward()
    optimizer.step()
    return policy, {name: p.detach() - before[name] for name, p in policy.named_parameters()}


SPECIAL = ("trunk.encoder.", "trunk.connector.", "trunk.language.", "head.")


def test_equal_rates_leave_the_optimiser_as_it_always_was():
    model = build_policy()
    groups = OptimConfig().build(model).param_groups
    parameters = list(model.parameters())
    assert [len(group["params"]) for group in groups] == [
        sum(p.ndim >= 2 for p in parameters),
        sum(p.ndim < 2 for p in parameters),
    ]
    for group, wanted in zip(groups, (True, False), strict=True):
        expected = [p for p in parameters if (p.ndim >= 2) == wanted]
        assert all(one is other for one, other in zip(group["params"], expected, strict=True))


def test_rates_multiply_each_parts_learning_rate():
    _, plain = moves(Rates())
    rates = Rates(encoder=0.5, connector=0.25, language=0.1, head=2.0, rest=3.0)
    _, scaled = moves(rates)
    factors = dict(zip(SPECIAL, (0.5, 0.25, 0.1, 2.0), strict=True))
    seen = set()
    for name, move in plain.items():
        factor = next((f for part, f in factors.items() if name.startswith(part)), 3.0)
        # Adam's first step has the size of the learning rate, whatever the gradient.
        torch.testing.assert_close(scaled[name], factor * move, rtol=1e-2, atol=1e-6)
        seen |= {factor} if move.abs().sum() > 0 else set()
    assert seen == {0.5, 0.25, 0.1, 2.0, 3.0}


@pytest.mark.parametrize("part", ["encoder", "connector", "language", "head", "rest"])
def test_a_frozen_part_does_not_move_and_the_others_do(part: str):
    policy, moved = moves(Rates(**{part: 0.0}))
    frozen = {"head": "head.", "rest": ""}.get(part, f"trunk.{part}.")
    still = {n for n in moved if n.startswith(frozen) and not (part == "rest" and n.startswith(SPECIAL))}
    assert still
    assert all((moved[name] == 0).all() for name in still)
    assert any((move != 0).any() for name, move in moved.items() if name not in still)
    assert {name for name, p in policy.named_parameters() if not p.requires_grad} == still


def test_a_frozen_part_behaves_as_in_use_and_the_others_as_in_training():
    policy, _ = moves(Rates(language=0.0))
    assert not any(module.training for module in policy.trunk.language.modules())
    assert all(module.training for module in policy.trunk.encoder.modules())
    assert policy.training
    everything_else, _ = moves(Rates(rest=0.0))
    assert all(module.training for module in everything_else.modules())


@pytest.mark.parametrize(
    "bad", [{"head": -1.0}, {"rest": math.nan}, {"encoder": math.inf}, dict.fromkeys(vars(Rates()), 0.0)]
)
def test_impossible_rates_are_refused(bad: dict[str, float]):
    with pytest.raises(ValueError, match=r"optim\.rates must be finite and not negative, and one of them"):
        Rates(**bad)


@pytest.mark.parametrize(
    "bad",
    [
        {"lr": 0.0},
        {"lr": math.nan},
        {"lr": math.inf},
        {"clip": -1.0},
        {"clip": math.nan},
        {"warmup": -1},
        {"weight_decay": -0.1},
        {"betas": (1.5, 0.9)},
    ],
)
def test_impossible_settings_are_refused_by_name(bad: dict[str, Any]):
    (name,) = bad
    with pytest.raises(ValueError, match=name):
        OptimConfig(**bad)  # pyright: ignore[reportArgumentType]
