"""A task whose episodes are over in a second."""

from vlasandbox.envs.tasks.reach import Reach


class Brief(Reach):
    """Reach, in haste."""

    time_limit = 1.0
