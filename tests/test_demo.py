"""`vla demo`: a sentence, an episode, a film, and the command that repeats it."""

import re
import shlex
from pathlib import Path

import av
import pytest
from PIL import Image
from small_policies import small_policy

from vlasandbox.envs.seeds import VALIDATION
from vlasandbox.train.cli import main
from vlasandbox.train.cli.demo import split

SEED = 3


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on `pick` whose policy has learned nothing."""
    folder = tmp_path_factory.mktemp("runs") / "flow"
    small_policy("flow").save(folder / "policy")
    (folder / "summary.json").write_text('{"dataset": {"task": "pick"}}')
    return folder


def played(*arguments: str, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """What the command said, by the word in front of each colon."""
    capsys.readouterr()
    assert main(["demo", *arguments]) == 0
    lines = capsys.readouterr().out.splitlines()
    return {key: rest for key, _, rest in (line.partition(": ") for line in lines)}


def frames(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def test_the_expert_does_what_the_sentence_asks(tmp_path, capsys):
    out = tmp_path / "new folder" / "episode.mp4"
    flags = ["--task", "pick", "--seed", str(SEED), "--out", str(out)]
    own = played("expert", *flags, capsys=capsys)
    things = own["Scene"].partition("object: ")[2].split(", ")
    assert len(things) == 3
    other = next(thing for thing in things if thing not in own["Told to expert"])
    said = played("expert", f"grab the {other}", *flags, capsys=capsys)
    assert said["Told to expert"] == f'"grab the {other}"'
    assert said["Outcome"].startswith("success")
    steps = int(re.findall(r"after (\d+) steps", said["Outcome"])[0])
    assert frames(out) == steps + 1 + 5
    assert said["Video"] == str(out)
    assert shlex.split(said["Again"]) == ["vla", "demo", "expert", f"grab the {other}", *flags]


def test_a_policy_is_told_any_sentence_and_nobody_pretends_to_judge_it(run, tmp_path, capsys):
    out = tmp_path / "episode.webp"
    said = played(str(run), "Kindly dance for me", "--out", str(out), capsys=capsys)
    assert said["Told to flow"] == '"Kindly dance for me"'
    unknown = said["Not a word of any training sentence"]
    assert unknown.startswith("Kindly, dance, for, me.")
    (objection,) = (line for line in said if line.startswith("The sentence is none that the task knows"))
    assert "cannot be judged" in objection
    assert said["Outcome"].startswith("not judged after 40 steps")
    with Image.open(out) as picture:
        # 41 states; of the last one held for a second, Pillow may write equal frames as one.
        assert 41 <= picture.n_frames <= 46  # type: ignore[attr-defined]
    assert f"--task pick --seed {VALIDATION.start}" in said["Again"]


def test_what_the_task_knows_but_the_scene_lacks_is_told_apart(run, tmp_path, capsys):
    flags = ["--seed", str(SEED), "--out", str(tmp_path / "x.gif")]
    scene = played(str(run), *flags, capsys=capsys)["Scene"]
    assert any("demonstrations" in line for line in played(str(run), *flags, capsys=capsys))
    missing = next(f"{c} cube" for c in ("red", "green", "blue", "yellow") if f"{c} cube" not in scene)
    said = played(str(run), f"pick up the {missing}", *flags, capsys=capsys)
    (objection,) = (line for line in said if "asks for what is not in this scene" in line)
    seed = re.findall(r"--seed (\d+)", objection)[0]
    again = played(str(run), f"pick up the {missing}", *flags, "--seed", seed, capsys=capsys)
    assert missing in again["Scene"]
    assert not again["Outcome"].startswith("not judged")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), (None, None)),
        (("pick up the red cube",), (None, "pick up the red cube")),
        (("expert",), ("expert", None)),
        (("a folder",), ("a folder", None)),
        (("runs/flow", "go"), ("runs/flow", "go")),
    ],
)
def test_one_argument_is_a_sentence_if_it_has_several_words(words, expected, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a folder").mkdir()
    assert split(words) == expected


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["pick up the red cube"], "carries no policy of its own"),
        (["packaged"], "carries no policy of its own"),
        (["nowhere"], "no policy in 'nowhere'"),
        (["expert", "pick", "up"], "put the sentence in quotes"),
        (["expert", "--task", "pik"], "Did you mean 'pick'?"),
        (["expert", "dance for me"], "the expert can only do what the task knows"),
        (["expert", "--out", "x.avi"], "unknown video format '.avi' of x.avi; valid: .mp4, .webp, .gif"),
        (["expert", "--out", "file/x.mp4"], "file/x.mp4"),
        (["expert", "--out", "folder.mp4"], "cannot write a video to folder.mp4"),
        (["RUN", "--task", "handover"], "unknown camera 'wrist'; valid: front, left_wrist"),
        (["top", "--task", "pick"], "unknown camera 'top'; valid: front, overview, wrist"),
    ],
)
def test_a_mistake_is_named_before_anything_is_played(arguments, said, run, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    (tmp_path / "folder.mp4").mkdir()
    if "top" in arguments:
        small_policy("regression", cameras=("top",)).save(tmp_path / "top" / "policy")
    if "RUN" in arguments:
        small_policy("regression").save(tmp_path / "RUN" / "policy")
    monkeypatch.setattr("vlasandbox.policies.packaged.FOLDER", tmp_path / "empty")
    assert main(["demo", *arguments]) == 2
    message = capsys.readouterr().err
    assert said in message
    assert message.count("\n") == 1
    assert [path.name for path in tmp_path.glob("*.mp4")] == ["folder.mp4"]


def test_the_help_teaches_by_example(capsys):
    with pytest.raises(SystemExit):
        main(["demo", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert 'vla demo "pick up the red cube"' in shown
    for flag in ("--task", "--seed", "--out", "[RUN] [SENTENCE]"):
        assert flag in shown
