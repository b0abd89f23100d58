"""Policies behind a socket: openpi's protocol, and what is refused."""

import asyncio
from contextlib import AbstractContextManager

import numpy as np
import pytest
import served
import tiny_policy
import torch

from vlasandbox.common.loopback import is_loopback
from vlasandbox.policies.remote.keys import SEED, STEP, MessageKeys
from vlasandbox.policies.remote.server import PolicyServer, RequestError
from vlasandbox.policies.remote.wire import MAX_BYTES, WireError, packb, unpackb
from vlasandbox.policies.types import Observation

pytest.importorskip("msgpack", reason="pip install 'vlasandbox[serve]'")
connect = pytest.importorskip("websockets.sync.client").connect
exceptions = pytest.importorskip("websockets.exceptions")


def request(**changes) -> dict:
    rng = np.random.default_rng(0)
    image = {
        f"observation/images/{c}": rng.integers(0, 256, (48, 48, 3), np.uint8) for c in ("front", "wrist")
    }
    state = rng.normal(size=tiny_policy.SPEC.state_dim)
    return {**image, "observation/state": state, "prompt": tiny_policy.INSTRUCTIONS[0], **changes}


def serving(**options) -> AbstractContextManager[int]:
    """The port of a server in another thread."""
    return served.serving(tiny_policy.build(), "tiny", **options)


def test_messages_come_back_as_they_were():
    message = {"a": np.arange(6, dtype=np.uint8).reshape(2, 3), "b": np.float32(0.5), "c": ["x", 1, None]}
    back = unpackb(packb(message))
    np.testing.assert_array_equal(back["a"], message["a"])
    assert back["a"].dtype == np.uint8
    assert (back["b"], back["c"]) == (np.float32(0.5), message["c"])


def test_openpis_client_packs_alike():
    theirs = pytest.importorskip("openpi_client.msgpack_numpy", reason="pip install openpi-client")
    message = {"a": np.ones((2, 2), np.float32), "b": np.int64(3), "c": "text"}
    assert packb(message) == theirs.packb(message)


def array(**changes) -> dict:
    fields = {"data": b"\0" * 4, "dtype": "<f4", "shape": [1], **changes}
    return {b"__ndarray__": True, **{name.encode(): value for name, value in fields.items()}}


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ({"x": array(shape=[2])}, "bytes"),
        ({"x": array(shape=[2**40, 2**40])}, "bytes"),
        ({"x": array(shape=[-1])}, "bytes"),
        ({"x": array(dtype="O")}, "'O'"),
        ({"x": array(dtype="V8")}, "'V8'"),
        ({"x": array(dtype=7)}, "7"),
        ({"x": {b"__npgeneric__": True, b"dtype": "<f4", b"data": "text"}}, "str"),
        ([1, 2], "list"),
    ],
)
def test_messages_that_do_not_fit_are_refused(message, reason):
    import msgpack

    with pytest.raises(WireError, match=reason):
        unpackb(bytes(msgpack.packb(message)))  # pyright: ignore[reportArgumentType]


def test_what_is_no_message_is_refused():
    for data in (b"", b"\xc1", b"\x81\xa1x", b"\x91" * 2000, b"\0" * (MAX_BYTES + 1)):
        with pytest.raises(WireError):
            unpackb(data)


def test_a_client_gets_the_metadata_and_then_the_policys_chunks():
    policy = tiny_policy.build().eval()
    sent = request()
    images = np.stack([sent["observation/images/front"], sent["observation/images/wrist"]])[None]
    seen = Observation(
        torch.from_numpy(images), torch.from_numpy(sent["observation/state"]).float()[None], [sent["prompt"]]
    )
    with serving() as port, connect(f"ws://127.0.0.1:{port}") as client:
        metadata = unpackb(client.recv())
        assert metadata["images"]["wrist"] == "observation/images/wrist"
        assert (metadata["chunk"], metadata["action_dim"]) == (tiny_policy.CHUNK, tiny_policy.ACTION)
        answers = []
        for seed in (5, 6, 5):
            client.send(packb({**sent, SEED: seed, STEP: 0}))
            answers.append(unpackb(client.recv()))
    chunks = [answer["actions"] for answer in answers]
    expected = policy.act(seen, [torch.Generator().manual_seed(5)])[0].numpy()
    np.testing.assert_allclose(chunks[0], expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(chunks[0], chunks[2])
    assert not np.array_equal(chunks[0], chunks[1])
    assert answers[0]["server_timing"]["infer_ms"] > 0


def test_openpis_client_drives_it():
    module = pytest.importorskip("openpi_client.websocket_client_policy", reason="pip install openpi-client")
    with serving() as port:
        client = module.WebsocketClientPolicy("127.0.0.1", port)
        assert client.get_server_metadata()["policy"] == "tiny"
        assert client.infer(request())["actions"].shape == (tiny_policy.CHUNK, tiny_policy.ACTION)
        with pytest.raises(RuntimeError, match="prompt"):
            client.infer(request(prompt=""))
        assert client.infer(request())["actions"].shape == (tiny_policy.CHUNK, tiny_policy.ACTION)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"observation/images/wrist": np.zeros((48, 40, 3), np.uint8)}, "observation/images/wrist"),
        ({"observation/images/wrist": np.zeros((48, 48, 3), np.float32)}, "float32"),
        ({"observation/images/front": "picture"}, "observation/images/front"),
        ({"observation/state": np.zeros(2)}, "observation/state"),
        ({"observation/state": "text"}, "observation/state"),
        ({"observation/state": np.full(tiny_policy.SPEC.state_dim, np.nan)}, "finite"),
        ({"prompt": 7}, "7"),
    ],
)
def test_observations_that_do_not_fit_are_refused(changes, named):
    server = PolicyServer(tiny_policy.build().eval(), "tiny")
    with pytest.raises(RequestError, match=named):
        server.answer(request(**changes), torch.Generator())


def test_what_is_missing_is_named():
    server = PolicyServer(tiny_policy.build().eval(), "tiny")
    with pytest.raises(RequestError, match="observation/state"):
        server.answer({k: v for k, v in request().items() if k != "observation/state"}, torch.Generator())


def test_keys_come_from_a_file(tmp_path):
    path = tmp_path / "keys.toml"
    path.write_text('instruction = "task"\n[images]\nfront = "observation/image"\n')
    server = PolicyServer(tiny_policy.build().eval(), "tiny", MessageKeys.load(path))
    asked = request()
    asked = {**asked, "task": asked.pop("prompt"), "observation/image": asked.pop("observation/images/front")}
    assert server.answer(asked, torch.Generator())["actions"].shape == (tiny_policy.CHUNK, tiny_policy.ACTION)
    path.write_text('[images]\nleft = "x"\n')
    with pytest.raises(ValueError, match="left"):
        PolicyServer(tiny_policy.build().eval(), "tiny", MessageKeys.load(path))
    path.write_text('colour = "x"\n')
    with pytest.raises(ValueError, match="colour"):
        MessageKeys.load(path)


def test_only_who_has_the_token_is_let_in():
    with serving(token="secret") as port:
        for headers in ({}, {"Authorization": "Api-Key wrong"}):
            with pytest.raises(exceptions.InvalidStatus):
                connect(f"ws://127.0.0.1:{port}", additional_headers=headers)
        with connect(
            f"ws://127.0.0.1:{port}", additional_headers={"Authorization": "Api-Key secret"}
        ) as client:
            assert unpackb(client.recv())["policy"] == "tiny"


def test_no_web_page_is_let_in():
    with serving() as port, pytest.raises(exceptions.InvalidStatus):
        connect(f"ws://127.0.0.1:{port}", origin="http://example.org")


def test_other_machines_need_a_token():
    assert all(map(is_loopback, ("127.0.0.1", "::1", "localhost")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "192.168.0.7", "example.org")))
    server = PolicyServer(tiny_policy.build().eval(), "tiny")
    with pytest.raises(ValueError, match="token"):
        asyncio.run(server.serve("0.0.0.0", 0))
