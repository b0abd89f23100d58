"""A prefix means the same however it is padded, batched, cached or extended."""

from dataclasses import replace

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

from vlasandbox.policies.grounding import UNIT, GroundingConfig, centers, target_cells
from vlasandbox.policies.trunk import Trunk
from vlasandbox.policies.types import Grounding, Prefix

IMAGE_TOKENS = VIEWS * 4


@pytest.fixture
def trunk() -> Trunk:
    return tiny_trunk()


def copy(prefix: Prefix) -> Prefix:
    return prefix.repeat(1)


def test_the_prefix_is_images_then_words_then_state(trunk):
    prefix = trunk.encode(observation(INSTRUCTIONS))
    assert prefix.hidden.shape == (3, IMAGE_TOKENS + 6 + 1, trunk.dim)
    assert prefix.mask[2].tolist() == [True] * IMAGE_TOKENS + [True] + [False] * 5 + [True]
    assert prefix.positions[2].tolist() == [*range(IMAGE_TOKENS + 1), *[IMAGE_TOKENS] * 5, IMAGE_TOKENS + 1]
    assert prefix.next_position.tolist() == [IMAGE_TOKENS + 6, IMAGE_TOKENS + 6, IMAGE_TOKENS + 2]
    assert len(prefix.keys) == len(prefix.values) == trunk.num_layers
    assert prefix.keys[0].shape == (3, trunk.num_kv_heads, prefix.mask.shape[1], trunk.head_dim)


def test_padding_changes_nothing_and_advances_no_position(trunk):
    longer = tiny_trunk(language=replace(CONFIG.language, instruction_tokens=11))
    longer.load_state_dict(trunk.state_dict())
    seen = observation(INSTRUCTIONS)
    short, long = trunk.encode(seen), longer.encode(seen)
    new = tokens(4)
    torch.testing.assert_close(short.hidden[short.mask], long.hidden[long.mask])
    assert torch.equal(short.positions[short.mask], long.positions[long.mask])
    for attend in ("causal", "full"):
        torch.testing.assert_close(trunk.extend(short, new, attend)[0], longer.extend(long, new, attend)[0])


def test_a_row_does_not_depend_on_the_other_rows(trunk):
    together = trunk.encode(observation(INSTRUCTIONS))
    alone = trunk.encode(observation(INSTRUCTIONS[:1]))
    torch.testing.assert_close(together.hidden[:1], alone.hidden)
    new = tokens(4)
    hidden = trunk.extend(together, new, "full")[0]
    torch.testing.assert_close(hidden[:1], trunk.extend(alone, new[:1], "full")[0])


def test_every_token_of_the_prefix_sees_every_other():
    trunk = tiny_trunk(film=False)
    prefix = trunk.encode(observation(INSTRUCTIONS[:1]))
    other_words = trunk.encode(observation(INSTRUCTIONS[1:2]))
    changed = (prefix.hidden != other_words.hidden).any(dim=-1)[0]
    assert changed[:IMAGE_TOKENS].all(), "images see the words after them"
    seen = observation(INSTRUCTIONS[:1])
    seen.state = seen.state + 1
    changed = (prefix.hidden != trunk.encode(seen).hidden).any(dim=-1)[0]
    assert changed[:-2].all(), "everything sees the state, which comes last"


def test_views_are_told_apart(trunk):
    seen = observation(INSTRUCTIONS[:1])
    prefix = trunk.encode(seen)
    seen.images = seen.images.flip(1)
    assert not torch.allclose(prefix.hidden[:, -1], trunk.encode(seen).hidden[:, -1], atol=1e-4)


@pytest.mark.parametrize("attend", ["causal", "full"])
def test_extending_equals_one_joint_pass(trunk, attend):
    """One sequence, its mask written out, through transformers' other attention, which takes booleans."""
    n, m = 5, 3
    sequence = tokens(n + m)
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 1], [1, 0, 1, 1, 1]]).bool()
    visible = torch.zeros(3, n + m, n + m, dtype=torch.bool)
    visible[:, :, :n] = mask[:, None]
    visible[:, n:, n:] = torch.ones(m, m).bool().tril() if attend == "causal" else True
    positions = torch.cat([mask.cumsum(1) - 1, mask.sum(1, keepdim=True) + torch.arange(m)], dim=1)

    prefix = Prefix(*_first_pass(trunk, sequence[:, :n], mask))
    hidden, extended = trunk.extend(prefix, sequence[:, n:], attend)

    model = trunk.language.model
    model.set_attn_implementation("sdpa")
    joint = model(inputs_embeds=sequence, attention_mask=visible[:, None], position_ids=positions)
    torch.testing.assert_close(hidden, joint.last_hidden_state[:, n:])
    torch.testing.assert_close(prefix.hidden[mask], joint.last_hidden_state[:, :n][mask])
    assert torch.equal(extended.positions, positions)
    assert torch.equal(extended.hidden[:, n:], hidden)


def _first_pass(trunk: Trunk, sequence: torch.Tensor, mask: torch.Tensor) -> tuple:
    positions = mask.cumsum(1) - 1
    visible = mask[:, None].expand(-1, sequence.shape[1], -1)
    hidden, keys, values = trunk.language(sequence, visible, positions)
    return hidden, mask, positions, keys, values


def test_token_by_token_equals_all_at_once(trunk):
    prefix, new = trunk.encode(observation(INSTRUCTIONS)), tokens(4)
    at_once, extended = trunk.extend(prefix, new, "causal")
    growing, singles = prefix, []
    for i in range(4):
        hidden, growing = trunk.extend(growing, new[:, i : i + 1], "causal")
        singles.append(hidden)
    torch.testing.assert_close(torch.cat(singles, dim=1), at_once)
    assert_same(growing, extended)


def test_a_causal_token_never_sees_a_later_one_and_a_full_one_does(trunk):
    prefix, new = trunk.encode(observation(INSTRUCTIONS)), tokens(4)
    changed = new.clone()
    changed[:, 2] += 1
    for attend, sees in (("causal", False), ("full", True)):
        one, other = (trunk.extend(prefix, x, attend)[0] for x in (new, changed))
        assert (not torch.allclose(one[:, :2], other[:, :2])) == sees


@pytest.mark.parametrize("gradients", [True, False])
def test_extending_leaves_the_prefix_as_it_was(trunk, gradients):
    with torch.set_grad_enabled(gradients):
        prefix = trunk.encode(observation(INSTRUCTIONS))
        before = copy(prefix)
        first = trunk.extend(prefix, tokens(4), "full")[0]
        trunk.extend(prefix, tokens(2, seed=8), "causal")
        assert_same(prefix, before)
        assert torch.equal(trunk.extend(prefix, tokens(4), "full")[0], first)


def test_gradients_flow_through_the_cache_into_every_part(trunk):
    prefix = trunk.encode(observation(INSTRUCTIONS))
    hidden, _ = trunk.extend(prefix, tokens(4), "causal")
    loss, _ = trunk.grounding_loss(prefix, grounding(3))
    (hidden.square().sum() + loss.sum()).backward()
    for name, parameter in trunk.named_parameters():
        assert parameter.grad is not None, name
        # Attention does not change when all keys move by the same vector.
        assert "k_proj.bias" in name or parameter.grad.any(), name


def test_new_tokens_alone_send_gradients_to_images_words_and_state(trunk):
    hidden, _ = trunk.extend(trunk.encode(observation(INSTRUCTIONS)), tokens(4), "causal")
    hidden.square().sum().backward()
    for part in (trunk.encoder.positions, trunk.connector, trunk.state_encoder, trunk.language.words):
        assert part.weight.grad.any()
    assert trunk.view_embedding.grad.any()


def test_at_first_film_leaves_the_instruction_out_of_the_image_tokens(trunk):
    one, other = (trunk.encode(observation([text])).image_tokens for text in INSTRUCTIONS[:2])
    assert torch.equal(one, other)
    for film in trunk.encoder.stem.films:
        torch.nn.init.normal_(film.affine.weight)
    one, other = (trunk.encode(observation([text])).image_tokens for text in INSTRUCTIONS[:2])
    assert not torch.allclose(one, other)


def test_film_can_be_switched_off():
    names = tiny_trunk(film=False).state_dict()
    assert not any("film" in name for name in names)


def test_a_repeated_prefix_is_the_prefix_of_repeated_rows(trunk):
    seen = observation(INSTRUCTIONS[:2])
    prefix = trunk.encode(seen).repeat(2)
    seen.images, seen.state = (x.repeat_interleave(2, dim=0) for x in (seen.images, seen.state))
    seen.instruction = [text for text in seen.instruction for _ in range(2)]
    assert_same(prefix, trunk.encode(seen))


def test_a_trunk_is_rebuilt_from_its_architecture_and_tokenizer(trunk):
    again = CONFIG.build(VIEWS, STATE, [], trunk.language.tokenizer, trunk.architecture)
    again.load_state_dict(trunk.state_dict())
    assert_same(again.encode(observation(INSTRUCTIONS)), trunk.encode(observation(INSTRUCTIONS)))


def test_a_point_belongs_to_the_patch_that_it_lies_in():
    uv = torch.tensor([[[0.0, 0.0], [0.99, 0.26]], [[0.5, 0.99], [0.3, 1.0]], [[-0.01, 0.5], [1.2, 0.5]]])
    patch, in_sight = target_cells(uv, 4)
    assert patch[in_sight].tolist() == [0, 7, 14]
    assert in_sight.tolist() == [[True, True], [True, False], [False, False]]


@pytest.mark.parametrize("film", [True, False])
def test_grounding_loss_is_cross_entropy_of_the_cell_plus_distance(film):
    trunk = tiny_trunk(film=film)
    prefix = trunk.encode(observation(INSTRUCTIONS))
    labels = Grounding(torch.tensor([[[0.1, 0.1], [0.9, 0.1]]] * 3), torch.rand(3, 3))
    loss, metrics = trunk.grounding_loss(prefix, labels)
    images = prefix.image_tokens if film else prefix.hidden[:, :IMAGE_TOKENS].unflatten(1, (VIEWS, 4))
    assert trunk.grounding.heat is not None
    assert trunk.grounding.position is not None
    heat = trunk.grounding.heat(images).flatten(2).log_softmax(-1).unflatten(2, (4, 4, 4))  # b v n i j
    miss = (trunk.grounding.position(prefix.hidden[:, -1]) - labels.xyz / UNIT).abs().mean(1)
    torch.testing.assert_close(loss, -0.2 * (heat[:, 0, 0, 0, 0] + heat[:, 1, 1, 0, 3]) / 2 + 0.5 * miss)
    torch.testing.assert_close(metrics["position_error"], miss.mean() * UNIT)
    assert not any(x.requires_grad for x in metrics.values())


def test_a_view_without_the_object_is_left_out_of_the_grounding_loss(trunk):
    prefix = trunk.encode(observation(INSTRUCTIONS))
    labels = grounding(3)
    labels.uv[:, 1] = torch.tensor([1.5, 0.5])
    one, _ = trunk.grounding_loss(prefix, labels)
    labels.uv[:, 1] = torch.tensor([-3.0, 0.2])
    other, _ = trunk.grounding_loss(prefix, labels)
    assert torch.equal(one, other)
    labels.uv[:] = 2.0
    nowhere, metrics = trunk.grounding_loss(prefix, labels)
    assert nowhere.isfinite().all()
    assert metrics["heat_accuracy"] == 0


def test_grounding_switched_off_leaves_no_parameters_and_no_loss():
    trunk = tiny_trunk(grounding=GroundingConfig(heat=0.0, position=0.0))
    loss, metrics = trunk.grounding_loss(trunk.encode(observation(INSTRUCTIONS)), grounding(3))
    assert not loss.any()
    assert not metrics
    assert not list(trunk.grounding.parameters())


def test_bf16_autocast_stays_close_to_fp32(trunk):
    seen, new = observation(INSTRUCTIONS), tokens(4)
    exact = trunk.extend(trunk.encode(seen), new, "causal")[0]
    with torch.autocast("cpu", torch.bfloat16):
        rounded = trunk.extend(trunk.encode(seen), new, "causal")[0]
    assert (exact - rounded.float()).abs().max() < 0.15


def test_the_center_of_a_map_is_where_its_weight_lies():
    logits = torch.full((1, 1, 3, 4, 4), -30.0)
    logits[0, 0, 0, 1, 3] = 30.0  # all in one cell
    logits[0, 0, 1, 2, [0, 2]] = 30.0  # half in each of two
    logits[0, 0, 2] = 0.0  # everywhere
    torch.testing.assert_close(
        centers(logits)[0, 0], torch.tensor([[0.75, -0.25], [-0.25, 0.25], [0.0, 0.0]])
    )


def test_keypoints_reach_the_last_token_of_the_prefix():
    trunk = tiny_trunk(grounding=GroundingConfig(keypoints=2))
    assert trunk.keypoint_encoder is not None
    seen = observation(INSTRUCTIONS)
    before = trunk.encode(seen)
    with torch.no_grad():
        trunk.keypoint_encoder.weight.mul_(2)
    after = trunk.encode(seen)
    assert before.hidden.shape == after.hidden.shape  # added to proprioception, not a token of their own
    assert not torch.equal(before.hidden[:, -1], after.hidden[:, -1])


def test_keypoints_are_a_token_of_their_own_where_there_is_no_token_of_proprioception():
    without = tiny_trunk(state="none").encode(observation(INSTRUCTIONS))
    told = tiny_trunk(state="none", grounding=GroundingConfig(keypoints=1)).encode(observation(INSTRUCTIONS))
    assert told.hidden.shape[1] == without.hidden.shape[1] + 1


@pytest.mark.parametrize("heat", [0.0, 0.2])
def test_keypoints_learn_from_what_is_done_with_the_prefix_alone(heat):
    trunk = tiny_trunk(grounding=GroundingConfig(heat=heat, keypoints=3))
    assert trunk.grounding.heat is not None
    trunk.encode(observation(INSTRUCTIONS)).hidden[:, -1].square().sum().backward()
    gradient = trunk.grounding.heat.weight.grad
    assert gradient is not None
    assert all(part.abs().sum() > 0 for part in gradient.chunk(3))


def test_labels_train_the_first_map_alone():
    trunk = tiny_trunk(grounding=GroundingConfig(position=0.0, keypoints=3))
    assert trunk.grounding.heat is not None
    loss, metrics = trunk.grounding_loss(trunk.encode(observation(INSTRUCTIONS)), grounding(3))
    loss.sum().backward()
    gradient = trunk.grounding.heat.weight.grad
    assert gradient is not None
    assert [bool(part.any()) for part in gradient.chunk(3)] == [True, False, False]
    assert "heat_accuracy" in metrics


def test_keypoints_need_an_encoder_that_knows_the_instruction():
    with pytest.raises(ValueError, match=r"grounding\.keypoints .* film"):
        tiny_trunk(film=False, grounding=GroundingConfig(keypoints=1))


@pytest.mark.parametrize("wrong", [{"heat": -0.1}, {"position": -1.0}, {"cells": 0}, {"keypoints": -1}])
def test_impossible_grounding_is_refused_by_value(wrong):
    (name, value) = next(iter(wrong.items()))
    with pytest.raises(ValueError, match=f"{name} {value}"):
        GroundingConfig(**wrong)
