"""Encoders other than a plain SigLIP: the sizes of their papers, and their checkpoints."""

from typing import Any

import pytest
import torch
from encoders import pixels, seeded

from vlasandbox.vision.encoders import dinov2, dual, efficientnet_film, resnet, siglip, smallstem


def parameters(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


# ResNet


def test_resnet_18_has_the_parameters_of_torchvisions():
    whole, classifier = 11_689_512, 512 * 1000 + 1000
    encoder = resnet.Config(width=64).build(None)
    assert parameters(encoder) == whole - classifier
    assert encoder.dim == 512


def test_an_image_of_224_pixels_gives_resnet_7_by_7_tokens():
    encoder = resnet.Config(image_size=224, width=16).build(None)
    assert encoder(pixels(encoder, 1, 1)).shape == (1, 1, 49, 128)


# EfficientNet


@pytest.mark.parametrize(
    ("width", "depth", "whole", "last", "head"),
    [(1.0, 1.0, 5_288_548, 320, 1280), (1.2, 1.4, 12_233_232, 384, 1536)],
)
def test_b0_and_b3_have_the_parameters_of_the_paper(width, depth, whole, last, head):
    """Without the last convolution and the classifier, in whose place ours has one projection."""
    replaced = last * head + 2 * head + 1001 * head - head + 1000
    encoder = efficientnet_film.Config(width=width, depth=depth, channels=512).build(None)
    assert parameters(encoder) - parameters(encoder.projection) == whole - replaced
    assert encoder.projection.in_features == last


def test_there_is_a_film_after_every_block_and_at_the_end():
    encoder = seeded(efficientnet_film.Config(), 4)
    assert isinstance(encoder, efficientnet_film.EfficientNetFiLM)
    assert len(encoder.blocks) == 10
    assert all(not x.any() for name, x in encoder.named_parameters() if ".affine." in name)
    assert sum(name.endswith("film.affine.bias") for name, _ in encoder.named_parameters()) == 11


def test_nine_by_nine_tokens_of_rt_1_come_from_288_pixels():
    assert efficientnet_film.Config(image_size=288).build(None).tokens_per_image == 81


# SmallStem


def test_smallstem_standardises_its_weights():
    conv = smallstem.StandardisedConv2d(3, 5, 3)
    images = torch.randn(2, 3, 8, 8)
    before = conv(images)
    with torch.no_grad():
        conv.weight.mul_(7).add_(3)
    torch.testing.assert_close(conv(images), before, rtol=1e-3, atol=1e-3)
    flat = conv.weight.flatten(1)
    weight = (flat - flat.mean(1, keepdim=True)) / flat.std(1, keepdim=True, correction=0)
    expected = torch.nn.functional.conv2d(images, weight.view_as(conv.weight), conv.bias)
    torch.testing.assert_close(conv(images), expected, rtol=1e-3, atol=1e-3)


def test_octos_images_give_octos_tokens():
    for size, count in ((256, 256), (128, 64)):
        encoder = smallstem.Config(image_size=size, width=512).build(None)
        assert (encoder.tokens_per_image, encoder.dim) == (count, 512)


# DINOv2


@pytest.fixture(params=["Dinov2", "Dinov2WithRegisters"])
def checkpoint(request, tmp_path):
    import transformers

    torch.manual_seed(5)
    shape: dict[str, Any] = {"image_size": 28, "patch_size": 7, "hidden_size": 16}
    config = getattr(transformers, f"{request.param}Config")(
        **shape, num_hidden_layers=2, num_attention_heads=2
    )
    model = getattr(transformers, f"{request.param}Model")(config)
    for parameter in model.parameters():  # tokens that are zero at first would hide where they go
        torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(tmp_path)
    return model.eval(), str(tmp_path)


@pytest.mark.parametrize("size", [28, 42])
def test_dinov2_gives_the_patches_that_transformers_gives(checkpoint, size):
    """Also at another size than that of the checkpoint."""
    model, folder = checkpoint
    encoder = dinov2.Config(checkpoint=folder, image_size=size).build(None)
    assert (encoder.dim, encoder.tokens_per_image) == (16, (size // 7) ** 2)
    images = pixels(encoder, 1, 2)
    mean, std = torch.tensor(dinov2.PIXELS.mean).view(3, 1, 1), torch.tensor(dinov2.PIXELS.std).view(3, 1, 1)
    expected = model(pixel_values=(images[0] / 2 + 0.5 - mean) / std).last_hidden_state
    torch.testing.assert_close(encoder(images)[0], expected[:, -encoder.tokens_per_image :])


def test_a_dinov2_is_rebuilt_without_its_checkpoint(checkpoint):
    _, folder = checkpoint
    encoder = dinov2.Config(checkpoint=folder, image_size=42).build(None)
    again = dinov2.Config(checkpoint="/nowhere", image_size=42).build(None, encoder.architecture)
    again.load_state_dict(encoder.state_dict())
    assert torch.equal(again(pixels(encoder)), encoder(pixels(encoder)))


def test_another_kind_of_checkpoint_is_refused(tmp_path):
    from transformers import ViTConfig, ViTModel

    width: dict[str, Any] = {"hidden_size": 8, "intermediate_size": 8, "num_attention_heads": 2}
    ViTModel(ViTConfig(**width, num_hidden_layers=1)).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="is a vit, not a DINOv2"):
        dinov2.Config(checkpoint=str(tmp_path)).build(None)
    with pytest.raises(ValueError, match="nothing-here"):
        dinov2.Config(checkpoint=str(tmp_path / "nothing-here")).build(None)


# SigLIP 2


def test_a_siglip_2_of_any_shape_is_a_siglip_at_its_own(tmp_path):
    from transformers import Siglip2Config, Siglip2Model
    from transformers.models.siglip2.image_processing_pil_siglip2 import convert_image_to_patches

    torch.manual_seed(6)
    width: dict[str, Any] = {
        "hidden_size": 16,
        "intermediate_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
    }
    vision: dict[str, Any] = {**width, "num_patches": 9, "patch_size": 8}
    text: dict[str, Any] = {**width, "vocab_size": 9, "bos_token_id": 0, "eos_token_id": 1}
    whole: Any = Siglip2Model(Siglip2Config(text_config=text, vision_config=vision)).eval()
    whole.save_pretrained(tmp_path)
    encoder = siglip.Config(checkpoint=str(tmp_path), stem="patch").build(None)
    assert (encoder.image_size, encoder.tokens_per_image) == (24, 9)
    images = pixels(encoder, 1, 2)
    patches = [torch.from_numpy(convert_image_to_patches(image.numpy(), 8)) for image in images[0]]
    expected = whole.vision_model(
        pixel_values=torch.stack(patches),
        pixel_attention_mask=torch.ones(2, 9),
        spatial_shapes=torch.tensor([[3, 3], [3, 3]]),
    ).last_hidden_state
    torch.testing.assert_close(encoder(images)[0], expected)
    again = siglip.Config(checkpoint="/nowhere", stem="patch").build(None, encoder.architecture)
    again.load_state_dict(encoder.state_dict())
    assert torch.equal(again(images), encoder(images))


# Two at once


def test_a_token_of_two_encoders_is_both_tokens():
    encoder = seeded(dual.Config(), None)
    assert isinstance(encoder, dual.Dual)
    images = pixels(encoder)
    both = encoder(images)
    assert encoder.dim == encoder.first.dim + encoder.second.dim
    assert torch.equal(both[..., : encoder.first.dim], encoder.first(images))
    assert torch.equal(both[..., encoder.first.dim :], encoder.second(images))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (dual.Config(dinov2.Config(image_size=32)), "image_size must be the same .* 32 and 64"),
        (dual.Config(resnet.Config(), siglip.Config()), "tokens_per_image must be the same .* 4 and 16"),
        (dinov2.Config(patch=100), "image size 64 must be at least patch 100"),
        (dinov2.Config(heads=3), "width 128 must be a multiple of heads 3"),
        (resnet.Config(image_size=100), "image size 100 must be a multiple of stride 32"),
        (resnet.Config(width=24), "width must be a positive multiple of 16, got 24"),
        (efficientnet_film.Config(image_size=300), "image size 300 must be a multiple of stride 32"),
        (efficientnet_film.Config(depth=0.0), "depth must be positive, got 0"),
        (smallstem.Config(image_size=0), "image size 0 must be a multiple of stride 16"),
        (smallstem.Config(width=0), "width must be at least 1, got 0"),
    ],
)
def test_sizes_that_do_not_fit_are_named(config, message):
    with pytest.raises(ValueError, match=message):
        config.build(None)
