"""Runs jobs as tasks of a Ray cluster: the cells of a study on several machines. Needs `vlasandbox[ray]`.

Each machine needs the same version of this package, and the study's folder under the same path.
"""

import importlib
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ...common.errors import AbsentPackageError
from ...envs.simulation.pool import usable_cores
from ..errors import mistake_message
from ..parallel import GRACE, Job, TrainingError


@contextmanager
def cluster(address: str) -> Iterator[int]:
    """Context connected to a cluster; yields its number of cores.

    Args:
        address: of the cluster's head, e.g. 10.0.0.1:6379; "auto" for the one that this machine belongs to;
            "local" for a new one on this machine.

    Raises:
        ImportError: Ray is not installed.
        ConnectionError: no cluster at `address`.
    """
    ray = _ray()
    where = {"num_cpus": usable_cores()} if address == "local" else {"address": address}
    # Jobs print nothing but errors, and these arrive as results.
    ray.init(**where, log_to_driver=False)
    try:
        yield int(ray.cluster_resources()["CPU"])
    finally:
        ray.shutdown()


def run_on_ray(jobs: Sequence[Job], at_once: int) -> None:
    """Runs all jobs in the connected cluster, each on one core, and on a GPU if it needs one.

    A job whose machine is lost runs again on another one, from its last checkpoint. An interruption lets
    running jobs write a checkpoint.

    Raises:
        TrainingError: a job failed; the others were interrupted, and their checkpoints are kept.
    """
    ray = _ray()
    task = ray.remote(_run)
    waiting, running = list(jobs), {}
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                job = waiting.pop(0)
                placed = task.options(num_cpus=1, num_gpus=int(job.gpu), name=job.name)
                running[placed.remote(job)] = job
            [ended], _ = ray.wait(list(running))
            job = running.pop(ended)
            message = _outcome(ray, ended)
            if message is not None:
                raise TrainingError(f"training {job.name} stopped: {message}")
            print(f"[{len(jobs) - len(waiting) - len(running)}/{len(jobs)}] {job.name}", flush=True)
    finally:
        for reference in running:
            ray.cancel(reference)
        if running:
            ray.wait(list(running), num_returns=len(running), timeout=GRACE)


def _run(job: Job) -> str | None:
    """Runs the task; returns what went wrong, if anything did."""
    try:
        job.run()
    except Exception as error:
        return mistake_message(error) or traceback.format_exc()
    return None


def _outcome(ray: Any, ended: Any) -> str | None:
    try:
        return ray.get(ended)
    except ray.exceptions.RayError as error:
        return f"its process or its machine is gone ({error})"


def _ray() -> Any:
    try:
        return importlib.import_module("ray")
    except ImportError:
        hint = "--ray needs Ray, which is an extra: pip install 'vlasandbox[ray]'"
        raise AbsentPackageError(hint) from None
