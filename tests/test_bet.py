"""The BeT head: k-means, the focal loss, and whose offset learns."""

import pytest
import torch
from toy_trunk import ToyTrunk, assert_both_modes, fit, sample_many, two_modes

from vlasandbox.policies.heads import bet
from vlasandbox.policies.heads.bet import Bet, k_means, nearest

K, A, B = 3, 2, 5


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def build(**options) -> tuple[Bet, ToyTrunk]:
    trunk = ToyTrunk()
    torch.manual_seed(5)
    head = bet.Config(**{"clusters": 4, **options}).build(trunk, K, A)
    head.fit(chunks(200), generator())
    return head, trunk


def chunks(n: int, seed: int = 1) -> torch.Tensor:
    return torch.rand(n, K, A, generator=generator(seed)) * 2 - 1


def test_k_means_finds_well_separated_groups():
    centers = torch.tensor([[0.0, 0], [10, 0], [0, 10], [10, 10]])
    points = (centers[:, None] + 0.1 * torch.randn(50, 2, generator=generator())).flatten(0, 1)
    for seed in range(5):
        found = k_means(points, 8, generator(seed))
        assert torch.cdist(points, found).min(dim=1).values.max() < 0.6


def test_k_means_ends_where_centres_are_means_and_no_cluster_is_empty():
    points = chunks(300).flatten(1)
    found = k_means(points, 6, generator())
    assigned = nearest(points, found)
    assert torch.bincount(assigned, minlength=6).min() > 0
    means = torch.stack([points[assigned == i].mean(dim=0) for i in range(6)])
    torch.testing.assert_close(means, found, atol=1e-3, rtol=0)


def test_k_means_of_fewer_points_than_clusters_has_all_of_them():
    points = chunks(3).flatten(1)
    distance = torch.cdist(points, k_means(points, 10, generator()))
    assert distance.min(dim=1).values.max() < 1e-6
    assert distance.min(dim=0).values.max() < 1e-6  # and nothing else


def test_nearest_agrees_with_distances_written_out():
    points, centers = chunks(50).flatten(1), chunks(7, seed=2).flatten(1)
    expected = (points[:, None] - centers).square().sum(dim=2).argmin(dim=1)
    assert torch.equal(nearest(points, centers), expected)


def test_loss_is_focal_on_the_cluster_and_squared_on_what_its_offset_leaves():
    head, trunk = build(offset=1000.0)
    with torch.no_grad():
        head.offsets.bias.normal_()
    actions, mask = chunks(B), torch.ones(B, K, dtype=torch.bool)
    prefix = trunk.prefix(torch.randn(B, 2))
    loss, metrics = head.loss(prefix, actions, mask, torch.Generator())
    true = nearest(actions.flatten(1), head.centers)
    p = head.scores(head._read(prefix)).softmax(dim=1)[torch.arange(B), true]
    chunk = (head.centers + head.offsets.bias.view(4, K * A))[true].view(B, K, A)
    squared = (chunk - actions).square().mean(dim=(1, 2))
    torch.testing.assert_close(loss, (1 - p) ** 2 * -p.log() + 1000 * squared)
    torch.testing.assert_close(metrics["offset_mse"], squared.mean())


def test_only_the_offsets_of_the_true_cluster_learn_from_a_chunk():
    head, trunk = build()
    actions, mask = chunks(2), torch.ones(2, K, dtype=torch.bool)
    loss, _ = head.loss(trunk.prefix(torch.randn(2, 2)), actions, mask, torch.Generator())
    loss.sum().backward()
    assert head.offsets.bias.grad is not None
    moved = head.offsets.bias.grad.view(4, K * A).abs().sum(dim=1) > 0
    assert set(moved.nonzero().flatten().tolist()) == set(nearest(actions.flatten(1), head.centers).tolist())


def test_clusters_are_drawn_by_their_probability_and_carry_their_own_offset():
    head, trunk = build()
    with torch.no_grad():
        head.scores.weight.zero_()
        head.scores.bias.copy_(torch.tensor([0.5, 0.3, 0.2, 0.0]).log().clamp(min=-100))
        head.offsets.bias.view(4, K, A)[1] = 0.25
    drawn = sample_many(head, trunk, 2000)
    for cluster, (share, offset) in enumerate(zip([0.5, 0.3, 0.2, 0.0], [0, 0.25, 0, 0], strict=True)):
        expected = head.centers[cluster].view(K, A) + offset
        is_it = ((drawn - expected).abs() < 1e-5).all(dim=(1, 2))
        assert is_it.float().mean().item() == pytest.approx(share, abs=0.04)


def test_training_leaves_the_centres_alone_and_they_are_saved():
    head, trunk = build()
    before = head.centers.clone()
    batch = torch.zeros(B, 2), chunks(B), torch.ones(B, K, dtype=torch.bool)
    fit(head, trunk, lambda _: batch, steps=3)
    assert torch.equal(head.state_dict()["centers"], before)


def test_the_same_generator_gives_the_same_centres():
    head, _ = build()
    other, _ = build()
    assert torch.equal(head.centers, other.centers)


def test_both_of_two_modes_are_recovered_for_the_whole_chunk():
    trunk = ToyTrunk()
    torch.manual_seed(5)
    head = bet.Config(clusters=2).build(trunk, 2, 1)
    head.fit(two_modes(2)(generator(3))[1], generator())
    fit(head, trunk, two_modes(2), steps=60)
    drawn = sample_many(head, trunk)
    assert_both_modes(drawn)
    assert (drawn[:, 0].sign() == drawn[:, 1].sign()).float().mean() > 0.95


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"clusters": 0}, "clusters must be at least 1, got 0"),
        ({"offset": -1.0}, "offset must be finite and not negative, got -1.0"),
        ({"temperature": -1.0}, "temperature must be finite and not negative, got -1.0"),
    ],
)
def test_impossible_options_are_rejected(options, message: str):
    with pytest.raises(ValueError, match=message):
        bet.Config(**options).build(ToyTrunk(), K, A)
