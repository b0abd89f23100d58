import itertools
import json
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_results import result

from vlasandbox.eval.compare.comparison import compare
from vlasandbox.eval.stats.paired import PairedTable, mcnemar_exact, wilson
from vlasandbox.eval.stats.pairwise import PairwiseComparison, compare_pairs, group_letters, holm
from vlasandbox.policies.execution import Execution


def pair(first: str, second: str, real: bool) -> PairwiseComparison:
    return PairwiseComparison(first, second, PairedTable(1, 1, 1, 1, ()), 0.01 if real else 0.5, 3)


def test_numbers_are_those_of_the_episodes():
    comparison = compare(
        [result("a", "s" * 90 + "f" * 6 + "t" * 4), result("a", "s" + "t" * 99, "blank_image")]
    )
    numbers = comparison.to_dict()["policies"]["a"]
    assert (numbers["test"]["successes"], numbers["test"]["episodes"], numbers["test"]["errors"]) == (
        90,
        100,
        0,
    )
    assert numbers["test"]["interval"] == pytest.approx(wilson(90, 100))
    assert numbers["blank_image"]["successes"] == 1
    assert "swapped_instruction" not in numbers
    assert numbers["chunk_ms"] == {"p50": 12.0, "p95": 18.0}


def test_an_error_is_neither_success_nor_failure_and_widens_the_interval_both_ways():
    rate = compare([result("a", "s" * 80 + "f" * 10 + "e" * 10)]).rate_of("a")
    assert rate is not None
    assert rate.rate == pytest.approx(80 / 90)
    assert rate.interval == pytest.approx((wilson(80, 100)[0], wilson(90, 100)[1]))
    assert rate.to_dict()["errors"] == 10


def test_errors_are_said_aloud_and_left_out_of_pairs():
    comparison = compare([result("a", "esss"), result("b", "sfsf")])
    assert any(
        "1 of 4 episodes of a (test) raised an error" in sentence for sentence in comparison.statements
    )
    assert comparison.pairs[0].table.n == 3


def test_chunks_that_could_not_be_decoded_are_said_aloud():
    spelt, misspelt = result("a", "ssss"), replace(result("b", "sfsf"), undecodable=0.125)
    (caution,) = [said for said in compare([spelt, misspelt]).statements if "of ids" in said]
    assert "12.5%" in caution
    assert "of b (test)" in caution
    assert not any("of ids" in said for said in compare([spelt]).statements)


def test_policies_come_best_first_and_the_expert_last():
    comparison = compare([result("expert", "ssss"), result("low", "sfff"), result("high", "sssf")])
    assert comparison.policies == ["high", "low"]
    assert comparison.names == ["high", "low", "expert"]
    assert comparison.to_dict()["expert"]["successes"] == 4


def test_three_points_at_100_are_never_called_a_difference():
    comparison = compare([result("a", "s" * 95 + "f" * 5), result("b", "f" * 2 + "s" * 90 + "f" * 8)])
    sentence = comparison.statements[1]
    assert sentence.startswith("a and b: not distinguishable at n=100: 5 points, p=")
    assert re.search(r"resolves .* \d+ points", sentence)
    assert comparison.letters == {"a": "A", "b": "A"}


def test_a_clear_difference_is_called_one_with_its_p_value():
    comparison = compare([result("a", "s" * 100), result("b", "s" * 60 + "f" * 40)])
    assert re.fullmatch(r".*: a\. .*: b\.", comparison.statements[0])
    assert re.fullmatch(r"a .* than b .*100 seeds: 40 points, p<0.001\.", comparison.statements[1])
    assert comparison.letters == {"a": "A", "b": "B"}


@settings(max_examples=25, deadline=None)
@given(outcomes=st.lists(st.text("sfte", min_size=12, max_size=12), min_size=2, max_size=4))
def test_nothing_is_called_real_that_the_corrected_test_does_not_carry(outcomes):
    comparison = compare([result(f"p{i}", letters) for i, letters in enumerate(outcomes)])
    for found in comparison.pairs:
        assert found.p_holm >= mcnemar_exact(found.table.only_a, found.table.only_b)
        assert found.real == (found.p_holm < 0.05)
        claims = [
            s for s in comparison.statements if s.startswith(f"{found.first} and {found.second}: not dist")
        ]
        assert found.real or found.table.n == 0 or len(claims) == 1
    json.dumps(comparison.to_dict(), allow_nan=False)
    assert len(comparison.table().splitlines()) == 2 + len(outcomes)


def test_holm_multiplies_by_the_tests_that_are_left_and_keeps_the_order():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_letters_of_a_chain_overlap():
    pairs = [pair("a", "b", False), pair("a", "c", True), pair("b", "c", False)]
    assert group_letters(["a", "b", "c"], pairs) == {"a": "A", "b": "AB", "c": "B"}


@settings(max_examples=50, deadline=None)
@given(real=st.lists(st.booleans(), min_size=10, max_size=10))
def test_two_share_a_letter_exactly_if_they_are_not_distinguishable(real):
    names = list("abcde")
    pairs = [pair(x, y, r) for (x, y), r in zip(itertools.combinations(names, 2), real, strict=True)]
    letters = group_letters(names, pairs)
    for found in pairs:
        assert bool(set(letters[found.first]) & set(letters[found.second])) != found.real


def test_more_policies_resolve_less():
    two = compare_pairs([result("a", "sf" * 50), result("b", "fs" * 50)])[0]
    four = compare_pairs(
        [result(name, "sf" * 50) for name in "cd"] + [result("a", "sf" * 50), result("b", "fs" * 50)]
    )
    assert four[-1].resolves > two.resolves


def test_what_is_not_held_equal_is_said():
    other = result("b", "ssss")
    other.execution, other.threads = Execution(8), 1
    said = [
        sentence for sentence in compare([result("a", "ssss"), other]).statements if "Caution" in sentence
    ]
    assert len(said) == 2
    assert "executed actions" in said[0]
    assert "threads" in said[1]


def test_seeds_outside_the_test_range_are_said():
    assert any("test range" in sentence for sentence in compare([result("a", "ss", first_seed=7)]).statements)
    assert not any("test range" in sentence for sentence in compare([result("a", "ss")]).statements)


def test_only_the_expert_is_a_comparison_too():
    comparison = compare([result("expert", "ssst")])
    assert comparison.to_dict()["policies"] == {}
    assert "3/4" in comparison.table()


def test_the_table_is_aligned():
    comparison = compare(
        [result("a-long-name", "s" * 7 + "t" * 3), result("b", "s" * 10), result("expert", "s" * 10)]
    )
    lines = comparison.table().splitlines()
    assert len({len(line) for line in lines}) == 1
    assert lines[2].startswith("b ")
    assert "10/10" in lines[2]


@pytest.mark.parametrize(
    ("results", "message"),
    [
        ([], "nothing to compare"),
        ([result("a", "s"), result("a", "f")], "two evaluations are called 'a'"),
        ([result("a", "")], "has no episodes"),
        ([result("a", "ss"), result("b", "sss")], "not evaluated on the same seeds"),
    ],
)
def test_what_cannot_be_compared_is_refused(results, message):
    with pytest.raises(ValueError, match=message):
        compare(results)


def test_results_of_several_tasks_are_refused():
    other = result("b", "s")
    other.task = "stack"
    with pytest.raises(ValueError, match="pick, stack"):
        compare([result("a", "s"), other])
