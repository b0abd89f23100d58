"""A checkpoint that cannot be had is said in one sentence, within seconds, with or without a network."""

import socket
import time
from collections.abc import Iterator

import pytest
from huggingface_hub import constants

from vlasandbox.common import hub
from vlasandbox.policies.tokenizer import checkpoint_tokenizer
from vlasandbox.vision.encoders import dinov2, siglip

NAME = "nobody/has-this-model"
LOADERS = {
    "tokenizer": checkpoint_tokenizer,
    "siglip": lambda name: siglip.Config(checkpoint=name).build(96),
    "dinov2": lambda name: dinov2.Config(checkpoint=name).build(96),
}


@pytest.fixture(params=["refuses", "is silent"])
def endpoint(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A Hub that cannot be reached; it asks the kernel alone, no network."""
    monkeypatch.setattr(hub, "PATIENCE", 1.0)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    for variable in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(variable, raising=False)
    hub._answers.cache_clear()
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        if request.param == "is silent":
            server.listen()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        monkeypatch.setattr(constants, "ENDPOINT", url)
        yield url
    hub._answers.cache_clear()


@pytest.mark.parametrize("kind", LOADERS)
def test_a_hub_that_does_not_answer_is_one_sentence_within_seconds(endpoint: str, kind: str):
    import transformers  # noqa: F401, which takes seconds by itself

    begun = time.monotonic()
    with pytest.raises(ValueError, match=f"{NAME}' cannot be loaded.*{endpoint} does not answer") as caught:
        LOADERS[kind](NAME)
    assert time.monotonic() - begun < 10
    assert "\n" not in str(caught.value)


def test_who_is_offline_by_choice_is_not_asked_to_wait(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(hub, "_answers", lambda endpoint: pytest.fail("asked"))
    with pytest.raises(ValueError, match=r"cannot be loaded.*HF_HUB_OFFLINE is set.*Give its folder"):
        checkpoint_tokenizer(NAME)


def test_a_folder_is_read_without_asking_anybody(tmp_path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(hub, "_answers", lambda endpoint: pytest.fail("asked"))
    with pytest.raises(ValueError, match="cannot be loaded") as caught:
        checkpoint_tokenizer(str(tmp_path))
    assert "\n" not in str(caught.value)
