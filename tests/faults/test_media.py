"""Clips and masks that are broken, empty, mislabelled, of the wrong kind, or in the wrong place."""

import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from tests.faults.battery import Bad, hold
from tests.faults.made import (
    RAN,
    SIZE,
    Code,
    Spoil,
    array,
    bomb_npz,
    changed,
    cut,
    emptied,
    hole,
    linked,
    lying_npy,
    made_folder,
    moved,
    nothing,
    several,
    wrote,
)

FILM = "inpaint film.mp4 --mask mask.png --out out.mp4 --model telea"
CLIP = "inpaint clip --mask mask.png --out out --model telea"


def masked(name: str) -> str:
    return f"inpaint clip --mask {name} --out out --model telea"


def huge_png(name: str) -> Spoil:
    """A PNG whose header announces 60000 x 60000 pixels."""

    def spoil(folder):
        head = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
        chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b"")]
        content = b"\x89PNG\r\n\x1a\n"
        for kind, data in chunks:
            content += struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        (folder / name).write_bytes(content)

    return spoil


def picture(name: str, size: tuple[int, int] = SIZE, value: int = 9) -> Spoil:
    return lambda folder: Image.fromarray(np.full(size, value, np.uint8)).save(folder / name)


def sound(folder):
    import wave

    with wave.open(str(folder / "film.mp4"), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(16000))


def stack(*shape: int, kind: str = "uint8") -> Spoil:
    return array("mask.npy", lambda: np.ones(shape, kind))


NAN = np.where(hole() > 0, np.nan, 0.0)

BAD = [
    Bad("an empty film", emptied("film.mp4"), FILM, ""),
    Bad("a film cut in its pictures", cut("film.mp4", 0.5), FILM, ""),
    Bad("a film cut in its header", cut("film.mp4", 0.005), FILM, ""),
    Bad("text named mp4", wrote("film.mp4", "no film at all\n" * 50), FILM, ""),
    Bad("noise named mp4", wrote("film.mp4", np.random.default_rng(1).bytes(5000)), FILM, ""),
    Bad("a notebook named mp4", several(moved("film.mp4", "x"), moved("nb.ipynb", "film.mp4")), FILM, ""),
    Bad("weights named mp4", several(moved("film.mp4", "x"), moved("sttn.safetensors", "film.mp4")), FILM, ""),
    Bad("a playlist named mp4", wrote("film.mp4", "#EXTM3U\n#EXTINF:1,\nsecret.ts\n"), FILM, ""),
    Bad("a list for ffmpeg", wrote("film.mp4", "ffconcat version 1.0\nfile mask.png\n"), FILM, ""),
    Bad("sound named mp4", sound, FILM, ""),
    Bad("a film without its index", changed("film.mp4", 0, b"\x00\x00\x00\x08free"), FILM, ""),
    Bad("a pipe", several(moved("film.mp4", "x"), lambda folder: os.mkfifo(folder / "film.mp4")), FILM, ""),
    Bad("a device", nothing, "inpaint /dev/zero --mask mask.png --out out.mp4 --model telea", ""),
    Bad("a broken link", several(moved("film.mp4", "x"), linked("film.mp4", "gone")), FILM, ""),
    Bad("a loop of links", several(moved("film.mp4", "x"), linked("film.mp4", "film.mp4")), FILM, ""),
    Bad("a name with a line break", nothing, "inpaint 'no\nfilm.mp4' --mask mask.png --out out.mp4 --model telea", ""),
    Bad("a film with a line break in its name", several(cut("film.mp4", 0.5), moved("film.mp4", "a\nb\x1b[31m.mp4")), "inpaint 'a\nb\x1b[31m.mp4' --mask mask.png --out out.mp4 --model telea", ""),
    Bad("an endless name", nothing, f"inpaint {'x' * 300} --mask mask.png --out out.mp4 --model telea", ""),
    Bad("a file as folder", nothing, "inpaint film.mp4/inner --mask mask.png --out out --model telea", ""),
    Bad("an empty folder", made_folder("none"), "inpaint none --mask mask.png --out out --model telea", ""),
    Bad("a folder of text", wrote("words/a.txt", "a"), "inpaint words --mask mask.png --out out --model telea", ""),
    Bad("an empty picture", emptied("clip/1.png"), CLIP, ""),
    Bad("a picture cut short", cut("clip/1.png", 0.5), CLIP, ""),
    Bad("a picture cut in its header", cut("clip/1.png", 0.005), CLIP, ""),
    Bad("a picture with a wrong checksum", changed("clip/1.png", 60, b"\x00\x01\x02\x03"), CLIP, ""),
    Bad("text named png", wrote("clip/1.png", "no picture"), CLIP, ""),
    Bad("a film named png", several(moved("film.mp4", "clip/1.png")), CLIP, ""),
    Bad("a picture of 3600 million pixels", huge_png("clip/1.png"), CLIP, ""),
    Bad("a picture of another size", picture("clip/1.png", (16, 16)), CLIP, ""),
    Bad("a broken link among pictures", linked("clip/3.png", "gone.png"), CLIP, ""),
    Bad("a loop among pictures", linked("clip/3.png", "3.png"), CLIP, ""),
    Bad("an empty mask", emptied("mask.png"), CLIP, ""),
    Bad("a mask cut short", cut("mask.png", 0.7), CLIP, ""),
    Bad("a mask without a hole", picture("mask.png", value=0), CLIP, ""),
    Bad("a mask that is all hole", picture("mask.png", value=255), CLIP, ""),
    Bad("a mask of another shape", picture("mask.png", (16, 48)), CLIP, ""),
    Bad("a mask of 3600 million pixels", huge_png("mask.png"), CLIP, ""),
    Bad("too few masks", several(made_folder("masks"), picture("masks/0.png"), picture("masks/1.png")), masked("masks"), ""),
    Bad("a folder of masks that is empty", made_folder("masks"), masked("masks"), ""),
    Bad("no mask", nothing, masked("none.png"), ""),
    Bad("a notebook as mask", nothing, masked("nb.ipynb"), ""),
    Bad("weights as mask", nothing, masked("sttn.safetensors"), ""),
    Bad("the mask is a loop of links", linked("loop", "loop"), masked("loop"), ""),
    Bad("NaN in a mask", array("mask.npy", lambda: NAN), masked("mask.npy"), ""),
    Bad("infinite in a mask", array("mask.npy", lambda: np.where(hole() > 0, np.inf, 0)), masked("mask.npy"), ""),
    Bad("a mask below 0", array("mask.npy", lambda: hole().astype(int) - 1), masked("mask.npy"), ""),
    Bad("a mask of 10^9", array("mask.npy", lambda: hole().astype(np.int64) * 10**7), masked("mask.npy"), ""),
    Bad("a mask of one axis", stack(48), masked("mask.npy"), ""),
    Bad("a mask of five axes", stack(3, 1, 1, *SIZE), masked("mask.npy"), ""),
    Bad("a mask of colours", stack(3, *SIZE, 3), masked("mask.npy"), ""),
    Bad("a mask of no pixels", stack(0, 48), masked("mask.npy"), ""),
    Bad("an array of words", array("mask.npy", lambda: np.array(["a", "b"])), masked("mask.npy"), ""),
    Bad("an array of records", array("mask.npy", lambda: np.zeros(SIZE, "u1,u1")), masked("mask.npy"), ""),
    Bad("an array of complex numbers", stack(*SIZE, kind="complex64"), masked("mask.npy"), ""),
    Bad("code in an array", array("mask.npy", lambda: np.array([[Code()]], dtype=object)), masked("mask.npy"), ""),
    Bad("an array cut short", several(stack(*SIZE), cut("mask.npy", 0.5)), masked("mask.npy"), ""),
    Bad("an empty array", wrote("mask.npy", b""), masked("mask.npy"), ""),
    Bad("an array that announces 10^18 numbers", wrote("mask.npy", lying_npy((10**9, 10**9))), masked("mask.npy"), ""),
    Bad("an array with a negative side", wrote("mask.npy", lying_npy((-5, 5))), masked("mask.npy"), ""),
    Bad("a bomb of zeros", bomb_npz("mask.npz", (1 << 26, 1 << 10)), masked("mask.npz"), ""),
    Bad("two arrays", lambda folder: np.savez(folder / "mask.npz", a=hole(), b=hole()), masked("mask.npz"), ""),
    Bad("no arrays", lambda folder: np.savez(folder / "mask.npz"), masked("mask.npz"), ""),
    Bad("text named npz", wrote("mask.npz", "no arrays"), masked("mask.npz"), ""),
    Bad("a folder named npy", made_folder("mask.npy"), masked("mask.npy"), ""),
]  # fmt: skip


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_media(bad, whole, tmp_path, capsys, monkeypatch, record_property):
    hold(bad, whole, tmp_path / "place", capsys, monkeypatch)
    assert not (tmp_path / "place" / RAN).exists()
    record_property("fault", "bad input")
