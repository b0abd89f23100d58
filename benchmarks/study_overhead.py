"""What a study costs beyond its cells: `python benchmarks/study_overhead.py [--updates 300] [--episodes 50]`.

A tiny study of `pick`, once as `vla study` and once as its cells one after the other, each in a process that
does what a cell asks for and nothing else: it trains, measures the open-loop error and evaluates.
Demonstrations are there for both. Wall and CPU time of both, with all processes below them. Wall time means
something on an idle machine only, and there the study wins, since it fills all cores.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

STUDY = """
from dataclasses import replace
from vlasandbox.train.study.definition import Study, pick_point

def study():
    base = pick_point("pick_regression", demonstrations=20, updates={updates})
    base = replace(base, evaluation=replace(base.evaluation, episodes={episodes}))
    evaluations = {{"test": {{}}, "blank images": {{"condition": "blank_image"}}}}
    return Study("What does a study cost?", base, (), evaluations, seeds={cells})
"""
ALONE = """
import sys
from dataclasses import replace
from pathlib import Path
from vlasandbox.train.study.held_out import measure
from vlasandbox.train.evaluation import EvalTarget, evaluate_cached
from vlasandbox.train.loop import train
from vlasandbox.train.study.definition import load

file, out, number, data, held_out = sys.argv[1:]
cell, out = load(Path(file)).cells()[int(number)], Path(out)
config = replace(cell.point.train, data=replace(cell.point.train.data, root=Path(data)), threads=1)
policy = train(config, out, bar=False)
measure(out, Path(held_out))
config = replace(cell.point.evaluation, workers=1)
for condition in ("test", "blank_image"):
    evaluate_cached(EvalTarget(cell.name, policy, out / "eval"), config, condition)
"""
PREPARE = """
import sys
from dataclasses import replace
from pathlib import Path
from vlasandbox.train.data.cache import frame_cache
from vlasandbox.train.data.dataset import Dataset
from vlasandbox.train.study.held_out import held_out
from vlasandbox.train.recording.record import record
from vlasandbox.train.study.definition import data_name, load

cell, out = load(Path(sys.argv[1])).cells()[0], Path(sys.argv[2])
others = held_out(cell.point.record)
record(replace(others, root=out / "held_out" / data_name(others)))
root = record(replace(cell.point.record, root=out / "data" / cell.data))
frame_cache(Dataset.open(root), cell.point.train.policy.trunk.encoder.image_size)
"""
CLI = "import sys; from vlasandbox.train.cli import main; sys.exit(main())"


def timed(code: str, *arguments: str | Path) -> tuple[float, float]:
    """(wall, CPU) of a program and all its processes [s]."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    command = [sys.executable, "-P", "-c", code, *map(str, arguments)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Prints one line for the study, one for its cells alone, and the difference."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--updates", type=int, default=300)
    parser.add_argument("--episodes", type=int, default=50)
    parser.add_argument("--cells", type=int, default=2)
    arguments = parser.parse_args()
    print(f"{vars(arguments)}, load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as folder:
        file, out = Path(folder) / "study.py", Path(folder) / "out"
        file.write_text(STUDY.format(**vars(arguments)))
        timed(PREPARE, file, out)
        data = [path for kind in ("data", "held_out") for path in (out / kind).iterdir()]
        alone = [
            timed(ALONE, file, Path(folder) / f"alone{i}", str(i), *data) for i in range(arguments.cells)
        ]
        study = timed(CLI, "study", file, "--out", out)
        again = timed(CLI, "study", file, "--out", out)
        updates = [
            json.loads(path.read_text())["train_cpu_seconds"] for path in out.glob("cells/*/summary.json")
        ]
    wall, cpu = (sum(column) for column in zip(*alone, strict=True))
    print(f"cells alone   {wall:7.1f} s wall  {cpu:7.1f} s CPU, of which updates {sum(updates):.1f}")
    print(f"study         {study[0]:7.1f} s wall  {study[1]:7.1f} s CPU")
    print(f"summed up     {again[0]:7.1f} s wall  {again[1]:7.1f} s CPU, with nothing left to do")
    print(f"overhead      {100 * (study[1] / cpu - 1):+7.1f} % CPU")


if __name__ == "__main__":
    main()
