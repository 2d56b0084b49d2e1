"""The table of a grid: every run is a row, what it recorded is there, and a page shows text as text."""

import csv
import json

from vinpaint_lib.reruns import table
from vinpaint_lib.reruns.attempt import RUN, Task


def keep(folder, record, metrics=None):
    folder.mkdir(parents=True)
    (folder / RUN).write_text(json.dumps(record))
    if metrics is not None:
        (folder / "metrics.json").write_text(json.dumps(metrics))


def test_rows_of_all_runs_in_order(tmp_path):
    tasks = [Task("a-1", {"hole": "<b>", "seed": 1}), Task("a-2", {"hole": "x", "sizes": [1, 2]}, 1), Task("a-3", {})]
    done = {"status": "done", "error": "", "seconds": 1.23456}
    keep(tmp_path / "a-1", done, {"psnr": 30.123456789, "by": {"clip": "ä", "list": [1]}, "none": None})
    keep(tmp_path / "failed" / "a-2", {**done, "status": "failed", "error": "no\nc, <i>"})
    sheet, page = table.write(tmp_path, table.rows_of(tmp_path, tasks))
    with open(sheet, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    metrics = ["metrics.psnr", "metrics.by.clip", "metrics.none"]
    assert list(rows[0]) == ["run", "status", "hole", "seed", "sizes", "repeat", *metrics, "seconds", "error", "folder"]
    assert [row["status"] for row in rows] == ["done", "failed", "not run"]
    assert rows[0]["metrics.psnr"] == "30.123456789"
    assert rows[0]["metrics.by.clip"] == "ä"
    assert rows[0]["metrics.none"] == ""
    assert (rows[1]["error"], rows[1]["repeat"], rows[1]["folder"]) == ("no\nc, <i>", "1", "failed/a-2")
    text = page.read_text(encoding="utf-8")
    assert '<td class="">&lt;b&gt;</td>' in text
    assert '<td class="number">30.1235</td>' in text
    assert '<a href="failed/a-2/">a-2</a>' in text
    assert "<i>" not in text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a-1", "failed", "results.csv", "results.html"]


def test_a_long_page_says_what_it_leaves_out(tmp_path, monkeypatch):
    monkeypatch.setattr(table, "SHOWN", 3)
    sheet, page = table.write(tmp_path, ({"run": f"r{number}", "status": "done"} for number in range(10)))
    assert page.read_text().count("<tr") == 1 + 3
    assert "7 more rows are in results.csv" in page.read_text()
    assert len(sheet.read_text().splitlines()) == 11
