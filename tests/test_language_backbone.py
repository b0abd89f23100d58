"""Instructions become tokens that any decoder of transformers can read."""

from dataclasses import replace

import pytest
import torch
from tiny_language import TINY, causal
from tiny_trunk import INSTRUCTIONS

from vlasandbox.policies.language import LanguageConfig
from vlasandbox.policies.tokenizer import load_tokenizer, train_tokenizer

CPU = torch.device("cpu")


@pytest.fixture(params=["llama", "qwen2"])
def checkpoint(request, tmp_path):
    """A decoder saved as published ones are, with the output layer and in half precision; a tokenizer for it.

    Every number is random: the biases of Qwen2's queries, keys and values would be zero.
    """
    import transformers

    kind = {"llama": "Llama", "qwen2": "Qwen2"}[request.param]
    tokenizer = train_tokenizer(INSTRUCTIONS)
    torch.manual_seed(3)
    shape = {"vocab_size": len(tokenizer), "hidden_size": 24, "intermediate_size": 32, "num_hidden_layers": 2}
    ids = {"pad_token_id": 0, "bos_token_id": None, "eos_token_id": None, "tie_word_embeddings": True}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2}
    config = getattr(transformers, f"{kind}Config")(**shape, **ids, **heads)
    model = getattr(transformers, f"{kind}ForCausalLM")(config)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    model.bfloat16().save_pretrained(tmp_path)
    return model.float().model, str(tmp_path), tokenizer


def test_words_are_tokens_in_lower_case():
    tokenizer = train_tokenizer(INSTRUCTIONS)
    ids = tokenizer("Pick up the RED cube")["input_ids"]
    assert tokenizer.convert_ids_to_tokens(ids) == ["pick", "up", "the", "red", "cube"]


def test_an_unseen_word_is_unknown_and_harmless():
    backbone = TINY.build(INSTRUCTIONS)
    tokenizer = backbone.tokenizer
    assert backbone.tokenize(["pick up the zebra"])[0][-1] == tokenizer.unk_token_id
    assert backbone.embed(["größe ☃"], CPU)[0].isfinite().all()


def test_the_numbers_of_words_do_not_depend_on_the_order_of_the_sentences():
    one, other = train_tokenizer(INSTRUCTIONS), train_tokenizer(INSTRUCTIONS[::-1] * 2)
    assert one.get_vocab() == other.get_vocab()


def test_a_saved_tokenizer_reads_the_same(tmp_path):
    tokenizer = train_tokenizer(INSTRUCTIONS)
    tokenizer.save_pretrained(tmp_path)
    again = load_tokenizer(tmp_path)
    for text in [*INSTRUCTIONS, "Pick the zebra"]:
        assert again(text)["input_ids"] == tokenizer(text)["input_ids"]
    assert again.pad_token_id == tokenizer.pad_token_id
    assert len(again) == len(tokenizer)


def test_padding_is_on_the_right_and_marked():
    backbone = TINY.build(INSTRUCTIONS)
    words, mask = backbone.embed(["stop", "pick up the red cube"], CPU)
    assert words.shape == (2, 6, 16)
    assert mask.tolist() == [[True] + [False] * 5, [True] * 5 + [False]]


@pytest.mark.parametrize("sentences", [INSTRUCTIONS, [""], ["", "stop"]])
def test_an_instruction_may_be_empty(sentences):
    backbone = TINY.build(sentences)
    words, mask = backbone.embed(["", "stop"], CPU)
    assert mask.tolist() == [[False] * 6, [True] + [False] * 5]
    assert words.isfinite().all()


def test_there_is_room_for_what_is_trained_on_what_is_expected_and_what_comes():
    def length(*instructions: str, at_least: int = 0) -> int:
        return backbone.embed([*instructions], CPU, at_least)[0].shape[1]

    backbone = replace(TINY, instruction_tokens=3).build(INSTRUCTIONS)
    assert length("stop") == 5
    assert length("stop", at_least=8) == 8
    assert length("stop", at_least=2) == 5
    assert length("stop", "pick up the red cube and the can") == 8


def test_a_checkpoint_gives_the_hidden_states_that_transformers_gives(checkpoint):
    model, folder, tokenizer = checkpoint
    backbone = LanguageConfig(checkpoint=folder).build(INSTRUCTIONS, tokenizer)
    assert (backbone.dim, backbone.num_layers, backbone.num_heads, backbone.num_kv_heads) == (24, 2, 4, 2)
    assert backbone.head_dim == 6
    ids = torch.tensor(backbone.tokenize(INSTRUCTIONS[:1]))
    expected = model.eval()(input_ids=ids).last_hidden_state
    hidden, keys, values = backbone(backbone.words(ids), causal(5, 5), torch.arange(5)[None])
    torch.testing.assert_close(hidden, expected)
    assert keys[1].shape == values[1].shape == (1, 2, 5, 6)
    past = backbone(backbone.words(ids[:, :3]), causal(3, 3), torch.arange(3)[None])[1:]
    rest, *_ = backbone(backbone.words(ids[:, 3:]), causal(2, 5), torch.arange(3, 5)[None], past)
    torch.testing.assert_close(rest, expected[:, 3:])


def test_the_biases_of_qwens_queries_keys_and_values_are_loaded(checkpoint):
    model, folder, tokenizer = checkpoint
    loaded = LanguageConfig(checkpoint=folder).build(INSTRUCTIONS, tokenizer).model.state_dict()
    biases = {name for name in loaded if name.endswith("_proj.bias")}
    assert len(biases) == {"llama": 0, "qwen2": 6}[model.config.model_type]
    assert all(loaded[name].any() and torch.equal(loaded[name], model.state_dict()[name]) for name in biases)


def test_a_saved_shape_needs_no_checkpoint(checkpoint):
    _, folder, tokenizer = checkpoint
    backbone = LanguageConfig(checkpoint=folder).build(INSTRUCTIONS, tokenizer)
    again = LanguageConfig(checkpoint="/nowhere").build(INSTRUCTIONS, tokenizer, backbone.architecture)
    again.load_state_dict(backbone.state_dict())
    tokens = torch.randn(1, 3, 24)
    run = [x(tokens, causal(3, 3), torch.arange(3)[None])[0] for x in (backbone, again)]
    assert torch.equal(*run)


def test_the_first_layers_of_a_checkpoint_are_a_checkpoint_of_fewer_layers(checkpoint):
    model, folder, tokenizer = checkpoint
    config = LanguageConfig(checkpoint=folder, first_layers=1)
    backbone = config.build(INSTRUCTIONS, tokenizer)
    assert backbone.num_layers == 1
    ids = torch.tensor(backbone.tokenize(INSTRUCTIONS[:1]))
    layers = []
    model.layers[0].register_forward_hook(lambda module, inputs, output: layers.append(output))
    model.eval()(input_ids=ids)
    run = backbone(backbone.words(ids), causal(5, 5), torch.arange(5)[None])
    torch.testing.assert_close(run[0], model.norm(layers[0]))
    assert len(run[1]) == 1
    again = replace(config, checkpoint="/nowhere").build(INSTRUCTIONS, tokenizer, backbone.architecture)
    again.load_state_dict(backbone.state_dict())
    assert torch.equal(again(backbone.words(ids), causal(5, 5), torch.arange(5)[None])[0], run[0])


@pytest.mark.parametrize("count", [0, 3])
def test_more_layers_than_there_are_cannot_be_kept(checkpoint, count):
    _, folder, tokenizer = checkpoint
    with pytest.raises(ValueError, match=f"first_layers must be between 1 and the 2 of .*, got {count}"):
        LanguageConfig(checkpoint=folder, first_layers=count).build(INSTRUCTIONS, tokenizer)
    with pytest.raises(ValueError, match="first_layers is for a checkpoint"):
        replace(TINY, first_layers=1).build(INSTRUCTIONS)


def test_a_checkpoint_brings_its_own_tokenizer(tmp_path):
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaModel, PreTrainedTokenizerFast

    # Byte-level BPE with an end token and none for padding, as most checkpoints have it.
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)  # pyright: ignore
    raw.decoder = decoders.ByteLevel()  # pyright: ignore
    raw.train_from_iterator(
        INSTRUCTIONS,
        trainers.BpeTrainer(
            special_tokens=["<end>"],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            vocab_size=400,
            show_progress=False,
        ),
    )
    PreTrainedTokenizerFast(tokenizer_object=raw, eos_token="<end>").save_pretrained(tmp_path)
    shape = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    ids = {"bos_token_id": None, "eos_token_id": 0}
    LlamaModel(LlamaConfig(vocab_size=raw.get_vocab_size(), **shape, **ids)).save_pretrained(tmp_path)

    backbone = LanguageConfig(checkpoint=str(tmp_path), instruction_tokens=12).build(INSTRUCTIONS)
    assert backbone.tokenizer.decode(backbone.tokenize(["pick up the red cube"])[0]) == "pick up the red cube"
    words, mask = backbone.embed(["stop", "größe ☃"], CPU)
    assert words.isfinite().all()
    assert not mask[0].all()


def test_a_missing_checkpoint_is_named(tmp_path):
    with pytest.raises(ValueError, match="no-such-llama"):
        LanguageConfig(checkpoint=str(tmp_path / "no-such-llama")).build(INSTRUCTIONS)


@pytest.mark.parametrize("changes", [{"heads": 3}, {"kv_heads": 3}, {"heads": 16}])
def test_heads_that_do_not_fit_are_named(changes):
    with pytest.raises(ValueError, match="must be an even multiple of"):
        replace(TINY, **changes).build(INSTRUCTIONS)


def test_the_scale_of_the_embeddings_is_measured():
    backbone = TINY.build(INSTRUCTIONS)
    rms = backbone.words.weight.square().mean().sqrt().item()
    assert backbone.embedding_scale == pytest.approx(rms)
