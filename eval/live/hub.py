"""Hub: the tabs that watch, which of them controls, and what is sent to each.

Of pictures a tab gets the newest alone, and the next one only when it has said that the last but one arrived:
a slow connection shows fewer of them, and none late. States replace each other too; notes and files do not.
"""

import asyncio
import itertools
import json
from collections import deque
from typing import Any

IN_FLIGHT = 2
"""Pictures that may be under way to a tab."""
MOST_TABS = 16
NOTES = 50
"""Notes that wait for a tab at most."""


class Tab:
    """One connection."""

    def __init__(self, number: int) -> None:
        self.number = number
        self._state: dict[str, dict[str, Any]] = {}
        self._pictures: dict[int, bytes] = {}
        self._others: deque[str | bytes] = deque(maxlen=NOTES)
        self._sent = itertools.count(1)
        self._last_sent = self._acknowledged = 0
        self._changed = asyncio.Event()

    def put_state(self, kind: str, state: dict[str, Any]) -> None:
        """A state, which replaces the last one of its kind."""
        self._state[kind] = state
        self._changed.set()

    def put_picture(self, scene: int, picture: bytes) -> None:
        """A picture, which replaces one that was not sent yet."""
        self._pictures[scene] = picture
        self._changed.set()

    def put(self, message: str | bytes) -> None:
        """A message that must arrive."""
        self._others.append(message)
        self._changed.set()

    def acknowledge(self, number: int) -> None:
        """Picture `number` has arrived."""
        self._acknowledged = max(self._acknowledged, min(number, self._last_sent))
        self._changed.set()

    def pop(self) -> str | bytes | None:
        """Next message to send; None if there is nothing now."""
        if self._others:
            return self._others.popleft()
        if self._state:
            kind = next(iter(self._state))
            return json.dumps({"is": kind, **self._state.pop(kind)})
        if self._pictures and self._last_sent - self._acknowledged < IN_FLIGHT:
            scene = next(iter(self._pictures))
            self._last_sent = next(self._sent)
            return self._last_sent.to_bytes(8, "big") + self._pictures.pop(scene)
        return None

    async def next(self) -> str | bytes:
        """Next message to send, as soon as there is one."""
        while (message := self.pop()) is None:
            self._changed.clear()
            await self._changed.wait()
        return message


class Hub:
    """All tabs. To be used in the event loop's thread alone."""

    def __init__(self) -> None:
        self.tabs: list[Tab] = []
        self.controller: Tab | None = None
        self._numbers = itertools.count(1)
        self._last: dict[str, dict[str, Any]] = {}
        self._pictures: dict[int, bytes] = {}

    def join(self) -> Tab | None:
        """A new tab, which controls if no other does; None if there are too many."""
        if len(self.tabs) >= MOST_TABS:
            return None
        tab = Tab(next(self._numbers))
        self.tabs.append(tab)
        for kind, state in self._last.items():
            tab.put_state(kind, state)
        for scene, picture in self._pictures.items():
            tab.put_picture(scene, picture)
        if self.controller is None:
            self.controller = tab
        self._tell_roles()
        return tab

    def leave(self, tab: Tab) -> None:
        """A tab that was closed. Its control is free until one claims it or joins."""
        self.tabs.remove(tab)
        if self.controller is tab:
            self.controller = None
        self._tell_roles()

    def claim(self, tab: Tab) -> None:
        """Gives control to a tab."""
        self.controller = tab
        self._tell_roles()

    def state(self, kind: str, state: dict[str, Any]) -> None:
        """Sends a message to all tabs, and to those that join later."""
        self._last[kind] = state
        for tab in self.tabs:
            tab.put_state(kind, state)

    def picture(self, scene: int, header: dict[str, Any], images: list[bytes]) -> None:
        """A picture with what belongs to it: a header and JPEG images, in its order."""
        text = json.dumps({"scene": scene, **header, "sizes": [len(x) for x in images]}).encode()
        self._pictures[scene] = b"".join([len(text).to_bytes(4, "big"), text, *images])
        for tab in self.tabs:
            tab.put_picture(scene, self._pictures[scene])

    def forget(self, scene: int) -> None:
        """There is no such scene any more."""
        self._pictures.pop(scene, None)

    def note(self, text: str, tab: Tab | None = None, *, is_error: bool = False) -> None:
        """A sentence for people, in one tab or in all."""
        message = json.dumps({"is": "note", "text": text, "error": is_error})
        for each in self.tabs if tab is None else [tab]:
            each.put(message)

    def _tell_roles(self) -> None:
        for tab in self.tabs:
            controls = tab is self.controller
            free = self.controller is None
            tab.put_state("role", {"controls": controls, "free": free, "tabs": len(self.tabs)})
