"""A folder in the layout of MPI Sintel whose flow is known: a square moves above a ground, both by whole pixels."""

from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

SIZE = (24, 40)
GROUND, SQUARE = (2, 1), (-3, 0)  # pixels per frame, (x, y)


def square_at(t: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """True where the square is in frame t (h w)."""
    shown = np.zeros(size, bool)
    top, left = 8 + SQUARE[1] * t, 22 + SQUARE[0] * t
    shown[top : top + 9, left : left + 10] = True
    return shown


def frame_of(t: int, seed: int = 0, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Frame t, uint8 (h w 3): noise on ground and square, so that every pixel has its own colour."""
    rng = np.random.default_rng(seed)
    ground = rng.integers(0, 256, (size[0] + 40, size[1] + 40, 3)).astype(np.uint8)
    square = rng.integers(0, 256, (9, 10, 3)).astype(np.uint8)
    top, left = 20 - GROUND[1] * t, 20 - GROUND[0] * t
    frame = ground[top : top + size[0], left : left + size[1]].copy()
    frame[square_at(t, size)] = square.reshape(-1, 3)
    return frame


def flow_of(t: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Flow t -> t+1 in pixels (h w 2)."""
    return np.where(square_at(t, size)[..., None], np.float32(SQUARE), np.float32(GROUND))


def covered_of(t: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """True where frame t+1 shows another layer, or nothing, at the place where a pixel goes; a slow loop."""
    here, there, flow = square_at(t, size), square_at(t + 1, size), flow_of(t, size).astype(int)
    covered = np.zeros(size, bool)
    for y, x in np.ndindex(*size):
        u, v = x + flow[y, x, 0], y + flow[y, x, 1]
        inside = 0 <= u < size[1] and 0 <= v < size[0]
        covered[y, x] = not inside or here[y, x] != there[v, u]
    return covered


def scored_of(t: int) -> np.ndarray:
    """The pixels that E_warp counts (h w), by a slow loop: not covered, and with neighbours of the same motion."""
    scored = np.zeros(SIZE, bool)
    for y, x in np.ndindex(*SIZE):
        same = [square_at(t)[y, x] == square_at(t)[b, a] for b, a in ((y, min(x + 1, 39)), (min(y + 1, 23), x))]
        scored[y, x] = not covered_of(t)[y, x] and all(same)
    return scored


def slow_warping_error(output: Tensor, hole: Tensor | None = None) -> list[float]:
    """E_warp of each pair by loops over pixels; all motions are whole pixels."""
    errors = []
    for t in range(len(output) - 1):
        moves, scored, found = flow_of(t).astype(int), scored_of(t), []
        for y, x in np.argwhere(scored):
            v, u = y + moves[y, x, 1], x + moves[y, x, 0]
            if hole is None or hole[t, 0, y, x] == 1 or hole[t + 1, 0, v, u] == 1:
                found.append(((output[t + 1, :, v, u] - output[t, :, y, x]).double() ** 2).mean().item())
        errors.append(np.mean(found))
    return errors


def write_flow(file: Path, flow: np.ndarray, magic: float = 202021.25) -> None:
    """A .flo file as Middlebury defines it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    height, width = flow.shape[:2]
    head = np.float32(magic).tobytes() + np.int32(width).tobytes() + np.int32(height).tobytes()
    file.write_bytes(head + flow.astype("<f4").tobytes())


def write_picture(file: Path, picture: np.ndarray) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(file)


def write_sintel(root: Path, scenes: dict[str, int], size: tuple[int, int] = SIZE) -> Path:
    """The folder of a data set with these scenes (name -> number of frames); scene k is made of the noise of seed k."""
    part = root / "training"
    for seed, (scene, length) in enumerate(scenes.items()):
        for t in range(length):
            name = f"{scene}/frame_{t + 1:04d}"
            frame = frame_of(t, seed, size)
            write_picture(part / "clean" / f"{name}.png", frame)
            write_picture(part / "final" / f"{name}.png", frame // 2)
            write_picture(part / "invalid" / f"{name}.png", np.zeros(size, np.uint8))
            if t + 1 < length:
                write_flow(part / "flow" / f"{name}.flo", flow_of(t, size))
                write_picture(part / "occlusions" / f"{name}.png", covered_of(t, size).astype(np.uint8) * 255)
    return root
