"""The CVAE head: closed forms, what z may know, and what it is for."""

import pytest
import torch
from toy_trunk import ToyTrunk, fit, generators, sample_many, two_modes

from vlasandbox.policies.heads import cvae
from vlasandbox.policies.heads.cvae import Cvae, divergence
from vlasandbox.policies.network import NetworkConfig
from vlasandbox.policies.networks import dit, expert, unet1d

K, A, B = 4, 2, 4
SMALL = expert.Config(width=32, mlp=64)


def build(network: NetworkConfig = SMALL, **options) -> tuple[Cvae, ToyTrunk]:
    trunk = ToyTrunk()
    torch.manual_seed(6)
    return cvae.Config(network, **options).build(trunk, K, A), trunk


def test_divergence_is_zero_for_the_prior_and_that_of_two_normal_distributions_otherwise():
    assert divergence(torch.zeros(2, 5), torch.zeros(2, 5)).tolist() == [0, 0]
    mean, log_variance = torch.randn(3, 4), torch.randn(3, 4)
    posterior = torch.distributions.Normal(mean, (log_variance / 2).exp())
    prior = torch.distributions.Normal(torch.zeros(3, 4), torch.ones(3, 4))
    expected = torch.distributions.kl_divergence(posterior, prior).sum(dim=1)
    torch.testing.assert_close(divergence(mean, log_variance), expected)


def test_loss_is_the_mean_error_plus_ten_times_the_divergence():
    head, trunk = build()
    prefix, actions = trunk.prefix(torch.randn(B, 2)), torch.randn(B, K, A)
    mask = torch.ones(B, K, dtype=torch.bool)
    with torch.no_grad():
        head.encoder.out.weight.zero_()
        head.encoder.out.bias.zero_()
        head.encoder.out.bias[0] = 2.0  # the mean of one dimension: KL is 2^2 / 2
        head.encoder.out.bias[32:] = -100.0  # no variance: KL adds (100 - 1) / 2 per dimension
        z = torch.zeros(B, 32)
        z[:, 0] = 2.0
        expected = (head.predict(prefix, z) - actions).abs().mean(dim=(1, 2))
        loss, metrics = head.loss(prefix, actions, mask, torch.Generator())
    torch.testing.assert_close(loss, expected + 10 * (2 + 32 * 99 / 2), rtol=1e-5, atol=0)
    torch.testing.assert_close(metrics["l1"], expected.mean())


def test_style_is_drawn_with_the_encoders_mean_and_deviation():
    head, trunk = build()
    with torch.no_grad():
        head.encoder.out.weight.zero_()
        head.encoder.out.bias[:32] = 1.0
        head.encoder.out.bias[32:] = 2 * torch.tensor(0.25).log()
    drawn = []
    head.style.register_forward_pre_hook(lambda _, args: drawn.append(args[0]))
    mask = torch.ones(100, K, dtype=torch.bool)
    head.loss(trunk.prefix(torch.randn(100, 2)), torch.randn(100, K, A), mask, torch.Generator())
    assert drawn[0].mean().item() == pytest.approx(1.0, abs=0.02)
    assert drawn[0].std().item() == pytest.approx(0.25, abs=0.02)


def test_sampling_is_the_prediction_of_style_zero_and_draws_nothing():
    head, trunk = build()
    prefix = trunk.prefix(torch.randn(B, 2))
    chunk = head.sample(prefix, [])
    assert torch.equal(chunk, head.predict(prefix, torch.zeros(B, 32)))
    assert torch.equal(chunk, head.sample(prefix, generators()))


@pytest.mark.parametrize("network", [SMALL, dit.Config(width=32, mlp=48), unet1d.Config((16, 24))])
def test_any_network_reads_the_style(network: NetworkConfig):
    head, trunk = build(network)
    for parameter in head.network.parameters():  # some networks start at zero
        torch.nn.init.normal_(parameter, std=0.1)
    prefix = trunk.prefix(torch.randn(B, 2))
    z = torch.randn(B, 32)
    moved = (head.predict(prefix, z) - head.predict(prefix, -z)).abs().amax(dim=(1, 2))
    assert (moved > 1e-4).all()


def test_style_comes_from_the_actions_and_the_observation_but_not_from_padding():
    head, trunk = build()
    prefix, actions = trunk.prefix(torch.randn(B, 2)), torch.randn(B, K, A)
    mask = torch.arange(K) < torch.tensor([4, 3, 2, 1])[:, None]
    style = head.encoder(prefix, actions, mask)[0]
    other_actions, other_prefix = torch.randn(B, K, A), trunk.prefix(torch.randn(B, 2))
    kept = torch.where(mask.unsqueeze(-1), actions, other_actions)
    assert torch.equal(head.encoder(prefix, kept, mask)[0], style)
    assert not torch.isclose(head.encoder(prefix, other_actions, mask)[0], style).all(dim=1).any()
    assert not torch.isclose(head.encoder(other_prefix, actions, mask)[0], style).all(dim=1).any()


def test_a_row_costs_the_same_however_much_padding_is_behind_it():
    head, trunk = build(kl=0.0)
    features, actions = torch.randn(1, 2), torch.randn(1, K, A)
    mask = torch.arange(K) < 2
    prefix = trunk.prefix(features)
    mean, _ = head.encoder(prefix, actions, mask[None])
    with torch.no_grad():
        head.encoder.out.weight[32:] = 0
        head.encoder.out.bias[32:] = -100.0  # z is its mean
        loss, _ = head.loss(prefix, actions, mask[None], torch.Generator())
        expected = (head.predict(prefix, mean) - actions).abs()[:, :2].mean()
    torch.testing.assert_close(loss[0], expected)


@pytest.mark.slow
def test_two_modes_are_told_apart_by_the_style_if_it_is_cheap():
    trunk = ToyTrunk()
    torch.manual_seed(6)
    head = cvae.Config(SMALL, kl=0.01).build(trunk, 2, 1)
    fit(head, trunk, two_modes(2), steps=120)
    _, actions, mask = two_modes(2)(torch.Generator().manual_seed(1))
    with torch.no_grad():
        _, metrics = head.loss(trunk.prefix(torch.zeros(64, 2)), actions, mask, torch.Generator())
    assert metrics["l1"] < 0.3  # 1 without any style
    assert metrics["kl"] > 0.6  # one bit is ln 2
    chunks = sample_many(head, trunk, 4)
    torch.testing.assert_close(chunks[2], chunks[0])  # odd rows have other padding


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kl": -1.0}, "kl must be finite and not negative, got -1.0"),
        ({"latent": 0}, "latent must be at least 1, got 0"),
        ({"width": 30}, "width must be a multiple of heads, got 30 and 4"),
    ],
)
def test_impossible_options_are_rejected(options, message: str):
    with pytest.raises(ValueError, match=message):
        build(**options)
