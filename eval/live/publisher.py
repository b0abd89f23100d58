"""Publisher: where a session sends what is to be seen."""

from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class Publisher(Protocol):
    """Takes what a session shows; its methods may be called from any thread."""

    def state(self, kind: str, state: dict[str, Any]) -> None:
        """Publishes a state, which replaces the last one of its kind."""
        ...

    def picture(self, scene: int, header: dict[str, Any], images: list[bytes]) -> None:
        """Publishes a picture, which replaces the last one of that scene."""
        ...

    def forget(self, scene: int) -> None:
        """Drops a scene that is gone."""
        ...

    def note(self, text: str, *, is_error: bool = False) -> None:
        """Publishes a sentence for people."""
        ...

    def file(self, name: str, content: bytes) -> None:
        """Sends a file that was asked for."""
        ...
