"""A folder like MuJoCo Menagerie's, with a Panda made of a few boxes and the real one's joints."""

from pathlib import Path

import numpy as np

LINKS = (
    ("link1", "0 0 0.333", "1 0 0 0", "-2.8973 2.8973"),
    ("link2", "0 0 0", "1 -1 0 0", "-1.7628 1.7628"),
    ("link3", "0 -0.316 0", "1 1 0 0", "-2.8973 2.8973"),
    ("link4", "0.0825 0 0", "1 1 0 0", "-3.0718 -0.0698"),
    ("link5", "-0.0825 0.384 0", "1 -1 0 0", "-2.8973 2.8973"),
    ("link6", "0 0 0", "1 1 0 0", "-0.0175 3.7525"),
    ("link7", "0.088 0 0", "1 1 0 0", "-2.8973 2.8973"),
)
INERTIAL = '<inertial mass="1" pos="0 0 0" diaginertia="0.01 0.01 0.01"/>'
VISUAL = '<geom type="mesh" mesh="{}" contype="0" conaffinity="0"/>'


def write(root: Path, cells: int = 1) -> Path:
    """Writes `root`/franka_emika_panda; its link mesh is a box with 12 * cells^2 faces. Returns `root`."""
    assets = root / "franka_emika_panda" / "assets"
    assets.mkdir(parents=True)
    vertices, faces = box(cells)
    (assets / "link.obj").write_text(_obj(0.04 * vertices + [0.01, 0.02, 0.03], faces))
    (assets / "finger.obj").write_text(_obj(0.008 * box(1)[0] + [0.0, 0.013, 0.02], box(1)[1]))
    bodies = f'<body name="link0">{INERTIAL}{VISUAL.format("link")}'
    for number, (name, pos, quat, span) in enumerate(LINKS, start=1):
        bodies += f'<body name="{name}" pos="{pos}" quat="{quat}">{INERTIAL}{VISUAL.format("link")}'
        bodies += f'<joint name="joint{number}" axis="0 0 1" range="{span}" damping="1" armature="0.1"/>'
        bodies += '<geom type="sphere" size="0.05"/>'  # collides
    bodies += f'<body name="hand" pos="0 0 0.107" quat="0.9238795 0 0 -0.3826834">{INERTIAL}'
    for number, (side, quat) in enumerate((("left", "1 0 0 0"), ("right", "0 0 0 1")), start=1):
        bodies += f'<body name="{side}_finger" pos="0 0 0.0584" quat="{quat}">'
        bodies += '<inertial mass="0.015" pos="0 0 0" diaginertia="3e-6 3e-6 1e-6"/>' + VISUAL.format(
            "finger"
        )
        bodies += f'<joint name="finger_joint{number}" type="slide" axis="0 1 0" range="0 0.04"/></body>'
    bodies += "</body>" * (len(LINKS) + 2)
    (root / "franka_emika_panda" / "panda.xml").write_text(
        f"""<mujoco model="panda">
          <compiler angle="radian" meshdir="assets" autolimits="true"/>
          <option integrator="implicitfast"/>
          <asset><mesh file="link.obj"/><mesh file="finger.obj"/></asset>
          <worldbody><light pos="0 0 2"/>{bodies}</worldbody>
          <equality><joint joint1="finger_joint1" joint2="finger_joint2"/></equality>
          <actuator><general name="actuator1" joint="joint1" gainprm="4500"/></actuator>
          <keyframe><key name="home" qpos="0 0 0 -1.57 0 1.57 -0.785 0.04 0.04" ctrl="0"/></keyframe>
        </mujoco>"""
    )
    return root


def box(cells: int) -> tuple[np.ndarray, np.ndarray]:
    """A cube from -1 to 1, each side cut into `cells` x `cells` squares of two triangles. Sides share no
    vertices, as in files of meshes with sharp edges."""
    steps = np.linspace(-1, 1, cells + 1)
    u, v = (grid.ravel() for grid in np.meshgrid(steps, steps, indexing="ij"))
    corner = np.arange((cells + 1) ** 2).reshape(cells + 1, cells + 1)
    a, b, c, d = (
        part.ravel() for part in (corner[:-1, :-1], corner[1:, :-1], corner[1:, 1:], corner[:-1, 1:])
    )
    squares = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])
    vertices, faces = [], []
    for axis in range(3):
        for sign in (-1, 1):
            side = np.empty((len(u), 3))
            side[:, axis], side[:, (axis + 1) % 3], side[:, (axis + 2) % 3] = sign, u, v
            faces.append((squares if sign > 0 else squares[:, ::-1]) + len(vertices) * len(u))
            vertices.append(side)
    return np.concatenate(vertices), np.concatenate(faces)


def _obj(vertices: np.ndarray, faces: np.ndarray) -> str:
    lines = ["v {} {} {}".format(*row) for row in vertices.round(6).tolist()]
    return "\n".join(lines + ["f {} {} {}".format(*row) for row in (faces + 1).tolist()])
