"""Sets of clips to train on and to score on: toy clips, DAVIS, YouTube-VOS, Sintel, videos, photographs in motion."""

from vinpaint_lib.datasets.clip_set import ClipSet, Mixture, Selection
from vinpaint_lib.datasets.footage import DavisFolder, VideoFolder, YouTubeVosFolder
from vinpaint_lib.datasets.parse import parse_source
from vinpaint_lib.datasets.sintel import SintelFolder
from vinpaint_lib.datasets.synthetic import PhotoMotion, ToyClips

__all__ = [
    "ClipSet",
    "DavisFolder",
    "Mixture",
    "PhotoMotion",
    "Selection",
    "SintelFolder",
    "ToyClips",
    "VideoFolder",
    "YouTubeVosFolder",
    "parse_source",
]
