"""The live page under load: pictures a second, latency, and memory after an hour's worth of episodes.

    python benchmarks/live_page.py rate                    one policy, then two side by side, by the clock
    python benchmarks/live_page.py memory --seconds 3600   until so much was simulated, as fast as it goes

A client in place of the browser takes every picture at once. Latency is the time from a command of the page
to the state that answers it, while the robot moves. Memory is the resident size of server and simulation;
there chunks are executed whole and pictures are without shadows, to be done sooner.
"""

import argparse
import itertools
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

SEED = 1_000_000


class Page:
    """One tab without a browser."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self.status: dict[str, Any] = {}
        self.pictures: list[float] = []
        """When each picture of the first scene arrived [s]."""

    def send(self, do: str, **fields: Any) -> None:
        self._socket.send(json.dumps({"do": do, **fields}))

    def take(self) -> str:
        """Takes one message; returns its kind."""
        message = self._socket.recv(300)
        if isinstance(message, str):
            state = json.loads(message)
            if state["is"] == "status":
                self.status = state
            return state["is"]
        number = int.from_bytes(message[:8], "big")
        self.send("ack", number=number)
        if json.loads(message[12 : 12 + int.from_bytes(message[8:12], "big")])["scene"] == 0:
            self.pictures.append(time.perf_counter())
        return "picture"

    def until(self, condition: Any) -> None:
        while not condition():
            self.take()

    @property
    def has_ended(self) -> bool:
        return all(scene["ended"] for scene in self.status["scenes"]) and not self.status["playing"]


@contextmanager
def serving(run: str) -> Iterator[tuple[Page, int]]:
    """A page that shows `run`, and the id of its server."""
    argv = ["live", run, "--port", "0"]
    code = f"import sys; from vlasandbox.train.cli import main; sys.exit(main({argv!r}))"
    server = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        address = next(filter(None, (re.search(r"http://(\S+)/", line) for line in server.stdout)))[1]
        origin = Origin(f"http://{address}")
        with connect(f"ws://{address}/socket", origin=origin, max_size=None) as socket:
            page = Page(socket)
            page.until(lambda: page.status)
            yield page, server.pid
    finally:
        server.terminate()
        server.wait()


def rate(run: str, seconds: float) -> None:
    """Prints pictures a second and latency with one scene and with two."""
    with serving(run) as (page, _):
        for scenes in (1, 2):
            page.send("beside", name=run if scenes == 2 else "")
            page.until(lambda count=scenes: len(page.status["scenes"]) == count)
            page.pictures.clear()
            latencies: list[float] = []
            chunks: list[list[float]] = []
            played = moving = 0.0
            for seed in itertools.count(SEED):
                page.send("reset", seed=seed)
                page.until(lambda seed=seed: page.status["seed"] == seed)
                page.send("play")
                page.until(lambda: page.status["playing"])
                begin, asked, value, first = time.perf_counter(), 0.0, 1.0, len(page.pictures)
                while not page.has_ended:
                    page.take()
                    now = time.perf_counter()
                    if asked and page.status["speed"] == value:
                        latencies.append(now - asked)
                        asked = 0.0
                    if not asked and now - begin > 0.3 and page.status["playing"]:
                        asked, value = now, 2.001 - value
                        page.send("speed", value=value)
                if asked:
                    page.until(lambda value=value: page.status["speed"] == value)
                page.send("speed", value=1.0)
                page.until(lambda: page.status["speed"] == 1.0)
                shown = page.pictures[first:]
                played += len(shown) - 1
                moving += shown[-1] - shown[0]
                chunks.append(page.status["scenes"][0]["chunk_ms"])
                if moving >= seconds:
                    break
            gaps = 1e3 * np.diff(page.pictures)
            p50, p95 = 1e3 * np.percentile(latencies, (50, 95))
            print(
                f"{scenes} x {run}: {played / moving:.1f} pictures/s, p50 {np.median(gaps):.0f} ms apart; "
                f"command to state p50 {p50:.0f} ms, p95 {p95:.0f} ms (n={len(latencies)}); "
                f"ms per chunk p50, p95: {chunks[-1]}",
                flush=True,
            )


def memory(run: str, seconds: float, warm_up: int = 20, every: int = 100) -> None:
    """Prints the resident memory while episodes are played."""
    with serving(run) as (page, server):
        page.send("speed", value=0.0)
        page.send("picture", quality="fast")
        page.send("execute", execute=8)
        simulated, begin = 0.0, time.perf_counter()
        sizes: list[tuple[int, float, float]] = []
        for number in itertools.count():
            page.send("reset", seed=SEED + number)
            page.until(lambda number=number: page.status["seed"] == SEED + number)
            page.send("play")
            page.until(lambda: page.status["playing"])
            page.until(lambda: page.has_ended)
            simulated += page.status["scenes"][0]["seconds"]
            done = simulated >= seconds
            if number == warm_up or (number > warm_up and number % every == 0) or done:
                threads = Path(f"/proc/{server}/task").iterdir()
                children = " ".join((each / "children").read_text() for each in threads).split()
                sizes.append((number + 1, resident(server), sum(map(resident, map(int, children)))))
                count, ours, theirs = sizes[-1]
                print(
                    f"{count} episodes, {simulated:.0f} s simulated in {time.perf_counter() - begin:.0f} s: "
                    f"server {ours:.0f} MB, simulation {theirs:.0f} MB",
                    flush=True,
                )
            if done:
                break
        count = sizes[-1][0] - sizes[0][0]
        ours, theirs = (sizes[-1][i] - sizes[0][i] for i in (1, 2))
        print(f"growth over {count} episodes: server {ours:+.1f} MB, simulation {theirs:+.1f} MB")


def resident(pid: int) -> float:
    """Resident memory of a process [MB]."""
    text = Path(f"/proc/{pid}/status").read_text()
    match = re.search(r"VmRSS:\s+(\d+) kB", text)
    return int(match[1]) / 1e3 if match else 0.0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["rate", "memory"])
    parser.add_argument("--run", default="packaged")
    parser.add_argument("--seconds", type=float, default=60.0)
    asked = parser.parse_args()
    {"rate": rate, "memory": memory}[asked.what](asked.run, asked.seconds)
