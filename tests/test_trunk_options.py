"""Options of the trunk: each is another model that keeps the promises of a prefix. The default is as ever."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from tiny_trunk import (
    CONFIG,
    INSTRUCTIONS,
    STATE,
    VIEWS,
    assert_same,
    grounding,
    observation,
    tiny_trunk,
    tokens,
)
from torch import nn

from vlasandbox.policies.grounding import GroundingConfig
from vlasandbox.policies.policy import PolicyConfig
from vlasandbox.policies.trunk import Trunk, TrunkConfig
from vlasandbox.policies.types import Observation
from vlasandbox.vision.connectors import mlp, perceiver, qformer, spatial_softmax, token_learner
from vlasandbox.vision.encoders import efficientnet_film, resnet, smallstem
from vlasandbox.vision.stem import FiLM

IMAGE_TOKENS = VIEWS * 4
RT_1: dict[str, Any] = {
    "encoder": efficientnet_film.Config(image_size=64, channels=16),
    "connector": token_learner.Config(),
    "state": "none",
    "words": False,
    "attention": "causal",
}
OPTIONS: dict[str, dict[str, Any]] = {
    "text": {"state": "text"},
    "none": {"state": "none"},
    "causal": {"attention": "causal"},
    "causal text": {"attention": "causal", "state": "text"},
    "no words": {"words": False},
    "rt-1": RT_1,
    "no film, mlp": {"film": False, "connector": mlp.Config()},
    "no film, no heat": {
        "film": False,
        "connector": token_learner.Config(),
        "grounding": GroundingConfig(heat=0.0),
    },
    "qformer": {"connector": qformer.Config(queries=3, heads=2)},
    "perceiver": {"connector": perceiver.Config(latents=3, heads=2)},
    "keypoints": {"encoder": smallstem.Config(32, width=16), "connector": spatial_softmax.Config(4)},
    "an encoder and positions for each view": {"encoders": VIEWS, "positions": "tokens"},
    "act": {"encoder": resnet.Config(64, width=16), "words": False},
}


@pytest.fixture(params=OPTIONS.values(), ids=list(OPTIONS))
def option(request) -> dict[str, Any]:
    return request.param


# The default


def test_the_default_trunk_draws_its_weights_in_the_order_that_it_always_had():
    """Language, images, a linear map of them, views, a linear map of the state: else no old run repeats."""
    config = TrunkConfig()
    torch.manual_seed(3)
    trunk = config.build(VIEWS, STATE, INSTRUCTIONS)

    torch.manual_seed(3)
    language = config.language.build(INSTRUCTIONS)
    encoder = config.encoder.build(language.dim)
    scale = language.embedding_scale
    connector = nn.Linear(encoder.dim, language.dim)
    nn.init.normal_(connector.weight, std=scale / encoder.dim**0.5)
    views = torch.randn(VIEWS, 1, language.dim) * scale
    state = nn.Linear(STATE, language.dim)
    nn.init.normal_(state.weight, std=scale / STATE**0.5)
    expected = {"view_embedding": views}
    for name, part in {"language": language, "encoder": encoder}.items():
        expected |= {f"{name}.{key}": x for key, x in part.state_dict().items()}
    for name, part in {"connector": connector, "state_encoder": state}.items():
        expected |= {f"{name}.weight": part.weight, f"{name}.bias": torch.zeros(language.dim)}
    found = {name: x for name, x in trunk.state_dict().items() if not name.startswith("grounding.")}
    assert found.keys() == expected.keys()
    for name, x in found.items():
        assert torch.equal(x, expected[name]), name


# Promises


def see(trunk: Trunk, rows: int = 3) -> Observation:
    return observation(INSTRUCTIONS[:rows], size=trunk.image_size)


def test_padding_changes_nothing_and_advances_no_position(option):
    trunk = tiny_trunk(**option)
    longer = tiny_trunk(**option, language=replace(CONFIG.language, instruction_tokens=11))
    longer.load_state_dict(trunk.state_dict())
    seen = see(trunk)
    short, long = trunk.encode(seen), longer.encode(seen)
    torch.testing.assert_close(short.hidden[short.mask], long.hidden[long.mask])
    assert torch.equal(short.positions[short.mask], long.positions[long.mask])
    assert short.hidden.isfinite().all()
    torch.testing.assert_close(
        trunk.extend(short, tokens(4), "causal")[0], longer.extend(long, tokens(4), "causal")[0]
    )


def test_a_row_does_not_depend_on_the_other_rows(option):
    trunk = tiny_trunk(**option)
    together, alone = (trunk.encode(see(trunk, n)) for n in (3, 1))
    torch.testing.assert_close(together.hidden[:1], alone.hidden)


def test_gradients_reach_everything(option):
    trunk = tiny_trunk(**option)
    for module in trunk.modules():
        if isinstance(module, FiLM):  # without words, nothing else passes gradients to the embeddings
            nn.init.normal_(module.affine.weight)
    prefix = trunk.encode(see(trunk))
    loss, _ = trunk.grounding_loss(prefix, grounding(3))
    (trunk.extend(prefix, tokens(4), "causal")[0].square().sum() + loss.sum()).backward()
    for name, parameter in trunk.named_parameters():
        assert parameter.grad is not None, name
        assert "k_proj.bias" in name or parameter.grad.any(), name


def test_a_trunk_is_rebuilt_from_its_architecture_and_tokenizer(option):
    trunk = tiny_trunk(**option)
    config = replace(CONFIG, **option)
    again = config.build(VIEWS, STATE, [], trunk.language.tokenizer, trunk.architecture)
    again.load_state_dict(trunk.state_dict())
    assert_same(again.encode(see(trunk)), trunk.encode(see(trunk)))


def test_an_option_survives_json(option):
    from vlasandbox.policies.config_io import from_dict, to_dict
    from vlasandbox.policies.heads import regression

    config = PolicyConfig(regression.Config(), replace(CONFIG, **option))
    assert from_dict(PolicyConfig, to_dict(config)) == config


# What each is


def hidden_changes(trunk: Trunk, **changes: Any) -> torch.Tensor:
    """Which tokens of the prefix differ if the observation is changed."""
    one, other = observation(INSTRUCTIONS[:1]), observation(INSTRUCTIONS[:1])
    for name, value in changes.items():
        setattr(other, name, value)
    return (trunk.encode(one).hidden != trunk.encode(other).hidden).any(dim=-1)[0]


def test_a_causal_prefix_sees_nothing_that_comes_later():
    trunk = tiny_trunk(attention="causal", film=False, grounding=GroundingConfig(heat=0.0))
    changed = hidden_changes(trunk, state=torch.ones(1, STATE))
    assert not changed[:-1].any()
    assert changed[-1]
    changed = hidden_changes(trunk, instruction=["pick up the red can"])
    assert not changed[: IMAGE_TOKENS + 4].any()
    assert changed[IMAGE_TOKENS + 4]


def test_a_causal_prefix_is_what_transformers_makes_of_the_sequence_by_itself():
    trunk = tiny_trunk(
        attention="causal", state="none", language=replace(CONFIG.language, instruction_tokens=5)
    )
    inputs = []
    trunk.language.model.register_forward_pre_hook(
        lambda module, args, kwargs: inputs.append(kwargs["inputs_embeds"]), with_kwargs=True
    )
    prefix = trunk.encode(observation(INSTRUCTIONS[:1]))
    assert prefix.mask.all()
    torch.testing.assert_close(prefix.hidden, trunk.language.model(inputs_embeds=inputs[0]).last_hidden_state)


def test_state_in_words_is_seen_and_has_no_weights_of_its_own():
    trunk = tiny_trunk(state="text")
    assert not any("state" in name for name, _ in trunk.named_parameters())
    prefix = trunk.encode(observation(INSTRUCTIONS))
    assert prefix.mask.shape[1] == IMAGE_TOKENS + 6 + 3 + STATE
    assert hidden_changes(trunk, state=torch.full((1, STATE), 0.5)).any()
    assert not hidden_changes(trunk, state=observation(INSTRUCTIONS[:1]).state + 1e-4).any(), "same bins"


def test_state_left_out_is_not_seen():
    trunk = tiny_trunk(state="none")
    assert not any("state" in name for name in trunk.state_dict())
    assert not hidden_changes(trunk, state=torch.ones(1, STATE)).any()


def test_without_words_film_alone_brings_the_instruction():
    trunk = tiny_trunk(words=False)
    assert trunk.encode(observation(INSTRUCTIONS)).mask.shape[1] == IMAGE_TOKENS + 1
    other = {"instruction": ["pick up the blue can"]}
    assert not hidden_changes(trunk, **other).any(), "film is the identity at first"
    for module in trunk.modules():
        if isinstance(module, FiLM):
            nn.init.normal_(module.affine.weight)
    assert hidden_changes(trunk, **other).all()


def test_a_connector_decides_how_many_tokens_there_are():
    prefix = tiny_trunk(connector=qformer.Config(queries=3, heads=2)).encode(observation(INSTRUCTIONS))
    assert prefix.mask.shape[1] == VIEWS * 3 + 6 + 1
    assert prefix.image_tokens is not None
    assert prefix.image_tokens.shape[2] == 4, "the encoder's own"


def test_the_position_is_read_off_the_last_token_that_is_real():
    trunk = tiny_trunk(state="none")
    prefix = trunk.encode(observation(INSTRUCTIONS))
    lengths = [5, 5, 1]
    last = torch.stack([prefix.hidden[i, IMAGE_TOKENS + n - 1] for i, n in enumerate(lengths)])
    assert trunk.grounding.position is not None
    labels = grounding(3)
    miss = (trunk.grounding.position(last) - labels.xyz / 0.1).abs().mean()
    _, metrics = trunk.grounding_loss(prefix, labels)
    torch.testing.assert_close(metrics["position_error"], miss * 0.1)


def test_labels_belong_to_the_newest_views():
    """Two frames of two cameras are four views; the labels are of the last two."""
    trunk = CONFIG.build(2 * VIEWS, 2 * STATE, INSTRUCTIONS)
    one, other = observation(INSTRUCTIONS), observation(INSTRUCTIONS, seed=1)
    both = replace(
        one, images=torch.cat([one.images, other.images], 1), state=torch.cat([one.state, other.state], 1)
    )
    prefix = trunk.encode(both)
    assert prefix.image_tokens is not None
    newest = replace(prefix, image_tokens=prefix.image_tokens[:, VIEWS:])
    loss, _ = trunk.grounding_loss(prefix, grounding(3))
    assert torch.equal(loss, trunk.grounding_loss(newest, grounding(3))[0])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"film": False, "words": False}, "words false needs film"),
        ({"film": False, "attention": "causal"}, "grounding.heat needs film"),
        ({"film": False, "connector": qformer.Config(heads=2)}, "grounding.heat needs film"),
        ({"encoders": 3}, "3 encoders cannot divide 2 views"),
    ],
)
def test_options_that_contradict_each_other_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        tiny_trunk(**changes)


def test_each_camera_has_its_encoder_whatever_the_history():
    torch.manual_seed(0)
    config = replace(CONFIG, encoders=2)
    trunk = config.build(2 * VIEWS, STATE, INSTRUCTIONS)
    seen = observation(INSTRUCTIONS[:1])
    frames = Observation(torch.cat([seen.images, seen.images], dim=1), seen.state, seen.instruction)
    before = trunk.encode(frames).image_tokens
    with torch.no_grad():
        for parameter in trunk.encoder.get_submodule("parts.1").parameters():
            parameter.add_(0.1)
    after = trunk.encode(frames).image_tokens
    assert before is not None
    assert after is not None
    changed = (before != after).flatten(2).any(dim=-1).squeeze(0)
    assert changed.tolist() == [False, True, False, True]
    again = config.build(2 * VIEWS, STATE, [], trunk.language.tokenizer, trunk.architecture)
    again.load_state_dict(trunk.state_dict())
    assert torch.equal(again.encode(frames).hidden, trunk.encode(frames).hidden)
