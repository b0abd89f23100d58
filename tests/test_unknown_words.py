"""Words that a policy was never told are said, by demo and by eval alike."""

import pytest
from tiny_policy import SPEC
from tiny_trunk import CONFIG, INSTRUCTIONS

from vlasandbox.policies.heads import regression
from vlasandbox.policies.normalizer import blank_stats
from vlasandbox.policies.policy import Policy, PolicyConfig
from vlasandbox.train.unknown_words import caution, unknown_words


@pytest.fixture(scope="module")
def policy() -> Policy:
    stats = {"state": blank_stats(SPEC.state_dim), "action": blank_stats(SPEC.action_dim)}
    return Policy.build(PolicyConfig(regression.Config(), CONFIG), SPEC, stats, INSTRUCTIONS)


def test_the_saved_tokenizer_knows_what_the_policy_knows(policy, tmp_path):
    policy.save(tmp_path / "policy")
    known = INSTRUCTIONS[0]
    assert unknown_words(tmp_path / "policy", INSTRUCTIONS) == []
    told = [f"{known} please", f"Kindly {known}", known.upper()]
    assert unknown_words(tmp_path / "policy", told) == ["kindly", "please"]
    for text in told:
        expected = sorted({word.lower() for word in policy.trunk.language.unknown_words(text)})
        assert unknown_words(tmp_path / "policy", [text]) == expected


def test_they_are_said_where_there_are_any():
    assert caution("flow", []) == ""
    assert caution("flow", ["die", "plank"]).startswith(
        "flow was told words that are in none of its training sentences: die, plank."
    )
