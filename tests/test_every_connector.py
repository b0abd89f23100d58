"""Every file in vision/connectors is a connector; each one does what its paper says."""

import importlib
import pkgutil
from dataclasses import fields, replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from vlasandbox.vision import connectors
from vlasandbox.vision.connector import Connector, ConnectorConfig
from vlasandbox.vision.connectors import (
    linear,
    mlp,
    perceiver,
    pixel_shuffle,
    qformer,
    spatial_softmax,
    token_learner,
)

NAMES = [module.name for module in pkgutil.iter_modules(connectors.__path__)]
WIDTH, TOKENS, DIM, SCALE = 24, 16, 40, 0.2


@pytest.fixture(params=NAMES)
def config(request) -> ConnectorConfig:
    return importlib.import_module(f"vlasandbox.vision.connectors.{request.param}").Config()


def seeded(config: ConnectorConfig) -> Any:
    torch.manual_seed(0)
    return config.build(WIDTH, TOKENS, DIM, SCALE)


def tokens(b: int = 2, v: int = 3, seed: int = 1) -> torch.Tensor:
    return torch.randn(b, v, TOKENS, WIDTH, generator=torch.Generator().manual_seed(seed))


def test_a_connector_gives_the_tokens_it_promises(config):
    connector = seeded(config)
    assert isinstance(connector, Connector)
    out = connector(tokens())
    assert out.shape == (2, 3, connector.tokens_per_image, DIM)
    (out * torch.randn(out.shape, generator=torch.Generator().manual_seed(2))).sum().backward()
    for name, parameter in connector.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.any(), name


def test_tokens_start_at_about_the_scale_asked_for(config):
    rms = seeded(config)(tokens(8)).square().mean().sqrt()
    assert 0.2 * SCALE < rms < 2 * SCALE


def test_views_and_rows_are_connected_on_their_own(config):
    connector, seen = seeded(config), tokens()
    torch.testing.assert_close(connector(seen)[1:, 2:], connector(seen[1:, 2:]))


def test_two_images_give_different_tokens(config):
    connector = seeded(config)
    one, other = connector(tokens(seed=3)), connector(tokens(seed=4))
    assert (one - other).square().mean().sqrt() > 0.01 * SCALE


def test_a_grid_that_is_kept_has_each_patch_in_its_place(config):
    connector, seen = seeded(config), tokens()
    changed = seen.clone()
    changed[:, :, 5] += 1
    moved = (connector(seen) != connector(changed)).any(dim=-1)
    assert moved.any(dim=-1).all()
    alone = connector.tokens_per_image == TOKENS and moved[:, :, 5].all() and moved.sum(dim=-1).eq(1).all()
    assert connector.keeps_grid == bool(alone)


def test_sizes_below_one_are_named(config):
    for field in fields(config):
        if field.type is int:
            with pytest.raises(ValueError, match=f"{field.name} must be at least 1, got 0"):
                seeded(replace(config, **{field.name: 0}))


# Each on its own


def test_the_linear_connector_is_a_linear_map():
    connector = seeded(linear.Config())
    expected = tokens() @ connector.weight.T + connector.bias
    torch.testing.assert_close(connector(tokens()), expected)


@pytest.mark.parametrize(
    ("layers", "widths"),
    [(2, [(WIDTH, DIM), (DIM, DIM)]), (3, [(WIDTH, 4 * WIDTH), (4 * WIDTH, DIM), (DIM, DIM)])],
)
def test_the_layers_of_an_mlp_are_those_of_llava_or_openvla(layers, widths):
    modules = list(seeded(mlp.Config(layers)).layers)
    assert [(m.in_features, m.out_features) for m in modules[::2]] == widths
    assert all(isinstance(m, torch.nn.GELU) for m in modules[1::2])


def test_shuffled_pixels_are_those_of_transformers():
    from transformers.models.idefics3.modeling_idefics3 import Idefics3Connector

    connector = seeded(pixel_shuffle.Config(factor=2))
    sizes = SimpleNamespace(
        scale_factor=2,
        vision_config=SimpleNamespace(hidden_size=WIDTH),
        text_config=SimpleNamespace(hidden_size=DIM),
    )
    theirs = Idefics3Connector(sizes)  # pyright: ignore[reportArgumentType]
    theirs.modality_projection.proj.load_state_dict(connector.projection.state_dict())
    for view in tokens().unbind(dim=1):
        torch.testing.assert_close(connector(view.unsqueeze(1)).squeeze(1), theirs(view))


def test_squares_that_do_not_fit_the_grid_are_named():
    with pytest.raises(ValueError, match="factor 3 does not divide the 4 patches of a side"):
        seeded(pixel_shuffle.Config(factor=3))


@pytest.mark.parametrize("config", [qformer.Config(heads=3), perceiver.Config(heads=3)])
def test_queries_do_not_care_in_which_order_the_patches_come(config):
    connector, seen = seeded(config), tokens()
    torch.testing.assert_close(connector(seen.flip(2)), connector(seen))


@pytest.mark.parametrize("config", [qformer.Config(heads=5), perceiver.Config(heads=5)])
def test_heads_that_do_not_fit_the_encoder_are_named(config):
    with pytest.raises(ValueError, match="encoder width 24 must be a multiple of heads 5"):
        seeded(config)


def test_queries_of_a_qformer_see_each_other_and_latents_of_a_perceiver_see_the_image_beside_them():
    """With the attention to the image off, the former still mix; the keys of the latter are n + m."""
    former = seeded(qformer.Config())
    for layer in former.layers:
        torch.nn.init.zeros_(layer.multihead_attn.out_proj.weight)
    before = former(tokens())
    with torch.no_grad():
        former.latents[0] += 1
    assert (before != former(tokens())).any(dim=-1).all()

    resampler, keys = seeded(perceiver.Config()), []
    for layer in resampler.layers:
        layer.attention.register_forward_pre_hook(lambda module, inputs: keys.append(inputs[1]))
    resampler(tokens())
    assert [x.shape[1] for x in keys] == [TOKENS + 16] * 2


def test_a_learned_token_is_a_mean_of_the_patches_with_weights_that_add_up_to_one():
    connector, seen = seeded(token_learner.Config()), tokens()
    weights = connector.weights(seen)
    assert weights.shape == (2, 3, TOKENS, 8)
    torch.testing.assert_close(weights.sum(dim=2), torch.ones(2, 3, 8))
    means = torch.stack([(seen * weights[..., m, None]).sum(dim=2) for m in range(8)], dim=2)
    torch.testing.assert_close(connector(seen), connector.projection(means))
    torch.nn.init.zeros_(connector.scores[-1].weight)
    uniform = connector.projection(seen.mean(dim=2, keepdim=True).expand(-1, -1, 8, -1))
    torch.testing.assert_close(connector(seen), uniform)


def test_the_scores_of_learned_tokens_have_a_bottleneck_of_64_after_a_norm():
    norm, first, gelu, last = seeded(token_learner.Config()).scores
    assert isinstance(norm, torch.nn.LayerNorm)
    assert isinstance(gelu, torch.nn.GELU)
    assert (first.out_features, last.in_features, last.out_features) == (64, 64, 8)


@pytest.mark.parametrize(("patch", "x", "y"), [(0, -1, -1), (3, 1, -1), (12, -1, 1), (6, 1 / 3, -1 / 3)])
def test_a_keypoint_is_where_its_feature_is(patch, x, y):
    connector = seeded(spatial_softmax.Config(2))
    seen = torch.zeros(1, 1, TOKENS, WIDTH)
    seen[0, 0, patch] = 1e3 * connector.features.weight[1].detach()
    found = connector.keypoints(seen)[0, 0]
    torch.testing.assert_close(found[1], torch.tensor([float(x), float(y)]), atol=1e-4, rtol=0)
    nowhere = connector.keypoints(torch.zeros(1, 1, TOKENS, WIDTH))
    torch.testing.assert_close(nowhere, torch.zeros(1, 1, 2, 2), atol=1e-6, rtol=0)
