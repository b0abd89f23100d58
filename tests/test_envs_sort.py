"""The sort task: the sentence decides by what to sort and which tray is which."""

import numpy as np
import pytest

from vlasandbox import envs
from vlasandbox.envs.props.objects import RGBA, put
from vlasandbox.envs.sensors import refresh


@pytest.fixture(scope="module")
def env():
    environment = envs.make("sort", image_size=32)
    yield environment
    environment.close()


def _colour(env, geom: int) -> str:
    rgba = tuple(np.round(env.model.geom_rgba[geom].astype(float), 3))
    return next(name for name, value in RGBA.items() if rgba == value)


def _looks(env) -> dict[int, set[str]]:
    """Body -> the words that name it, read from the model."""
    geoms = np.flatnonzero(env.model.geom_contype == 1).tolist()
    return {
        int(env.model.geom_bodyid[g]): {
            f"{_colour(env, g)} object",
            env.model.geom(g).name.rsplit("_", 1)[1],
        }
        for g in geoms
    }


def _put_all(env, slots: dict[str, str]) -> bool:
    """Whether it is success to put things where a sentence with these slots says."""
    trays = {
        f"{_colour(env, env.model.body_geomadr[tray])} tray": tray
        for tray in set(env.scenario.trays.values())
    }
    for number, (body, words) in enumerate(_looks(env).items()):
        tray = trays[slots["tray"] if slots["object"] in words else slots["other"]]
        aside = [0.03 * (-1) ** number, 0.02 * (-1) ** (number // 2), 0.03]
        put(env.world, body, env.model.body_pos[tray] + aside)
    refresh(env.model, env.data)
    return env.definition.is_success(env.world, env.scenario)


def test_doing_what_is_asked_is_success_and_doing_the_swapped_is_not(env):
    for seed in range(40):
        env.reset(seed=seed)
        assert len(_looks(env)) == 4
        assert _put_all(env, dict(env.scenario.asked.slots))
        assert not _put_all(env, dict(env.scenario.swapped.slots))


def test_it_asks_for_colours_and_for_shapes(env):
    kinds = set()
    for seed in range(20):
        env.reset(seed=seed)
        kinds.add(dict(env.scenario.asked.slots)["object"].endswith("object"))
        assert env.scenario.asked in env.definition.meanings()
        assert env.scenario.swapped in env.definition.meanings()
    assert kinds == {True, False}
