"""What trainings and episodes can resolve: the formulas against simulated studies."""

import numpy as np
import pytest

from vlasandbox.eval.stats.random_effects import estimate
from vlasandbox.eval.study.power import MOST, WANTED, Spread, power, resolvable, spread
from vlasandbox.eval.study.summary import Difference


def tables(of: Spread, m: int, n: int, count: int, mean: float = 0.0) -> list[np.ndarray]:
    generator = np.random.default_rng(0)
    assert of.training is not None
    return [
        mean
        + generator.normal(0, of.training**0.5, (m, 1))
        + generator.normal(0, of.episode**0.5, (1, n))
        + generator.normal(0, of.rest**0.5, (m, n))
        for _ in range(count)
    ]


@pytest.mark.parametrize(("m", "n"), [(3, 100), (6, 40)])
def test_a_resolvable_difference_is_found_four_times_in_five(m, n):
    of = Spread(0.002, 0.1, 0.2)
    simulated = tables(of, m, n, 400, resolvable(of, m, n))
    found = np.mean([estimate(table).p_value < 0.05 for table in simulated])
    assert 0.72 < found < 0.9


def test_the_spread_is_found_again_in_simulated_tables():
    of = Spread(0.01, 0.1, 0.2)
    found = spread(tables(of, 4, 60, 300))
    assert (found.training, found.episode, found.rest) == (
        pytest.approx(0.01, rel=0.2), pytest.approx(0.1, rel=0.1), pytest.approx(0.2, rel=0.05),
    )  # fmt: skip


def difference(table: np.ndarray) -> Difference:
    return Difference("a", "b", "test", estimate(table), 1.0, 1, table)


def test_what_is_said_to_be_needed_is_just_enough():
    found = power([difference(table) for table in tables(Spread(0.0003, 0.02, 0.1), 5, 100, 20)])
    assert found is not None
    of = spread(tables(Spread(0.0003, 0.02, 0.1), 5, 100, 20))
    trainings, episodes = found.needed_trainings, found.needed_episodes
    assert trainings is not None
    assert episodes is not None
    assert resolvable(of, trainings, 100) <= WANTED < resolvable(of, trainings - 1, 100)
    assert resolvable(of, 5, episodes) <= WANTED < resolvable(of, 5, episodes - 1)


def test_where_trainings_differ_no_number_of_episodes_is_enough():
    found = power([difference(table) for table in tables(Spread(0.05, 0.05, 0.1), 3, 100, 20)])
    assert found is not None
    assert found.needed_episodes is None
    assert found.needed_trainings is None or found.needed_trainings <= MOST["trainings"]


def test_one_training_says_nothing_about_trainings_and_equal_outcomes_say_nothing_at_all():
    one = power([difference(np.random.default_rng(0).choice([-1.0, 0.0, 1.0], (1, 100)))])
    assert one is not None
    assert one.needed_trainings is None
    assert one.needed_episodes is not None
    assert power([difference(np.zeros((3, 50)))]) is None
    assert power([]) is None
