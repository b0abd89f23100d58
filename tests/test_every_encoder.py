"""Every file in vision/encoders is an encoder; SigLIP's checkpoints load as they are."""

import importlib
import pkgutil
from dataclasses import replace
from typing import Any

import pytest
import torch
from einops import reduce
from encoders import pixels, seeded

from vlasandbox.vision import encoders
from vlasandbox.vision.encoder import EncoderConfig, VisionEncoder
from vlasandbox.vision.encoders import siglip

NAMES = [module.name for module in pkgutil.iter_modules(encoders.__path__)]
TINY = siglip.Config(image_size=32, width=16, heads=2, mlp=32)


@pytest.fixture(params=NAMES)
def config(request) -> EncoderConfig:
    return importlib.import_module(f"vlasandbox.vision.encoders.{request.param}").Config()


def gradients_reach_everything(encoder: VisionEncoder, tokens: torch.Tensor) -> None:
    weights = torch.randn(tokens.shape, generator=torch.Generator().manual_seed(1))
    (tokens * weights).sum().backward()
    for name, parameter in encoder.named_parameters():
        assert parameter.grad is not None, name
        # Attention does not change when all keys move by the same vector.
        assert "k_proj.bias" in name or parameter.grad.any(), name


def test_an_encoder_gives_the_tokens_it_promises(config):
    encoder = seeded(config, None)
    tokens = encoder(pixels(encoder))
    assert tokens.shape == (2, 2, encoder.tokens_per_image, encoder.dim)
    assert round(encoder.tokens_per_image**0.5) ** 2 == encoder.tokens_per_image
    gradients_reach_everything(encoder, tokens)


def test_tokens_start_at_about_unit_scale(config):
    encoder = seeded(config, None)
    assert 0.3 < encoder(pixels(encoder)).square().mean().sqrt() < 3


def test_the_grid_is_in_row_order(config):
    # A convolutional network sees all of a small image from everywhere, but not as well.
    encoder = seeded(replace(config, image_size=256) if hasattr(config, "image_size") else config, None)
    images, half = pixels(encoder, 1, 1), encoder.image_size // 2
    marked = images.clone()
    marked[..., :half, half:] *= -1
    change = (encoder(images) - encoder(marked)).square().sum(dim=-1)[0, 0]
    side = round(encoder.tokens_per_image**0.5)
    quarters = reduce(change, "(two y cut x) -> (two cut)", "sum", two=2, cut=2, y=side // 2)
    assert quarters.argmax() == 1, "top right"


def test_views_and_rows_are_encoded_on_their_own(config):
    encoder = seeded(config, 4)
    images, condition = pixels(encoder), torch.randn(2, 4)
    together = encoder(images, condition)
    alone = encoder(images[1:, 1:], condition[1:])
    torch.testing.assert_close(together[1:, 1:], alone)


def test_conditioning_is_the_identity_at_first_and_learns(config):
    encoder = seeded(config, 4)
    images = pixels(encoder)
    one, other = (encoder(images, torch.full((2, 4), x)) for x in (0.0, 7.0))
    assert torch.equal(one, other)
    gradients_reach_everything(encoder, encoder(images, torch.ones(2, 4)))
    with torch.no_grad():
        for parameter in encoder.parameters():
            assert parameter.grad is not None
            parameter -= 0.1 * parameter.grad.sign()
    assert not torch.allclose(encoder(images, torch.zeros(2, 4)), encoder(images, torch.ones(2, 4)))


def test_an_encoder_is_rebuilt_from_its_architecture(config):
    encoder = seeded(config, 4)
    again = config.build(4, encoder.architecture)
    again.load_state_dict(encoder.state_dict())
    images = pixels(encoder)
    assert torch.equal(again(images, torch.ones(2, 4)), encoder(images, torch.ones(2, 4)))


@pytest.mark.parametrize("stem", ["conv", "patch"])
def test_conditioning_the_stem_changes_nothing_but_its_films(stem):
    plain, conditioned = (seeded(replace(TINY, stem=stem), dim) for dim in (None, 4))
    extra = conditioned.state_dict().keys() - plain.state_dict().keys()
    assert extra
    assert all("film" in name for name in extra)
    assert plain.state_dict().keys() <= conditioned.state_dict().keys()


@pytest.fixture
def checkpoint(tmp_path):
    from transformers import SiglipVisionConfig, SiglipVisionModel

    torch.manual_seed(5)
    shape: dict[str, Any] = {"image_size": 24, "patch_size": 8, "hidden_size": 16, "intermediate_size": 24}
    model = SiglipVisionModel(SiglipVisionConfig(**shape, num_hidden_layers=2, num_attention_heads=2))
    model.save_pretrained(tmp_path / "siglip")
    return model, str(tmp_path / "siglip")


def test_a_checkpoint_gives_the_tokens_that_transformers_gives(checkpoint):
    model, folder = checkpoint
    encoder = siglip.Config(checkpoint=folder, stem="patch").build(None)
    assert (encoder.dim, encoder.tokens_per_image, encoder.image_size) == (16, 9, 24)
    images = pixels(encoder, 1, 2)
    expected = model.eval()(pixel_values=images[0]).last_hidden_state
    torch.testing.assert_close(encoder(images)[0], expected)


def test_the_image_half_of_a_whole_siglip_is_found(tmp_path):
    from transformers import SiglipConfig, SiglipModel

    width: dict[str, Any] = {
        "hidden_size": 16,
        "intermediate_size": 24,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
    }
    vision: dict[str, Any] = {**width, "image_size": 16, "patch_size": 8}
    text: dict[str, Any] = {**width, "vocab_size": 9, "bos_token_id": 0, "eos_token_id": 1}
    whole = SiglipModel(SiglipConfig(text_config=text, vision_config=vision))
    whole.save_pretrained(tmp_path)
    encoder = siglip.Config(checkpoint=str(tmp_path), stem="patch").build(None)
    images = pixels(encoder, 1, 2)
    expected = whole.eval().vision_model(pixel_values=images[0]).last_hidden_state
    torch.testing.assert_close(encoder(images)[0], expected)


def test_a_saved_shape_needs_no_checkpoint(checkpoint):
    _, folder = checkpoint
    config = siglip.Config(checkpoint=folder, stem="patch")
    encoder = config.build(None)
    again = replace(config, checkpoint="/nowhere").build(None, encoder.architecture)
    again.load_state_dict(encoder.state_dict())
    assert torch.equal(again(pixels(encoder)), encoder(pixels(encoder)))


def test_a_missing_checkpoint_is_named(tmp_path):
    with pytest.raises(ValueError, match="no-such-siglip"):
        siglip.Config(checkpoint=str(tmp_path / "no-such-siglip")).build(None)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"patch": 8}, 'stem "conv" needs patch 16, not 8'),
        ({"stem": "patch", "patch": 33}, "image size 32 must be at least patch 33"),
        ({"image_size": 40}, "image size 40 must be a multiple of patch 16"),
        ({"heads": 3}, "width 16 must be a multiple of heads 3"),
        ({"heads": 0}, "heads must be at least 1, got 0"),
        ({"patch": 0}, "patch must be at least 1, got 0"),
        ({"image_size": -16}, "image_size must be at least 1, got -16"),
        ({"width": 2}, "width must be at least 4, got 2"),
    ],
)
def test_sizes_that_do_not_fit_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        replace(TINY, **changes).build(None)
