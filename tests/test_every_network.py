"""The contract every action network fulfils; a new file in networks/ is tested by this too."""

import dataclasses
import json
import pkgutil
from functools import cache
from typing import Any, cast

import pytest
import torch
from toy_trunk import ToyTrunk, fit, real_prefix

from vlasandbox.policies import networks
from vlasandbox.policies.config_io import from_dict, to_dict
from vlasandbox.policies.heads import flow, regression
from vlasandbox.policies.network import ActionNetwork, NetworkConfig
from vlasandbox.policies.networks import (
    act_decoder,
    adarms_expert,
    dp_transformer,
    expert,
    groot_dit,
    mlp_resnet,
    readout_mlp,
    unet1d,
)
from vlasandbox.policies.trunk import Trunk
from vlasandbox.policies.types import Prefix

K, A, B = 3, 2, 4
VARIANTS: dict[str, tuple[str, dict[str, object]]] = {name: (name, {}) for name in networks.names()} | {
    "dit, alternate": ("dit", {"attention": "alternate"}),
    "expert, causal": ("expert", {"causal": True}),
    "adarms_expert, causal": ("adarms_expert", {"causal": True}),
}
SMALL = {"width": 32, "mlp": 48, "layers": 2, "blocks": 2, "channels": (16, 24, 32), "time": 16}
CAUSAL = {"expert, causal", "adarms_expert, causal", "dp_transformer"}

every_network = pytest.mark.parametrize("variant", VARIANTS)


def config(variant: str) -> NetworkConfig:
    name, options = VARIANTS[variant]
    default = networks.default_config(name)
    small = {field.name: SMALL[field.name] for field in dataclasses.fields(default) if field.name in SMALL}
    return dataclasses.replace(default, **small, **options)  # pyright: ignore[reportArgumentType]


def build(variant: str, trunk: Trunk | None = None) -> tuple[ActionNetwork, ToyTrunk]:
    """As it starts."""
    trunk = trunk or ToyTrunk()
    torch.manual_seed(1)
    return config(variant).build(trunk, K, A), cast(ToyTrunk, trunk)


@cache
def awake(variant: str) -> tuple[ActionNetwork, ToyTrunk]:
    """Without the zeros that some start with."""
    net, trunk = build(variant)
    for parameter in net.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    return net.requires_grad_(False), trunk


def inputs(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A chunk, times, and features of observations."""
    g = torch.Generator().manual_seed(seed)
    t = torch.tensor([0.0, 0.3, 0.9, 1.0])
    return torch.randn(B, K, A, generator=g), t, torch.randn(B, 2, generator=g)


def rows(prefix: Prefix, index: slice, keep: torch.Tensor | None = None) -> Prefix:
    """Some rows of a prefix, and some of its tokens."""
    kept = torch.arange(prefix.mask.shape[1]) if keep is None else keep.nonzero().squeeze(1)
    return Prefix(
        prefix.hidden[index][:, kept],
        prefix.mask[index][:, kept],
        prefix.positions[index][:, kept],
        [z[index][:, :, kept] for z in prefix.keys],
        [z[index][:, :, kept] for z in prefix.values],
        trunk=prefix.trunk,
    )


@every_network
def test_a_chunk_comes_out_as_it_went_in_and_always_the_same(variant: str):
    net, trunk = build(variant)
    x, t, features = inputs()
    first, second = (net(x, t, trunk.prefix(features)) for _ in range(2))
    assert first.shape == (B, K, A)
    assert first.dtype == torch.float32
    assert torch.equal(first, second)


@every_network
def test_actions_time_and_observation_each_have_an_effect(variant: str):
    net, trunk = awake(variant)
    x, t, features = inputs()
    other_x, _, other_features = inputs(1)
    before = net(x, t, trunk.prefix(features))
    for changed in (
        net(other_x, t, trunk.prefix(features)),
        net(x, t.roll(1), trunk.prefix(features)),
        net(x, t, trunk.prefix(other_features)),
    ):
        assert ((changed - before).abs().amax(dim=(1, 2)) > 1e-4).all()


@every_network
def test_actions_see_each_other_or_only_earlier_ones(variant: str):
    net, trunk = awake(variant)
    x, t, features = inputs()
    prefix = trunk.prefix(features[:1])
    jacobian = cast(torch.Tensor, torch.autograd.functional.jacobian(lambda x: net(x, t[1:2], prefix), x[:1]))
    seen = jacobian.squeeze().abs().amax(dim=(1, 3)) > 0
    expected = torch.ones(K, K, dtype=torch.bool)
    assert torch.equal(seen, expected.tril() if variant in CAUSAL else expected)


@every_network
def test_what_padding_holds_and_how_much_there_is_has_no_effect(variant: str):
    net, trunk = awake(variant)
    x, t, features = inputs()
    prefix = trunk.prefix(features)
    before = net(x, t, prefix)
    hidden = prefix.hidden.masked_fill(~prefix.mask.unsqueeze(-1), 1e3)
    keys, values = (
        [z.masked_fill(~prefix.mask[:, None, :, None], 1e3) for z in tensors]
        for tensors in (prefix.keys, prefix.values)
    )
    filled = Prefix(hidden, prefix.mask, prefix.positions, keys, values, trunk=prefix.trunk)
    torch.testing.assert_close(net(x, t, filled), before, atol=1e-6, rtol=1e-5)

    shorter = rows(prefix, slice(1, 2), keep=prefix.mask[1])
    torch.testing.assert_close(net(x[1:2], t[1:2], shorter), before[1:2], atol=1e-5, rtol=1e-4)


@every_network
def test_a_row_does_not_depend_on_the_rows_beside_it(variant: str):
    net, trunk = awake(variant)
    x, t, features = inputs()
    prefix = trunk.prefix(features)
    together = net(x, t, prefix)
    for row in range(B):
        one = slice(row, row + 1)
        alone = net(x[one], t[one], rows(prefix, one))
        torch.testing.assert_close(alone, together[one], atol=1e-5, rtol=1e-4)


@every_network
def test_steps_on_one_prepared_prefix_equal_steps_on_the_prefix_itself(variant: str):
    net, trunk = awake(variant)
    with torch.no_grad():
        prefix = trunk.prefix(inputs()[2])
        known = net.prepare(prefix)
        for seed in range(3):
            x, t, _ = inputs(seed)
            torch.testing.assert_close(net(x, t, known), net(x, t, prefix), atol=1e-6, rtol=1e-5)


@every_network
@pytest.mark.parametrize("gradients", [False, True])
def test_steps_of_a_sampler_are_the_network_at_their_times(variant: str, gradients: bool):
    net, trunk = awake(variant)
    features, times = inputs()[2], torch.tensor([0.0, 0.3, 1.0])
    with torch.set_grad_enabled(gradients):  # the trunk wants some, and a sampler takes none
        prefix = trunk.prefix(features)
        for seed, (t, step) in enumerate(zip(times, net.at(times, prefix), strict=True)):
            x = inputs(seed)[0]
            torch.testing.assert_close(step(x), net(x, t.expand(B), prefix), atol=1e-5, rtol=1e-4)


@every_network
def test_a_step_of_a_sampler_does_not_depend_on_the_rows_beside_it(variant: str):
    net, trunk = awake(variant)
    x, t, features = inputs()
    prefix = trunk.prefix(features)
    (together,) = (step(x) for step in net.at(t[1:2], prefix))
    for row in range(B):
        one = slice(row, row + 1)
        (alone,) = (step(x[one]) for step in net.at(t[1:2], rows(prefix, one)))
        torch.testing.assert_close(alone, together[one], atol=1e-5, rtol=1e-4)


@every_network
def test_gradients_reach_every_parameter_and_the_trunk_after_a_few_steps(variant: str):
    net, trunk = build(variant)
    x, t, features = inputs()
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
    for _ in range(3):  # what starts at zero holds back what lies before it
        optimizer.zero_grad()
        trunk.zero_grad()
        (net(x, t, trunk.prefix(features)) - x.roll(1, dims=0)).square().mean().backward()
        optimizer.step()
    silent = [n for n, p in net.named_parameters() if p.grad is None or not p.grad.any()]
    assert not silent
    assert trunk.embed.weight.grad is not None
    assert trunk.embed.weight.grad.any()


@every_network
def test_bfloat16_autocast_stays_close_to_float32(variant: str):
    net, trunk = awake(variant)
    x, t, features = inputs()
    exact = net(x, t, trunk.prefix(features))
    with torch.autocast("cpu", torch.bfloat16):
        prefix = trunk.prefix(features)
        rough = net(x, t, prefix)
        prepared = net(x, t, net.prepare(prefix))
        sampled = torch.cat([step(x)[[row]] for row, step in enumerate(net.at(t, prefix))])
    for each in (rough, prepared, sampled):
        assert (each - exact).abs().max() < 0.1 * exact.abs().max()


@every_network
def test_a_prefix_of_the_real_trunk_fits(variant: str):
    trunk, prefix, _ = real_prefix()
    net, _ = build(variant, trunk)
    with torch.no_grad():
        assert net(torch.randn(2, K, A), torch.rand(2), net.prepare(prefix)).isfinite().all()
        for step in net.at(torch.rand(2), prefix):
            assert step(torch.randn(2, K, A)).isfinite().all()


@every_network
def test_the_trunk_is_not_part_of_the_network(variant: str):
    net, trunk = build(variant)
    own = {id(p) for p in trunk.parameters()}
    assert not any(id(p) in own for p in net.parameters())
    assert not any("trunk" in key for key in net.state_dict())


@every_network
def test_averages_of_weights_hold_all_of_it(variant: str):
    """Batch norm, whose statistics an average of weights does not fit, is nowhere (Diffusion Policy)."""
    net, _ = build(variant)
    assert not any(isinstance(m, torch.nn.modules.batchnorm._BatchNorm) for m in net.modules())
    assert net.state_dict().keys() == dict(net.named_parameters()).keys()


@every_network
@pytest.mark.parametrize("head", [regression.Config(), flow.Config()])
def test_it_learns_both_from_zeros_and_from_noise(variant: str, head: Any):
    trunk = ToyTrunk()
    torch.manual_seed(1)
    learner = dataclasses.replace(head, network=config(variant)).build(trunk, K, A)
    features = torch.randn(8, 2, generator=torch.Generator().manual_seed(0))
    actions = (features.unsqueeze(1) * torch.tensor([-1.0, 0.0, 1.0]).view(K, 1)).tanh()
    mask = torch.ones(8, K, dtype=torch.bool)

    def loss() -> torch.Tensor:
        with torch.no_grad():
            rows, _ = learner.loss(trunk.prefix(features), actions, mask, torch.Generator().manual_seed(9))
        return rows.mean()

    before = loss()
    fit(learner, trunk, lambda _: (features, actions, mask), steps=40)
    assert loss() < 0.8 * before


@every_network
def test_its_configuration_survives_json(variant: str):
    written = json.loads(json.dumps(to_dict(config(variant), NetworkConfig)))
    assert from_dict(NetworkConfig, written) == config(variant)


@every_network
def test_sizes_below_one_are_named(variant: str):
    base = config(variant)
    for field in dataclasses.fields(base):
        if field.type is int:
            with pytest.raises(ValueError, match=rf"{field.name} .*got 0"):
                dataclasses.replace(base, **{field.name: 0}).build(ToyTrunk(), K, A)


def trunk_of(dim: int, layers: int, heads: int, kv_heads: int, head_dim: int) -> Trunk:
    """Sizes without weights."""
    trunk = Trunk.__new__(Trunk)
    torch.nn.Module.__init__(trunk)
    trunk.dim, trunk.num_layers, trunk.num_heads = dim, layers, heads
    trunk.num_kv_heads, trunk.head_dim = kv_heads, head_dim
    trunk.rope_theta, trunk.rope_type, trunk.embedding_scale = 1e4, "default", 1.0
    return trunk


GEMMA_2B, LLAMA_7B, VIT_S = (2048, 18, 8, 1, 256), (4096, 32, 32, 32, 128), (384, 12, 6, 6, 64)


@pytest.mark.parametrize(
    ("net", "trunk", "chunk", "action_dim"),
    [
        pytest.param(expert.Config(1024, 4096), GEMMA_2B, 50, 32, id="pi0"),
        pytest.param(adarms_expert.Config(1024, 4096), GEMMA_2B, 50, 32, id="pi0.5"),
        pytest.param(groot_dit.Config(1536, 16, 32, 6144, robots=32), GEMMA_2B, 16, 32, id="GR00T N1.7"),
        pytest.param(unet1d.Config((256, 512, 1024), time=128), VIT_S, 16, 7, id="Diffusion Policy, UNet"),
        pytest.param(dp_transformer.Config(256, 8, 4, 1024), VIT_S, 10, 7, id="Diffusion Policy"),
        pytest.param(act_decoder.Config(512, 7, 8, 3200), VIT_S, 100, 14, id="ACT"),
        pytest.param(mlp_resnet.Config(256), VIT_S, 4, 7, id="Octo"),
        pytest.param(readout_mlp.Config(), LLAMA_7B, 8, 7, id="OpenVLA-OFT"),
    ],
)
def test_published_sizes_can_be_built(net: NetworkConfig, trunk: Any, chunk: int, action_dim: int):
    with torch.device("meta"):
        built = net.build(trunk_of(*trunk), chunk, action_dim)
    assert all(p.is_meta for p in built.parameters())


def test_the_expert_of_pi0_has_the_300_million_weights_that_it_is_named_for():
    with torch.device("meta"):
        net = expert.Config(1024, 4096).build(trunk_of(*GEMMA_2B), 50, 32)
    attention, mlp = 1024 * (8 + 2) * 256 + 8 * 256 * 1024, 3 * 1024 * 4096
    weights = sum(p.numel() for name, p in net.named_parameters() if name.startswith("layers"))
    assert weights == 18 * (attention + mlp) == 311_427_072


def test_helpers_of_the_folder_are_not_networks():
    files = {module.name for module in pkgutil.iter_modules(networks.__path__)}
    assert files - set(networks.names()) == {"_attention", "_joint_attention", "_sines", "_step_attention"}
