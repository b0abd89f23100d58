"""A configuration survives JSON, and a broken one is explained."""

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlasandbox.policies.config_io import from_dict, to_dict
from vlasandbox.policies.grounding import GroundingConfig
from vlasandbox.policies.trunk import TrunkConfig
from vlasandbox.vision.encoder import EncoderConfig
from vlasandbox.vision.encoders import siglip


@dataclass(frozen=True)
class Leaf:
    rate: float = 0.5
    kind: Literal["a", "b"] = "a"


@dataclass(frozen=True)
class Tree:
    count: int
    name: int | Literal["all"] = "all"
    encoder: EncoderConfig = field(default_factory=siglip.Config)
    leaf: Leaf | None = None
    sizes: tuple[int, ...] = (1, 2)
    betas: tuple[float, float] = (0.9, 0.98)
    place: Path | None = None
    on: bool = True


LEAVES = st.builds(Leaf, st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(["a", "b"]))
ENCODERS = st.builds(siglip.Config, image_size=st.integers(), stem=st.sampled_from(["conv", "patch"]))
TREES = st.builds(
    Tree,
    count=st.integers(),
    name=st.integers() | st.just("all"),
    encoder=ENCODERS,
    leaf=st.none() | LEAVES,
    sizes=st.lists(st.integers()).map(tuple),
    place=st.none() | st.text("ab/", min_size=1).map(Path),
    on=st.booleans(),
)


@settings(deadline=None, max_examples=50)
@given(TREES)
def test_a_tree_comes_back_from_json(tree):
    assert from_dict(Tree, json.loads(json.dumps(to_dict(tree)))) == tree


def test_a_polymorphic_field_names_its_class_and_others_do_not():
    data = to_dict(TrunkConfig())
    assert data["encoder"]["type"] == "vlasandbox.vision.encoders.siglip.Config"
    assert "type" not in data
    assert "type" not in data["grounding"]


def test_a_missing_field_takes_its_default():
    assert from_dict(TrunkConfig, {"film": False}) == replace(TrunkConfig(), film=False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cuont": 1}, "cuont: unknown field; valid: count, name, encoder, leaf"),
        ({"count": 1.5}, "count: got 1.5, expected a whole number"),
        ({"count": True}, "count: got True, expected a whole number"),
        ({"on": 1}, "on: got 1, expected bool"),
        ({"leaf": {"rate": "x"}}, "leaf.rate: got 'x', expected a number"),
        ({"leaf": {"kind": "c"}}, "leaf.kind: got 'c', expected one of 'a', 'b'"),
        ({"name": "some"}, "name: got 'some', which fits nothing in"),
        ({"on": None}, "on: got None, expected bool"),
        ({"leaf": {"size": 1}}, "leaf.size: unknown field; valid: rate, kind"),
        ({"sizes": 3}, "sizes: got 3, expected a list"),
        ({"sizes": [1, None]}, r"sizes\[1\]: got None"),
        ({"betas": [1.0]}, "betas: got .*, expected a list of 2"),
        ({"encoder": None}, "encoder: expected an object"),
        ({"encoder": {"type": "no.such.Thing"}}, "encoder: 'no.such.Thing' is not .*encoders.siglip.Config"),
        ({"encoder": {"type": "pathlib.Path"}}, "encoder: 'pathlib.Path' is not an importable EncoderConfig"),
        ({"encoder": {"type": ""}}, "encoder: '' is not an importable EncoderConfig"),
        ({"encoder": {"type": "vlasandbox.nothing.A"}}, "'vlasandbox.nothing.A' is not an importable Encod"),
        ({"encoder": {}}, 'encoder: needs a "type".*encoders.siglip.Config'),
        ({"encoder": to_dict(siglip.Config(), EncoderConfig) | {"width": "w"}}, "encoder.width: got 'w'"),
    ],
)
def test_a_bad_value_is_named_with_its_path_and_what_is_valid(change, message):
    with pytest.raises(ValueError, match=message):
        from_dict(Tree, {"count": 1} | change)


def test_a_required_field_is_asked_for():
    with pytest.raises(ValueError, match=r"tree\.count: this field is missing"):
        from_dict(Tree, {}, "tree")


@pytest.mark.parametrize("data", [None, 3, [], "x"])
def test_something_else_than_an_object_is_refused(data):
    with pytest.raises(ValueError, match="config: expected an object with the fields of GroundingConfig"):
        from_dict(GroundingConfig, data)
