"""Orientations of a gripper as the first two columns of its rotation matrix, one after the other (the
continuous 6-D representation of Zhou et al. 2019).

A gripper that points straight down is described by its yaw alone: at yaw 0 its x axis is the world's, its y
axis is opposite to the world's, and z points down. Any other orientation is this one, first tilted about a
horizontal axis, then rotated by its yaw about the vertical axis (swing and twist).
"""

import math

import numpy as np
from jaxtyping import Float


def from_yaw(yaw: float) -> Float[np.ndarray, " 6"]:
    """Orientation of a gripper that points straight down, at `yaw` [rad]."""
    cos, sin = math.cos(yaw), math.sin(yaw)
    return np.array([cos, sin, 0.0, sin, -cos, 0.0])


def to_yaw(rotation: Float[np.ndarray, "*t 6"]) -> Float[np.ndarray, "*t"]:
    """Yaw in [-pi, pi], also of a tilted gripper [rad]."""
    a, b, _, d, e, _ = rotation.T
    return np.asarray(np.arctan2(b + d, a - e).T)


def to_matrix(rotation: Float[np.ndarray, "*t 6"]) -> Float[np.ndarray, "*t 3 3"]:
    """Rotation matrices; the six numbers need not be orthonormal (Gram-Schmidt)."""
    first = rotation[..., :3] / np.linalg.norm(rotation[..., :3], axis=-1, keepdims=True)
    second = rotation[..., 3:] - (first * rotation[..., 3:]).sum(axis=-1, keepdims=True) * first
    second = second / np.linalg.norm(second, axis=-1, keepdims=True)
    third = np.empty_like(first)  # their cross product; np.cross takes three times the time of all else here
    for i, j, k in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        third[..., i] = first[..., j] * second[..., k] - first[..., k] * second[..., j]
    return np.stack([first, second, third], axis=-1)


def from_matrix(matrix: Float[np.ndarray, "*t 3 3"]) -> Float[np.ndarray, "*t 6"]:
    """Inverse of `to_matrix`."""
    return np.concatenate([matrix[..., 0], matrix[..., 1]], axis=-1)


def towards(
    start: Float[np.ndarray, " 6"],
    wanted: Float[np.ndarray, " 6"],
    step: float,
    yaw_range: tuple[float, float],
    max_tilt: float,
) -> Float[np.ndarray, " 6"]:
    """Orientation on the way from `start` to `wanted`, at most `step` [rad] further in yaw and in tilt each,
    with the yaw in `yaw_range` [rad] and the tilt at most `max_tilt` [rad]."""
    yaw, upright = _yaw(start), not (start[2] or start[5] or wanted[2] or wanted[5])
    if not upright:
        wanted = from_matrix(to_matrix(wanted))
    turn = math.remainder(_yaw(wanted) - yaw, 2 * math.pi)
    yaw = min(max(yaw + min(max(turn, -step), step), yaw_range[0]), yaw_range[1])
    if upright:  # nearly always, and then most of the work is for nothing
        return from_yaw(yaw)
    here = _swing(start)
    change = _swing(wanted) - here
    tilt = here + change * min(1.0, step / max(math.hypot(*change), 1e-12))
    tilt *= min(1.0, max_tilt / max(math.hypot(*tilt), 1e-12))
    return _compose(yaw, tilt)


def _yaw(rotation: Float[np.ndarray, " 6"]) -> float:
    """Yaw of a single rotation, in a fifth of the time of `to_yaw`."""
    a, b, _, d, e, _ = rotation.tolist()
    return math.atan2(b + d, a - e)


def _swing(rotation: Float[np.ndarray, " 6"]) -> Float[np.ndarray, " 2"]:
    """Rotation vector of the tilt, about a horizontal axis of the gripper's frame before its yaw [rad]."""
    a, b, c, d, e, f = rotation.tolist()
    up = c * e - b * f, a * f - c * d, b * d - a * e  # opposite to where the gripper points
    yaw = _yaw(rotation)
    cos, sin = math.cos(yaw), math.sin(yaw)
    x, y = cos * up[0] + sin * up[1], cos * up[1] - sin * up[0]
    sine = math.hypot(x, y)
    return np.array([-y, x]) * (math.atan2(sine, up[2]) / sine if sine > 1e-9 else 1.0)


def _compose(yaw: float, tilt: Float[np.ndarray, " 2"]) -> Float[np.ndarray, " 6"]:
    angle = math.hypot(*tilt)
    if angle < 1e-9:
        return from_yaw(yaw)
    x, y = tilt / angle
    cos, sin = math.cos(angle), math.sin(angle)
    # Rodrigues' formula for a horizontal axis; the second column has the sign of a gripper that points down.
    first = np.array([cos + x * x * (1 - cos), x * y * (1 - cos), -y * sin])
    second = -np.array([x * y * (1 - cos), cos + y * y * (1 - cos), x * sin])
    turn = np.array([[math.cos(yaw), -math.sin(yaw), 0], [math.sin(yaw), math.cos(yaw), 0], [0, 0, 1]])
    return np.concatenate([turn @ first, turn @ second])
