"""Token heads: two ways in which the trunk itself predicts bins."""

import pytest
import torch
from toy_trunk import ToyTrunk, assert_both_modes, fit, real_prefix, sample_many, two_modes

from vlasandbox.policies.codec import CodecConfig
from vlasandbox.policies.codecs import bins, fast, text, vq
from vlasandbox.policies.heads import tokens
from vlasandbox.policies.heads.tokens import Autoregressive, Parallel

K, A, B, V = 3, 2, 4, 16
FEW = bins.Config(bins=V)


def autoregressive(**options) -> tuple[Autoregressive, ToyTrunk]:
    trunk = ToyTrunk()
    torch.manual_seed(5)
    head = tokens.Config(codec=FEW, decoding="autoregressive", **options).build(trunk, K, A)
    assert isinstance(head, Autoregressive)
    return head, trunk


def parallel(**options) -> tuple[Parallel, ToyTrunk]:
    trunk = ToyTrunk()
    torch.manual_seed(5)
    head = tokens.Config(codec=FEW, decoding="parallel", **options).build(trunk, K, A)
    assert isinstance(head, Parallel)
    return head, trunk


def generators() -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in range(B)]


def test_decoding_token_by_token_on_the_cache_equals_one_teacher_forced_pass():
    head, trunk = autoregressive()
    with torch.no_grad():
        prefix = trunk.prefix(torch.randn(B, 2))
        chunk = head.sample(prefix, generators())
        ids = head.codec.encode(chunk)
        assert torch.equal(head.logits(prefix, ids).argmax(dim=-1), ids)
    assert len(ids.unique()) > 2


@torch.no_grad()
def test_the_same_holds_on_a_real_trunk_with_padding():
    trunk, prefix, _ = real_prefix()
    head = tokens.Config(codec=FEW, decoding="autoregressive").build(trunk, K, A)
    ids = head.codec.encode(head.sample(prefix, generators()[:2]))
    assert isinstance(head, Autoregressive)
    assert torch.equal(head.logits(prefix, ids).argmax(dim=-1), ids)


CODECS = {"bins": FEW, "fast": fast.Config(), "text": text.Config(levels=11), "vq": vq.Config(steps=20)}
every_codec = pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS.keys())


def watched(head: tokens.Tokens, monkeypatch: pytest.MonkeyPatch) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Fits the head's codec to noise; the list will hold the ids and scores of every batch sampled."""
    torch.manual_seed(7)
    head.fit(torch.rand(200, K, A) * 2 - 1, torch.Generator())
    seen, actions = [], head.actions
    monkeypatch.setattr(
        head, "actions", lambda ids, logits: (seen.append((ids, logits)), actions(ids, logits))[1]
    )
    return seen


@every_codec
@torch.no_grad()
def test_scores_on_the_cache_are_those_of_one_pass_for_every_codec(codec: CodecConfig, monkeypatch):
    trunk, prefix, _ = real_prefix()
    torch.manual_seed(5)
    head = tokens.Config(codec, "autoregressive", temperature=1.0).build(trunk, K, A)
    seen = watched(head, monkeypatch)
    _, counts = head.sample_counted(prefix, generators()[:2])
    ((ids, logits),) = seen
    lengths = head.codec.real(ids).sum(dim=1)
    assert (counts.chunks, counts.evaluations) == (2, lengths.sum())
    assert counts.evaluations_per_chunk(0) == round(lengths.float().mean().item())
    assert logits.shape[1] == lengths.max()
    whole = head.logits(prefix, ids)[:, : logits.shape[1]]
    torch.testing.assert_close(logits, whole, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_a_row_does_not_depend_on_how_long_the_others_take(monkeypatch):
    trunk = ToyTrunk()
    torch.manual_seed(5)
    head = tokens.Config(text.Config(), "autoregressive", temperature=1.0).build(trunk, K, A)
    seen = watched(head, monkeypatch)
    features = torch.randn(B, 2)
    together, alone = generators(), generators()
    chunks = [head.sample(trunk.prefix(features), together) for _ in range(2)]
    assert len(set(head.codec.real(seen[0][0]).sum(dim=1).tolist())) > 1
    row = 2  # even, so that the toy trunk gives it the same padding alone
    again = [head.sample(trunk.prefix(features[row : row + 1]), alone[row : row + 1]) for _ in range(2)]
    for one, other in zip(again, chunks, strict=True):
        torch.testing.assert_close(one[0], other[row])


@pytest.mark.parametrize("codec", [fast.Config(), text.Config()], ids=["fast", "text"])
@torch.no_grad()
def test_the_grammar_lets_nothing_fail_and_without_it_failures_are_counted(codec: CodecConfig):
    trunk = ToyTrunk()
    counts = []
    for grammar in (True, False):
        torch.manual_seed(5)
        head = tokens.Config(codec, "autoregressive", temperature=1.0, grammar=grammar).build(trunk, K, A)
        chunk, sampled = head.sample_counted(trunk.prefix(torch.randn(B, 2)), generators())
        assert chunk.isfinite().all()
        counts.append(sampled.undecodable_share)
        actions, mask = torch.rand(B, K, A) * 2 - 1, torch.ones(B, K, dtype=torch.bool)
        loss, metrics = head.loss(trunk.prefix(torch.randn(B, 2)), actions, mask, torch.Generator())
        assert loss.isfinite().all()
        assert ("forbidden" in metrics) == (not grammar)
    assert counts == [0, 1]  # random weights spell nothing
    assert 0.05 < metrics["forbidden"] < 1


def test_logits_of_a_slot_depend_on_earlier_tokens_and_on_no_others():
    head, trunk = autoregressive()
    prefix = trunk.prefix(torch.randn(1, 2))
    ids = torch.randint(V, (1, K * A))
    before = head.logits(prefix, ids)
    for slot in range(K * A):
        changed = ids.clone()
        changed[0, slot] = (changed[0, slot] + 3) % V
        after = head.logits(prefix, changed)
        moved = (after - before).abs().amax(dim=(0, 2)) > 0
        assert moved.tolist() == [later > slot for later in range(K * A)]


def test_blank_inputs_are_not_seen_in_training_and_nothing_is_blank_otherwise():
    head, trunk = autoregressive(blanks=1.0)
    prefix = trunk.prefix(torch.randn(1, 2))
    ids, other = torch.randint(V, (2, 1, K * A))
    blank = torch.ones(1, K * A, dtype=torch.bool)
    assert torch.equal(head.logits(prefix, ids, blank), head.logits(prefix, other, blank))
    blank[0, 1] = False
    moved = (head.logits(prefix, ids, blank) - head.logits(prefix, other, blank)).abs().amax(dim=(0, 2)) > 0
    assert moved.tolist() == [slot > 1 for slot in range(K * A)]

    actions, mask = torch.rand(1, K, A) * 2 - 1, torch.ones(1, K, dtype=torch.bool)
    losses = {}
    for training in (True, False):
        head.train(training)
        seeds = [torch.Generator().manual_seed(seed) for seed in (0, 1)]
        losses[training] = [head.loss(prefix, actions, mask, g)[0].item() for g in seeds]
    assert losses[True][0] != losses[True][1]
    assert losses[False][0] == losses[False][1]


@pytest.mark.parametrize("decoding", ["parallel", "placeholder"])
def test_heads_of_one_pass_are_blind_to_actions(decoding):
    trunk = ToyTrunk()
    head = tokens.Config(codec=FEW, decoding=decoding).build(trunk, K, A)
    prefix = trunk.prefix(torch.randn(B, 2))
    one, other = (head.logits(prefix, torch.full((B, K * A), fill)) for fill in (0, V - 1))
    assert torch.equal(one, other)


def test_a_placeholder_sees_those_before_it_alone():
    trunk = ToyTrunk()
    head = tokens.Config(codec=FEW, decoding="placeholder").build(trunk, K, A)
    prefix = trunk.prefix(torch.randn(1, 2))
    ids = torch.zeros(1, K * A, dtype=torch.long)
    before = head.logits(prefix, ids)
    with torch.no_grad():
        head.get_parameter("slots")[2] += 1
    moved = (head.logits(prefix, ids) - before).abs().amax(dim=(0, 2)) > 0
    assert moved.tolist() == [slot >= 2 for slot in range(K * A)]


def test_plain_cross_entropy_is_the_sum_over_independent_values():
    head, trunk = parallel()
    prefix = trunk.prefix(torch.randn(B, 2))
    actions = torch.rand(B, K, A) * 2 - 1
    loss, metrics = head.loss(prefix, actions, torch.ones(B, K, dtype=torch.bool), torch.Generator())
    ids = head.codec.encode(actions)
    logp = head.logits(prefix, ids).log_softmax(dim=-1).gather(-1, ids.unsqueeze(-1))
    torch.testing.assert_close(loss, -logp.mean(dim=(1, 2)))
    assert head.targets is None
    assert 0 <= metrics["token_accuracy"] <= 1


def test_smoothed_targets_are_a_gaussian_over_neighbouring_bins():
    head, _ = parallel(smoothing=1.5)
    assert head.targets is not None
    torch.testing.assert_close(head.targets.sum(dim=-1), torch.ones(V))
    middle = head.targets[8]
    assert middle.argmax() == 8
    torch.testing.assert_close(middle[7], middle[9])
    assert (middle[9] / middle[8]).log().item() == pytest.approx(-0.5 / 1.5**2, abs=1e-5)


def test_expectation_within_a_window_interpolates_but_does_not_average_two_modes():
    head, _ = parallel(decode="expectation", window=2)
    logits = torch.full((1, A, V), -30.0)
    logits[..., 3], logits[..., 4] = 2.0, 2.0  # one mode on the edge between two bins
    logits[..., 12] = 1.9  # and another far away
    ids = torch.full((1, A), 3)
    centres = head.codec.centres
    assert centres is not None
    edge = (centres[3] + centres[4]) / 2
    torch.testing.assert_close(head.actions(ids, logits)[0], edge.view(1, 1, A), atol=1e-5, rtol=0)


def test_argmax_decodes_to_the_centre_of_the_bin():
    head, _ = parallel(decode="argmax")
    ids = torch.randint(V, (1, K * A))
    assert torch.equal(head.actions(ids, torch.zeros(1, K * A, V))[0], head.codec.decode(ids)[0])


def test_sampled_ids_follow_the_distribution_and_sharpen_as_it_cools():
    probability = torch.tensor([0.5, 0.3, 0.2] + [0.0] * (V - 3))
    logits = probability.log().expand(3000, K * A, V)
    everything = torch.ones_like(logits, dtype=torch.bool)
    for temperature in (1.0, 0.5):
        head, _ = parallel(temperature=temperature)
        noise = head.noise([torch.Generator().manual_seed(row) for row in range(3000)])
        ids = head.choose(logits, everything, noise)[:, 0]
        expected = probability ** (1 / temperature)
        frequency = torch.bincount(ids.flatten(), minlength=V) / 3000
        assert (frequency - expected / expected.sum()).abs().max() < 0.03
    head, _ = parallel(temperature=0.0)
    assert head.noise([torch.Generator()]) is None
    assert (head.choose(logits, everything, None) == 0).all()


def test_autoregressive_recovers_both_of_two_modes_for_the_whole_chunk():
    head, trunk = build_for_two_modes("autoregressive")
    chunks = sample_many(head, trunk)
    assert_both_modes(chunks)
    assert (chunks[:, 0].sign() == chunks[:, 1].sign()).float().mean() > 0.95


def test_parallel_recovers_both_modes_of_a_value_but_mixes_them_within_a_chunk():
    head, trunk = build_for_two_modes("parallel")
    chunks = sample_many(head, trunk)
    assert_both_modes(chunks)
    assert 0.3 < (chunks[:, 0].sign() == chunks[:, 1].sign()).float().mean() < 0.7


def build_for_two_modes(decoding) -> tuple[tokens.Tokens, ToyTrunk]:
    trunk = ToyTrunk()
    head = tokens.Config(codec=FEW, decoding=decoding, temperature=1.0).build(trunk, 2, 1)
    fit(head, trunk, two_modes(2), steps=120)
    return head, trunk


def test_evaluations_count_passes_of_the_trunk():
    assert autoregressive()[0].num_function_evaluations == K * A
    assert parallel()[0].num_function_evaluations == 1


def test_options_that_a_codec_cannot_have_are_rejected():
    trunk = ToyTrunk()
    with pytest.raises(ValueError, match=r"Fast has sequences of variable length.*got 'parallel'"):
        tokens.Config(fast.Config()).build(trunk, K, A)
    with pytest.raises(ValueError, match="those of codec Vq are not"):
        tokens.Config(vq.Config(), decode="expectation").build(trunk, K, A)
    with pytest.raises(ValueError, match="those of codec Vq are not"):
        tokens.Config(vq.Config(), smoothing=1.0).build(trunk, K, A)


def test_a_share_beyond_all_is_rejected():
    with pytest.raises(ValueError, match=r"blanks must be between 0 and 1, got 1.5"):
        parallel(blanks=1.5)


@pytest.mark.parametrize("option", ["smoothing", "window", "temperature"])
def test_negative_options_are_rejected(option: str):
    with pytest.raises(ValueError, match=r"must not be negative, got .*-1"):
        parallel(**{option: -1 if option == "window" else -1.0})


@pytest.mark.parametrize("option", ["smoothing", "temperature"])
def test_options_that_are_no_numbers_are_rejected(option: str):
    with pytest.raises(ValueError, match=r"must be finite .*got .*nan"):
        parallel(**{option: float("nan")})
