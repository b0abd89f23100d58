"""Recording: the same dataset for any number of workers and interruptions, and clear refusals."""

import math
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from full_disk import file_size_limit
from hypothesis import given
from hypothesis import strategies as st

from vlasandbox.envs.config import EnvConfig
from vlasandbox.envs.demonstrations import collect_episode
from vlasandbox.envs.expert import NoiseConfig
from vlasandbox.envs.seeds import TEST
from vlasandbox.envs.simulation.process import TRIES
from vlasandbox.train.data.dataset import Dataset
from vlasandbox.train.data.files import DatasetError
from vlasandbox.train.data.writer import DatasetWriter, check_root
from vlasandbox.train.recording.record import RecordConfig, RecordError, SeedPlan, record

SMALL = EnvConfig(image_size=32)
FAULTY = '''
"""A recorder whose process is killed by seed 2 `kills` times; a negative number: seed 2 raises."""
import os, signal
from pathlib import Path
from vlasandbox.train.recording.recorder import Recorder

class Faulty(Recorder):
    def __call__(self, request):
        if request["seed"] == 2:
            killed = len(list(Path({folder!r}).glob("killed-*")))
            if {kills} < 0:
                raise KeyError("no such part")
            if killed < {kills}:
                (Path({folder!r}) / f"killed-{{killed}}").touch()
                os.kill(os.getpid(), signal.SIGKILL)
        return super().__call__(request)
'''


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four episodes by two workers."""
    return record(RecordConfig(tmp_path_factory.mktemp("record") / "pick", episodes=4, workers=2))


def test_a_recording_is_a_dataset_of_the_expert(recorded: Path) -> None:
    dataset = Dataset.open(recorded)
    assert len(dataset.starts) == 4
    assert dataset.cameras == ("front", "wrist")
    assert dataset.image_sizes == ((96, 96), (96, 96))
    assert dataset.state.shape[1] == 17
    assert dataset.action_space == "ee_delta"
    assert dataset.recording is not None
    assert dataset.recording["settings"]["task"] == "pick"
    assert dataset.recording["settings"]["noise"]["rate"] == 1.0
    assert all(episode["success"] for episode in dataset.recording["episodes"])
    assert not (recorded / ".recording").exists()


def test_the_number_of_workers_does_not_show(recorded: Path, tmp_path: Path) -> None:
    alone = record(RecordConfig(tmp_path / "pick", episodes=4, workers=1))
    assert Dataset.open(alone).fingerprint == Dataset.open(recorded).fingerprint


def test_asking_for_more_adds_and_asking_again_changes_nothing(recorded: Path, tmp_path: Path) -> None:
    root = tmp_path / "pick"
    record(RecordConfig(root, episodes=2, workers=1))
    record(RecordConfig(root, episodes=4, workers=1))
    grown, whole = Dataset.open(root), Dataset.open(recorded)
    assert grown.recording is not None
    assert whole.recording is not None
    assert grown.recording["episodes"] == whole.recording["episodes"]
    assert (grown.action == whole.action).all()
    started = time.perf_counter()
    record(RecordConfig(root, episodes=3, workers=1))
    assert time.perf_counter() - started < 0.5, "a complete dataset needs no simulation"
    assert Dataset.open(root).fingerprint == grown.fingerprint


def test_a_killed_recording_goes_on_where_it_was(tmp_path: Path) -> None:
    config = RecordConfig(tmp_path / "pick", episodes=16, workers=2, env=SMALL)
    source = (
        "from pathlib import Path; from vlasandbox.envs.config import EnvConfig;"
        "from vlasandbox.train.recording.record import RecordConfig, record;"
        f"record(RecordConfig(Path({str(config.root)!r}), episodes=16, workers=2, env={SMALL!r}))"
    )
    process = subprocess.Popen([sys.executable, "-c", source], stderr=subprocess.DEVNULL)
    staged = config.root / ".recording"
    while len(list(staged.glob("episode-*.npz"))) < 3 and process.poll() is None:
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (config.root / "meta").exists(), "killed too late to test anything"
    assert len(list(staged.glob("episode-*.npz"))) >= 3
    with pytest.raises(DatasetError, match="unfinished recording"):
        Dataset.open(config.root)

    straight = record(replace(config, root=tmp_path / "straight"))
    assert Dataset.open(record(config)).fingerprint == Dataset.open(straight).fingerprint


def test_a_worker_loads_neither_torch_nor_transformers_nor_pyarrow(tmp_path: Path) -> None:
    source = (
        "import sys; from vlasandbox.train.recording.recorder import Recorder;"
        f"recorder = Recorder({{'root': {str(tmp_path)!r}, 'env': {{}}, 'noise': None}});"
        "assert recorder({'seed': 0}) == {'success': True};"
        "heavy = {'torch', 'transformers', 'pyarrow'} & set(sys.modules); assert not heavy, heavy;"
        "assert 'mujoco' in sys.modules; recorder.close()"
    )
    subprocess.run([sys.executable, "-c", source], check=True)
    assert len(list((tmp_path / ".recording").glob("episode-*"))) == 1


@pytest.mark.parametrize("kills", [1, TRIES])
def test_a_seed_whose_process_dies_is_played_again(
    tmp_path: Path, recorded: Path, monkeypatch, kills
) -> None:
    (tmp_path / "faulty_recorder.py").write_text(FAULTY.format(folder=str(tmp_path), kills=kills))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr("vlasandbox.train.recording.record.SERVICE", "faulty_recorder:Faulty")
    config = RecordConfig(tmp_path / "pick", episodes=4, workers=2)
    if kills == TRIES:
        with pytest.raises(RecordError, match=rf"seed 2 ended {TRIES} simulation processes; .* SIGKILL"):
            record(config)
    else:
        assert Dataset.open(record(config)).fingerprint == Dataset.open(recorded).fingerprint


def test_a_bug_names_the_seed(tmp_path: Path, monkeypatch, capfd) -> None:
    (tmp_path / "faulty_recorder.py").write_text(FAULTY.format(folder=str(tmp_path), kills=-1))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr("vlasandbox.train.recording.record.SERVICE", "faulty_recorder:Faulty")
    with pytest.raises(RecordError, match=r"^seed 2: KeyError: 'no such part'"):
        record(RecordConfig(tmp_path / "pick", episodes=4, workers=1))
    assert "Traceback" in capfd.readouterr().err


def test_no_room_on_the_disk_is_one_message_and_loses_nothing(tmp_path: Path, recorded: Path) -> None:
    root = tmp_path / "pick"
    message = r"pick: writing failed \(File too large\)"
    with file_size_limit(10_000), pytest.raises(RecordError, match=message):
        record(RecordConfig(root, episodes=4, workers=1))
    assert not list((root / ".recording").glob("*.partial*"))
    record(RecordConfig(root, episodes=4, workers=1))
    assert Dataset.open(root).fingerprint == Dataset.open(recorded).fingerprint


def test_no_room_for_the_finished_files_keeps_the_episodes(tmp_path: Path) -> None:
    """Small pictures: each episode stays below the limit, the table of all of them does not."""
    config = RecordConfig(tmp_path / "pick", episodes=4, workers=1, env=SMALL)
    with file_size_limit(60_000), pytest.raises(RecordError, match="finished episodes are kept"):
        record(config)
    assert [path.name for path in config.root.iterdir()] == [".recording"]
    assert len(list((config.root / ".recording").glob("episode-*.npz"))) == 4
    assert not (config.root / ".recording/commit").exists()
    assert len(Dataset.open(record(config)).starts) == 4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"episodes": 0}, "episodes is 0"),
        ({"first_seed": TEST.start}, "first_seed 2000000 is not a seed for demonstrations"),
        ({"env": EnvConfig("pik")}, "pik.*pick"),
        ({"env": EnvConfig(action_space="joint")}, "joint.*ee_absolute"),
        ({"env": EnvConfig(cameras=("front", "side"))}, "side.*wrist"),
        ({"env": EnvConfig(control_hz=12.5)}, r"control_hz 12\.5"),
        ({"env": EnvConfig(control_hz=float("nan"))}, r"control_hz nan"),
        ({"env": EnvConfig(control_hz=float("inf"))}, r"control_hz inf"),
        ({"workers": 0}, "workers is 0"),
        ({"env": EnvConfig("no.such.task")}, r"unknown task 'no\.such\.task': no such module; valid: "),
    ],
)
def test_impossible_settings_are_named(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    config = replace(RecordConfig(tmp_path / "pick", episodes=1, workers=1), **changes)
    with pytest.raises(ValueError, match=message):
        record(config)
    check_root(tmp_path / "pick", RecordConfig(tmp_path).settings())  # what went wrong is not in the way


@pytest.mark.parametrize(
    "bad",
    [
        {"rate": -1.0},
        {"gripper_flip": 1.5},
        {"position": -0.1},
        {"yaw": math.inf},
        {"gripper_flip": math.nan},
    ],
)
def test_impossible_disturbances_are_named(bad: dict[str, float]) -> None:
    ((name, value),) = bad.items()
    with pytest.raises(ValueError, match=rf"noise\.{name} must .*, got {value}"):
        NoiseConfig(**bad)  # pyright: ignore[reportArgumentType]


def test_other_settings_in_the_same_folder_are_refused(recorded: Path) -> None:
    before = Dataset.open(recorded).fingerprint
    with pytest.raises(DatasetError, match="action_space was 'ee_delta', now 'ee_absolute'"):
        record(RecordConfig(recorded, episodes=5, env=EnvConfig(action_space="ee_absolute")))
    with pytest.raises(DatasetError, match="noise was"):
        record(RecordConfig(recorded, episodes=5, noise=None))
    assert Dataset.open(recorded).fingerprint == before


@given(
    fails=st.sets(st.integers(0, 30), max_size=9),
    known=st.sets(st.integers(0, 20), max_size=12),
    episodes=st.integers(1, 12),
    order=st.randoms(use_true_random=False),
    workers=st.integers(1, 5),
)
def test_seeds_tried_are_those_of_one_after_the_other(fails, known, episodes, order, workers) -> None:
    one_by_one: list[int] = []
    while sum(seed not in fails for seed in one_by_one) < episodes:
        one_by_one.append(len(one_by_one))

    plan = SeedPlan(0, episodes, {seed: seed not in fails for seed in sorted(known)})
    flying: list[int] = []
    tried: set[int] = set()
    while True:
        while len(flying) < workers and (seed := plan.next()) is not None:
            flying.append(seed)
        if not flying:
            break
        seed = flying.pop(order.randrange(len(flying)))
        tried.add(seed)
        plan.report(seed not in fails)
    assert plan.complete
    assert not tried & known
    assert tried | (known & set(one_by_one)) == set(one_by_one)


def test_an_expert_that_keeps_failing_is_reported() -> None:
    plan = SeedPlan(0, 100, {})
    for _ in range(19):
        plan.next()
        plan.report(False)
    with pytest.raises(RecordError, match="the expert failed in 20 of 20 episodes"):
        plan.report(False)


def test_fewer_episodes_than_are_at_hand_beside_a_gap_are_recorded(tmp_path: Path) -> None:
    config = RecordConfig(tmp_path / "pick", episodes=2, workers=1, env=SMALL)
    writer = DatasetWriter(config.root, config.settings())
    env = SMALL.build()
    for seed in (1, 2):
        writer.add_episode(collect_episode(env, seed, config.noise), env.spec_dict())
    record(config)
    assert DatasetWriter(config.root, config.settings()).committed == [0, 1]
