"""The file of results: whole lines only, half lines left out, other files refused."""

import json
import os

import pytest

from tests.comparison.made_up import broken, line
from vinpaint_lib.comparison import results
from vinpaint_lib.errors import UserError


def test_what_is_added_is_read(tmp_path):
    path = tmp_path / "a.jsonl"
    lines = [line("a", 0, {"psnr": [1.5, "inf", None]}), broken("b", 1)]
    for one in lines:
        results.append(path, one)
    assert results.read(path) == (lines, path.stat().st_size, b"")


def test_a_half_line_is_left_out_and_cut(tmp_path):
    path = tmp_path / "a.jsonl"
    results.append(path, line("a", 0, {}))
    whole = path.read_bytes()
    for half in (b"{", b'{"key": "x"', whole[:-1]):
        path.write_bytes(whole + half)
        found = results.read(path)
        assert (len(found.lines), found.end, found.rest) == (1, len(whole), half)
        results.cut(path, found.end)
        assert path.read_bytes() == whole


def test_a_line_that_cannot_be_written_whole_leaves_nothing(tmp_path, monkeypatch):
    path = tmp_path / "a.jsonl"
    results.append(path, line("a", 0, {}))
    whole, write = path.read_bytes(), os.write

    def full(handle, text):
        if len(text) > 20:
            return write(handle, text[:20])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", lambda handle, text: write(handle, text[:20]))
    results.append(path, line("a", 1, {}))
    assert len(results.read(path).lines) == 2, "a system may write a part and say so"
    path.write_bytes(whole)
    calls = iter(range(100))
    monkeypatch.setattr(os, "write", lambda handle, text: full(handle, text if next(calls) < 2 else b""))
    with pytest.raises(OSError, match="No space left"):
        results.append(path, line("a", 2, {}))
    assert path.read_bytes() == whole


OTHER = (
    "hello\n", "[]\n", '{"key": 1}\n', '{"key": "a", "cell": {}}\n',
    '{"key": "a", "cell": {}, "scores": {}, "error": ""}\n',
)  # fmt: skip


@pytest.mark.parametrize("text", OTHER)
def test_other_lines_are_refused_with_their_number(tmp_path, text):
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(line("a", 0, {})) + "\n" + text, encoding="utf-8")
    with pytest.raises(UserError, match=r"a\.jsonl: line 2 is no result .* remove it"):
        results.read(path)
    with pytest.raises(UserError, match="cannot be read"):
        results.read(tmp_path / "none.jsonl")


def test_a_finished_line_counts_before_a_failed_one():
    done, failed = line("a", 0, {"psnr": [1.0]}), broken("a", 0)
    assert done["key"] == failed["key"]
    for lines in ([done, failed], [failed, done]):
        assert results.one_each(lines) == {done["key"]: done}
