"""The UNet along the chunk: its blocks, its levels, and chunks of any length."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from toy_trunk import ToyTrunk

from vlasandbox.policies.networks import unet1d

A, CONDITION = 2, 12


def build(channels: tuple[int, ...] = (8, 16, 24), chunk: int = 8) -> unet1d.UNet1D:
    torch.manual_seed(1)
    return unet1d.Config(channels, time=16).build(ToyTrunk(), chunk, A)


@pytest.mark.parametrize(("inputs", "outputs"), [(16, 16), (2, 8)])
def test_a_block_is_convolution_norm_mish_twice_modulated_in_between(inputs: int, outputs: int):
    torch.manual_seed(1)
    block = unet1d.Block(inputs, outputs, 5, CONDITION)
    for name, parameter in block.named_parameters():
        if ".1." in name:  # group norms start at 1 and 0, which would not tell them apart
            nn.init.normal_(parameter)
    z, condition = torch.randn(3, inputs, 6), torch.randn(3, CONDITION)
    weights = dict(block.named_parameters())

    def convolution(z: torch.Tensor, name: str) -> torch.Tensor:
        z = F.conv1d(z, weights[f"{name}.0.weight"], weights[f"{name}.0.bias"], padding=2)
        grouped = z.unflatten(1, (8, -1))
        mean = grouped.mean(dim=(2, 3), keepdim=True)
        spread = (grouped.var(dim=(2, 3), keepdim=True, unbiased=False) + 1e-5).sqrt()
        z = ((grouped - mean) / spread).flatten(1, 2)
        z = z * weights[f"{name}.1.weight"][:, None] + weights[f"{name}.1.bias"][:, None]
        return z * F.softplus(z).tanh()

    film = condition @ weights["film.weight"].T + weights["film.bias"]
    scale, bias = film[:, :outputs, None], film[:, outputs:, None]
    expected = convolution(scale * convolution(z, "before") + bias, "after")
    if inputs == outputs:
        expected = expected + z
    else:
        expected = expected + torch.einsum("oi,bik->bok", weights["beside.weight"].squeeze(2), z)
        expected = expected + weights["beside.bias"][:, None]
    torch.testing.assert_close(block(z, condition), expected, atol=1e-5, rtol=1e-4)


def test_levels_halve_and_double_and_skips_join_what_has_the_same_length():
    net, shapes = build(), {}

    def record(name: str):
        def hook(module: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
            shapes[name] = inputs[0].shape[1:], output.shape[1:]

        return hook

    for name, module in net.named_modules():
        if isinstance(module, unet1d.Pair):
            module.register_forward_hook(record(name))
    net(torch.randn(1, 8, A), torch.rand(1), ToyTrunk().prefix(torch.randn(1, 2)))
    assert shapes == {
        "down.0": ((A, 8), (8, 8)),
        "down.1": ((8, 4), (16, 4)),
        "down.2": ((16, 2), (24, 2)),
        "middle": ((24, 2), (24, 2)),
        "up.0": ((24 + 24, 2), (16, 2)),
        "up.1": ((16 + 16, 4), (8, 4)),
    }


@pytest.mark.parametrize("chunk", [1, 3, 8, 10, 16])
def test_a_chunk_of_any_length_is_filled_up_with_zeros_to_what_can_be_halved(chunk: int):
    net, full = build(chunk=chunk), -(-chunk // 4) * 4
    lengths = []
    net.get_submodule("down.0").register_forward_pre_hook(
        lambda m, inputs: lengths.append(inputs[0].shape[2])
    )
    x, t, prefix = torch.randn(2, chunk, A), torch.rand(2), ToyTrunk().prefix(torch.randn(2, 2))
    filled = torch.cat([x, torch.zeros(2, full - chunk, A)], dim=1)
    out = net(x, t, prefix)
    assert out.shape == x.shape
    assert lengths == [full]
    torch.testing.assert_close(out, net(filled, t, prefix)[:, :chunk])


def test_the_prefix_is_the_mean_of_its_real_tokens():
    prefix = ToyTrunk().prefix(torch.randn(2, 2))
    assert not prefix.mask[1].all()
    pooled = build().prepare(prefix).pooled
    torch.testing.assert_close(pooled[1], prefix.hidden[1][prefix.mask[1]].mean(dim=0))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"channels": (32,)}, r"channels must be two or more multiples of 8, got \(32,\)"),
        ({"channels": (32, 50)}, r"got \(32, 50\)"),
        ({"kernel": 4}, "kernel must be odd and positive, got 4"),
        ({"time": 7}, "time must be even and positive, got 7"),
    ],
)
def test_impossible_sizes_are_named(options, message: str):
    with pytest.raises(ValueError, match=message):
        unet1d.Config(**options).build(ToyTrunk(), 8, A)
