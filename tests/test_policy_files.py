"""A saved policy is the same policy, and a folder that is not one says why."""

import contextlib
import json
import shutil
from dataclasses import replace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_policy import SPEC, MeanHead, build, generators, stats
from tiny_trunk import CONFIG, INSTRUCTIONS, observation

from vlasandbox.policies.policy import Policy, PolicyConfig
from vlasandbox.policies.policy_files import PolicyError


@pytest.fixture
def policy() -> Policy:
    return build()


@pytest.fixture
def saved(policy, tmp_path):
    policy.save(tmp_path / "policy")
    return tmp_path / "policy"


# Saving


def test_a_loaded_policy_is_the_same_bit_for_bit(policy, saved):
    again = Policy.load(saved)
    seen = observation([*INSTRUCTIONS[:2], "Pick up the ZEBRA"])
    assert torch.equal(again.act(seen, generators(0, 1, 2)), policy.act(seen, generators(0, 1, 2)))
    assert (again.config, again.spec) == (policy.config, policy.spec)
    assert not again.training
    for name, tensor in policy.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name


def test_a_loaded_policy_has_room_for_the_sentences_of_its_training(tmp_path):
    long = "pick up the red cube and then the blue can"
    policy = Policy.build(PolicyConfig(MeanHead(), CONFIG), SPEC, stats(), [*INSTRUCTIONS, long])
    policy.save(tmp_path / "policy")
    again = Policy.load(tmp_path / "policy")
    assert again.trunk.language.room == policy.trunk.language.room == 10
    assert again.config == policy.config


def test_encoders_are_one_or_one_for_each_camera():
    build(trunk=replace(CONFIG, encoders=2))
    message = "encoders must be 1 or one for each of 1 cameras, got 2"
    with pytest.raises(ValueError, match=message):  # two frames would have been taken for two cameras
        Policy.build(
            PolicyConfig(MeanHead(), replace(CONFIG, encoders=2)),
            replace(SPEC, cameras=("front",), history=2), stats(), INSTRUCTIONS,
        )  # fmt: skip


def test_nothing_saved_is_a_pickle(saved):
    names = {path.name for path in saved.rglob("*") if path.is_file()}
    assert names == {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}


def test_loading_leaves_the_global_random_state_alone(saved):
    before = torch.get_rng_state()
    Policy.load(saved)
    assert torch.equal(torch.get_rng_state(), before)


def test_saving_again_replaces_the_folder_and_leaves_nothing_beside_it(policy, saved):
    (saved / "stale").touch()
    query = policy.head.get_parameter("query")
    with torch.no_grad():
        query += 1
    policy.save(saved)
    assert [path.name for path in saved.parent.iterdir()] == ["policy"]
    assert not (saved / "stale").exists()
    assert torch.equal(Policy.load(saved).head.get_parameter("query"), query)


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

    from vlasandbox.policies.language import LanguageConfig
    from vlasandbox.policies.tokenizer import train_tokenizer
    from vlasandbox.policies.trunk import TrunkConfig
    from vlasandbox.vision.encoders import siglip

    width: dict[str, Any] = {
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
    }
    tokenizer = train_tokenizer(INSTRUCTIONS)
    SiglipVisionModel(SiglipVisionConfig(**width, image_size=16, patch_size=8)).save_pretrained(
        tmp_path / "eyes"
    )
    ids: dict[str, Any] = {"pad_token_id": 0, "bos_token_id": None, "eos_token_id": None}
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
    """Edits config.json, as one may: without the checksum."""
    description = json.loads((saved / "config.json").read_text())
    description.pop("sha256", None)
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
    edit(saved, "files", value={})
    with pytest.raises(PolicyError, match=r"head.query has shape none \(missing\), expected \[1, 16\]"):
        Policy.load(saved)


# Damage


def test_a_folder_of_before_there_were_checksums_loads(saved):
    edit(saved, "format", value=1)
    description = json.loads((saved / "config.json").read_text())
    del description["files"]
    (saved / "config.json").write_text(json.dumps(description))
    assert Policy.load(saved).spec == SPEC


def test_every_changed_byte_of_the_weights_is_found(saved):
    path = saved / "model.safetensors"
    content = path.read_bytes()
    for position in range(0, len(content), len(content) // 20):
        changed = bytearray(content)
        changed[position] ^= 1
        path.write_bytes(changed)
        with pytest.raises(PolicyError, match=r"model.safetensors is damaged.*: copy the policy again"):
            Policy.load(saved)


def test_a_changed_tokenizer_is_found(saved):
    path = saved / "tokenizer/tokenizer.json"
    path.write_text(path.read_text().replace('"cube"', '"cone"'))
    with pytest.raises(PolicyError, match=r"tokenizer.json is damaged"):
        Policy.load(saved)


def test_a_changed_configuration_is_found_and_an_edit_that_is_meant_says_so(saved):
    path = saved / "config.json"
    path.write_text(path.read_text().replace('"control_hz": 10.0', '"control_hz": 11.0'))
    with pytest.raises(PolicyError, match=r'config.json cannot be used .* without the entry "sha256"'):
        Policy.load(saved)
    edit(saved, "spec", "control_hz", value=11.0)
    assert Policy.load(saved).spec.control_hz == 11.0


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(policy, tmp_path, value):
    with torch.no_grad():
        policy.head.get_parameter("query")[0, 3] = value
    policy.save(tmp_path / "policy")
    with pytest.raises(PolicyError, match=r"numbers in head.query that are not finite"):
        Policy.load(tmp_path / "policy")


def test_a_save_cut_off_between_its_renames_says_where_the_old_one_is(policy, saved):
    saved.rename(saved.with_name("policy.old"))
    with pytest.raises(PolicyError, match=r"saving was interrupted; .*policy.old"):
        Policy.load(saved)
    policy.save(saved)
    assert [path.name for path in saved.parent.iterdir()] == ["policy"]


# What asks for too much, or for code


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("spec", "chunk"), 10**9, r"spec.chunk is 1000000000.* 4096"),
        (("spec", "state_dim"), 10**12, r"spec.state_dim is 1000000000000"),
        (("config", "trunk", "language", "instruction_tokens"), 10**8, "instruction_tokens is 100000000"),
        (("architecture", "language", "vocab_size"), 10**7, "far more memory than its weights take"),
        (("architecture", "language", "num_hidden_layers"), 10**7, "far more memory than its weights take"),
        (("architecture", "encoder", "hidden_size"), 2**20, "far more memory than its weights take"),
        (("architecture", "language", "hidden_act"), "no_such", "describes a policy that cannot be built"),
        (("architecture", "language", "model_type"), "no_such", "describes a policy that cannot be built"),
        (("architecture", "language"), 3, "an architecture that is none"),
        (("architecture",), [], "an architecture that is none"),
    ],
)
def test_what_the_weights_cannot_account_for_is_not_built(saved, path, value, message):
    edit(saved, *path, value=value)
    with pytest.raises(PolicyError, match=message):
        Policy.load(saved)


def test_code_beside_a_policy_is_not_run(saved, monkeypatch):
    # With a terminal transformers would ask, and whoever says yes runs it.
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("the user was asked to run code"))
    (saved / "tokenizer" / "evil.py").write_text(f"open({str(saved / 'ran')!r}, 'w')\nclass T: pass\n")
    config = json.loads((saved / "tokenizer" / "tokenizer_config.json").read_text())
    for kind in ("PreTrainedTokenizerFast", "T", None):
        config |= {"auto_map": {"AutoTokenizer": ["evil.T", "evil.T"]}, "tokenizer_class": kind}
        (saved / "tokenizer" / "tokenizer_config.json").write_text(json.dumps(config))
        edit(saved, "architecture", "language", "auto_map", value={"AutoModel": "evil.T"})
        edit(saved, "architecture", "language", "attn_implementation", value="someone/kernels")
        with contextlib.suppress(PolicyError):
            Policy.load(saved)
        assert not (saved / "ran").exists()
