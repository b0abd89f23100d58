"""The output layer over a language model's words, and ids of actions that are its last words."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from tiny_language import TINY, causal
from tiny_trunk import CONFIG, INSTRUCTIONS, observation, tiny_trunk

from vlasandbox.policies.codecs import bins
from vlasandbox.policies.heads import tokens
from vlasandbox.policies.language import LanguageConfig
from vlasandbox.policies.lora import LoraConfig
from vlasandbox.policies.tokenizer import train_tokenizer
from vlasandbox.policies.trunk import Trunk

K, A, V, WORDS = 3, 2, 16, 40
KINDS = ("tied", "untied")


def language(kind: str, **changes: Any) -> LanguageConfig:
    return replace(CONFIG.language, **{"vocab_size": WORDS, "lm_head": kind} | changes)


def words_head(trunk: Trunk, **changes: Any) -> tokens.Autoregressive:
    torch.manual_seed(5)
    options = {"codec": bins.Config(bins=V), "decoding": "autoregressive", "ids": "words"}
    head = tokens.Config(**options | changes).build(trunk, K, A)
    assert isinstance(head, tokens.Autoregressive)
    return head


def save_causal_model(folder: Path, tied: bool, with_head: bool = True) -> Any:
    """A Llama as published ones are saved; with or without its output layer."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(3)
    sizes: Any = {"vocab_size": 40, "hidden_size": 24, "intermediate_size": 32, "num_hidden_layers": 2}
    model = LlamaForCausalLM(LlamaConfig(**sizes, num_attention_heads=4, tie_word_embeddings=tied))
    (model if with_head else model.model).save_pretrained(folder)
    return model.eval()


# The layer


def test_by_default_there_is_none_and_it_is_said():
    backbone = TINY.build(INSTRUCTIONS)
    assert not any("lm_head" in name for name in backbone.state_dict())
    assert backbone.words.num_embeddings == len(backbone.tokenizer)
    with pytest.raises(ValueError, match=r"lm_head 'none'; valid: 'tied', 'untied'"):
        backbone.check_last_words(1)


@pytest.mark.parametrize("kind", KINDS)
def test_there_are_as_many_words_as_asked_for_and_the_last_are_to_spare(kind):
    backbone = replace(TINY, vocab_size=40, lm_head=kind).build(INSTRUCTIONS)
    used = len(backbone.tokenizer)
    assert backbone.words.num_embeddings == 40
    backbone.check_last_words(40 - used)
    with pytest.raises(ValueError, match=f"first {used} are in use; .*vocab_size.* 41"):
        backbone.check_last_words(41 - used)
    embeddings, output = backbone.last_words(5)
    assert torch.equal(embeddings, backbone.words.weight[35:])
    assert torch.equal(embeddings, output) == (kind == "tied")
    assert output.std().item() == pytest.approx(embeddings.std().item(), rel=0.3)


def test_what_a_state_in_words_needs_is_not_to_spare():
    trunk = tiny_trunk(state="text", language=language("tied", vocab_size=300))
    used = len(trunk.language.tokenizer)
    trunk.language.check_last_words(300 - used)
    with pytest.raises(ValueError, match=f"the first {used} are in use"):
        trunk.language.check_last_words(301 - used)


@pytest.mark.parametrize("kind", KINDS)
def test_a_checkpoint_scores_words_as_transformers_does(kind, tmp_path):
    model = save_causal_model(tmp_path, tied=kind == "tied")
    tokenizer = train_tokenizer(INSTRUCTIONS)
    backbone = LanguageConfig(checkpoint=str(tmp_path), lm_head=kind).build(INSTRUCTIONS, tokenizer)
    ids = torch.tensor(backbone.tokenize(INSTRUCTIONS[:1]))
    hidden, *_ = backbone(backbone.words(ids), causal(5, 5), torch.arange(5)[None])
    scores = F.linear(hidden, backbone.last_words(12)[1])
    torch.testing.assert_close(scores, model(input_ids=ids).logits[..., -12:])


@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_shape_has_it_without_the_checkpoint(kind, tmp_path):
    save_causal_model(tmp_path, tied=kind == "tied")
    config = LanguageConfig(checkpoint=str(tmp_path), lm_head=kind)
    backbone = config.build(INSTRUCTIONS, train_tokenizer(INSTRUCTIONS))
    again = replace(config, checkpoint="/nowhere").build([], backbone.tokenizer, backbone.architecture)
    again.load_state_dict(backbone.state_dict())
    assert all(map(torch.equal, again.last_words(3), backbone.last_words(3)))


@pytest.mark.parametrize(
    ("tied", "with_head", "asked", "found"),
    [(True, True, "untied", "tied"), (False, True, "tied", "untied"), (False, False, "untied", "none")],
)
def test_another_output_layer_than_the_checkpoints_is_refused(tied, with_head, asked, found, tmp_path):
    save_causal_model(tmp_path, tied, with_head)
    with pytest.raises(ValueError, match=f"lm_head must be '{found}' as in checkpoint .*, got '{asked}'"):
        LanguageConfig(checkpoint=str(tmp_path), lm_head=asked).build(INSTRUCTIONS, train_tokenizer([]))


def test_impossible_numbers_of_words_are_named(tmp_path):
    with pytest.raises(ValueError, match="vocab_size must be at least the 10 words of the tokenizer, got 9"):
        replace(TINY, vocab_size=9).build(INSTRUCTIONS)
    save_causal_model(tmp_path, tied=True)
    with pytest.raises(ValueError, match="vocab_size is for a model from scratch"):
        LanguageConfig(checkpoint=str(tmp_path), vocab_size=50).build(INSTRUCTIONS, train_tokenizer([]))


# Ids that are words


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_decoding_token_by_token_equals_one_teacher_forced_pass(kind):
    trunk = tiny_trunk(language=language(kind))
    head, prefix = words_head(trunk), trunk.encode(observation(INSTRUCTIONS))
    ids = head.codec.encode(head.sample(prefix, [torch.Generator()] * len(INSTRUCTIONS)))
    assert torch.equal(head.logits(prefix, ids).argmax(dim=-1), ids)
    assert len(ids.unique()) > 1


@pytest.mark.parametrize("kind", KINDS)
def test_an_id_goes_in_and_comes_out_as_its_word(kind):
    """Id 7 of 16 is word 31 of 40; beside words, the head has slots alone."""
    trunk = tiny_trunk(language=language(kind))
    head, prefix = words_head(trunk), trunk.encode(observation(INSTRUCTIONS))
    assert dict(head.named_parameters()).keys() == {"slots"}
    words, output = trunk.language.words.weight, trunk.language.lm_head
    before = torch.cat([torch.zeros(1, trunk.dim), words[31].expand(K * A - 1, -1)])
    tokens = (head.slots + before).expand(len(INSTRUCTIONS), -1, -1)
    expected = trunk.extend(prefix, tokens, "causal")[0] @ (words if output is None else output)[24:].T
    torch.testing.assert_close(head.logits(prefix, torch.full((len(INSTRUCTIONS), K * A), 7)), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_learning_actions_teaches_the_words_that_they_are(kind):
    trunk = tiny_trunk(language=language(kind))
    head, prefix = words_head(trunk), trunk.encode(observation(INSTRUCTIONS))
    actions = torch.linspace(-1, 1, 3 * K * A).view(3, K, A)
    loss, _ = head.loss(prefix, actions, torch.ones(3, K, dtype=torch.bool), torch.Generator())
    loss.mean().backward()
    output = trunk.language.words.weight if kind == "tied" else trunk.language.lm_head
    assert output is not None
    assert output.grad is not None
    touched = output.grad.any(dim=1)
    assert touched[-V:].all()
    assert not touched[len(trunk.language.tokenizer) : -V].any(), "words that nobody uses"


def test_lora_leaves_words_and_their_output_layer_as_they_are():
    trunk = tiny_trunk(language=language("untied"), lora=LoraConfig(rank=2))
    assert trunk.language.lm_head is not None
    assert not trunk.language.lm_head.requires_grad
    assert not trunk.language.words.weight.requires_grad


@pytest.mark.parametrize(
    ("words", "changes", "message"),
    [
        (language("none"), {}, "language.lm_head 'none'"),
        (language("tied", vocab_size=20), {}, "16 ids .* of 20"),
        (language("tied"), {"decoding": "parallel"}, "words need decoding 'autoregressive', got 'parallel'"),
    ],
)
def test_ids_that_cannot_be_words_are_refused(words, changes, message):
    with pytest.raises(ValueError, match=message):
        words_head(tiny_trunk(language=words), **changes)
