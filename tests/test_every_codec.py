"""The contract every action codec fulfils; a new file in codecs/ is tested by this too."""

import copy
import dataclasses
from functools import cache

import pytest
import tiny_policy
import torch
from torch import Tensor

from vlasandbox.policies import codecs
from vlasandbox.policies.codec import ActionCodec, CodecConfig, hold
from vlasandbox.policies.heads import tokens
from vlasandbox.policies.policy import Policy

K, A = 6, 3
VARIANTS: dict[str, tuple[str, dict[str, object]]] = {name: (name, {}) for name in codecs.names()} | {
    "bins, rt1": ("bins", {"convention": "rt1"}),
    "bins, openpi": ("bins", {"convention": "openpi"}),
    "quantiles, normal": ("quantiles", {"source": "normal"}),
    "text, 256": ("text", {"levels": 256}),
    "text, 11": ("text", {"levels": 11}),
    "vq, one level": ("vq", {"levels": 1, "steps": 150}),
    "vq": ("vq", {"steps": 150}),
}
ERROR = {
    "bins": 1 / 256,
    "bins, rt1": 2 / 255,
    "bins, openpi": 2 / 256,
    "quantiles": 0.15,
    "text": 1e-3,
    "text, 256": 1 / 255,
    "text, 11": 0.1,
    "fast": 0.05 * (1 + 2**0.5 * (K - 1)) / K**0.5,  # every coefficient off by half a unit, in phase
}
"""Largest error of any action value, where one is promised for actions like the training data's."""

every_codec = pytest.mark.parametrize("variant", VARIANTS)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def chunks(count: int = 400, seed: int = 0) -> Tensor:
    """Smooth movements within [-1, 1], and a gripper that changes once or not at all."""
    g = generator(seed)
    t = torch.arange(K)[None, :, None] / K
    start, speed = torch.rand(2, count, 1, A - 1, generator=g) - 0.5
    change = torch.randint(2 * K, (count, 1, 1), generator=g)
    gripper = torch.where(torch.arange(K)[None, :, None] < change, 1.0, -1.0)
    return torch.cat([start + speed * t, gripper], dim=2)


def config(variant: str) -> CodecConfig:
    name, options = VARIANTS[variant]
    return dataclasses.replace(codecs.default_config(name), **options)  # pyright: ignore[reportArgumentType]


def fresh(variant: str) -> ActionCodec:
    torch.manual_seed(1)
    return config(variant).build(K, A)


@cache
def fitted(variant: str) -> ActionCodec:
    codec = fresh(variant)
    codec.fit(chunks(), generator())
    return codec


def any_ids(codec: ActionCodec, rows: int = 50) -> Tensor:
    return torch.randint(codec.vocab_size, (rows, codec.length), generator=generator(3))


def lawful_ids(codec: ActionCodec, rows: int = 50) -> Tensor:
    """Sequences drawn at random among all that the grammar allows."""
    ids = torch.zeros(rows, codec.length, dtype=torch.long)
    for place in range(codec.length):
        allowed = codec.allowed(ids[:, : place + 1])[:, place].float()
        ids[:, place] = torch.multinomial(allowed, 1, generator=generator(place)).squeeze(1)
    return ids


@every_codec
@pytest.mark.parametrize("codec_of", [fresh, fitted])
def test_ids_are_whole_numbers_of_the_vocabulary_and_decode_to_a_finite_chunk(variant: str, codec_of):
    codec, actions = codec_of(variant), chunks(seed=1)
    ids = codec.encode(actions)
    assert (ids.shape, ids.dtype) == ((len(actions), codec.length), torch.int64)
    assert ids.min() >= 0
    assert ids.max() < codec.vocab_size
    decoded, failed = codec.decode(ids)
    assert (decoded.shape, decoded.dtype) == (actions.shape, torch.float32)
    assert decoded.isfinite().all()
    assert (failed.shape, failed.dtype) == ((len(actions),), torch.bool)
    assert not failed.any()


@every_codec
def test_actions_come_back_within_the_error_that_is_promised(variant: str):
    codec, actions = fitted(variant), chunks(seed=1)
    error = (codec.decode(codec.encode(actions))[0] - actions).abs()
    assert error.max() <= ERROR.get(variant, torch.inf) + 1e-6
    # Always zero would be off by this much: a codec must know more.
    assert error.mean() < 0.7 * actions.abs().mean()


@every_codec
def test_what_was_encoded_is_allowed_at_every_place(variant: str):
    codec = fitted(variant)
    ids = codec.encode(chunks(seed=1))
    allowed = codec.allowed(ids)
    assert (allowed.shape, allowed.dtype) == ((*ids.shape, codec.vocab_size), torch.bool)
    assert allowed.gather(2, ids.unsqueeze(2)).all()


@every_codec
def test_whoever_keeps_to_what_is_allowed_can_be_decoded(variant: str):
    codec = fitted(variant)
    ids = lawful_ids(codec)
    decoded, failed = codec.decode(ids)
    assert not failed.any()
    assert decoded.isfinite().all()
    if codec.end is not None:
        assert (ids == codec.end).any(dim=1).all()


@every_codec
def test_any_ids_decode_to_a_finite_chunk(variant: str):
    codec = fitted(variant)
    assert codec.decode(any_ids(codec))[0].isfinite().all()


@every_codec
def test_what_is_allowed_depends_on_the_ids_before_alone(variant: str):
    codec = fitted(variant)
    ids = torch.cat([lawful_ids(codec, 5), any_ids(codec, 5)])
    whole = codec.allowed(ids)
    for place in {0, codec.length // 3, codec.length // 2, codec.length - 1}:
        changed = ids.clone()
        changed[:, place:] = 0
        assert torch.equal(codec.allowed(changed[:, : place + 1])[:, place], whole[:, place])


@every_codec
def test_nothing_after_the_end_matters(variant: str):
    codec = fitted(variant)
    ids = codec.encode(chunks(20, seed=1))
    real = codec.real(ids)
    noisy = torch.where(real, ids, any_ids(codec, 20))
    assert torch.equal(codec.real(noisy), real)
    assert torch.equal(codec.decode(noisy)[0], codec.decode(ids)[0])
    if codec.end is None:
        assert real.all()
    else:
        assert (ids.gather(1, real.sum(dim=1, keepdim=True) - 1) == codec.end).all()


@every_codec
def test_a_row_does_not_depend_on_the_rows_beside_it(variant: str):
    codec, actions = fitted(variant), chunks(8, seed=1)
    ids = codec.encode(actions)
    for row in range(8):
        assert torch.equal(codec.encode(actions[row : row + 1])[0], ids[row])
        assert torch.allclose(codec.decode(ids[row : row + 1])[0][0], codec.decode(ids)[0][row], atol=1e-6)


@every_codec
def test_ids_that_are_known_do_not_change_with_actions_that_are_not(variant: str):
    codec, actions = fitted(variant), chunks(40, seed=1)
    mask = torch.arange(K) < torch.randint(K + 1, (40, 1), generator=generator(2))
    mask[0], mask[1] = False, True
    one, other = (
        codec.encode(hold(actions.masked_fill(~mask.unsqueeze(2), x), mask)) for x in (0.3, float("nan"))
    )
    known = codec.known(one, mask)
    assert torch.equal(one, other)
    assert not known[0].any()
    assert torch.equal(known[1], codec.real(one)[1])
    assert known[mask.any(dim=1)].any(dim=1).all()
    assert not (known & ~codec.real(one)).any()


@every_codec
def test_a_saved_codec_comes_back_bit_for_bit(variant: str):
    codec, first, actions = fitted(variant), fresh(variant), chunks(seed=1)
    first.encode(actions[:1])  # whatever is kept from before must go
    ids = codec.encode(actions)
    for again in (copy.deepcopy(first), first):
        again.load_state_dict(codec.state_dict())
        assert torch.equal(again.encode(actions), ids)
        assert torch.equal(again.decode(ids)[0], codec.decode(ids)[0])
        assert torch.equal(again.allowed(ids), codec.allowed(ids))


@every_codec
def test_fitting_is_decided_by_data_and_generator_and_keeps_shapes_and_places(variant: str):
    results = []
    for seed in (5, 6):
        codec = fresh(variant)
        before = {name: (x.data_ptr(), x.shape) for name, x in codec.named_buffers()}
        torch.manual_seed(seed)
        state = torch.get_rng_state()
        codec.fit(chunks(), generator())
        assert torch.equal(torch.get_rng_state(), state)
        assert {name: (x.data_ptr(), x.shape) for name, x in codec.named_buffers()} == before
        results.append(codec.state_dict())
    assert all(torch.equal(results[0][name], results[1][name]) for name in results[0])


@every_codec
def test_mixed_precision_changes_nothing(variant: str):
    codec, actions = fitted(variant), chunks(seed=1)
    ids = codec.encode(actions)
    decoded, _ = codec.decode(ids)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(codec.encode(actions), ids)
        assert torch.equal(codec.decode(ids)[0], decoded)


@every_codec
def test_a_codec_has_no_parameters(variant: str):
    assert not list(fitted(variant).parameters())


@every_codec
def test_ids_that_are_action_values_say_which(variant: str):
    codec = fitted(variant)
    if codec.centres is not None:
        assert codec.centres.shape == (codec.vocab_size, A)
        assert (codec.centres.diff(dim=0) >= 0).all()
        ids = any_ids(codec)
        values = codec.centres[ids.view(-1, K, A), torch.arange(A)]
        torch.testing.assert_close(codec.decode(ids)[0], values)


@every_codec
def test_a_policy_is_saved_with_its_fitted_codec(variant: str, tmp_path):
    policy = tiny_policy.build(head=tokens.Config(config(variant), "autoregressive")).eval()
    actions = tiny_policy.make_batch(50).actions
    policy.head.fit(policy.action_normalizer.normalize(actions), generator())
    policy.save(tmp_path / "policy")
    again = Policy.load(tmp_path / "policy")
    seen = tiny_policy.make_batch(2).observation
    sampled = [p.act(seen, tiny_policy.generators(0, 1)) for p in (policy, again)]
    assert torch.equal(*sampled)
    for name, tensor in policy.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name


def test_steps_without_an_action_hold_the_one_before():
    actions = torch.tensor([[1.0, 2.0, 3.0, 4.0]]).unsqueeze(2)
    mask = torch.tensor([[False, True, False, True]])
    assert hold(actions, mask).flatten().tolist() == [0.0, 2.0, 2.0, 4.0]


def test_folder_lists_the_codecs_and_unknown_names_are_rejected_with_the_closest():
    assert {"bins", "fast", "quantiles", "text", "vq"} <= set(codecs.names())
    with pytest.raises(ValueError, match=r"unknown codec 'bin'; valid: .*fast.* Did you mean 'bins'\?"):
        codecs.default_config("bin")
