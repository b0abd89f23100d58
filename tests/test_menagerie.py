"""Real robots' models: where they come from, what is kept of them, and how their meshes become light."""

import os
import sys

import fake_menagerie
import numpy as np
import pytest

from vlasandbox.envs import menagerie, robots
from vlasandbox.envs.gl import mujoco
from vlasandbox.envs.props.tabletop import tabletop


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("MENAGERIE_ROOT", str(tmp_path / "menagerie"))
    return tmp_path / "menagerie"


def _panda():
    return menagerie.load("franka_emika_panda", "panda.xml")


def test_a_missing_model_says_what_to_set_and_what_to_install(root, monkeypatch):
    with pytest.raises(FileNotFoundError, match=r"has no folder franka_emika_panda; set MENAGERIE_ROOT"):
        _panda()
    monkeypatch.delenv("MENAGERIE_ROOT")
    monkeypatch.setitem(sys.modules, "mujoco_menagerie", None)
    with pytest.raises(FileNotFoundError, match="pip install mujoco-menagerie"):
        _panda()


def test_only_what_is_seen_and_what_moves_is_kept(root):
    fake_menagerie.write(root)
    model = _panda().compile()
    assert (model.nu, model.neq, model.nkey, model.nlight) == (0, 0, 0, 0)
    assert model.njnt == 9
    assert not model.geom_contype.any()
    assert (model.geom_type == int(mujoco.mjtGeom.mjGEOM_MESH)).all()


def test_meshes_stay_where_their_files_put_them(root):
    fake_menagerie.write(root)
    theirs = mujoco.MjModel.from_xml_path(str(root / "franka_emika_panda" / "panda.xml"))
    ours = _panda().compile()

    def corners(model, body):
        data = mujoco.MjData(model)
        mujoco.mj_kinematics(model, data)
        body = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_BODY, body)
        geoms = np.flatnonzero((model.geom_bodyid == body) & (model.geom_dataid >= 0))
        vertices, mesh = model.mesh_vert, model.geom_dataid[geoms[0]]
        start = model.mesh_vertadr[mesh]
        own = vertices[start : start + model.mesh_vertnum[mesh]]
        world = own @ data.geom_xmat[geoms[0]].reshape(3, 3).T + data.geom_xpos[geoms[0]]
        return np.array([world.min(axis=0), world.max(axis=0)])

    for body in ("link0", "link4", "right_finger"):
        assert np.allclose(corners(ours, body), corners(theirs, body), atol=1e-5)


def test_the_panda_moves_as_the_one_that_is_drawn_with_capsules(root):
    fake_menagerie.write(root)
    positions = []
    for name in ("franka", "menagerie_panda"):
        (arm,) = robots.load(name)
        model = tabletop([arm]).compile()
        data = mujoco.MjData(model)
        data.qpos[:7] = arm.home
        mujoco.mj_kinematics(model, data)
        positions.append(np.append(data.site("ee").xpos, data.site("ee").xmat))
    assert np.allclose(*positions, atol=1e-6)


def test_large_meshes_name_the_missing_library(root, monkeypatch):
    fake_menagerie.write(root, cells=8)
    monkeypatch.setitem(sys.modules, "fast_simplification", None)
    with pytest.raises(ImportError, match=r"pip install 'vlasandbox\[meshes\]'"):
        _panda()


def test_a_reduced_mesh_has_few_faces_and_the_same_shape():
    pytest.importorskip("fast_simplification")
    vertices, faces = fake_menagerie.box(cells=20)
    reduced, few = menagerie.reduce_mesh(vertices, faces)
    assert len(few) <= menagerie.KEPT * len(faces) * 1.1
    assert np.abs(reduced).max(axis=0) == pytest.approx([1, 1, 1], abs=0.01)
    # Every point still lies on the cube's surface: merging the sides' edges kept it closed.
    assert np.abs(reduced).max(axis=1) == pytest.approx(np.ones(len(reduced)), abs=0.01)


def test_meshes_are_reduced_once_and_again_when_a_file_changes(root, tmp_path, monkeypatch):
    fake_menagerie.write(root)
    calls = []
    original = menagerie.reduce_mesh
    monkeypatch.setattr(menagerie, "reduce_mesh", lambda *mesh: calls.append(1) or original(*mesh))
    first = _panda().compile()
    menagerie._reduced.cache_clear()  # as in another process
    again = _panda().compile()
    assert len(calls) == 2
    assert np.array_equal(first.mesh_vert, again.mesh_vert)
    mesh = root / "franka_emika_panda" / "assets" / "link.obj"
    mesh.write_text(mesh.read_text().replace("v 0.05 ", "v 0.06 "))
    os.utime(mesh, (2e9, 2e9))  # MuJoCo remembers files by their time
    menagerie._reduced.cache_clear()
    changed = _panda().compile()
    assert len(calls) == 4
    assert not np.array_equal(first.mesh_vert, changed.mesh_vert)
    assert not list((tmp_path / "cache").rglob("*.partial"))
