"""Statistics over several trainings, and of tests that may stop early, keep what they promise."""

import numpy as np
import pytest
from scipy import stats as scipy_stats

from vlasandbox.eval.stats.paired import required_pairs, resolvable_paired, wilson
from vlasandbox.eval.stats.random_effects import Dispersion, dispersions, estimate, mean_squares
from vlasandbox.eval.stats.sequential import compare_sequentially, evidence


def test_one_training_gives_wilsons_interval_of_its_rate_and_students_of_a_difference():
    table = (np.arange(50) % 5 > 0).astype(float)[None]
    found = estimate(table)
    low, high = scipy_stats.binomtest(40, 50).proportion_ci(method="wilson")
    assert (found.mean, found.low, found.high) == pytest.approx((0.8, low, high))
    assert not found.about_trainings
    found = estimate(table, difference=True)
    low, high = scipy_stats.t.interval(0.95, 49, loc=0.8, scale=table.std(ddof=1) / np.sqrt(50))
    assert (found.mean, found.low, found.high) == pytest.approx((0.8, low, high))


@pytest.mark.parametrize("trainings", [1, 3])
def test_equal_differences_leave_doubt_on_both_sides(trainings):
    beside = wilson(0, 50)[1]
    for mean, (low, high) in {0: (-beside, beside), 1: (1 - beside, 1), -1: (-1, -1 + beside)}.items():
        found = estimate(np.full((trainings, 50), float(mean)), difference=True)
        assert (found.mean, found.low, found.high) == pytest.approx((mean, low, high))
        assert found.p_value == (mean == 0)


def test_a_table_of_extreme_trainings_keeps_its_own_dispersion():
    """It has no rest, of which the moderated ratio would be a multiple."""
    extreme = np.repeat([[1.0], [0.0], [0.0]], 100, axis=1)
    tables = [extreme, *drawn([0.0] * 4)]
    common = dispersions(tables, 10.0)[0]
    moderated, alone = estimate(extreme, common=common), estimate(extreme)
    assert (moderated.low, moderated.high) == (alone.low, alone.high)
    assert alone.low < 0 < 1 < alone.high


def test_trainings_that_differ_widen_the_interval_and_are_reported():
    alike = np.tile((np.arange(100) % 5 > 0).astype(float), (4, 1))
    rng = np.random.default_rng(0)
    differing = (rng.random((4, 100)) < np.array([0.95, 0.9, 0.7, 0.65])[:, None]).astype(float)
    assert estimate(alike).between_trainings == 0
    assert estimate(differing).between_trainings > 0.08
    assert estimate(differing).high - estimate(differing).low > 2 * (
        estimate(alike).high - estimate(alike).low
    )


@pytest.mark.parametrize(("between", "m"), [(0.0, 3), (0.08, 3), (0.08, 5)])
def test_the_interval_covers_the_truth_as_often_as_it_says(between, m):
    """Over trainings and episodes drawn anew each time; chances add up from both."""
    rng = np.random.default_rng(1)
    covered, rounds, truth = 0, 600, 0.7
    for _ in range(rounds):
        chance = truth + between * rng.normal(size=(m, 1)) + 0.15 * rng.choice([-1, 1], size=(1, 60))
        found = estimate((rng.random((m, 60)) < chance).astype(float))
        covered += found.low <= truth <= found.high
    assert covered / rounds > 0.92


def test_mean_squares_are_those_of_a_two_way_analysis_of_variance():
    table = np.random.default_rng(4).random((3, 20))
    found = mean_squares(table)
    trainings = scipy_stats.f_oneway(*table)
    within = (table - table.mean(axis=1, keepdims=True)).var() * 60 / (3 * 19)
    assert found.training == pytest.approx(trainings.statistic * within)
    total = 2 * found.training + 19 * found.episode + 38 * found.rest
    assert total == pytest.approx(((table - table.mean()) ** 2).sum())


def drawn(spreads: list[float]) -> list[np.ndarray]:
    """A table for each standard deviation between trainings."""
    rng = np.random.default_rng(5)
    return [(rng.random((3, 80)) < 0.6 + s * rng.normal(size=(3, 1))).astype(float) for s in spreads]


def test_tables_that_are_alike_share_one_dispersion():
    tables = drawn([0.08]) * 6
    (one, *others) = dispersions(tables, 12.0)
    assert one is not None
    assert all(other == one for other in others)
    squares = [mean_squares(table) for table in tables]
    assert one.ratio == pytest.approx(sum(s.training for s in squares) / sum(s.rest for s in squares))
    assert one.freedom == 12


def test_a_table_unlike_the_others_keeps_most_of_its_own_dispersion():
    tables = drawn([0.01] * 6 + [0.4] * 2)
    found = dispersions(tables, 16.0)
    own = [mean_squares(table) for table in tables]
    assert all(one is not None and 2 < one.freedom < 6 for one in found)
    for one, squares in zip(found[-2:], own[-2:], strict=True):
        assert one is not None
        assert one.ratio > 0.5 * squares.training / squares.rest
    assert all(one is not None and one.ratio < 5 for one in found[:6])


def test_dispersion_decides_how_wide_an_interval_is():
    (table,) = drawn([0.1])
    wide, narrow = (estimate(table, common=Dispersion(ratio, 12.0)) for ratio in (9.0, 3.0))
    assert wide.high - wide.low > narrow.high - narrow.low
    assert dispersions([table, table[:1]], 2.0) == [None, None]
    assert dispersions([np.ones((3, 80))], 2.0) == [None]


@pytest.mark.parametrize("m", [1, 3])
def test_equal_outcomes_everywhere_still_leave_doubt(m):
    never, always = estimate(np.zeros((m, 50))), estimate(np.ones((m, 50)))
    assert (never.low, never.high) == wilson(0, 50)
    assert (always.low, always.high) == wilson(50, 50)


def test_too_few_episodes_are_refused():
    with pytest.raises(ValueError, match="at least 1 training and 2 episodes, got 3 and 1"):
        estimate(np.zeros((3, 1)))


def test_the_evidence_is_the_ratio_of_likelihoods():
    assert evidence(0, 0) == pytest.approx(1.0)
    assert evidence(1, 0) == pytest.approx(1.0)  # one seed says nothing
    assert evidence(3, 1) == pytest.approx(2**4 / (5 * 4))


def test_looking_after_every_episode_keeps_the_error_rate_under_the_null():
    rng = np.random.default_rng(2)
    alarms = 0
    for _ in range(400):
        pairs = rng.random((300, 2)) < 0.8
        alarms += compare_sequentially(map(tuple, pairs.tolist())).better is not None
    assert alarms / 400 <= 0.05


def test_a_large_difference_stops_the_test_early_and_names_the_better_one():
    rng = np.random.default_rng(3)
    asked = 0

    def play():
        nonlocal asked
        while asked < 500:
            asked += 1
            yield bool(rng.random() < 0.5), bool(rng.random() < 0.9)

    outcome = compare_sequentially(play())
    assert outcome.better == "b"
    assert outcome.pairs == asked < 120


def test_the_number_of_pairs_for_a_difference_is_the_one_that_resolves_it():
    assert required_pairs(0.1, 0.2) == pytest.approx(155, abs=3)  # the reference figure for 10 points
    for difference, discordance in ((0.05, 0.1), (0.1, 0.3)):
        n = required_pairs(difference, discordance)
        assert resolvable_paired(n, discordance) <= difference < resolvable_paired(n - 2, discordance)
