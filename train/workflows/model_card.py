"""The model card of a trained policy: the README.md that the Hugging Face Hub shows beside its weights."""

import json
from pathlib import Path
from typing import Any

from ...eval.compare.score import SuccessRate
from ...eval.report.markdown import markdown_table
from ...eval.result import TITLES, EvalResult
from ...eval.table import Table
from ...eval.training_record import TrainingRecord
from ..data.files import read_json
from ..evaluation import UNFINISHED, is_of


def model_card(run: Path, license: str, notes: str = "") -> str:
    """Markdown with the metadata that the Hub reads (YAML between two lines of dashes).

    Args:
        run: folder of a finished training, with the results of `vla eval` if there are any.
        license: identifier of the weights' license, as the Hub spells it.
        notes: Markdown that follows the first sentence.

    Raises:
        ValueError: `run` holds no finished training, or a result in it is damaged.
    """
    training = TrainingRecord.load(run)
    config, policy = read_json(run / "config.json"), read_json(run / "policy" / "config.json")
    spec, head = policy["spec"], policy["config"]["head"]
    introduction = (
        f"A vision-language-action policy with the action head `{head['type'].split('.')[-2]}`, made with "
        "vlasandbox."
    )
    introduction += f"\n\n{notes}" if notes else ""
    return f"""---
license: {json.dumps(license)}
library_name: vlasandbox
pipeline_tag: robotics
tags:
- robotics
- vla
- lerobot
---

# {run.name}

{introduction}

```python
from vlasandbox.policies.policy import Policy

policy = Policy.load("this folder")
```

## What it is for

{_table(_purpose(spec))}

## Training

{_table(_budget(training, config))}

`config.json` holds the policy's whole configuration.

## Results

{_results(run)}
"""


def _purpose(spec: dict[str, Any]) -> dict[str, Any]:
    return {
        "robot": spec["robot"] or "the default one of each task",
        "action space": f"{spec['action_space']}, {spec['action_dim']} dimensions",
        "actions predicted at once": spec["chunk"],
        "control rate": f"{spec['control_hz']:g} Hz",
        "cameras": f"{', '.join(spec['cameras'])}, {spec['image_size']} pixels",
        "control steps seen": spec["history"],
    }


def _budget(training: TrainingRecord, config: dict[str, Any]) -> dict[str, Any]:
    return {
        "demonstrations": f"{training.demonstrations} episodes, a LeRobotDataset v3.0",
        "dataset fingerprint": training.dataset,
        "training seed": config["seed"],
        "updates": f"{training.updates}, of {config['batch_size']} windows each",
        "peak learning rate": f"{config['optim']['lr']:g}",
        "averaged weights": f"decay {config['ema_decay']:g}" if config["ema_decay"] else "no",
        "precision": training.precision,
        "parameters": training.parameters,
        "time": f"{training.wall_seconds:.0f} s ({training.cpu_seconds:.0f} s of processor time)",
        "device": f"{training.device}, {training.threads} threads",
    }


def _results(run: Path) -> str:
    """Results of every evaluation of these weights in RUN/eval; those of earlier weights are left out."""
    folders = sorted(path.parent for path in (run / "eval").rglob("result.json"))
    found = {folder: EvalResult.load(folder) for folder in folders if not folder.name.endswith(UNFINISHED)}
    found = {folder: one for folder, one in found.items() if is_of(one, folder, run / "policy")}
    if not found:
        return "Not evaluated yet."
    rows = []
    for folder, result in found.items():
        rate, last = SuccessRate.of(result), result.seed_start + len(result.episodes) - 1
        rows.append(
            [
                str(folder.parent.relative_to(run / "eval")),
                TITLES[result.condition],
                rate.counts,
                rate.percent,
                f"{result.seed_start}..{last}",
                str(result.execution.execution_horizon),
            ]
        )
    head = ["episodes", "condition", "success", "95% interval", "seeds", "actions executed"]
    note = "Success on held-out seeds. One training: other training seeds may do better or worse."
    return f"{note}\n\n{markdown_table(Table(head, rows))}"


def _table(rows: dict[str, Any]) -> str:
    return markdown_table(Table(["", ""], [[name, str(value)] for name, value in rows.items()]))
