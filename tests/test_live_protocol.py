"""The live page's messages, its guard, its tabs and its clock: no browser, no simulation."""

import json
import re

import pytest

from vlasandbox.eval.live import commands as c
from vlasandbox.eval.live.guard import COOKIE, Guard
from vlasandbox.eval.live.hub import MOST_TABS, Hub, Tab
from vlasandbox.eval.live.pace import Pace
from vlasandbox.eval.live.server import TYPES, assets

HOSTILE = [
    "", "[]", "null", "7", '"play"', "{", "{}", '{"do": 7}', '{"do": "exec"}', '{"do": "__class__"}',
    '{"do": "play", "x": 1}', '{"do": "say"}', '{"do": "say", "text": 3}', '{"do": "reset", "seed": -1}',
    '{"do": "reset", "seed": true}', '{"do": "reset", "seed": 1e3}', '{"do": "speed", "value": NaN}',
    '{"do": "speed", "value": Infinity}', '{"do": "pull", "x": 2, "y": 0}',
    '{"do": "pull", "x": 0, "y": null}',
    '{"do": "pull", "x": 0, "y": 0, "scene": 2}', '{"do": "steer", "velocity": [1]}',
    '{"do": "steer", "velocity": [0, 0, 0, 0, 9]}', '{"do": "perturb", "levels": {"light": "3"}}',
    '{"do": "perturb", "levels": [1]}', json.dumps({"do": "say", "text": "x" * 201}),
    json.dumps({"do": "say", "text": "x" * c.LONGEST}), "[" * 4000,
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE, ids=[text[:24] or "nothing" for text in HOSTILE])
def test_what_is_no_command_is_refused_with_a_short_reason(text):
    with pytest.raises(c.CommandError) as refusal:
        c.parse(text)
    assert 0 < len(str(refusal.value)) < 600


def test_bytes_are_no_command():
    with pytest.raises(c.CommandError, match="text message"):
        c.parse(b'{"do": "play"}')


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ('{"do": "play"}', c.Play()),
        ('{"do": "reset"}', c.Reset(None)),
        ('{"do": "reset", "seed": 7}', c.Reset(7)),
        ('{"do": "say", "text": "<b>hi</b>"}', c.Say("<b>hi</b>")),
        ('{"do": "speed", "value": 2}', c.Speed(2.0)),
        ('{"do": "execute", "execute": 2, "ensemble": null}', c.Execute(2)),
        ('{"do": "perturb", "levels": {"light": 3}}', c.Perturb({"light": 3})),
        ('{"do": "steer", "velocity": [1, 0, 0, -0.5, 1]}', c.Steer([1.0, 0.0, 0.0, -0.5, 1.0])),
    ],
)
def test_a_command_is_read(text, command):
    assert c.parse(text) == command


LOCAL, REMOTE = Guard("127.0.0.1"), Guard("0.0.0.0", "secret")


@pytest.mark.parametrize("host", ["localhost", "localhost:8013", "127.0.0.1:1", "[::1]:8013", "LOCALHOST:80"])
def test_this_machine_may_ask_itself(host):
    assert not LOCAL.refuses_host(host)


@pytest.mark.parametrize(
    "host",
    [None, "", "evil.example", "evil.example:8013", "localhost.evil.example", "127.0.0.1.evil.example",
     "192.168.0.7", "a@localhost", "localhost/x", "localhost:port", "[::1"],
)  # fmt: skip
def test_a_name_that_somebody_points_here_is_refused(host):
    assert LOCAL.refuses_host(host)


def test_over_the_network_addresses_are_hosts_and_foreign_names_are_not():
    assert not REMOTE.refuses_host("192.168.0.7:8013")
    assert REMOTE.refuses_host("evil.example")
    assert not Guard("robot.lan", "secret").refuses_host("robot.lan:8013")


@pytest.mark.parametrize(
    ("origin", "fits"),
    [
        ("http://localhost:8013", True),
        ("https://localhost:8013", True),
        ("http://localhost:3000", False),
        ("http://127.0.0.1:8013", False),
        ("http://evil.example", False),
        ("null", False),
        ("", False),
        (None, False),
        ("file://localhost:8013", False),
    ],
)
def test_a_socket_opens_for_the_page_itself_alone(origin, fits):
    assert (LOCAL.refuses_origin(origin, "localhost:8013") == "") is fits


def test_whoever_connects_over_the_network_needs_the_token():
    assert LOCAL.admits("/", None)
    assert Guard.of("localhost").token is None
    made = Guard.of("0.0.0.0").token
    assert made is not None
    assert len(made) >= 32
    assert made != Guard.of("0.0.0.0").token
    wrong = [("/", None), ("/?token=", ""), ("/?token=no", None), ("/", f"{COOKIE}=no"), ("/", "é")]
    for target, cookie in wrong:
        assert not REMOTE.admits(target, cookie)
    assert REMOTE.admits("/?token=secret", None)
    assert REMOTE.admits("/socket", f"other=1; {COOKIE}=secret")
    assert "secret" not in repr(REMOTE)
    assert REMOTE.set_cookie is not None
    assert {"HttpOnly", "SameSite=Strict"} <= set(REMOTE.set_cookie.split("; "))
    with pytest.raises(ValueError, match="host"):
        Guard.of("")


def test_only_the_pages_own_files_can_be_asked_for():
    found = assets()
    assert {"/", "/index.html", "/main.js", "/style.css"} <= set(found)
    assert all(name == "/" or name.count("/") == 1 for name in found)
    assert {kind.split(";")[0] for kind, _ in found.values()} <= set(TYPES.values())
    page = found["/"][1].decode()
    assert "<script>" not in page
    assert not re.search(r"\son[a-z]+=", page), "an inline handler"
    for name, (_, content) in found.items():
        if name.endswith(".js"):
            assert b"innerHTML" not in content, f"{name} makes markup of text"
            assert b"eval(" not in content


def taken(tab: Tab) -> list[str | bytes]:
    return list(iter(tab.pop, None))


def test_of_pictures_a_tab_gets_the_newest_and_no_more_than_two_that_it_has_not_seen():
    tab = Tab(1)
    for number in range(10):
        tab.put_picture(0, bytes([number]))
    assert [picture[8:] for picture in taken(tab)] == [bytes([9])]
    tab.put_picture(0, b"a")
    assert [picture[8:] for picture in taken(tab)] == [b"a"]
    tab.put_picture(0, b"b")
    tab.put_picture(0, b"c")
    assert taken(tab) == []
    tab.acknowledge(1)
    (sent,) = taken(tab)
    assert isinstance(sent, bytes)
    assert (int.from_bytes(sent[:8], "big"), sent[8:]) == (3, b"c")
    tab.acknowledge(10**9)  # a lie about the future changes nothing
    for number in range(2):
        tab.put_picture(number, b"d")
    assert len(taken(tab)) == 2
    tab.put_picture(0, b"e")
    assert taken(tab) == []


def roles(hub: Hub) -> list[bool]:
    found = []
    for tab in hub.tabs:
        states = [json.loads(message) for message in taken(tab) if isinstance(message, str)]
        found.append([state["controls"] for state in states if state["is"] == "role"][-1])
    return found


def test_one_tab_controls_and_the_others_watch():
    hub = Hub()
    first, second = hub.join(), hub.join()
    assert first is not None
    assert second is not None
    assert roles(hub) == [True, False]
    hub.claim(second)
    assert roles(hub) == [False, True]
    hub.leave(second)
    assert hub.controller is None
    third = hub.join()
    assert hub.controller is third
    while len(hub.tabs) < MOST_TABS:
        assert hub.join() is not None
    assert hub.join() is None


def test_a_tab_that_joins_later_is_told_how_things_are():
    hub = Hub()
    hub.state("status", {"seed": 1})
    hub.state("status", {"seed": 2})
    hub.picture(0, {"seconds": 1.0}, [b"jpeg", b"camera"])
    tab = hub.join()
    assert tab is not None
    messages = taken(tab)
    assert {"is": "status", "seed": 2} in [json.loads(x) for x in messages if isinstance(x, str)]
    (picture,) = [x for x in messages if isinstance(x, bytes)]
    length = int.from_bytes(picture[8:12], "big")
    header = json.loads(picture[12 : 12 + length])
    assert header == {"scene": 0, "seconds": 1.0, "sizes": [4, 6]}
    assert picture[12 + length :] == b"jpegcamera"


class Clock:
    """A clock that is set by hand."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def drawn(pace: Pace, clock: Clock, seconds: float, cost: float) -> int:
    """Pictures of one control step of ten physics blocks, each of which costs so long [s]."""
    count = 0
    pace.begin(seconds)
    for block in range(10):
        if pace.is_due((block + 1) / 10):
            count += 1
            clock.now += cost
            clock.now += max(0.0, pace.left())
    return count


def test_a_scene_keeps_to_the_clock_with_twenty_pictures_a_second():
    clock = Clock()
    pace = Pace(clock)
    assert [drawn(pace, clock, 0.1, 0.02) for _ in range(10)] == [2] * 10
    assert clock.now == pytest.approx(101.0)


def test_what_a_policy_takes_to_answer_is_caught_up_with():
    clock = Clock()
    pace = Pace(clock)
    drawn(pace, clock, 0.1, 0.01)
    for _ in range(9):
        clock.now += 0.04
        drawn(pace, clock, 0.1, 0.01)
    assert clock.now == pytest.approx(101.0)


def test_a_slow_machine_leaves_pictures_out_and_never_all():
    clock = Clock()
    pace = Pace(clock)
    pictures = [drawn(pace, clock, 0.1, 0.09) for _ in range(20)]
    assert sum(pictures) >= (clock.now - 100.0) * 4
    assert sum(pictures) < 40


def test_as_fast_as_possible_waits_for_nothing():
    clock = Clock()
    pace = Pace(clock)
    total = 0
    for _ in range(100):
        clock.now += 0.002
        total += drawn(pace, clock, 0.0, 0.0)
    assert clock.now == pytest.approx(100.2)
    assert 1 <= total <= 6
