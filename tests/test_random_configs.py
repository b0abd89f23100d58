"""Whole configurations, drawn at random: they survive JSON, and junk in one place is refused or harmless."""

import copy
import json
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from vlasandbox.policies.codecs import bins
from vlasandbox.policies.config_io import from_dict, to_dict
from vlasandbox.policies.grounding import GroundingConfig
from vlasandbox.policies.heads import diffusion, flow, regression, tokens
from vlasandbox.policies.language import LanguageConfig
from vlasandbox.policies.lora import LoraConfig
from vlasandbox.policies.networks import expert
from vlasandbox.policies.policy import PolicyConfig
from vlasandbox.policies.trunk import TrunkConfig
from vlasandbox.train import config as train_config
from vlasandbox.train.config import DataConfig, TrainConfig, differences
from vlasandbox.train.optim import OptimConfig, Rates
from vlasandbox.vision.connectors import linear, mlp
from vlasandbox.vision.encoders import dinov2, dual, resnet, siglip

counts = st.integers(1, 10_000)
shares = st.floats(0, 1, exclude_max=True)
networks = st.builds(expert.Config, counts, counts)
HEADS = st.one_of(
    st.builds(regression.Config, networks, st.sampled_from(["l1", "l2"])),
    st.builds(flow.Config, networks, counts, counts, st.sampled_from(["beta", "uniform"])),
    st.builds(
        diffusion.Config,
        network=networks,
        prediction=st.sampled_from(["epsilon", "sample", "v_prediction"]),
        clip=st.none() | st.floats(0.1, 5),
    ),
    st.builds(tokens.Config, st.builds(bins.Config, counts), smoothing=shares, temperature=shares),
)
SIGLIPS = st.builds(
    siglip.Config, st.none() | st.text(), image_size=counts, stem=st.sampled_from(["conv", "patch"])
)
TRUNKS = st.builds(
    TrunkConfig,
    SIGLIPS | st.builds(resnet.Config, counts) | st.builds(dual.Config, st.builds(dinov2.Config), SIGLIPS),
    st.builds(LanguageConfig, st.none() | st.text(), width=counts, first_layers=st.none() | counts),
    st.booleans(),
    st.builds(GroundingConfig, heat=shares, position=shares),
    st.builds(linear.Config) | st.builds(mlp.Config, st.sampled_from([2, 3])),
    st.sampled_from(["token", "text", "none"]),
    st.booleans(),
    st.sampled_from(["prefix", "causal"]),
    st.none() | st.builds(LoraConfig, counts, language=st.booleans()),
)
NORMS = st.sampled_from(["quantile", "min_max", "z_score", "none"])
POLICIES = st.builds(PolicyConfig, HEADS, TRUNKS, NORMS, NORMS, st.integers(0, 9))
PATHS = st.text("ab/", min_size=1).map(Path)
RUNS = st.builds(
    TrainConfig,
    st.builds(
        DataConfig,
        PATHS,
        cache=st.none() | PATHS,
        action_space=st.none() | st.text(),
        chunk=counts,
        history=counts,
    ),
    POLICIES,
    st.builds(
        OptimConfig,
        lr=st.floats(1e-6, 1),
        betas=st.tuples(shares, shares),
        rates=st.builds(Rates, encoder=shares, language=shares),
    ),
    updates=counts,
    batch_size=counts,
    ema_decay=shares,
    seed=st.integers(0, 2**40),
    precision=st.sampled_from(["auto", "bf16", "fp32"]),
    threads=st.none() | counts,
    wandb=st.sampled_from(["off", "offline", "online"]),
)
JUNK = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.floats(allow_nan=False)
    | st.text(max_size=5)
    | st.lists(st.integers(-1, 1), max_size=3)
    | st.dictionaries(st.text(max_size=4), st.none(), max_size=2)
)


def leaves(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths of all values inside a JSON document, the inner nodes' too."""
    inside = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [p for key, value in inside for p in [(*path, key), *leaves(value, (*path, key))]]


@settings(deadline=None, max_examples=20)
@given(RUNS)
def test_a_run_comes_back_from_json(run: TrainConfig):
    stored = json.loads(json.dumps(train_config.settings(run)))
    assert from_dict(TrainConfig, stored) == run
    assert from_dict(PolicyConfig, json.loads(json.dumps(to_dict(run.policy)))) == run.policy
    assert differences(stored, train_config.settings(run)) == []


@settings(deadline=None, max_examples=20)
@given(RUNS, RUNS)
def test_two_runs_are_told_apart_exactly_where_they_differ(one: TrainConfig, other: TrainConfig):
    a, b = train_config.settings(one), train_config.settings(other)
    for name in train_config.MAY_CHANGE:
        *inside, last = name.split(".")
        for document in (a, b):
            node = document
            for key in inside:
                node = node[key]
            node[last] = None
    assert (differences(a, b) == []) == (a == b)


@settings(deadline=None, max_examples=60)
@given(RUNS, st.data(), JUNK)
def test_junk_in_one_place_is_refused_by_its_path_or_is_a_valid_value(
    run: TrainConfig, data: st.DataObject, junk: Any
):
    document = json.loads(json.dumps(train_config.settings(run)))
    path = data.draw(st.sampled_from(leaves(document)))
    changed = copy.deepcopy(document)
    node = changed
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = junk
    message = str(path[0])
    try:
        found = from_dict(TrainConfig, changed)
        assert from_dict(TrainConfig, json.loads(json.dumps(train_config.settings(found)))) == found
    except ValueError as error:
        message = str(error)
    assert str(path[0]) in message
