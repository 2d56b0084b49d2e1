"""A folder of clips: what counts as one, how masks are found, what goes on after a fault, and the table."""

import pytest

from tests.filling.made_clips import mask, pictures, video
from vinpaint_lib import cli
from vinpaint_lib.errors import UserError
from vinpaint_lib.filling.job import Job
from vinpaint_lib.filling.many import clips_in, few, masks_of, output_name

pytestmark = pytest.mark.slow


@pytest.fixture
def shelf(tmp_path):
    """`clips/` with a video, a folder of pictures and a text; `masks/` with their masks and one more."""
    (tmp_path / "clips").mkdir()
    (tmp_path / "masks").mkdir()
    video(tmp_path / "clips" / "b 10.mov")
    pictures(tmp_path / "clips" / "b 9")
    (tmp_path / "clips" / "read me.txt").write_text("no clip")
    (tmp_path / "clips" / ".DS_Store").write_text("no clip")
    pictures(tmp_path / "clips" / "__MACOSX")
    mask(tmp_path / "masks" / "b 10.png")
    (tmp_path / "masks" / "b 9").mkdir()
    for n in range(3):
        mask(tmp_path / "masks" / "b 9" / f"{n}.png")
    mask(tmp_path / "masks" / "c.png")
    return tmp_path


def job(root, **options) -> Job:
    return Job(root / "clips", root / "masks", root / "out", **options)


def run(root, *options, mask_name="masks") -> int:
    """The exit code of `vinpaint inpaint clips --mask masks --out out`."""
    try:
        cli.main(
            ["inpaint", str(root / "clips"), "--mask", str(root / mask_name), "--out", str(root / "out"), *options]
        )
    except SystemExit as ended:
        return ended.code
    return 0


def rows(capsys) -> tuple[list[list[str]], str]:
    """The table without its header, cells apart; and what went to stderr."""
    shown = capsys.readouterr()
    header, *lines = shown.out.splitlines()
    assert header.split() == ["clip", "frames", "minutes", "result"]
    edges = [header.index(name) for name in ("frames", "minutes", "result")]
    cuts = list(zip([0, *edges], [*edges, None], strict=True))
    return [[line[low:high].strip() for low, high in cuts] for line in lines], shown.err


def test_all_clips_are_filled_and_a_table_says_so(model, shelf, capsys):
    assert run(shelf) == 0
    table, said = rows(capsys)
    out = shelf / "out"
    assert table == [["b 9", "3", "0.0", f"{out / 'b 9'}"], ["b 10.mov", "4", "0.0", f"{out / 'b 10.mov'}"]]
    assert sorted(path.relative_to(out).as_posix() for path in out.rglob("*")) == [
        "b 10.mov", "b 9", "b 9/f0.png", "b 9/f1.png", "b 9/f2.png",
    ]  # fmt: skip
    assert f"{shelf / 'clips'}: no clips by their names and left out: read me.txt\n" in said
    assert f"{shelf / 'masks'}: masks without a clip of their name: c.png\n" in said


def test_what_is_done_is_left_and_the_rest_goes_on(model, shelf, capsys):
    assert run(shelf) == 0
    (shelf / "out" / "b 9" / "f1.png").unlink()  # as an older run would leave it that was stopped
    when = (shelf / "out" / "b 10.mov").stat().st_mtime_ns
    capsys.readouterr()
    assert run(shelf) == 0
    table, _ = rows(capsys)
    assert [row[1] for row in table] == ["3", "-"]
    assert table[1][3].endswith("b 10.mov (was there already)")
    assert (shelf / "out" / "b 9" / "f1.png").exists()
    assert (shelf / "out" / "b 10.mov").stat().st_mtime_ns == when
    assert run(shelf, "--overwrite") == 0
    assert [row[1] for row in rows(capsys)[0]] == ["3", "4"]


def test_what_systems_leave_in_folders_changes_nothing(model, shelf, capsys):
    assert run(shelf) == 0
    for folder in ("clips", "clips/b 9", "masks", "masks/b 9", "out/b 9"):
        (shelf / folder / "Thumbs.db").write_bytes(b"thumbnails")
        pictures(shelf / folder / "@eaDir")
    (shelf / "out" / "b 9" / "f1.png").unlink()
    capsys.readouterr()
    assert run(shelf) == 0
    table, said = rows(capsys)
    assert [row[1] for row in table] == ["3", "-"]
    assert "Thumbs.db" not in said
    assert "@eaDir" not in said
    assert (shelf / "out" / "b 9" / "Thumbs.db").read_bytes() == b"thumbnails"


def test_other_pictures_in_an_output_are_not_replaced(model, shelf, capsys):
    pictures(shelf / "out" / "b 9", seed=1)
    for file in (shelf / "out" / "b 9").iterdir():
        file.rename(file.with_name(f"mine {file.name}"))
    assert run(shelf) == 2
    table, _ = rows(capsys)
    assert table[0][3].startswith("FAILED: ")
    assert "not empty" in table[0][3]
    assert len(list((shelf / "out" / "b 9").iterdir())) == 3
    assert table[1][1] == "4"


def test_it_goes_on_after_faults_of_the_user_and_of_ours(model, shelf, capsys):
    (shelf / "clips" / "a.mp4").write_bytes(b"no video at all")
    video(shelf / "clips" / "lonely.mp4")
    video(shelf / "clips" / "x.mkv", length=7)
    mask(shelf / "masks" / "a.png")
    mask(shelf / "masks" / "x.png")

    def fail(index):
        if index == 5:
            raise ZeroDivisionError("by nothing")

    model.before = fail
    assert run(shelf) == 2
    table, _ = rows(capsys)
    found = {row[0]: row[3] for row in table}
    assert list(found) == ["a.mp4", "b 9", "b 10.mov", "lonely.mp4", "x.mkv"]
    assert found["a.mp4"].startswith(f"FAILED: {shelf / 'clips' / 'a.mp4'}: ")
    assert (
        found["lonely.mp4"] == f"FAILED: {shelf / 'masks'}: has no mask named lonely; name it so, or take the clip away"
    )
    assert found["x.mkv"].startswith("FAILED: a fault of vinpaint (ZeroDivisionError: by nothing")
    assert sorted(path.name for path in (shelf / "out").iterdir()) == ["b 10.mov", "b 9"]


def test_a_want_of_memory_is_no_fault_and_the_traceback_is_shown_if_asked(model, shelf, capsys, monkeypatch):
    def fail(index):
        if index == 3:  # of the video; the folder has three frames
            raise MemoryError

    model.before = fail
    monkeypatch.setenv("VINPAINT_DEBUG", "1")
    assert run(shelf) == 2
    table, said = rows(capsys)
    assert [row[3].startswith("FAILED: there is not enough memory; ") for row in table] == [False, True]
    assert "Traceback (most recent call last)" in said


def test_ctrl_c_shows_the_table_so_far_and_what_is_left(model, shelf, capsys):
    def stop(index):
        if index == 3:  # the folder has three frames, the video behind it four
            raise KeyboardInterrupt

    model.before = stop
    assert run(shelf) == 130
    table, said = rows(capsys)
    assert [row[0] for row in table] == ["b 9"]
    assert "stopped after 3 of 4 frames; nothing is kept" in said
    assert "1 clip left, and the same command goes on there" in said
    assert [path.name for path in (shelf / "out").iterdir()] == ["b 9"]


def test_one_file_is_the_mask_of_all_clips(model, shelf, capsys):
    mask(shelf / "logo.png")
    assert run(shelf, mask_name="logo.png") == 0
    assert [row[1] for row in rows(capsys)[0]] == ["3", "4"]


def test_a_folder_of_pictures_is_one_clip(model, tmp_path):
    (tmp_path / "masks").mkdir()
    pictures(tmp_path / "clips")
    assert clips_in(job(tmp_path)) is None
    # masks, outputs and thumbnails beside the pictures make no folder of clips of it
    pictures(tmp_path / "clips" / "masks")
    pictures(tmp_path / "clips" / "out" / "deep")
    inside = Job(tmp_path / "clips", tmp_path / "clips" / "masks", tmp_path / "clips" / "out")
    assert clips_in(inside) is None
    assert clips_in(Job(tmp_path / "clips" / "f0.png", tmp_path / "masks", tmp_path / "out")) is None
    assert clips_in(Job(tmp_path / "nowhere", tmp_path / "masks", tmp_path / "out")) is None


@pytest.mark.parametrize("clip", ["a.mp4", "a.MKV", "a.webm", "a"])
def test_pictures_beside_clips_are_refused_where_a_mask_has_a_clips_name(model, tmp_path, clip):
    pictures(tmp_path / "clips")
    if clip == "a":
        pictures(tmp_path / "clips" / clip)
    else:
        (tmp_path / "clips" / clip).write_bytes(b"")
    (tmp_path / "masks").mkdir()
    mask(tmp_path / "masks" / "f0.png")
    assert clips_in(job(tmp_path)) is None
    mask(tmp_path / "masks" / "a.png")
    with pytest.raises(UserError, match=r"holds pictures \(f0.png\) and clips \(a.*one clip or a folder of clips"):
        clips_in(job(tmp_path))
    # a single mask cannot be a folder of masks
    assert clips_in(Job(tmp_path / "clips", tmp_path / "masks" / "a.png", tmp_path / "out")) is None


def test_a_folder_without_clips_and_pictures_is_left_to_the_reader(tmp_path):
    (tmp_path / "clips" / "deep" / "deeper").mkdir(parents=True)
    assert clips_in(job(tmp_path)) is None


def test_two_clips_of_one_output_are_both_told(model, shelf, capsys):
    for name in ("twin.webm", "twin.avi"):
        (shelf / "clips" / name).write_bytes(b"")
    mask(shelf / "masks" / "twin.png")
    assert run(shelf) == 2
    table, _ = rows(capsys)
    told = [row[3] for row in table if row[0].startswith("twin")]
    assert told == [f"FAILED: {shelf / 'out' / 'twin.mp4'} would be the output of two clips; rename one"] * 2
    assert sum("FAILED" in row[3] for row in table) == 2


@pytest.mark.parametrize("out", ["clips", "masks", "file.mp4"])
def test_outputs_that_are_no_folder_of_their_own_are_refused(model, shelf, capsys, out):
    (shelf / "file.mp4").write_bytes(b"")
    before = sorted(shelf.rglob("*"))
    with pytest.raises(SystemExit) as ended:
        cli.main(["inpaint", str(shelf / "clips"), "--mask", str(shelf / "masks"), "--out", str(shelf / out)])
    assert ended.value.code == 2
    assert str(shelf / out) in capsys.readouterr().err
    assert sorted(shelf.rglob("*")) == before


def test_the_name_of_a_mask(tmp_path):
    for name in ("a.mp4", "a.b.png", "a", ".a.png", "A.png"):
        (tmp_path / name).write_text("")
    assert [path.name for path in masks_of(tmp_path / "in" / "a.mp4", tmp_path)] == ["a.mp4"]
    assert [path.name for path in masks_of(tmp_path / "in" / "a.mov", tmp_path)] == ["a", "a.mp4"]
    assert [path.name for path in masks_of(tmp_path / "in" / "a.b.mov", tmp_path)] == ["a.b.png"]
    assert masks_of(tmp_path / "in" / "b.mov", tmp_path) == []


def test_the_name_of_an_output(tmp_path):
    (tmp_path / "dog.run").mkdir()
    names = ["a.mov", "a.MP4", "a.mkv", "a.webm", "a.b.avi", "dog.run"]
    found = [output_name(tmp_path / name) for name in names]
    assert found == ["a.mov", "a.MP4", "a.mkv", "a.mp4", "a.b.mp4", "dog.run"]


def test_a_list_of_names_stays_short():
    assert few(["a", "b"]) == "a, b"
    assert few([f"{n}" for n in range(9)]) == "0, 1, 2, 3, 4 and 4 more"
