"""Renders one frame and measures the pick environment as a program of its own; prints JSON.

A broken GL library can abort the whole process, so `vla doctor` runs this in a child.
"""

import json
import os
import sys
import time

STEPS = 30


def main() -> None:
    """Print {backend, renderer} and, given the argument `fps`, {fps}: control steps, two cameras [1/s]."""
    from .. import envs
    from ..envs.gl import mujoco

    model = mujoco.MjModel.from_xml_string("<mujoco><worldbody><light/><geom size='1'/></worldbody></mujoco>")
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    with mujoco.Renderer(model, 16, 16) as renderer:
        renderer.update_scene(data)
        assert renderer.render().any(), "the rendered frame is black"
        from OpenGL import GL

        name = GL.glGetString(GL.GL_RENDERER)
    result: dict[str, str | float] = {"backend": os.environ.get("MUJOCO_GL", ""), "renderer": "unknown"}
    if name:
        result["renderer"] = name.decode()

    if "fps" in sys.argv[1:]:
        env = envs.make("pick")
        env.reset(seed=0)
        env.action_space.seed(0)
        start = time.perf_counter()
        for _ in range(STEPS):
            if env.step(env.action_space.sample())[3]:
                env.reset(seed=0)
        result["fps"] = STEPS / (time.perf_counter() - start)
        env.close()
    print(json.dumps(result))


if __name__ == "__main__":
    main()
