"""Toy clips: a photograph under camera motion, objects moving above it, and the exact motion of every pixel.

They are the library's default clips, need no download, and are the only clips with a known answer. The same code puts
any photograph in motion for training (`Material.photo`), since CPNet and Align-and-Attend train on still pictures.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
import skimage.data
import torch
from einops import rearrange
from jaxtyping import Float, UInt8
from torch import Tensor

from vinpaint_lib.errors import UserError
from vinpaint_lib.toy import staging
from vinpaint_lib.toy.scene import Scene
from vinpaint_lib.toy.staging import Camera
from vinpaint_lib.video.clip import Clip

# Colour photographs that the package of scikit-image contains, so nothing is downloaded.
PHOTOS = ("astronaut", "coffee", "chelsea", "rocket", "motorcycle", "hubble")


class ToyClip(NamedTuple):
    """A clip and everything that is known about it.

    clip: frames are the truth, masks are empty. forward, backward "t-1 2 h w": flow t -> t+1 and t+1 -> t in pixels.
    visible_forward, visible_backward "t-1 1 h w": 1 where the other frame shows the pixel, not mixed with an edge.
    homographies "t-1 3 3": the background's motion t -> t+1 between pixel positions. silhouettes "t 1 h w": 1 = object.
    """

    clip: Clip
    forward: Float[Tensor, "p 2 h w"]
    backward: Float[Tensor, "p 2 h w"]
    visible_forward: Float[Tensor, "p 1 h w"]
    visible_backward: Float[Tensor, "p 1 h w"]
    homographies: Float[Tensor, "p 3 3"]
    silhouettes: Float[Tensor, "t 1 h w"]


@dataclass(frozen=True)
class Shot:
    """How a picture is put in motion.

    length        frames
    size          (height, width) of a frame in pixels
    camera        "affine" (shift, turn, zoom, shear), "homography" (perspective as well) or "still"
    objects       how many cut-outs move above the picture
    seed          the same seed gives the same clip; the camera's path does not depend on the objects
    speed         root mean square shift of the camera, pixels per frame
    object_speed  root mean square shift of each object, pixels per frame
    drift         largest change of brightness, e.g. 0.1
    """

    length: int = 24
    size: tuple[int, int] = (120, 216)
    camera: Camera = "affine"
    objects: int = 1
    seed: int = 0
    speed: float = 2.0
    object_speed: float = 2.0
    drift: float = 0.0


@dataclass(frozen=True)
class Material:
    """Pictures (uint8 RGB) in place of the bundled photographs.

    photo          the background
    object_shapes  silhouettes of other clips (1 = object), which the cut-outs take in turn; None: free-form blobs
    textures       pictures that fill the cut-outs; None: the bundled photographs
    """

    photo: UInt8[np.ndarray, "a b 3"] | None = None
    object_shapes: Sequence[Float[Tensor, "s 1 c d"]] | None = None
    textures: Sequence[np.ndarray] | None = None


def toy_clip(name: str = "astronaut", shot: Shot = Shot(), material: Material = Material()) -> ToyClip:
    """A photograph in motion, and everything that is known about it.

    `name` is one of PHOTOS; if `material` has a photo, `name` is only the name of the clip. Raises UserError for
    an unknown name or camera, an empty clip or a size below 8x8.
    """
    scene = toy_scene(name, shot, material)
    frames = scene.frames(brightness(shot.length, shot.drift, shot.seed))
    clip = Clip(frames=frames, masks=torch.zeros_like(frames[:, :1]), name=name)
    return ToyClip(clip, *scene.motion(), scene.homographies(), scene.silhouettes())


def toy_scene(name: str = "astronaut", shot: Shot = Shot(), material: Material = Material()) -> Scene:
    """The scene behind `toy_clip`, without the drift of brightness.

    Frames alone cost a third of the time that `toy_clip` needs for frames, flow and visibility.
    """
    length, size, seed = shot.length, shot.size, shot.seed
    if length < 1 or min(size) < 8:
        raise UserError(f"cannot make {length} frames of {size[1]}x{size[0]}; use 1 frame and 8x8 or more")
    picture = photograph(name) if material.photo is None else material.photo
    others = material.textures
    if others is None:
        others = [photograph(other) for other in PHOTOS if other != name]
    way = staging.camera_path(shot.camera, length, size, shot.speed, np.random.default_rng((seed, 0)))
    layers = [staging.background(picture, way, size, np.random.default_rng((seed, 1)))]
    for k in range(shot.objects):
        rng = np.random.default_rng((seed, 2, k))
        texture = others[int(rng.integers(len(others)))]
        shapes = material.object_shapes
        silhouette = shapes[k % len(shapes)] if shapes else None
        layers.append(staging.moving_object(texture, silhouette, way, size, shot.object_speed, rng))
    return Scene(layers, size)


@cache
def photograph(name: str) -> UInt8[np.ndarray, "a b 3"]:
    """A bundled photograph, uint8 RGB. Raises UserError for a name that is not in PHOTOS."""
    if name not in PHOTOS:
        raise UserError(f"no bundled photograph is called {name!r}; choose one of {', '.join(PHOTOS)}")
    makers = {"motorcycle": lambda: skimage.data.stereo_motorcycle()[0], "hubble": skimage.data.hubble_deep_field}
    picture = makers[name]() if name in makers else getattr(skimage.data, name)()
    picture.flags.writeable = False  # all clips share it
    return picture


def brightness(length: int, drift: float, seed: int) -> Float[np.ndarray, " t"]:
    """Gains around 1 that change slowly by at most `drift`."""
    wave = staging.swings(1, length, math.inf, np.random.default_rng((seed, 3)), limit=abs(drift)) if drift else 0.0
    return rearrange(np.broadcast_to(1.0 + wave, (1, length)), "1 t -> t")
