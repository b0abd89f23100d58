"""The statistics agree with published examples and with scipy."""

import math

import numpy as np
import pytest
from scipy import stats as scipy_stats

from vlasandbox.eval.result import EpisodeResult, EvalResult, Outcome
from vlasandbox.eval.stats.paired import (
    PairedTable,
    _hybrid_interval,
    mcnemar_exact,
    paired_interval,
    paired_table,
    resolvable_paired,
    wilson,
)
from vlasandbox.policies.execution import Execution


def result(policy: str, outcomes: dict[int, Outcome], task: str = "pick") -> EvalResult:
    episodes = [
        EpisodeResult(seed, outcome, 1, 0.0, "start", "pick up") for seed, outcome in outcomes.items()
    ]
    return EvalResult(
        policy,
        "",
        task,
        "test",
        min(outcomes),
        episodes,
        Execution(),
        "",
        16,
        1,
        1,
        math.nan,
        math.nan,
        0.0,
        0,
        {},
        {},
    )


@pytest.mark.parametrize(("successes", "n"), [(0, 20), (1, 1), (7, 20), (95, 100), (500, 500), (3, 7)])
@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
def test_wilson_agrees_with_scipy(successes, n, level):
    expected = scipy_stats.binomtest(successes, n).proportion_ci(level, method="wilson")
    assert wilson(successes, n, level) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_wilson_is_exact_at_the_ends_and_knows_nothing_without_data():
    assert wilson(0, 50)[0] == 0.0
    assert wilson(50, 50)[1] == 1.0
    assert wilson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(("successes", "n"), [(-1, 5), (6, 5)])
def test_impossible_counts_are_refused(successes, n):
    with pytest.raises(ValueError, match=f"between 0 and n = {n}, got {successes}"):
        wilson(successes, n)


def test_a_level_of_95_is_not_a_probability():
    with pytest.raises(ValueError, match="level must be between 0 and 1, got 95"):
        wilson(1, 2, 95.0)


@pytest.mark.parametrize(
    ("b", "c"), [(0, 0), (0, 5), (0, 6), (12, 6), (6, 12), (5, 5), (40, 17), (900, 1000)]
)
def test_mcnemar_is_the_two_sided_binomial_test(b, c):
    expected = scipy_stats.binomtest(b, b + c, 0.5).pvalue if b + c else 1.0
    assert mcnemar_exact(b, c) == pytest.approx(expected, rel=1e-9)


def test_five_seeds_cannot_be_significant_and_six_can():
    assert mcnemar_exact(5, 0) == 0.0625
    assert mcnemar_exact(6, 0) == 0.03125


def test_unpaired_interval_is_newcombes_published_example():
    # Newcombe 1998, Stat. Med. 17:873, table II, method 10, contrasts (a) and (b).
    assert _hybrid_interval(56, 70, 48, 80, 0.0, 0.95) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    assert _hybrid_interval(9, 10, 3, 10, 0.0, 0.95) == pytest.approx((0.1705, 0.8090), abs=5e-5)


def test_paired_interval_turns_around_with_the_policies():
    low, high = paired_interval(78, 12, 6, 4)
    assert paired_interval(78, 6, 12, 4) == pytest.approx((-high, -low))
    assert low < 0.06 < high


def test_paired_interval_covers_the_truth_19_times_in_20():
    rng = np.random.default_rng(0)
    cells = np.array([0.75, 0.12, 0.05, 0.08])
    truth = cells[1] - cells[2]
    draws = rng.multinomial(100, cells, size=2000)
    covered = [low <= truth <= high for low, high in (paired_interval(*row.tolist()) for row in draws)]
    assert 0.94 <= np.mean(covered) <= 0.98


def test_pairing_makes_the_interval_of_agreeing_policies_narrower():
    low, high = paired_interval(50, 3, 2, 45)
    wide_low, wide_high = _hybrid_interval(53, 100, 52, 100, 0.0, 0.95)
    assert high - low < 0.5 * (wide_high - wide_low)


def test_intervals_without_data_say_nothing():
    assert paired_interval(0, 0, 0, 0) == (-1.0, 1.0)


def test_paired_resolution_is_the_textbook_sample_size():
    assert resolvable_paired(155, 0.2) == pytest.approx(0.10, abs=3e-4)
    assert resolvable_paired(312, 0.1) == pytest.approx(0.05, abs=3e-4)


def test_a_resolvable_difference_is_found_four_times_in_five():
    rng = np.random.default_rng(1)
    n, share = 400, 0.2
    delta = resolvable_paired(n, share)
    cells = [1 - share, (share + delta) / 2, (share - delta) / 2]
    found = [mcnemar_exact(int(b), int(c)) < 0.05 for _, b, c in rng.multinomial(n, cells, size=2000)]
    assert 0.72 <= np.mean(found) <= 0.85  # the exact test is a little more cautious than its approximation


def test_more_episodes_resolve_more_and_few_resolve_nothing():
    found = [resolvable_paired(n, 0.9) for n in (10, 30, 100, 300, 1000)]
    assert found == sorted(found, reverse=True)
    assert resolvable_paired(1, 0.0) == 1.0


def test_resolution_refuses_no_episodes_and_percentages():
    with pytest.raises(ValueError, match="n must be at least 1, got 0"):
        resolvable_paired(0, 0.1)
    with pytest.raises(ValueError, match="discordance must be between 0 and 1, got 90"):
        resolvable_paired(100, 90.0)


def test_paired_table_counts_cells_and_leaves_errors_out():
    a = result("a", {1: "success", 2: "success", 3: "timeout", 4: "failure", 5: "error", 6: "success"})
    b = result("b", {6: "error", 5: "success", 4: "timeout", 3: "success", 2: "failure", 1: "success"})
    table = paired_table(a, b)
    assert table == PairedTable(both=1, only_a=1, only_b=1, neither=1, excluded=(5, 6))
    assert (table.n, table.discordance, table.difference, table.p_value) == (4, 0.5, 0.0, 1.0)


def test_paired_table_refuses_other_seeds_and_other_tasks():
    a = result("a", {1: "success", 2: "success"})
    with pytest.raises(ValueError, match="a and b were not evaluated on the same seeds: 2 are of one alone"):
        paired_table(a, result("b", {1: "success", 3: "success"}))
    with pytest.raises(ValueError, match="'pick' with b on task 'stack'"):
        paired_table(a, result("b", {1: "success", 2: "success"}, task="stack"))


def test_the_worked_example_of_the_module_is_right():
    low, high = wilson(90, 100)
    assert (round(low, 3), round(high, 3)) == (0.826, 0.945)
    assert round(mcnemar_exact(12, 6), 3) == 0.238
    low, high = paired_interval(78, 12, 6, 4)
    assert (round(low, 3), round(high, 3)) == (-0.027, 0.148)
    assert round(resolvable_paired(100, 0.18), 3) == 0.117
