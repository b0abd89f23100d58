"""The systems of the field as presets: the published size has the published number of parameters (on the
meta device: nothing is allocated), the tiny one trains, acts and can be saved, and each has its page."""

import inspect
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from statistics_of import statistics

from vlasandbox.policies.policy import Policy
from vlasandbox.policies.types import Batch, Grounding, Observation, PolicySpec
from vlasandbox.train import presets
from vlasandbox.train.config import TrainConfig

DOCS = Path(__file__).parents[1] / "docs" / "systems"
SYSTEMS = [name for name in presets.names() if "size" in inspect.signature(presets.load(name)).parameters]
INSTRUCTION = "pick up the red cube"
STATE, ACTION, ROWS = 9, 5, 2
READ = {
    "smolvla": 450_046_176,  # LeRobot's training prints it
    "octo": 93e6,  # its README
    "diffusion_policy_unet": 262_709_026,  # LeRobot's training prints it
    "act": 51_597_190,  # LeRobot's training prints it
}
"""All parameters of the published system, read in the source named."""
FROM_MEMORY = {
    "rt1": 35e6,
    "rt2": 8.63e9 + 3.93e9,  # PaLM 8B and ViT-e; their sum goes by the name of 12B
    "openvla": 7.54e9,
    "vla0": 3.75e9,
    "pi0": 3.3e9,
    "pi0_fast": 2.92e9,
    "pi05": 3.3e9,
    "groot": 2.2e9,
}
"""The same from memory, not verified: the page of each marks its figure with [M]."""
PUBLISHED = READ | FROM_MEMORY
PARTS = {
    "smolvla": ("head", 99_880_992),  # what it trains, as LeRobot's training prints it
    "diffusion_policy_transformer": ("head", 9.0e6),  # counted in the published code
    "openvla_oft": ("trunk", 7.54e9),  # OpenVLA's
    "discrete_diffusion": ("trunk", 7.54e9),  # OpenVLA's
    "mip": ("trunk.encoder", 11.18e6),  # ResNet-18 without its classifier
    "bet": ("trunk.encoder", 11.18e6),
    "vq_bet": ("trunk.encoder", 11.18e6),
}
"""A part of the system whose size is known: its name in the policy, and its parameters but for FiLM's."""
CAMERAS = {"octo": ("front", "wrist")}
"""Where each has an encoder of its own."""

every_system = pytest.mark.parametrize("name", SYSTEMS)


def build(config: TrainConfig, cameras: tuple[str, ...] = ("front",)) -> Policy:
    rng = np.random.default_rng(0)
    stats = {
        "state": statistics(rng.normal(size=(500, STATE))),
        "action": statistics(rng.normal(size=(500, ACTION))),
    }
    data = config.data
    spec = PolicySpec(cameras, STATE, ACTION, data.chunk, "ee_delta", 10.0, 96, history=data.history)
    torch.manual_seed(0)
    return Policy.build(config.policy, spec, stats, [INSTRUCTION])


@cache
def tiny(name: str) -> Policy:
    return build(presets.load(name)(Path("data")), ("front", "wrist"))


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def batch(policy: Policy) -> Batch:
    spec, side, g = policy.spec, policy.trunk.image_size, generator()
    images = torch.randint(256, (ROWS, spec.num_views, side, side, 3), generator=g, dtype=torch.uint8)
    state = torch.randn(ROWS, spec.observed_state_dim, generator=g)
    return Batch(
        Observation(images, state, [INSTRUCTION] * ROWS),
        torch.randn(ROWS, spec.chunk, ACTION, generator=g),
        torch.ones(ROWS, spec.chunk, dtype=torch.bool),
        Grounding(torch.rand(ROWS, len(spec.cameras), 2, generator=g), torch.rand(ROWS, 3, generator=g)),
    )


@cache
def published(name: str) -> Policy:
    """The published size on the meta device: shapes without memory."""
    with pytest.MonkeyPatch.context() as patch, torch.device("meta"):
        # The scale of the word embeddings is read off them, and meta tensors have no numbers.
        patch.setattr(torch.Tensor, "__float__", lambda self: 1.0)
        config = presets.load(f"{name}:size=published")(Path("data"))
        return build(config, CAMERAS.get(name, ("front",)))


def count(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def in_words(parameters: int) -> str:
    """34400000 -> "34.4 M", 7530000000 -> "7.53 B"."""
    return f"{parameters / 1e9:.2f} B" if parameters >= 1e9 else f"{parameters / 1e6:.1f} M"


@every_system
def test_published_size_has_the_published_number_of_parameters(name: str):
    policy = published(name)
    assert all(p.is_meta for p in policy.parameters())
    print(in_words(count(policy)))
    if name in PUBLISHED:
        assert count(policy) == pytest.approx(PUBLISHED[name], rel=0.03)
    if name in PARTS:
        part, parameters = PARTS[name]
        named = policy.get_submodule(part).named_parameters()
        counted = sum(p.numel() for name, p in named if "film" not in name)
        assert counted == pytest.approx(parameters, rel=0.03)


def test_a_figure_of_every_system_is_compared():
    assert set(PUBLISHED) | set(PARTS) == set(SYSTEMS)


@every_system
def test_the_page_says_how_many_parameters_the_published_size_has(name: str):
    page = " ".join((DOCS / f"{name}.md").read_text().split())
    assert f"{in_words(count(published(name)))} parameters" in page


@pytest.mark.parametrize("name", FROM_MEMORY)
def test_figures_from_memory_are_marked(name: str):
    rows = (DOCS / f"{name}.md").read_text().splitlines()
    [row] = [row for row in rows if row.startswith("| parameters |")]
    assert "[M]" in row.split("|")[2]


@every_system
def test_tiny_size_learns_from_a_batch(name: str):
    policy = tiny(name).train()
    policy.zero_grad()
    loss, _ = policy.loss(batch(policy), generator())
    loss.backward()
    assert loss.isfinite()
    assert {part.split(".")[0] for part, p in policy.named_parameters() if p.grad is not None} == {
        "trunk",
        "head",
    }


@every_system
def test_tiny_size_acts_alike_after_being_saved_and_loaded(name: str, tmp_path: Path):
    policy = tiny(name).eval()
    policy.save(tmp_path / "policy")
    loaded = Policy.load(tmp_path / "policy")
    chunks = [
        each.act(batch(policy).observation, [generator() for _ in range(ROWS)]) for each in (policy, loaded)
    ]
    assert chunks[0].shape == (ROWS, policy.spec.chunk, ACTION)
    assert chunks[0].isfinite().all()
    assert torch.equal(*chunks)


@every_system
def test_both_sizes_take_updates_and_seed(name: str):
    for size in ("tiny", "published"):
        config = presets.load(name)(Path("data"), updates=7, seed=3, size=size)
        assert (config.data.root, config.updates, config.seed) == (Path("data"), 7, 3)


@every_system
def test_system_has_a_page_and_a_row_in_both_tables(name: str):
    assert "| published | ours, tiny |" in (DOCS / f"{name}.md").read_text()
    for page in ("README.md", "RESULTS.md"):
        assert f"[{name}]({name}.md)" in (DOCS / page).read_text()


def test_parameters_follow_the_name_of_a_preset():
    function = presets.load("pi0:size=published,seed=3")
    config = function(Path("data"), updates=9)
    assert (config.data.chunk, config.seed, config.updates) == (50, 3, 9)
    assert function.__doc__ == presets.load("pi0").__doc__


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("pi0:size=huge", r"size of preset 'pi0' 'huge'; valid: published, tiny"),
        (
            "pi0:sise=tiny",
            r"parameter of preset 'pi0' 'sise'; valid: recipe, seed, size, updates. Did you mean 'size'",
        ),
        ("pi0:seed=-1", r"preset 'pi0': seed='-1' is not a whole number"),
        ("pick_flow:size=tiny", r"parameter of preset 'pick_flow' 'size'; valid: recipe, seed, updates"),
        ("pi1:size=tiny", r"unknown preset 'pi1'; valid: .* Did you mean 'pi0'"),
    ],
)
def test_wrong_parameter_is_named_with_the_valid_ones(name: str, message: str):
    with pytest.raises(ValueError, match=message):
        presets.load(name)
