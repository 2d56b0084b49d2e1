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
    Bad("an empty film", emptied("film.mp4"), FILM, "film.mp4: cannot be read as a video (Invalid data found when processing input); check that the file is complete and a video"),
    Bad("a film cut in its pictures", cut("film.mp4", 0.5), FILM, "film.mp4: the file is cut short, 843 of 1686 bytes are there; copy or record it again"),
    Bad("a film cut in its header", cut("film.mp4", 0.005), FILM, "film.mp4: cannot be read as a video (Invalid data found when processing input); check that the file is complete and a video"),
    Bad("text named mp4", wrote("film.mp4", "no film at all\n" * 50), FILM, "film.mp4: cannot be read as a video (Invalid data found when processing input); check that the file is complete and a video"),
    Bad("noise named mp4", wrote("film.mp4", np.random.default_rng(1).bytes(5000)), FILM, "film.mp4: cannot be read as a video (Invalid data found when processing input); check that the file is complete and a video"),
    Bad("a notebook named mp4", several(moved("film.mp4", "x"), moved("nb.ipynb", "film.mp4")), FILM, "film.mp4: cannot be read as a video (Invalid data found when processing input); check that the file is complete and a video"),
    Bad("weights named mp4", several(moved("film.mp4", "x"), moved("sttn.safetensors", "film.mp4")), FILM, "film.mp4: cannot be read as a video (Invalid data found when processing input); check that the file is complete and a video"),
    Bad("a playlist named mp4", wrote("film.mp4", "#EXTM3U\n#EXTINF:1,\nsecret.ts\n"), FILM, "film.mp4: cannot be read as a video (Invalid data found when processing input); check that the file is complete and a video"),
    Bad("a list for ffmpeg", wrote("film.mp4", "ffconcat version 1.0\nfile mask.png\n"), FILM, "film.mp4: is a list of other files and no video; give the video itself"),
    Bad("sound named mp4", sound, FILM, "film.mp4: the file has no pictures (sound only?); give a video or a folder of pictures"),
    Bad("a film without its index", changed("film.mp4", 0, b"\x00\x00\x00\x08free"), FILM, "film.mp4: cannot be read as a video (Invalid data found when processing input); check that the file is complete and a video"),
    Bad("a pipe", several(moved("film.mp4", "x"), lambda folder: os.mkfifo(folder / "film.mp4")), FILM, "film.mp4: is a pipe or a device, and a clip is read more than once; save it as a file first"),
    Bad("a device", nothing, "inpaint /dev/zero --mask mask.png --out out.mp4 --model telea", "/dev/zero: is a pipe or a device, and a clip is read more than once; save it as a file first"),
    Bad("a broken link", several(moved("film.mp4", "x"), linked("film.mp4", "gone")), FILM, "film.mp4: no such file or folder; check the path"),
    Bad("a loop of links", several(moved("film.mp4", "x"), linked("film.mp4", "film.mp4")), FILM, "film.mp4: no such file or folder; check the path"),
    Bad("a name with a line break", nothing, "inpaint 'no\nfilm.mp4' --mask mask.png --out out.mp4 --model telea", "no\\nfilm.mp4: no such file or folder; check the path"),
    Bad("a film with a line break in its name", several(cut("film.mp4", 0.5), moved("film.mp4", "a\nb\x1b[31m.mp4")), "inpaint 'a\nb\x1b[31m.mp4' --mask mask.png --out out.mp4 --model telea", "a\\nb\\x1b[31m.mp4: the file is cut short, 843 of 1686 bytes are there; copy or record it again"),
    Bad("an endless name", nothing, f"inpaint {'x' * 300} --mask mask.png --out out.mp4 --model telea", f"{'x' * 300}: cannot be used (File name too long); check the path and its rights"),
    Bad("a file as folder", nothing, "inpaint film.mp4/inner --mask mask.png --out out --model telea", "film.mp4/inner: no such file or folder; check the path"),
    Bad("an empty folder", made_folder("none"), "inpaint none --mask mask.png --out out --model telea", "none: the folder has no pictures (.png, .jpg, .jpeg, .webp, .bmp, .tif, .tiff)"),
    Bad("a folder of text", wrote("words/a.txt", "a"), "inpaint words --mask mask.png --out out --model telea", "words: the folder has no pictures (.png, .jpg, .jpeg, .webp, .bmp, .tif, .tiff)"),
    Bad("an empty picture", emptied("clip/1.png"), CLIP, "clip/1.png: cannot be read as a picture (cannot identify image file 'clip/1.png'); replace or remove it"),
    Bad("a picture cut short", cut("clip/1.png", 0.5), CLIP, "clip/1.png: cannot be read as a picture (image file is truncated); replace or remove it"),
    Bad("a picture cut in its header", cut("clip/1.png", 0.005), CLIP, "clip/1.png: cannot be read as a picture (Truncated File Read); replace or remove it"),
    Bad("a picture with a wrong checksum", changed("clip/1.png", 60, b"\x00\x01\x02\x03"), CLIP, "clip/1.png: cannot be read as a picture (broken data stream when reading image file); replace or remove it"),
    Bad("text named png", wrote("clip/1.png", "no picture"), CLIP, "clip/1.png: cannot be read as a picture (cannot identify image file 'clip/1.png'); replace or remove it"),
    Bad("a film named png", several(moved("film.mp4", "clip/1.png")), CLIP, "clip/1.png: cannot be read as a picture (cannot identify image file 'clip/1.png'); replace or remove it"),
    Bad("a picture of 3600 million pixels", huge_png("clip/1.png"), CLIP, "clip/1.png: cannot be read as a picture (Image size (3600000000 pixels) exceeds limit of 178956970 pixels, could be decompression bomb DOS attack.); replace or remove it"),
    Bad("a picture of another size", picture("clip/1.png", (16, 16)), CLIP, "clip: pictures of different sizes, 0.png is 48x32 and 1.png is 16x16; bring them to one size"),
    Bad("a broken link among pictures", linked("clip/3.png", "gone.png"), CLIP, "clip/3.png: is a link to nothing and no picture; replace or remove it"),
    Bad("a loop among pictures", linked("clip/3.png", "3.png"), CLIP, "clip/3.png: is a link to nothing and no picture; replace or remove it"),
    Bad("an empty mask", emptied("mask.png"), CLIP, "mask.png: cannot be read as a picture (cannot identify image file 'mask.png'); replace or remove it"),
    Bad("a mask cut short", cut("mask.png", 0.7), CLIP, "mask.png: cannot be read as a picture (image file is truncated); replace or remove it"),
    Bad("a mask without a hole", picture("mask.png", value=0), CLIP, "mask.png: no mask has a hole, nothing would be filled (the largest value is 0 of 255, hole begins at 128); paint holes white"),
    Bad("a mask that is all hole", picture("mask.png", value=255), CLIP, "mask.png: every pixel of every frame is missing, there is nothing to fill it from; if the mask is inverted, use --invert-mask"),
    Bad("a mask of another shape", picture("mask.png", (16, 48)), CLIP, "mask.png: masks of 48x16 do not fit frames of 48x32; make masks of the frames' size"),
    Bad("a mask of 3600 million pixels", huge_png("mask.png"), CLIP, "mask.png: cannot be read as a picture (Image size (3600000000 pixels) exceeds limit of 178956970 pixels, could be decompression bomb DOS attack.); replace or remove it"),
    Bad("too few masks", several(made_folder("masks"), picture("masks/0.png"), picture("masks/1.png")), masked("masks"), "masks: 2 masks for 3 frames; no mask has the name or number of frame 2.png; give every frame a mask of its name (a black one where nothing is missing), or remove the frame"),
    Bad("a folder of masks that is empty", made_folder("masks"), masked("masks"), "masks: the folder has no pictures (.png, .jpg, .jpeg, .webp, .bmp, .tif, .tiff)"),
    Bad("no mask", nothing, masked("none.png"), "none.png: no such file or folder; check the path"),
    Bad("a notebook as mask", nothing, masked("nb.ipynb"), "nb.ipynb: cannot be read as a video (Invalid data found when processing input); check that the file is complete and a video"),
    Bad("weights as mask", nothing, masked("sttn.safetensors"), "sttn.safetensors: cannot be read as a video (Invalid data found when processing input); check that the file is complete and a video"),
    Bad("the mask is a loop of links", linked("loop", "loop"), masked("loop"), "loop: no such file or folder; check the path"),
    Bad("NaN in a mask", array("mask.npy", lambda: NAN), masked("mask.npy"), "mask.npy: its numbers go from nan to nan; a mask has 0 for known, 1 for hole"),
    Bad("infinite in a mask", array("mask.npy", lambda: np.where(hole() > 0, np.inf, 0)), masked("mask.npy"), "mask.npy: its numbers go from 0 to inf; a mask has 0 for known, 1 for hole"),
    Bad("a mask below 0", array("mask.npy", lambda: hole().astype(int) - 1), masked("mask.npy"), "mask.npy: its numbers go from -1 to 254; a mask has 0 for known, 1 for hole"),
    Bad("a mask of 10^9", array("mask.npy", lambda: hole().astype(np.int64) * 10**7), masked("mask.npy"), "mask.npy: its numbers go up to 2.55e+09, and it is not clear from where on they mean hole; save 0 for known and 1 for hole"),
    Bad("a mask of one axis", stack(48), masked("mask.npy"), "mask.npy: an array of shape (48,) is no mask; save one number a pixel, as (height, width) or (frames, height, width)"),
    Bad("a mask of five axes", stack(3, 1, 1, *SIZE), masked("mask.npy"), "mask.npy: an array of shape (3, 1, 1, 32, 48) is no mask; save one number a pixel, as (height, width) or (frames, height, width)"),
    Bad("a mask of colours", stack(3, *SIZE, 3), masked("mask.npy"), "mask.npy: an array of shape (3, 32, 48, 3) is no mask; save one number a pixel, as (height, width) or (frames, height, width)"),
    Bad("a mask of no pixels", stack(0, 48), masked("mask.npy"), "mask.npy: an array of shape (0, 48) is no mask; save one number a pixel, as (height, width) or (frames, height, width)"),
    Bad("an array of words", array("mask.npy", lambda: np.array(["a", "b"])), masked("mask.npy"), "mask.npy: holds <U1 and no numbers; save 0 for known and 1 for hole"),
    Bad("an array of records", array("mask.npy", lambda: np.zeros(SIZE, "u1,u1")), masked("mask.npy"), "mask.npy: holds [('f0', 'u1'), ('f1', 'u1')] and no numbers; save 0 for known and 1 for hole"),
    Bad("an array of complex numbers", stack(*SIZE, kind="complex64"), masked("mask.npy"), "mask.npy: holds complex64 and no numbers; save 0 for known and 1 for hole"),
    Bad("code in an array", array("mask.npy", lambda: np.array([[Code()]], dtype=object)), masked("mask.npy"), "mask.npy: cannot be read as a NumPy array (Array can't be memory-mapped: Python objects in dtype.); save it again with numpy.save"),
    Bad("an array cut short", several(stack(*SIZE), cut("mask.npy", 0.5)), masked("mask.npy"), "mask.npy: cannot be read as a NumPy array (mmap length is greater than file size); save it again with numpy.save"),
    Bad("an empty array", wrote("mask.npy", b""), masked("mask.npy"), "mask.npy: cannot be read as a NumPy array (it is empty); save it again with numpy.save"),
    Bad("an array that announces 10^18 numbers", wrote("mask.npy", lying_npy((10**9, 10**9))), masked("mask.npy"), "mask.npy: cannot be read as a NumPy array (mmap length is greater than file size); save it again with numpy.save"),
    Bad("an array with a negative side", wrote("mask.npy", lying_npy((-5, 5))), masked("mask.npy"), "mask.npy: cannot be read as a NumPy array (negative dimensions are not allowed); save it again with numpy.save"),
    Bad("a bomb of zeros", bomb_npz("mask.npz", (1 << 26, 1 << 10)), masked("mask.npz"), "mask.npz: cannot be read as a NumPy array (its array of shape (67108864, 1024) takes more than 4 GB; save it as .npy); save it again with numpy.save"),
    Bad("two arrays", lambda folder: np.savez(folder / "mask.npz", a=hole(), b=hole()), masked("mask.npz"), "mask.npz: holds 2 arrays (a, b); save one, named masks"),
    Bad("no arrays", lambda folder: np.savez(folder / "mask.npz"), masked("mask.npz"), "mask.npz: holds 0 arrays (); save one, named masks"),
    Bad("text named npz", wrote("mask.npz", "no arrays"), masked("mask.npz"), "mask.npz: cannot be read as a NumPy array (its first bytes are those of another kind of file); save it again with numpy.save"),
    Bad("a folder named npy", made_folder("mask.npy"), masked("mask.npy"), "mask.npy: the folder has no pictures (.png, .jpg, .jpeg, .webp, .bmp, .tif, .tiff)"),
]  # fmt: skip


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_media(bad, whole, tmp_path, capsys, monkeypatch, record_property):
    hold(bad, whole, tmp_path / "place", capsys, monkeypatch)
    assert not (tmp_path / "place" / RAN).exists()
    record_property("fault", "bad input")
