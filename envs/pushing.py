"""Quasi-static pushing of a flat T over a table: where it can be pushed, and how it moves then.

Positions in the plane are complex numbers, x + iy [m]. A pusher that does not slip moves the contact point
along its own path; of all motions of the object that do so, friction with the table selects the one for which
force and torque balance. With the ellipsoidal limit surface of Lee and Cutkosky ("Fixture planning with
friction", 1991), velocity (v, w) and load (f, m) are related by v = f, w = m / c^2 up to a common factor,
where c is the ratio of the largest torque to the largest force that the table takes. Lynch and Mason, "Stable
pushing" (IJRR 1996), use it for pushing.
"""

import numpy as np
from jaxtyping import Complex, Float

BAR, STEM = (0.050, 0.014), (0.014, 0.035)
"""Half sizes of the two boxes of the T, across and along its stem [m]."""
BAR_AT, STEM_AT = 0.0202, -0.0288
"""Centers of the two boxes on the stem's axis, relative to the center of mass [m]."""
SPIN = 0.040
"""Ratio c of the largest torque to the largest force [m]."""
SAFE = 0.006
"""Minimum distance of contact points from edges; inner corners add half a pusher [m]."""
PUSHER = 0.016
"""Half the diagonal of a pusher [m]."""


def _faces() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """First and last contact point of each of the eight faces, and the direction of a push there."""
    top, under = BAR_AT + BAR[1], BAR_AT - BAR[1]
    bottom = STEM_AT - STEM[1]
    rows = [
        (complex(-BAR[0] + SAFE, top), complex(BAR[0] - SAFE, top), -1j),
        (complex(-STEM[0] + SAFE, bottom), complex(STEM[0] - SAFE, bottom), 1j),
    ]
    for side in (-1, 1):
        end, wall = side * BAR[0], side * STEM[0]
        rows += [
            (complex(end, under + SAFE), complex(end, top - SAFE), -side),
            (complex(wall + side * (PUSHER + 0.003), under), complex(end - side * SAFE, under), 1j),
            (complex(wall, bottom + SAFE), complex(wall, under - PUSHER - 0.003), -side),
        ]
    first, last, way = zip(*rows, strict=True)
    return np.array(first), np.array(last), np.array(way, dtype=complex)


FIRST, LAST, WAY = _faces()
_SHARES = np.linspace(0.0, 1.0, 5)
POINTS: Complex[np.ndarray, " k"] = (FIRST[:, None] + _SHARES * (LAST - FIRST)[:, None]).ravel()
"""Points at which the T may be pushed, in its own frame [m]."""
WAYS: Complex[np.ndarray, " k"] = np.repeat(WAY, len(_SHARES))
"""Direction of the push at each of POINTS."""


def twist(
    point: Complex[np.ndarray, " k"], way: Complex[np.ndarray, " k"]
) -> tuple[Complex[np.ndarray, " k"], Float[np.ndarray, " k"]]:
    """Motion of the T, in its own frame, per meter of the pusher's travel: shift and rotation [rad]."""
    # (I + [[y^2, -xy], [-xy, x^2]] / c^2) f = way; the determinant is 1 + |point|^2 / c^2.
    right, ahead, u, v = np.real(point), np.imag(point), np.real(way), np.imag(way)
    x, y = right / SPIN, ahead / SPIN
    scale = 1.0 + x**2 + y**2
    force = ((1 + x**2) * u + x * y * v) / scale + 1j * ((1 + y**2) * v + x * y * u) / scale
    return force, (right * np.imag(force) - ahead * np.real(force)) / SPIN**2


def after(
    place: np.ndarray, angle: np.ndarray, shift: np.ndarray, turn: np.ndarray, length: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Pose of a T, initially at `place` and `angle` [rad], after pushes of `length` [m]. Arrays broadcast."""
    # The integral of exp(i turn s) over the push; sinc handles rotations near 0.
    half = turn * length / 2
    chord = length * np.sinc(half / np.pi) * np.exp(1j * half)
    return place + np.exp(1j * angle) * shift * chord, angle + turn * length
