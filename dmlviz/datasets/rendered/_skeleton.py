"""Random people as skeletons: a body, a pose, a camera.

A body is a tree of bones. Each bone has a length l and, in the frame of the bone it hangs on, a
direction d that the pose decides; with R the turn of that frame, its far end is

    x_child = x_parent + l · R d.

The frame of a person: x to their left, y up, z forward; unit: their height. The camera turns the
person (azimuth, elevation, roll) and divides by the depth. No pose is of a kind: a few smooth
numbers (how deep a crouch, how wide a stride, how high the arms, how far from upright) are drawn
for each person, and joint angles follow them with some freedom of their own.
"""

from typing import NamedTuple

import numpy as np

from dmlviz.datasets.joints import JOINTS

# Points that are drawn, but are no joints, stand behind the 14 joints.
R_TOE, L_TOE, R_HAND, L_HAND, HEAD, HAIR, PELVIS, GROUND = range(14, 22)
N_POINTS = 22


class View(NamedTuple):
    """People as the camera sees them.

    Attributes:
        points: `(n, 22, 2)` in heights, x to the right, y *down*, around the middle of the body.
        depth: `(n, 22)`, smaller is nearer.
        zoom: `(n, 22)`, how much larger things look there than at the middle of the body.
        elevation: `(n,)` of the camera above the horizon, in radians.
    """

    points: np.ndarray
    depth: np.ndarray
    zoom: np.ndarray
    elevation: np.ndarray


def people(rng: np.random.Generator, n: int) -> View:
    """Draw n people, each with a body, a pose and a camera of their own."""
    points = _pose(rng, n, _body(rng, n))
    return _look_at(rng, points)


def _body(rng: np.random.Generator, n: int) -> dict[str, np.ndarray]:
    """Bone lengths `(n, 1)` in heights; the two sides of a body are alike."""
    usual = {
        "thigh": 0.245, "shin": 0.246, "foot": 0.10, "hips": 0.062, "trunk": 0.30,
        "shoulders": 0.112, "upper arm": 0.172, "forearm": 0.15, "hand": 0.05, "head": 0.19,
    }  # fmt: skip
    return {bone: length * np.exp(rng.normal(0, 0.08, (n, 1))) for bone, length in usual.items()}


def _pose(rng: np.random.Generator, n: int, length: dict[str, np.ndarray]) -> np.ndarray:
    """Points `(n, 22, 3)` in the world, in which the person stood at first, facing z."""
    x = np.zeros((n, N_POINTS, 3))
    degrees = np.deg2rad

    # From upright (most) over leaning and lying to upside down (few), in any direction.
    away, side = degrees(180) * rng.beta(0.4, 4.5, n), rng.uniform(0, 2 * np.pi, n)
    pelvis = _turn("y", side) @ _turn("x", away) @ _turn("y", -side)
    bend = degrees(110) * rng.beta(0.5, 2.5, n) - degrees(12)
    lean, twist = degrees(rng.normal(0, 13, n)), degrees(rng.normal(0, 18, n))
    chest = pelvis @ _turn("y", twist) @ _turn("z", lean) @ _turn("x", bend)
    nod, tilt, gaze = degrees(rng.normal([[0], [0], [0]], [[16], [10], [30]], (3, n)))
    skull = chest @ _turn("y", gaze) @ _turn("z", tilt) @ _turn("x", nod)

    neck, head = JOINTS.index("neck"), JOINTS.index("head top")
    x[:, neck] = length["trunk"] * _apply(chest, 0, 1, 0)
    x[:, head] = x[:, neck] + length["head"] * _apply(skull, 0, 1, 0)
    x[:, HEAD] = x[:, neck] + 0.62 * length["head"] * _apply(skull, 0, 1, 0.1)
    x[:, HAIR] = x[:, HEAD] + length["head"] * _apply(skull, 0, 0.12, -0.13)

    crouch, stride = rng.beta(0.5, 1.1, n), degrees(rng.normal(0, 25, n))
    spread = degrees(rng.gamma(0.9, 12, n))
    raised, alike = rng.beta(0.8, 1.2, n), rng.beta(1.5, 1, n)
    for name, sign, toe, hand in (("right", -1, R_TOE, R_HAND), ("left", 1, L_TOE, L_HAND)):
        hip, knee, ankle = (JOINTS.index(f"{name} {j}") for j in ("hip", "knee", "ankle"))
        flexed = degrees(105) * crouch + sign * stride + degrees(rng.normal(0, 10, n))
        apart = (spread + degrees(rng.normal(3, 7, n))).clip(degrees(-12), degrees(75))
        folded = flexed.clip(0) * rng.uniform(0.1, 1.7, n) + degrees(rng.gamma(0.7, 22, n))
        thigh = pelvis @ _turn("z", sign * apart) @ _turn("x", -flexed.clip(-0.8, 2.3))
        shin = thigh @ _turn("x", folded.clip(0, degrees(145)))
        x[:, hip] = sign * length["hips"] * _apply(pelvis, 1, 0, 0)
        x[:, knee] = x[:, hip] + length["thigh"] * _apply(thigh, 0, -1, 0)
        x[:, ankle] = x[:, knee] + length["shin"] * _apply(shin, 0, -1, 0)
        x[:, toe] = x[:, ankle] + length["foot"] * _apply(shin, 0, -0.4, 0.9)

        shoulder, elbow, wrist = (
            JOINTS.index(f"{name} {j}") for j in ("shoulder", "elbow", "wrist")
        )
        # Raised from hanging (0) to straight up (1), sideways (0 degrees) or in front (90).
        height = degrees(170) * (alike * raised + (1 - alike) * rng.beta(0.8, 1.2, n))
        forward = degrees(rng.normal(40, 33, n)).clip(degrees(-45), degrees(120))
        upper = np.stack(
            [
                sign * np.sin(height) * np.cos(forward),
                -np.cos(height),
                np.sin(height) * np.sin(forward),
            ],
            axis=1,
        )
        # An elbow folds the forearm towards the front, the top and the middle of the body.
        towards = rng.normal([-0.5 * sign, 0.5, 0.8], 0.5, (n, 3))
        towards -= (towards * upper).sum(1, keepdims=True) * upper
        towards /= np.linalg.norm(towards, axis=1, keepdims=True)
        elbow_angle = degrees(145) * rng.beta(0.7, 1.3, (n, 1))
        lower = np.cos(elbow_angle) * upper + np.sin(elbow_angle) * towards
        x[:, shoulder] = x[:, neck] + length["shoulders"] * _apply(chest, sign, -0.22, 0)
        x[:, elbow] = x[:, shoulder] + length["upper arm"] * _apply(chest, *upper.T)
        x[:, wrist] = x[:, elbow] + length["forearm"] * _apply(chest, *lower.T)
        x[:, hand] = x[:, wrist] + length["hand"] * _apply(chest, *lower.T)

    x[:, GROUND] = x[:, :14].mean(axis=1)
    x[:, GROUND, 1] = x[:, :GROUND, 1].min(axis=1) - 0.03
    return x


def _look_at(rng: np.random.Generator, points: np.ndarray) -> View:
    """A camera two and a half to seven heights away, at any azimuth, mostly a little above."""
    n = len(points)
    elevation = np.deg2rad(rng.normal(12, 13, n)).clip(-0.3, 0.9)
    azimuth, roll = rng.uniform(0, 2 * np.pi, n), np.deg2rad(rng.normal(0, 5, n))
    camera = _turn("z", roll) @ _turn("x", elevation) @ _turn("y", azimuth)
    middle = points[:, :14].mean(axis=1, keepdims=True)
    seen = (points - middle) @ camera.transpose(0, 2, 1)  # x right, y up, z towards the camera
    distance = rng.uniform(2.5, 7, (n, 1))
    depth = distance - seen[:, :, 2]
    zoom = distance / depth
    return View(seen[:, :, :2] * [1, -1] * zoom[:, :, None], depth, zoom, elevation)


def _turn(axis: str, angle: np.ndarray) -> np.ndarray:
    """Rotation matrices `(n, 3, 3)` about one axis."""
    i, j = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
    matrix = np.tile(np.eye(3), (len(angle), 1, 1))
    matrix[:, i, i] = matrix[:, j, j] = np.cos(angle)
    matrix[:, j, i] = np.sin(angle)
    matrix[:, i, j] = -matrix[:, j, i]
    return matrix


def _apply(turn: np.ndarray, *vector: float | np.ndarray) -> np.ndarray:
    """Turn vectors, each given by three numbers or arrays `(n,)`, to `(n, 3)`."""
    columns = np.broadcast_arrays(*vector, turn[:, 0, 0])[:3]
    return np.einsum("nij,nj->ni", turn, np.stack(columns, axis=1))
