"""A policy learns from what counts and acts in the environment's units."""

from dataclasses import replace

import pytest
import torch
from tiny_policy import ACTION, CHUNK, MeanHead, build, generators, loss_of, make_batch
from tiny_trunk import INSTRUCTIONS, observation

from vlasandbox.policies.policy import Policy
from vlasandbox.policies.policy_files import PolicyError
from vlasandbox.policies.types import Batch

ENV = {
    "action_space": {"name": "ee_delta", "dims": ["x", "y", "z"]},
    "state_names": list("abcde"),
    "cameras": ["front", "wrist"],
    "control_hz": 10.0,
    "image_size": 48,
}


@pytest.fixture
def policy() -> Policy:
    return build()


# Learning


def test_gradients_reach_every_parameter(policy):
    loss_of(policy.train(), make_batch()).backward()
    for name, parameter in policy.named_parameters():
        assert parameter.grad is not None, name
        # Attention does not change when all keys move by the same vector.
        assert "k_proj.bias" in name or parameter.grad.any(), name


def test_a_policy_learns_a_batch_by_heart(policy):
    batch = make_batch()
    policy.train()
    optimizer = torch.optim.Adam(policy.parameters(), lr=1e-2)
    history = []
    for _ in range(150):
        optimizer.zero_grad()
        loss, metrics = policy.loss(batch, generators(0)[0])
        loss.backward()
        optimizer.step()
        history.append(metrics)
    assert history[-1]["action_loss"] < 0.15 * history[0]["action_loss"]
    assert history[-1]["heat_accuracy"] == 1


def test_masked_actions_are_not_in_the_loss(policy):
    batch = make_batch()
    batch.mask[0, 2:] = batch.mask[2, 1:] = False
    before = loss_of(policy, batch)
    batch.actions[~batch.mask] = 1e6
    assert torch.equal(loss_of(policy, batch), before)


def test_the_action_loss_is_a_mean_over_all_valid_actions(policy):
    policy.eval()
    batch = make_batch()
    batch.mask[0, 1:] = False
    _, metrics = policy.loss(batch, generators(0)[0])
    actions = policy.action_normalizer.normalize(batch.actions)
    state = policy.state_normalizer.normalize(batch.observation.state)
    seen = replace(batch.observation, state=state)
    errors = (policy.head.predict(policy.trunk.encode(seen)) - actions).abs()
    torch.testing.assert_close(metrics["action_loss"], errors[batch.mask].mean())


def test_a_row_or_a_batch_without_any_valid_action_adds_nothing(policy):
    policy.eval()
    batch = make_batch()
    batch.mask[1] = False
    _, metrics = policy.loss(batch, generators(0)[0])
    kept = Batch(observation([INSTRUCTIONS[0]]), batch.actions[:1], batch.mask[:1])
    _, alone = policy.loss(kept, generators(0)[0])
    assert metrics["action_loss"].isfinite()
    batch.mask[2] = False
    torch.testing.assert_close(policy.loss(batch, generators(0)[0])[1]["action_loss"], alone["action_loss"])
    batch.mask[:] = False
    loss, metrics = policy.loss(batch, generators(0)[0])
    loss.backward()
    assert metrics["action_loss"] == 0
    assert all(p.grad is None or p.grad.isfinite().all() for p in policy.parameters())


def test_constant_action_dimensions_cost_nothing_and_act_exactly(policy):
    batch = make_batch()
    assert not policy.action_normalizer.normalize(batch.actions)[..., 2].any()
    chunk = policy.act(batch.observation, generators(0, 1, 2))
    assert (chunk[..., 2] == 0.25).all()


def test_images_are_shifted_in_training_only(policy):
    batch = make_batch()
    policy.train()
    assert loss_of(policy, batch, 1) != loss_of(policy, batch, 2)
    assert loss_of(policy, batch, 1) == loss_of(policy, batch, 1)
    policy.eval()
    assert loss_of(policy, batch, 1) == loss_of(policy, batch, 2)


def test_labels_move_with_the_shifted_image(policy, monkeypatch):
    batch, seen = make_batch(), {}
    assert batch.grounding is not None
    monkeypatch.setattr(
        policy.trunk,
        "grounding_loss",
        lambda prefix, labels: seen.update(labels=labels) or (torch.zeros(3), {}),
    )
    policy.train()
    loss_of(policy, batch, 1)
    moved = seen["labels"].uv - batch.grounding.uv
    assert moved.abs().max() == pytest.approx(2 / 32)
    assert torch.equal(seen["labels"].xyz, batch.grounding.xyz)


def test_without_labels_there_is_no_grounding_loss(policy):
    batch = replace(make_batch(), grounding=None)
    loss, metrics = policy.loss(batch, generators(0)[0])
    assert metrics.keys() == {"action_loss"}
    assert loss.isfinite()


def test_every_head_starts_on_the_same_trunk(policy):
    other = build(head=MeanHead(noise=0.5), action_norm="z_score")
    for name, tensor in policy.trunk.state_dict().items():
        assert torch.equal(tensor, other.trunk.state_dict()[name]), name


# Acting


def test_actions_are_in_environment_units(policy):
    seen = observation(INSTRUCTIONS)
    chunk = policy.act(seen, generators(0, 1, 2))
    state = policy.state_normalizer.normalize(seen.state)
    raw = policy.head.sample(policy.trunk.encode(replace(seen, state=state)), generators(0, 1, 2))
    assert chunk.shape == (3, CHUNK, ACTION)
    torch.testing.assert_close(chunk, policy.action_normalizer.unnormalize(raw))
    assert not chunk.requires_grad


def test_an_episode_does_not_depend_on_its_neighbours(policy):
    policy.eval()
    together = policy.act(observation(INSTRUCTIONS), generators(5, 6, 7))
    others = observation([INSTRUCTIONS[0], INSTRUCTIONS[2], INSTRUCTIONS[1]])
    others.images[1:], others.state[1:] = 0, 9
    beside = policy.act(others, generators(5, 1, 2))
    assert torch.equal(together[0], beside[0]), "at one batch shape, bit for bit"


def test_images_of_the_camera_are_resized_as_in_the_cache(policy):
    from vlasandbox.vision.images import resize_uint8

    large = observation(INSTRUCTIONS, size=48)
    small = replace(large, images=torch.from_numpy(resize_uint8(large.images.numpy(), 32)))
    assert torch.equal(policy.act(large, generators(0, 1, 2)), policy.act(small, generators(0, 1, 2)))


def test_acting_ignores_an_outer_autocast(policy):
    seen = observation(INSTRUCTIONS)
    exact = policy.act(seen, generators(0, 1, 2))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(policy.act(seen, generators(0, 1, 2)), exact)


# Environments


def test_an_environment_of_the_right_kind_is_accepted(policy):
    policy.check_env(ENV)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"action_space": {"name": "ee_absolute", "dims": [1, 2, 3]}},
            "'ee_delta', environment 'ee_absolute'",
        ),
        ({"action_space": {"name": "ee_delta", "dims": [1]}}, "action dimensions: policy 3, environment 1"),
        ({"cameras": ["wrist", "front"]}, r"policy \['front', 'wrist'\], environment \['wrist', 'front'\]"),
        ({"control_hz": 5}, "policy 10.0, environment 5.0"),
        ({"image_size": 96}, r"image size \[pixels\]: policy 48, environment 96"),
        ({"state_names": []}, "state dimensions: policy 5, environment 0"),
    ],
)
def test_another_environment_is_refused_with_both_values(policy, change, message):
    with pytest.raises(PolicyError, match=message):
        policy.check_env(ENV | change)
