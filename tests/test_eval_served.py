"""A policy behind a socket is evaluated like one in a folder: same seeds, conditions and statistics."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import served
from small_policies import small_policy

pytest.importorskip("msgpack", reason="pip install 'vlasandbox[serve]'")

from vlasandbox.eval.rollout.evaluate import evaluate
from vlasandbox.policies.remote.client import RemoteError
from vlasandbox.policies.remote.declared import load_declared
from vlasandbox.train.evaluation import EvalConfig, EvalTarget, eval_target, evaluate_cached

EVALUATION = EvalConfig(episodes=3, workers=2)
DECLARED = """
state = "observation/state"
state_dim = {state}
image_size = 32
action_space = "ee_delta"
action_dim = 5
chunk = {chunk}
control_hz = 10
[images]
front = "observation/images/front"
wrist = "observation/images/wrist"
"""


@pytest.fixture
def target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EvalTarget]:
    monkeypatch.chdir(tmp_path)
    with served.serving(small_policy("regression", image_size=32), "tiny", weights="5e1f") as port:
        yield eval_target(f"ws://127.0.0.1:{port}")


def test_it_acts_as_the_same_policy_does_here(target: EvalTarget):
    found = evaluate_cached(target, EVALUATION, "test", bar=False)
    policy = small_policy("regression", image_size=32)
    here = evaluate(policy, "pick", EVALUATION.seeds, workers=1, progress=False)
    assert [e.seed for e in found.episodes] == list(EVALUATION.seeds)
    for one, other in zip(found.episodes, here.episodes, strict=True):
        assert one.outcome in ("success", "failure", "timeout")
        # Later ones may go apart: a batch of one row rounds differently.
        np.testing.assert_allclose(one.chunks[0][1], other.chunks[0][1], atol=1e-3)
    assert found.chunk_ms_p95 >= found.chunk_ms_p50 > 0
    assert found.checkpoint.startswith("ws://")


def test_it_is_not_played_again_while_the_server_has_the_same_weights(
    target: EvalTarget, monkeypatch: pytest.MonkeyPatch
):
    found = evaluate_cached(target, EVALUATION, "blank_image", bar=False)
    with monkeypatch.context() as patch:
        patch.setattr("vlasandbox.eval.rollout.served.evaluate_served", None)
        assert evaluate_cached(target, EVALUATION, "blank_image", bar=False) == found
    assert target.served is not None
    for weights in ("", "0ther"):
        other = replace(target, served=replace(target.served, weights=weights))
        with monkeypatch.context() as patch:
            patch.setattr("vlasandbox.eval.rollout.served.evaluate_served", None)
            with pytest.raises(TypeError, match="not callable"):
                evaluate_cached(other, EVALUATION, "blank_image", bar=False)


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"rtc": True}, "without rtc"), ({"sampling": "steps=2"}, "sampled by its server")],
)
def test_what_the_protocol_cannot_ask_is_refused(target: EvalTarget, changes: dict, message: str):
    with pytest.raises(ValueError, match=message):
        evaluate_cached(target, replace(EVALUATION, **changes), "test", bar=False)


def test_a_declaration_replaces_what_the_server_does_not_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    policy = small_policy("regression", image_size=32)
    Path("tiny.toml").write_text(DECLARED.format(state=policy.spec.state_dim, chunk=policy.spec.chunk))
    monkeypatch.setattr("vlasandbox.policies.remote.server.PolicyServer.metadata", {})
    with served.serving(policy, "tiny") as port:
        with pytest.raises(RemoteError, match=r"does not say policy, images.*declare"):
            eval_target(f"ws://127.0.0.1:{port}")
        target = eval_target(f"ws://127.0.0.1:{port},tiny.toml")
        assert evaluate_cached(target, replace(EVALUATION, episodes=1), "test", bar=False).errors == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("chunk = 4", "chunk = 0"), "chunk cannot be 0"),
        (("chunk = 4", 'chunk = "4"'), "chunk cannot be '4'"),
        (("chunk = 4", ""), "chunk missing"),
        (("chunk = 4", "chunk = 4\nspeed = 2"), "unknown speed; valid: policy, images"),
        (('front = "observation/images/front"', "front = 1"), "images must name a key"),
        (("chunk = 4", "chunk = "), "cannot read the declaration"),
    ],
)
def test_a_wrong_declaration_is_one_sentence(tmp_path: Path, change: tuple[str, str], message: str):
    path = tmp_path / "policy.toml"
    path.write_text(DECLARED.format(state=10, chunk=4).replace(*change))
    with pytest.raises(ValueError, match=message):
        load_declared(path)


def test_no_server_is_one_sentence():
    with pytest.raises(RemoteError, match=r"cannot connect to ws://127.0.0.1:9"):
        eval_target("ws://127.0.0.1:9")
