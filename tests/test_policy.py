"""A policy learns from what counts, acts in the environment's units, and is the same after it was saved."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from test_normalizer import statistics
from tiny_trunk import CONFIG, INSTRUCTIONS, STATE, grounding, observation
from torch import nn

from vlasandbox.policies.head import ActionHead, HeadConfig, draw_noise, masked_mean
from vlasandbox.policies.policy import Policy, PolicyConfig
from vlasandbox.policies.policy_files import PolicyError
from vlasandbox.policies.types import Batch, PolicySpec

ACTION, CHUNK = 3, 4
SPEC = PolicySpec(("front", "wrist"), STATE, ACTION, CHUNK, "ee_delta", 10.0)
ENV = {
    "action_space": {"name": "ee_delta", "dims": ["x", "y", "z"]},
    "state_names": list("abcde"),
    "cameras": ["front", "wrist"],
    "control_hz": 10.0,
}


@dataclass(frozen=True)
class MeanHead(HeadConfig):
    """Smallest head that uses everything: a readout of the trunk's next token plus a little noise."""

    noise: float = 0.1

    def build(self, trunk, chunk, action_dim) -> "Mean":
        return Mean(self, trunk, chunk, action_dim)


class Mean(ActionHead):
    evaluations = 1

    def __init__(self, config, trunk, chunk, action_dim) -> None:
        super().__init__()
        self.noise, self.chunk, self.action_dim = config.noise, chunk, action_dim
        self.query = nn.Parameter(torch.randn(1, trunk.dim))
        self.readout = nn.Linear(trunk.dim, chunk * action_dim)
        self._extend = trunk.extend

    def predict(self, prefix) -> torch.Tensor:
        hidden, _ = self._extend(prefix, self.query.expand(len(prefix.mask), -1, -1), "causal")
        return self.readout(hidden).view(-1, self.chunk, self.action_dim)

    def loss(self, prefix, actions, mask, generator) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        return masked_mean((self.predict(prefix) - actions).abs(), mask), {}

    def sample(self, prefix, generators: Sequence[torch.Generator]) -> torch.Tensor:
        return self.predict(prefix) + self.noise * draw_noise(generators, self.chunk, self.action_dim)


def stats() -> dict[str, dict[str, np.ndarray]]:
    rng = np.random.default_rng(0)
    actions = rng.normal(5, 2, (500, ACTION))
    actions[:, 2] = 0.25
    return {"state": statistics(rng.normal(size=(500, STATE))), "action": statistics(actions)}


def build(seed: int = 0, **changes) -> Policy:
    torch.manual_seed(seed)
    config = replace(PolicyConfig(MeanHead(), CONFIG, shift=2), **changes)
    return Policy.build(config, SPEC, stats(), INSTRUCTIONS)


def make_batch(rows: int = 3, seed: int = 0) -> Batch:
    g = torch.Generator().manual_seed(seed)
    actions = torch.randn(rows, CHUNK, ACTION, generator=g) * 2 + 5
    actions[..., 2] = 0.25
    seen = observation([INSTRUCTIONS[i % 3] for i in range(rows)], seed)
    return Batch(seen, actions, torch.ones(rows, CHUNK, dtype=torch.bool), grounding(rows))


def generators(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def loss_of(policy: Policy, batch: Batch, seed: int = 0) -> torch.Tensor:
    return policy.loss(batch, generators(seed)[0])[0]


@pytest.fixture
def policy() -> Policy:
    return build()


@pytest.fixture
def saved(policy, tmp_path):
    policy.save(tmp_path / "policy")
    return tmp_path / "policy"


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
    first = None
    for _ in range(150):
        optimizer.zero_grad()
        loss, metrics = policy.loss(batch, generators(0)[0])
        loss.backward()
        optimizer.step()
        first = first or metrics["action_loss"]
    assert metrics["action_loss"] < 0.15 * first
    assert metrics["heat_accuracy"] == 1


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


# Saving


def test_a_loaded_policy_is_the_same_bit_for_bit(policy, saved):
    again = Policy.load(saved)
    seen = observation([*INSTRUCTIONS[:2], "Pick up the ZEBRA"])
    assert torch.equal(again.act(seen, generators(0, 1, 2)), policy.act(seen, generators(0, 1, 2)))
    assert (again.config, again.spec) == (policy.config, policy.spec)
    assert not again.training
    for name, tensor in policy.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name


def test_nothing_saved_is_a_pickle(saved):
    names = {path.name for path in saved.rglob("*") if path.is_file()}
    assert names == {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}


def test_loading_leaves_the_global_random_state_alone(saved):
    before = torch.get_rng_state()
    Policy.load(saved)
    assert torch.equal(torch.get_rng_state(), before)


def test_saving_again_replaces_the_folder_and_leaves_nothing_beside_it(policy, saved):
    (saved / "stale").touch()
    with torch.no_grad():
        policy.head.query += 1
    policy.save(saved)
    assert [path.name for path in saved.parent.iterdir()] == ["policy"]
    assert not (saved / "stale").exists()
    assert torch.equal(Policy.load(saved).head.query, policy.head.query)


def test_a_failed_save_keeps_what_was_there(policy, saved, monkeypatch):
    from vlasandbox.policies import policy_files

    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(policy_files, "save_file", full_disk)
    with pytest.raises(PolicyError, match=r"cannot write .*No space left"):
        policy.save(saved)
    assert [path.name for path in saved.parent.iterdir()] == ["policy"]
    Policy.load(saved)


def test_a_policy_built_on_checkpoints_loads_without_them(tmp_path):
    from transformers import LlamaConfig, LlamaModel, SiglipVisionConfig, SiglipVisionModel

    from vlasandbox.policies.language import LanguageConfig, train_tokenizer
    from vlasandbox.policies.trunk import TrunkConfig
    from vlasandbox.vision.encoders import siglip

    width = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    tokenizer = train_tokenizer(INSTRUCTIONS)
    SiglipVisionModel(SiglipVisionConfig(**width, image_size=16, patch_size=8)).save_pretrained(
        tmp_path / "eyes"
    )
    ids = {"pad_token_id": 0, "bos_token_id": None, "eos_token_id": None}
    LlamaModel(LlamaConfig(**width, **ids, vocab_size=len(tokenizer))).save_pretrained(tmp_path / "words")
    tokenizer.save_pretrained(tmp_path / "words")
    trunk = TrunkConfig(
        siglip.Config(checkpoint=str(tmp_path / "eyes"), stem="patch"),
        LanguageConfig(checkpoint=str(tmp_path / "words")),
    )
    policy = build(trunk=trunk)
    policy.save(tmp_path / "policy")
    shutil.rmtree(tmp_path / "eyes")
    shutil.rmtree(tmp_path / "words")
    again = Policy.load(tmp_path / "policy")
    seen = observation(INSTRUCTIONS)
    assert torch.equal(again.act(seen, generators(0, 1, 2)), policy.act(seen, generators(0, 1, 2)))


# What can be wrong


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer"])
def test_a_missing_file_is_named(saved, name):
    path = saved / name
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(PolicyError, match=f"is not a saved policy: it has no {name}"):
        Policy.load(saved)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(PolicyError, match=r"no policy folder .*nowhere"):
        Policy.load(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer/tokenizer.json"])
def test_a_truncated_file_is_named(saved, name):
    content = (saved / name).read_bytes()
    (saved / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(PolicyError, match=name.split("/")[0]):
        Policy.load(saved)


def edit(saved, *path: str, value: object) -> None:
    description = json.loads((saved / "config.json").read_text())
    node = description
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value
    (saved / "config.json").write_text(json.dumps(description))


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (
            ("config", "head", "type"),
            "no.such.Head",
            "config.head: 'no.such.Head' is not an importable HeadConfig",
        ),
        (("config", "action_norm"), "minmax", "config.action_norm: got 'minmax', expected one of 'quantile'"),
        (("config", "colour"), 1, "config.colour: unknown field"),
        (("spec", "chunk"), "8", "spec.chunk: got '8'"),
        (("format",), 99, "format 99"),
        (("spec",), None, "spec: expected an object"),
    ],
)
def test_a_bad_entry_is_named(saved, path, value, message):
    edit(saved, *path, value=value)
    with pytest.raises(PolicyError, match=message):
        Policy.load(saved)


@pytest.mark.parametrize("norm", ["action_norm", "state_norm"])
def test_a_policy_never_loads_with_another_normalisation(saved, norm):
    edit(saved, "config", norm, value="z_score")
    with pytest.raises(PolicyError, match="saved with mode 'quantile', the config says 'z_score'"):
        Policy.load(saved)


def test_weights_of_another_shape_are_named(saved):
    edit(saved, "spec", "chunk", value=5)
    with pytest.raises(PolicyError, match=r"head.readout.bias has shape \[12\], expected \[15\]"):
        Policy.load(saved)


def test_a_missing_tensor_is_named(saved):
    tensors = load_file(saved / "model.safetensors")
    del tensors["head.query"]
    save_file(tensors, saved / "model.safetensors")
    with pytest.raises(PolicyError, match=r"head.query has shape none \(missing\), expected \[1, 16\]"):
        Policy.load(saved)


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
        ({"state_names": []}, "state dimensions: policy 5, environment 0"),
    ],
)
def test_another_environment_is_refused_with_both_values(policy, change, message):
    with pytest.raises(PolicyError, match=message):
        policy.check_env(ENV | change)
