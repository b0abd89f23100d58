"""Simulation worker of `record`: one environment in a process of its own, which never loads torch.

Started as `python -P -m vlasandbox.train.recording.worker`, not through multiprocessing, because the latter
imports the caller's main module into each worker and with it whatever that imports. The parent talks in
lines of JSON: first the settings, then one seed at a time; each is answered by one line. When the parent is
gone, reading ends, and so does the worker.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any, TextIO


def main() -> None:
    """Records seeds from standard input until it ends."""
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # a library that prints must not garble the replies
    settings = json.loads(sys.stdin.readline())
    sys.path[:] = settings["path"]
    try:
        _record(settings, replies)
    except BrokenPipeError:
        os._exit(1)  # the parent is gone: nobody is left to read even an error message
    except OSError as error:
        _reply(replies, {"error": error.strerror or str(error), "kind": "disk"})
    except ImportError as error:  # no rendering, or a module that a task needs
        _reply(replies, {"error": str(error), "kind": "system"})
    except Exception as error:
        _reply(replies, {"error": f"{type(error).__name__}: {error}", "kind": "bug"})
        raise


def _record(settings: dict[str, Any], replies: TextIO) -> None:
    from ...envs.config import EnvConfig
    from ...envs.demonstrations import collect_episode
    from ...envs.expert import NoiseConfig
    from ..data.staging import stage, stage_failure

    root = Path(settings["root"])
    noise = None if settings["noise"] is None else NoiseConfig(**settings["noise"])
    try:
        env = EnvConfig(**settings["env"]).build()
    except ValueError as error:
        return _reply(replies, {"error": str(error), "kind": "settings"})
    try:
        for line in sys.stdin:
            seed = int(line)
            episode = collect_episode(env, seed, noise)
            if episode.success:
                # The process that gave the seed flushes it, while the next one is simulated here.
                stage(root, episode, env.spec_dict(), durable=False)
            else:
                stage_failure(root, seed)
            _reply(replies, {"seed": seed, "success": episode.success, "frames": len(episode)})
    finally:
        env.close()


def _reply(replies: TextIO, value: dict[str, Any]) -> None:
    replies.write(json.dumps(value) + "\n")
    replies.flush()


if __name__ == "__main__":
    main()
