"""Muon: which tensors it takes, what an update is, and that a resumed run continues bit by bit."""

import math

import pytest
import torch
from tiny_policy import build as build_policy
from tiny_policy import loss_of, make_batch
from torch import nn

from vlasandbox.train import muon
from vlasandbox.train.muon import UPDATE_RMS, MuonAdamW, orthogonal, takes
from vlasandbox.train.optim import OptimConfig, Rates


@pytest.mark.parametrize("shape", [(1, 32, 32), (3, 32, 96), (2, 96, 32)])
def test_orthogonal_brings_singular_values_near_one_and_keeps_the_singular_vectors(shape):
    n, r, c = shape
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    u, _, vh = torch.linalg.svd(x, full_matrices=False)
    singular = torch.linspace(0.25, 1, min(r, c)).expand(n, -1)  # 0.25 is 0.066 of the norm of all
    y = orthogonal(5 * u @ torch.diag_embed(singular) @ vh)
    inner = u.mT @ y @ vh.mT
    diagonal = torch.diagonal(inner, dim1=1, dim2=2)
    assert y.shape == x.shape
    assert diagonal.min() > 0.85
    assert diagonal.max() < 1.15
    assert (inner - torch.diag_embed(diagonal)).abs().max() < 1e-3


def test_matrices_of_one_shape_are_orthogonalized_each_on_its_own():
    x = torch.randn(4, 32, 48, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(orthogonal(x)[2:3], orthogonal(x[2:3]))


@pytest.mark.parametrize(
    ("module", "name", "taken"),
    [
        (nn.Linear(32, 64), "weight", True),
        (nn.Linear(32, 64), "bias", False),
        (nn.Linear(17, 128), "weight", False),  # proprioception
        (nn.Linear(128, 5), "weight", False),  # actions
        (nn.Conv2d(3, 32, 3), "weight", False),  # colors
        (nn.Conv2d(32, 48, 3), "weight", True),
        (nn.Conv1d(32, 48, 5), "weight", True),
        (nn.Embedding(100, 64), "weight", False),
        (nn.LayerNorm(64), "weight", False),
    ],
)
def test_muon_takes_the_matrices_of_hidden_layers(module: nn.Module, name: str, taken: bool):
    assert takes(module, name, getattr(module, name)) == taken


@pytest.mark.parametrize("name", ["slots", "embedding", "positions", "lm_head"])
def test_muon_leaves_tables_that_are_looked_up_or_added(name: str):
    assert not takes(nn.Module(), name, nn.Parameter(torch.zeros(64, 64)))


def test_an_update_has_the_stated_size_whatever_the_gradient():
    layer = nn.Linear(64, 128, bias=False)
    config = OptimConfig(lr=1e-3, muon_lr=0.01, weight_decay=0.0)
    optimizer = config.build(layer)
    before = layer.weight.detach().clone()
    layer.weight.grad = 1e-6 * torch.randn(128, 64)
    optimizer.step()
    rms = (layer.weight.detach() - before).square().mean().sqrt()
    # An orthogonal r x c matrix has min(r, c) singular values of 1, so a root mean square of 1 / sqrt(max(r,
    # c)).
    assert float(rms) == pytest.approx(0.01 * UPDATE_RMS, rel=0.25)


def test_weight_decay_shrinks_by_rate_times_decay():
    layer = nn.Linear(64, 64, bias=False)
    optimizer = OptimConfig(muon_lr=0.1, weight_decay=0.5).build(layer)
    before = layer.weight.detach().clone()
    layer.weight.grad = torch.zeros(64, 64)
    optimizer.step()
    torch.testing.assert_close(layer.weight.detach(), before * (1 - 0.1 * 0.5))


def test_what_muon_does_not_take_is_updated_exactly_as_by_adamw():
    torch.manual_seed(0)
    twins = [nn.Linear(16, 16), nn.Linear(16, 16)]
    twins[1].load_state_dict(twins[0].state_dict())
    optimizers = [
        OptimConfig(muon_lr=muon_lr).build(m) for m, muon_lr in zip(twins, (0.0, 0.01), strict=True)
    ]
    assert isinstance(optimizers[1], MuonAdamW)
    x = torch.randn(4, 16)
    for _ in range(3):
        for model, optimizer in zip(twins, optimizers, strict=True):
            optimizer.zero_grad()
            model(x).square().mean().backward()
            optimizer.step()
    assert torch.equal(twins[0].weight, twins[1].weight)


@pytest.fixture
def _thin(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets Muon take the matrices of the tiny policy, which are thinner than those of any real one."""
    monkeypatch.setattr(muon, "MIN_SIDE", 8)


@pytest.mark.usefixtures("_thin")
def test_every_parameter_is_in_one_group_and_the_rates_of_parts_multiply_both_learning_rates():
    policy = build_policy()
    config = OptimConfig(lr=1e-3, muon_lr=4e-3, rates=Rates(encoder=0.5))
    groups = config.build(policy).param_groups
    held = [id(p) for group in groups for p in group["params"]]
    assert sorted(held) == sorted(id(p) for p in policy.parameters())
    peaks = {(group["muon"], group["peak"]) for group in groups if group["params"]}
    assert peaks == {(True, 4e-3), (True, 2e-3), (False, 1e-3), (False, 5e-4)}


@pytest.mark.usefixtures("_thin")
def test_muon_lowers_the_loss_of_a_policy():
    policy = build_policy().train()
    optimizer = OptimConfig(lr=2e-3, muon_lr=4e-3).build(policy)
    batch, losses = make_batch(), []
    for _ in range(30):
        optimizer.zero_grad()
        loss = loss_of(policy, batch)
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.7 * losses[0]


@pytest.mark.parametrize("bad", [{"muon_lr": -1.0}, {"muon_lr": math.nan}, {"muon_momentum": 1.0}])
def test_impossible_settings_are_refused_by_name(bad: dict[str, float]):
    (name,) = bad
    with pytest.raises(ValueError, match=name):
        OptimConfig(**bad)  # pyright: ignore[reportArgumentType]
