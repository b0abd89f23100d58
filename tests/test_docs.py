"""Documentation: its tutorial and code run, its commands and files exist, its links lead somewhere."""

import re
import sys
from pathlib import Path

import pytest

from vlasandbox.train import presets
from vlasandbox.train.cli._dispatch import verbs

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
sys.path.insert(0, str(DOCS / "_ext"))

from markdown_docstrings import converted  # noqa: E402  # pyright: ignore[reportMissingImports]
from repository_links import copy_of, linked_files, rewritten  # noqa: E402  # pyright: ignore[reportMissingImports]

GENERATED = (DOCS / "reference" / "generated", DOCS / "reference" / "files")
PAGES = sorted(
    page
    for page in [*DOCS.rglob("*.md"), *ROOT.glob("*.md"), ROOT / "dev" / "LOG.md"]
    if page.parent not in GENERATED
)
PROSE = [page for page in PAGES if page.parent in (DOCS, DOCS / "how_to", ROOT)]

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
each_prose_page = pytest.mark.parametrize("page", PROSE, ids=lambda page: str(page.relative_to(ROOT)))


def blocks(page: Path, language: str) -> list[str]:
    """Code blocks of a page in one language."""
    parts = page.read_text(encoding="utf-8").split(f"```{language}\n")[1:]
    return [part.split("```\n")[0] for part in parts]


@pytest.mark.slow
def test_every_block_of_the_tutorial_runs_after_the_others(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "tutorial"}
    for number, block in enumerate(blocks(DOCS / "tutorial.md", "python")):
        exec(compile(block, f"block {number} of tutorial.md", "exec"), names)
    assert (tmp_path / "tutorial" / "report" / "report.html").exists()
    assert "0 of 4: between 0% and 49%" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["head", "encoder", "study", "own_dataset", "improve"])
def test_code_of_the_how_to_pages_runs(name, monkeypatch):
    names: dict[str, object] = {"__name__": f"how_to_{name}"}
    module = type(sys)(f"how_to_{name}")
    monkeypatch.setitem(sys.modules, module.__name__, module)  # dataclasses look their module up
    for block in blocks(DOCS / "how_to" / f"{name}.md", "python"):
        exec(compile(block, f"{name}.md", "exec"), names)
    assert len(names) > 3


@each_prose_page
def test_commands_name_verbs_and_presets_that_exist(page):
    for block in blocks(page, "bash"):
        for verb in re.findall(r"(?:^|&& )vla (?:--allow \S+ )?([a-z][\w-]*)", block, re.MULTILINE):
            assert verb in verbs(), f"vla {verb}"
        for preset in re.findall(r"^vla train (\w[\w:=.-]*)", block, re.MULTILINE):
            if preset != "bc_z":  # CONTRIBUTING.md builds it
                presets.load(preset)


@each_page
def test_links_lead_to_files_that_exist(page):
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    for link in re.findall(r"\]\(([^)\s#]+)(?:#[^)\s]*)?\)", text):
        if "://" not in link:
            assert (page.parent / link).exists(), f"{page.name} links to {link}"


def test_concepts_name_only_what_exists_and_cover_the_curriculum():
    text = (DOCS / "concepts.md").read_text(encoding="utf-8")
    for name in set(re.findall(r"`((?:envs|vision|policies|train|eval|tests|benchmarks)/[\w/]+/?)`", text)):
        assert (ROOT / name).exists(), name
    assert len(linked_files(DOCS / "concepts.md", text)) > 60
    for preset in re.findall(r"presets? ((?:`\w+`(?:, )?)+)", text):
        for name in re.findall(r"`(\w+)`", preset):
            presets.load(name)
    for concept in (
        "RMSNorm", "SwiGLU", "causal", "prefix-LM", "Block mask", "KV cache", "multi-query", "RoPE",
        "2-D positions", "Tokenization", "as words", "Next-token", "Contrastive", "LoRA", "Freezing",
        "Mixed precision", "clipping", "accumulation", "EMA", "Data parallelism", "Greedy", "Constrained",
        "CNN", "ViT", "CLIP", "Q-Former", "Perceiver", "Pixel shuffle", "Early fusion", "Late fusion",
        "Resolution", "Grounding", "Hallucination", "drift", "Behavior cloning", "bins", "Diffusion", "Flow",
        "Chunking", "Robustness", "Calibration", "Contamination",
    ):  # fmt: skip
        assert concept in text, concept


def test_every_test_that_a_page_names_exists():
    file = ""
    for name in re.findall(
        r"`((?:\.\.|test_\w+\.py)(?:::test_\w+)?)`", (DOCS / "TESTS.md").read_text(encoding="utf-8")
    ):
        path, _, test = name.partition("::")
        file = file if path == ".." else path
        assert not test or f"def {test}(" in (ROOT / "tests" / file).read_text(encoding="utf-8"), name
        assert (ROOT / "tests" / file).exists(), name


def test_links_out_of_docs_lead_to_copies_on_the_site_and_code_is_left_alone():
    page, place = DOCS / "concepts.md", DOCS / "how_to" / "x.md"
    text = "[a](../policies/trunk.py) [b](glossary.md#lane) [c](nowhere.md)\n"
    text += "```text\n[d](../policies/trunk.py)\n```"
    moved = rewritten(text, page, place)
    copy = copy_of(ROOT / "policies" / "trunk.py")
    assert (place.parent / re.findall(r"\[a\]\((.*?)\)", moved)[0]).resolve() == copy
    assert "[b](../glossary.md#lane)" in moved
    assert "[c](nowhere.md)" in moved
    assert "[d](../policies/trunk.py)" in moved


def test_docstrings_in_markdown_become_restructuredtext():
    assert converted("see `x_`, a_ and 2 * 3 | 4") == "see ``x_``, a\\_ and 2 \\* 3 \\| 4"
    assert converted("a:\n\n    b * c\nd") == "a:\n\n::\n\n    b * c\n\nd"
    assert converted("What.\n\nArgs:\n    x: `y`") == "What.\n\nArgs:\n    x: ``y``"
