"""Weights of other programs are taken whole or refused by name, and bring what belongs to them."""

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from vlasandbox.policies.language import LanguageConfig
from vlasandbox.policies.tokenizer import train_tokenizer
from vlasandbox.train import presets
from vlasandbox.train.cli import train as train_cli
from vlasandbox.train.study.definition import apply
from vlasandbox.vision.checkpoints import Pixels
from vlasandbox.vision.encoders import dinov2, siglip

SENTENCE = "pick up the red cube"
WIDTHS: dict[str, Any] = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
SIZES: dict[str, Any] = {**WIDTHS, "intermediate_size": 24}
VISION: dict[str, Any] = {"image_size": 32, "patch_size": 16}
Weights = dict[str, Tensor]


@dataclass(frozen=True)
class Kind:
    """A model of transformers, and how ours differs from it on the same input."""

    save: Callable[[Path], Any]
    """Writes a random one, and returns it."""
    error: Callable[[Any, str], float]
    """Largest difference between that model's output and ours from a folder."""


def _random(model: Any, folder: Path) -> Any:
    for parameter in model.parameters():  # what is zero at first would hide where it goes
        torch.nn.init.normal_(parameter, std=0.2)
    model.save_pretrained(folder)
    return model.eval()


def _siglip(folder: Path) -> Any:
    from transformers import SiglipConfig, SiglipModel

    text = {**SIZES, "vocab_size": 9, "bos_token_id": 0, "eos_token_id": 1}
    return _random(SiglipModel(SiglipConfig(text_config=text, vision_config={**SIZES, **VISION})), folder)


def _dinov2(folder: Path) -> Any:
    from transformers import Dinov2Config, Dinov2ForImageClassification

    return _random(Dinov2ForImageClassification(Dinov2Config(**WIDTHS, **VISION)), folder)


def _llama(folder: Path) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = train_tokenizer([SENTENCE])
    tokenizer.save_pretrained(folder)
    config = LlamaConfig(**SIZES, num_key_value_heads=2, vocab_size=len(tokenizer))
    return _random(LlamaForCausalLM(config), folder)


def _images(size: int = 32) -> Tensor:
    return torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1


@torch.no_grad()
def _siglip_error(model: Any, folder: str) -> float:
    theirs = model.vision_model(_images()).last_hidden_state
    return _largest(siglip.Config(folder).build(None).encode(_images(), None) - theirs)


@torch.no_grad()
def _dinov2_error(model: Any, folder: str) -> float:
    mean, std = (torch.tensor(x).view(3, 1, 1) for x in (dinov2.PIXELS.mean, dinov2.PIXELS.std))
    theirs = model.dinov2((_images() / 2 + 0.5 - mean) / std).last_hidden_state[:, 1:]
    return _largest(dinov2.Config(folder).build(None).encode(_images(), None) - theirs)


@torch.no_grad()
def _llama_error(model: Any, folder: str) -> float:
    errors = []
    for lm_head in ("none", "untied"):
        backbone = LanguageConfig(folder, lm_head=lm_head).build([SENTENCE])
        ids = torch.tensor(backbone.tokenize([SENTENCE]))
        n = ids.shape[1]
        visible = torch.ones(1, n, n, dtype=torch.bool).tril()
        ours = backbone(backbone.words(ids), visible, torch.arange(n)[None])[0]
        errors.append(_largest(ours - model.model(input_ids=ids).last_hidden_state))
        if backbone.lm_head is not None:
            errors.append(_largest(backbone.lm_head - model.lm_head.weight))
    return max(errors)


def _largest(difference: Tensor) -> float:
    return float(difference.abs().max())


KINDS = {
    "siglip": Kind(_siglip, _siglip_error),
    "dinov2": Kind(_dinov2, _dinov2_error),
    "llama": Kind(_llama, _llama_error),
}


@pytest.fixture(params=KINDS)
def kind(request) -> Kind:
    return KINDS[request.param]


def _rewrite(folder: Path, change: Callable[[Weights], Weights]) -> None:
    path = folder / "model.safetensors"
    changed = {name: x.clone().contiguous() for name, x in change(load_file(path)).items()}
    save_file(changed, path, metadata={"format": "pt"})


WRAPPED: dict[str, Callable[[str], str]] = {
    "as it is": lambda name: name,
    "compiled": lambda name: f"_orig_mod.{name}",
    "data-parallel": lambda name: f"module.{name}",
    "data-parallel twice": lambda name: f"module.module.{name}",
    "compiled, then data-parallel": lambda name: f"module._orig_mod.{name}",
    "its layers compiled": lambda name: name.replace("layers.", "layers._orig_mod."),
    "each layer compiled": lambda name: name.replace("layers.1.", "layers.1._orig_mod."),
    "sharded": lambda name: f"_fsdp_wrapped_module.{name}",
}


@pytest.mark.parametrize("wrapper", WRAPPED)
def test_names_of_wrapped_models_are_understood(kind, wrapper, tmp_path):
    model = kind.save(tmp_path)
    _rewrite(tmp_path, lambda w: {WRAPPED[wrapper](name): x for name, x in w.items()})
    assert kind.error(model, str(tmp_path)) < 1e-5


def _is_used(name: str) -> bool:
    return not any(x in name for x in ("text_model", "logit", "head", "classifier", "mask_token"))


def _without(names: Callable[[str], bool]) -> Callable[[Weights], Weights]:
    return lambda w: {name: x for name, x in w.items() if not names(name)}


DAMAGES: dict[str, tuple[Callable[[Weights], Weights], str]] = {
    "a layer less": (
        _without(lambda n: re.search(r"layers?\.1\.", n) is not None),
        r"lacks weights .*: .*1\..* more",
    ),
    "a bias or norm less": (lambda w: dict(list(_used_last(w).items())[:-1]), "lacks weights"),
    "a layer more": (
        lambda w: w | {n.replace(".1.", ".2."): x for n, x in w.items() if _is_used(n) and ".1." in n},
        r"has weights that its config.json has no place for: .*\.2\.",
    ),
    "other names": (lambda w: {f"backbone.net.{n}": x for n, x in w.items()}, "lacks weights"),
    "another shape": (
        lambda w: w | {n: x[..., :-1] for n, x in w.items() if ".1." in n and n.endswith("weight")},
        r"has weights of other shapes than its config.json says: .*\.1\..*\[.*\], not \[",
    ),
    "empty": (lambda w: {"unrelated": torch.zeros(1)}, "lacks weights"),
}


def _used_last(w: Weights) -> Weights:
    return dict(sorted(w.items(), key=lambda item: _is_used(item[0])))


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_does_not_fit_is_named(kind, damage, tmp_path):
    model = kind.save(tmp_path)
    change, message = DAMAGES[damage]
    _rewrite(tmp_path, change)
    with pytest.raises(ValueError, match=f"checkpoint '{tmp_path}' {message}") as error:
        kind.error(model, str(tmp_path))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("file", ["config.json", "model.safetensors"])
@pytest.mark.parametrize("content", [b"", b"{", b'{"model_type": "no such"}', None])
def test_files_that_cannot_be_read_are_told_in_one_sentence(kind, file, content, tmp_path):
    model = kind.save(tmp_path)
    if content is None:
        (tmp_path / file).unlink()
    else:
        (tmp_path / file).write_bytes(content)
    with pytest.raises(ValueError, match=f"checkpoint '{tmp_path}' cannot be loaded: ") as error:
        kind.error(model, str(tmp_path))
    assert "\n" not in str(error.value)


def test_a_folder_that_is_not_there_is_no_hub_name(tmp_path):
    for config in (siglip.Config(str(tmp_path / "no")), dinov2.Config("./no-such-folder")):
        with pytest.raises(ValueError, match="is not a folder"):
            config.build(None)


def test_an_encoder_of_another_class_is_named(tmp_path):
    from transformers import CLIPVisionConfig, CLIPVisionModel

    _random(CLIPVisionModel(CLIPVisionConfig(**SIZES, **VISION)), tmp_path)
    with pytest.raises(ValueError, match="is a clip_vision_model, not a SigLIP"):
        siglip.Config(str(tmp_path)).build(None)
    with pytest.raises(ValueError, match="is a clip_vision_model, not a DINOv2"):
        dinov2.Config(str(tmp_path)).build(None)


@pytest.mark.parametrize("name", ["Bert", "GPT2", "T5", "SiglipVision"])
def test_a_language_model_that_is_no_decoder_with_rotary_positions_is_named(name, tmp_path):
    import transformers

    config = getattr(transformers, f"{name}Config")()
    config.save_pretrained(tmp_path)
    train_tokenizer([SENTENCE]).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=f"is a {config.model_type}, not a decoder with rotary positions"):
        LanguageConfig(str(tmp_path)).build([SENTENCE])


# What a checkpoint brings


def test_a_checkpoint_alone_brings_its_own_stem_and_sizes(tmp_path):
    model = _siglip(tmp_path)
    encoder = siglip.Config(str(tmp_path)).build(None)
    stem: Any = encoder.stem
    assert torch.equal(stem.projection.weight, model.vision_model.embeddings.patch_embedding.weight)
    assert (encoder.image_size, encoder.dim) == (32, 16)


@pytest.mark.parametrize(("module", "save"), [(siglip, _siglip), (dinov2, _dinov2)])
@pytest.mark.parametrize("name", ["patch", "width", "layers", "heads"])
def test_a_size_that_contradicts_the_checkpoint_is_refused(module, save, name, tmp_path):
    save(tmp_path)
    with pytest.raises(ValueError, match=f"{name} 4 contradicts checkpoint .* which has .* leave {name} out"):
        module.Config(str(tmp_path), **{name: 4}).build(None)
    module.Config(str(tmp_path), patch=16, width=16, layers=2, heads=2).build(None)


@pytest.mark.parametrize("name", [*LanguageConfig.SIZES])
def test_a_size_that_contradicts_the_language_model_is_refused(name, tmp_path):
    _llama(tmp_path)
    with pytest.raises(ValueError, match=f"language: {name} 4 contradicts checkpoint"):
        replace(LanguageConfig(str(tmp_path)), **{name: 4}).build([SENTENCE])


def test_another_stem_may_be_asked_for(tmp_path):
    _siglip(tmp_path)
    encoder = siglip.Config(str(tmp_path), stem="conv").build(None)
    assert not hasattr(encoder.stem, "projection")


@torch.no_grad()
def test_images_of_another_size_meet_interpolated_positions(tmp_path):
    model = _siglip(tmp_path).vision_model
    encoder = siglip.Config(str(tmp_path), image_size=64).build(None)
    assert (encoder.image_size, encoder.tokens_per_image) == (64, 16)
    theirs = model(_images(64), interpolate_pos_encoding=True).last_hidden_state
    torch.testing.assert_close(encoder.encode(_images(64), None), theirs)
    again = siglip.Config("/nowhere", image_size=64).build(None, encoder.architecture)
    again.load_state_dict(encoder.state_dict())
    assert torch.equal(again.encode(_images(64), None), encoder.encode(_images(64), None))


@torch.no_grad()
def test_pixels_beyond_whole_patches_are_left_out_as_in_siglip(tmp_path):
    from transformers import SiglipVisionConfig, SiglipVisionModel

    shape = {**SIZES, "image_size": 48, "patch_size": 14}
    model = _random(SiglipVisionModel(SiglipVisionConfig(**shape)), tmp_path)
    encoder = siglip.Config(str(tmp_path)).build(None)
    assert (encoder.image_size, encoder.tokens_per_image) == (48, 9)
    torch.testing.assert_close(encoder.encode(_images(48), None), model(_images(48)).last_hidden_state)
    assert siglip.Config(image_size=48, patch=14, stem="patch").build(None).tokens_per_image == 9
    assert dinov2.Config(image_size=48, patch=14).build(None).tokens_per_image == 9


PREPROCESSING: dict[str, tuple[dict[str, Any], tuple[float, float]]] = {
    "none stored": ({}, (0.5, 0.5)),
    "ImageNet's mean": ({"image_mean": [0.4] * 3, "image_std": [0.2] * 3}, (0.4, 0.2)),
    "not normalized": ({"do_normalize": False, "image_mean": [0.4] * 3}, (0.0, 1.0)),
    "bytes": ({"do_rescale": False, "image_mean": [127.5] * 3, "image_std": [127.5] * 3}, (0.5, 0.5)),
    "another factor": (
        {"rescale_factor": 1 / 127.5, "image_mean": [1.0] * 3, "image_std": [1.0] * 3},
        (0.5, 0.5),
    ),
}


@torch.no_grad()
@pytest.mark.parametrize("stored", PREPROCESSING)
@pytest.mark.parametrize("file", ["preprocessor_config.json", "processor_config.json"])
def test_a_checkpoint_brings_its_normalization_of_pixels(stored, file, tmp_path):
    model = _siglip(tmp_path).vision_model
    values, (mean, std) = PREPROCESSING[stored]
    if values:
        nested = values if file.startswith("pre") else {"image_processor": values}
        (tmp_path / file).write_text(json.dumps(nested))
    encoder = siglip.Config(str(tmp_path)).build(None)
    theirs = model((_images() / 2 + 0.5 - mean) / std).last_hidden_state
    torch.testing.assert_close(encoder.encode(_images(), None), theirs, rtol=1e-4, atol=1e-4)
    again = siglip.Config("/nowhere").build(None, json.loads(json.dumps(encoder.architecture)))
    again.load_state_dict(encoder.state_dict())
    assert torch.equal(again.encode(_images(), None), encoder.encode(_images(), None))


@pytest.mark.parametrize("content", ["{", '{"image_mean": [0.5]}', '{"image_std": [0, 0, 0]}'])
def test_a_preprocessing_that_cannot_be_used_is_named(content, tmp_path):
    _siglip(tmp_path)
    (tmp_path / "preprocessor_config.json").write_text(content)
    with pytest.raises(ValueError, match=r"preprocessor_config.json of encoder checkpoint .* cannot be used"):
        siglip.Config(str(tmp_path)).build(None)


def test_pixels_survive_json():
    pixels = Pixels((0.1, 0.2, 0.3), (1.0, 2.0, 3.0))
    assert Pixels.from_dict(json.loads(json.dumps(pixels.to_dict()))) == pixels


# Sizes of a preset do not speak against a checkpoint


def test_the_flag_alone_takes_all_from_the_checkpoint():
    for preset in ("debug", "pick_flow"):
        flags = ["--policy.trunk.encoder.checkpoint", "x", "--policy.trunk.language.checkpoint", "y"]
        trunk = train_cli._parse(preset, flags)[2].policy.trunk
        assert trunk.encoder == siglip.Config("x")
        assert {getattr(trunk.language, name) for name in trunk.language.SIZES} == {None}


def test_a_flag_beside_the_checkpoint_is_kept():
    flags = ["--policy.trunk.encoder.checkpoint", "x", "--policy.trunk.encoder.image-size", "64"]
    changed = train_cli._parse("pick_flow", [*flags, "--policy.trunk.encoder.stem", "conv"])[2]
    assert changed.policy.trunk.encoder == siglip.Config("x", image_size=64, stem="conv")
    without = train_cli._parse("pick_flow", ["--policy.trunk.encoder.width", "64"])[2]
    assert without.policy.trunk.encoder == siglip.Config(width=64)


def test_a_study_may_vary_the_checkpoint():
    config = presets.load("pick_flow")(Path("data"))
    path = "policy.trunk.encoder."
    changed = apply(config, {f"{path}image_size": 96, f"{path}checkpoint": "x"})
    assert changed.policy.trunk.encoder == siglip.Config("x", image_size=96)


def test_without_a_checkpoint_sizes_are_what_they_were():
    assert siglip.Config() == siglip.Config(None, 64, 16, 128, 1, 4, 512, "conv")
    assert dinov2.Config() == dinov2.Config(None, 64, 16, 128, 1, 4, 4)
    assert LanguageConfig() == LanguageConfig(None, 128, 3, 4, 4, 384)


# Tokenizers


def test_a_tokenizer_with_more_words_than_the_model_is_named(tmp_path):
    _llama(tmp_path)
    train_tokenizer([f"{SENTENCE} and put it into the box"]).save_pretrained(tmp_path)
    with pytest.raises(
        ValueError, match=r"tokenizer .* does not fit its model: it numbers words up to 11, but .* 7"
    ):
        LanguageConfig(str(tmp_path)).build(["pick up"])


def test_a_tokenizer_that_knows_no_word_is_named(tmp_path):
    _llama(tmp_path)
    with pytest.raises(ValueError, match="knows no word of 'hebe den Quader hoch'"):
        LanguageConfig(str(tmp_path)).build(["hebe den Quader hoch"])
    assert LanguageConfig(str(tmp_path)).build(["hebe the Quader"]).room == 8


def test_a_missing_tokenizer_is_named(tmp_path):
    _llama(tmp_path)
    for path in tmp_path.glob("tokenizer*"):
        path.unlink()
    with pytest.raises(ValueError, match=r"the tokenizer of .* cannot be loaded") as error:
        LanguageConfig(str(tmp_path)).build([SENTENCE])
    assert "\n" not in str(error.value)


def test_a_tokenizer_without_a_token_to_pad_with_pads_all_the_same(tmp_path):
    _llama(tmp_path)
    path = tmp_path / "tokenizer_config.json"
    config = json.loads(path.read_text())
    del config["pad_token"]
    path.write_text(json.dumps(config))
    backbone = LanguageConfig(str(tmp_path)).build([SENTENCE])
    words, real = backbone.embed([SENTENCE, "cube"], torch.device("cpu"))
    assert real.sum(dim=1).tolist() == [5, 1]
    assert words.isfinite().all()
    shutil.rmtree(tmp_path / "again", ignore_errors=True)
    backbone.tokenizer.save_pretrained(tmp_path / "again")
    from vlasandbox.policies.tokenizer import load_tokenizer

    assert load_tokenizer(tmp_path / "again").pad_token_id == backbone.tokenizer.pad_token_id
