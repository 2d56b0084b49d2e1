"""VFID in the table: the distance of the sets, on what rows share, a column for each network."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import linalg

from tests.comparison.made_up import line
from vinpaint_lib.comparison import results, show, vfid
from vinpaint_lib.comparison.cells import Comparison
from vinpaint_lib.comparison.run import compare
from vinpaint_lib.comparison.tables import tables
from vinpaint_lib.scoring import video_features
from vinpaint_lib.scoring.video_features import VideoFeatures


def told(system, number, true, filled, network="squeezenet"):
    """A line with features."""
    more = {"feature_nets": network, "vfid": {"note": f"by {network}", "true": true, "filled": filled}}
    return line(system, number, {"hole_psnr": [20.0]}, **more)


def by_papers(a, b):
    """As the papers' evaluators compute it."""
    a, b = np.asarray(a), np.asarray(b)
    cov_a, cov_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    gap = ((a.mean(0) - b.mean(0)) ** 2).sum()
    return gap + np.trace(cov_a + cov_b - 2 * linalg.sqrtm(cov_a @ cov_b).real)


def test_the_distance_is_that_of_the_papers_evaluators():
    found = np.random.default_rng(0).normal(size=(2, 12, 3))
    made = [told("sttn", n, a.tolist(), b.tolist()) for n, (a, b) in enumerate(zip(*found, strict=True))]
    (table,) = tables(made)
    (column,) = vfid.distances(table.rows)
    assert column.fillings == 12
    assert column.values["sttn"] == pytest.approx(by_papers(*found), rel=1e-4)


def test_rows_are_compared_on_what_all_have_and_networks_never():
    rng = np.random.default_rng(1)
    vectors = [rng.normal(size=3).tolist() for _ in range(6)]
    made = [told("sttn", n, vectors[n], vectors[5 - n]) for n in range(6)]
    made += [told("vinet", n, vectors[n], vectors[n]) for n in range(4)]
    made += [told("telea", n, vectors[n], vectors[n], "i3d") for n in range(2)]
    made += [line("flow", n, {"hole_psnr": [19.0]}) for n in range(6)]
    (table,) = tables(made)
    i3d, squeezenet = vfid.distances(table.rows)
    assert (i3d.network, i3d.fillings, set(i3d.values)) == ("i3d", 2, {"telea"})
    assert (squeezenet.fillings, set(squeezenet.values)) == (4, {"sttn", "vinet"})
    assert squeezenet.values["vinet"] == pytest.approx(0, abs=1e-9)
    assert squeezenet.values["sttn"] == pytest.approx(by_papers(vectors[:4], vectors[2:][::-1]), rel=1e-4, abs=1e-6)
    head, *rows = show.cells(table)
    place = head.index("VFID (squeezenet)")
    assert {row[0]: row[place] for row in rows}["flow"] == "-"
    assert any("by squeezenet; Frechet distance over 4 fillings" in note for note in show.notes(table))


def test_a_single_filling_has_no_distance_and_a_table_without_features_no_column():
    (table,) = tables([told("sttn", 0, [1.0, 2.0], [1.0, 2.5])])
    assert vfid.distances(table.rows) == []
    (table,) = tables([line("sttn", n, {"hole_psnr": [20.0]}) for n in range(3)])
    assert not any("VFID" in name for name in show.cells(table)[0])


@pytest.mark.slow
def test_a_run_keeps_the_features_and_measures_cells_again_that_lack_them(clips, tmp_path, monkeypatch, fakes):
    def colours(frames):
        return torch.cat([frames.mean(dim=(0, 2, 3)), frames.std(dim=(0, 2, 3))])

    monkeypatch.setattr(video_features, "find", lambda name, device: None if name == "none" else asked_for(name))
    asked_for = lambda name: VideoFeatures(name, "colours", colours)  # noqa: E731
    asked = Comparison(["light", "dark"], clips, tmp_path / "all.jsonl", masks=["stationary"], sizes=[(40, 56)])
    run = lambda asked: compare(asked, print, print, str)  # noqa: E731
    assert run(asked)
    before = fakes.frames
    assert run(replace(asked, features="squeezenet"))
    assert fakes.frames == 2 * before, "cells without features are measured again"
    assert run(replace(asked, features="squeezenet"))
    assert run(asked)
    assert fakes.frames == 2 * before
    lines = results.one_each(results.read(asked.out).lines).values()
    for one in lines:
        assert one["feature_nets"] == "squeezenet"
        assert len(one["vfid"]["true"]) == len(one["vfid"]["filled"]) == 6
        assert "--features squeezenet" in one["run"]["command"]
    assert json.loads(json.dumps(list(lines)))
    (table,) = tables(lines)
    (column,) = vfid.distances(table.rows)
    assert set(column.values) == {"light", "dark"}
    assert min(column.values.values()) > 0
