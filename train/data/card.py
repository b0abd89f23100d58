"""The dataset card: README.md with the metadata by which the Hugging Face Hub finds and shows a dataset."""

from pathlib import Path
from typing import Any

from ...common.files import write_whole
from . import schema

FILE = "README.md"
MARK = "<!-- vlasandbox writes this file anew until this line is deleted. -->"

_CARD = """---
task_categories:
- robotics
tags:
- LeRobot
- robotics
- simulation
- vlasandbox
configs:
- config_name: default
  data_files: data/*/*.parquet
---

{mark}

# {title}

Episodes of the task `{task}` in vlasandbox (MuJoCo). LeRobotDataset {version}.

| | |
|---|---|
| robot | `{robot}` |
| episodes | {episodes} |
| frames | {frames}, at {fps} Hz |
| cameras | {cameras}, {size} pixels |
| state | {state} |
| action | `{space}`: {dims} |
| instructions | {instructions} |

`meta/vlasandbox.json` says how they were recorded, `meta/info.json` what the numbers of an action mean.

```bash
hf download --repo-type dataset OWNER/{title} --local-dir datasets/{title}
vla train act --data datasets/{title}
```

```python
from lerobot.datasets.lerobot_dataset import LeRobotDataset

dataset = LeRobotDataset("OWNER/{title}", root="datasets/{title}")
```
"""


def write_card(root: Path, info: dict[str, Any], spec: dict[str, Any]) -> None:
    """Writes the card of the dataset at `root`, unless there is one that somebody wrote or edited.

    Args:
        info: content of its info.json.
        spec: of the environment that it comes from (`spec_dict()`).
    """
    path = root / FILE
    there = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else None
    if path.is_symlink() or (there is not None and MARK not in there):
        return
    text = _CARD.format(
        mark=MARK,
        title=root.resolve().name,
        task=spec["task"],
        version=schema.VERSION,
        robot=spec["robot"],
        episodes=info["total_episodes"],
        frames=info["total_frames"],
        fps=info["fps"],
        cameras=", ".join(spec["cameras"]),
        size=" x ".join(map(str, info["features"][schema.IMAGES + spec["cameras"][0]]["shape"][:2])),
        state=", ".join(spec["state_names"]),
        space=spec["action_space"]["name"],
        dims=", ".join(spec["action_space"]["dims"]),
        instructions=f"{info['total_tasks']} different ones (`meta/tasks.parquet`)",
    )
    if text != there:
        write_whole(path, text)
