"""A picture of every task at work, and the table of docs/TASKS.md:
`python benchmarks/task_sheet.py docs/media/tasks.webp`.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from vlasandbox.envs import make, tasks
from vlasandbox.envs.language import Wording
from vlasandbox.envs.seeds import VALIDATION

SIDE, CAPTION, COLUMNS = 300, 34, 4
"""Of a picture and its caption [pixels], and pictures in a row."""


def tile(task: str) -> Image.Image:
    """The expert at work, with the instruction below."""
    env = make(task, cameras=())
    expert, seed = env.definition.expert(), VALIDATION.start + 7
    env.reset(seed=seed)
    steps, done = 0, False
    while not done:
        *_, terminated, truncated, _ = env.step(expert.act(env))
        done, steps = terminated or truncated, steps + 1
    env.reset(seed=seed)
    for _ in range(round(0.55 * steps)):
        env.step(expert.act(env))
    picture = Image.fromarray(env.render_frame(env.definition.cameras[-1], SIDE, SIDE))
    tile = Image.new("RGB", (SIDE, SIDE + CAPTION), (255, 255, 255))
    tile.paste(picture, (0, 0))
    draw, text = ImageDraw.Draw(tile), env.task_description
    draw.text((4, SIDE + 2), task, fill=(0, 0, 0))
    draw.text((4, SIDE + 16), text if len(text) < 50 else text[:49] + "…", fill=(90, 90, 90))
    env.close()
    return tile


def row(task: str) -> str:
    """The task's line of the table."""
    definition = tasks.load(task)
    counts = [len(definition.instructions(Wording.of(wording))) for wording in ("plain", "train", "held_out")]
    held_out = sum(meaning.is_held_out for meaning in definition.meanings())
    return (
        f"| `{task}` | {', '.join(definition.stages)} | {definition.time_limit:g} s | "
        f"{len(definition.meanings())} ({held_out} held out) | {' / '.join(map(str, counts))} |"
    )


def main() -> None:
    """Prints the table, and writes the picture if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, nargs="?", help="picture of all tasks; none if not given")
    out = parser.parse_args().out
    print("| task | stages | time limit | meanings | sentences: plain / train / held out |")
    print("|---|---|---|---|---|")
    for task in tasks.names():
        print(row(task), flush=True)
    if out is None:
        return
    tiles = [np.asarray(tile(task)) for task in tasks.names()]
    tiles += [np.full_like(tiles[0], 255)] * (-len(tiles) % COLUMNS)
    rows = [np.concatenate(tiles[i : i + COLUMNS], axis=1) for i in range(0, len(tiles), COLUMNS)]
    Image.fromarray(np.concatenate(rows)).save(out, quality=80)


if __name__ == "__main__":
    main()
