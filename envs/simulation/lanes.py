"""Lanes: a service that plays episodes in several environments, the lanes of a batch.

A request is {"act": [[lane, block of actions], ...], "begin": [[lane, seed], ...]}; a lane is named once. A
policy that raised sends {"error": one line, "traceback": ...} in place of the block. The reply is a list of
[lane, `Update`]. The scripted expert needs no actions: an episode that it begins is over in the reply.
"""

from typing import Any

from .faults import traceback_of
from .lane import Lane, LaneSettings, Update
from .recording_lane import RecordingLane


class Lanes:
    """The service; see above. It is ready with the specification of its environments."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._settings = LaneSettings.of_json(settings)
        self._kind = RecordingLane if self._settings.rollout else Lane
        self._lanes: dict[int, Lane] = {}
        self._spare: Lane | None = self._kind(self._settings)
        env = self._spare.env
        if not self._settings.expert:
            # A machine that cannot render would otherwise fail every episode, one by one.
            env.render_frame(env.cameras[0], 8, 8, quality=env.quality)
        self.ready = env.spec_dict()

    def __call__(self, request: dict[str, list[Any]]) -> list[tuple[int, Update]]:
        """Answers one request.

        Raises:
            SystemExit: what code outside an episode raised, or the machine: the episodes are played again.
        """
        try:
            updates = [(number, self._lanes[number].act(block)) for number, block in request["act"]]
            return updates + [(number, self._begin(number, seed)) for number, seed in request["begin"]]
        except Exception as error:
            raise SystemExit(traceback_of(error)) from None

    def close(self) -> None:
        """Frees the environments' OpenGL contexts."""
        for lane in (*self._lanes.values(), *filter(None, [self._spare])):
            lane.close()

    def _begin(self, number: int, seed: int) -> Update:
        if number not in self._lanes:
            self._lanes[number], self._spare = self._spare or self._kind(self._settings), None
        lane = self._lanes[number]
        update = lane.begin(seed)
        while self._settings.expert and "observation" in update:
            update = lane.act(None)
        return update
