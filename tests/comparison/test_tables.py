"""Tables of made-up lines: means, paired differences, ranks and parts by plain loops, in any order of the lines."""

import random

import pytest

from tests.comparison.made_up import broken, grid, line
from vinpaint_lib.comparison import show
from vinpaint_lib.comparison.tables import split, tables

VALUES = {"flow": [16.0, 15.0, 19.0, 12.0], "good": [17.0, 15.5, 22.0, 12.5], "poor": [15.0, 15.5, 18.0, 11.0]}


def rows_of(lines):
    (table,) = tables(lines)
    return {row.label: row for row in table.rows}, table


def test_means_differences_and_ranks_are_the_loop():
    rows, table = rows_of(grid(VALUES))
    assert list(rows) == ["good", "flow", "poor"], "best first"
    assert table.shared == 4
    places = dict.fromkeys(VALUES, 0.0)
    for n in range(4):
        for name, each in VALUES.items():
            better = sum(other[n] > each[n] for other in VALUES.values())
            equal = sum(other[n] == each[n] for other in VALUES.values())
            places[name] += (better + (equal + 1) / 2) / 4
    for name, each in VALUES.items():
        assert rows[name].means["hole_psnr"].value == pytest.approx(sum(each) / 4)
        assert rows[name].rank == pytest.approx(places[name])
    more = rows["good"].more
    assert more.value == pytest.approx((1 + 0.5 + 3 + 0.5) / 4)
    assert 0.5 <= more.low < more.value < more.high <= 3
    assert rows["flow"].more is None


def test_the_order_of_the_lines_does_not_matter():
    lines = [*grid(VALUES), broken("poor", 9), broken("good", 0)]
    lines += [line("good", 0, {"hole_psnr": [3.0]}, run=lines[0]["run"] | {"ended": "1999"})]  # an older one of a cell
    lines += [line("poor", n, {"hole_psnr": [5.0 + n]}, masks="moving") for n in range(3)]
    first = tables(lines)
    wanted = [(table, show.cells(table), show.split_cells(table), show.notes(table)) for table in first]
    assert len(first) == 2
    for seed in range(3):
        random.Random(seed).shuffle(lines)
        again = tables(lines)
        assert [(table, show.cells(table), show.split_cells(table), show.notes(table)) for table in again] == wanted
    assert {row.label: row.means["hole_psnr"].value for row in first[1].rows}["good"] == pytest.approx(16.75)


def test_frames_count_alike_by_the_protocol_paper_only():
    scores = {"a": {0: [10.0, 10.0, 10.0], 1: [20.0]}}
    for protocol, expected in (("clean", 15.0), ("paper", 12.5)):
        lines = [
            line(name, n, {"hole_psnr": values, "warping_error": values}, protocol=protocol)
            for name, each in scores.items()
            for n, values in each.items()
        ]
        rows, _ = rows_of(lines)
        assert rows["a"].means["hole_psnr"].value == pytest.approx(expected)
        assert rows["a"].means["warping_error"].value == pytest.approx(15.0)


def test_perfect_and_unscored_frames_are_left_out():
    lines = [line("a", 0, {"hole_psnr": ["inf", 10.0, None]}), line("a", 1, {"hole_psnr": ["inf"]})]
    rows, _ = rows_of(lines)
    assert rows["a"].means["hole_psnr"][:1] + rows["a"].means["hole_psnr"][3:] == (10.0, 1)


def test_draws_of_a_clip_are_one_clip():
    lines = [line("a", n, {"hole_psnr": [10.0 * n + seed]}, seed=seed) for n in range(4) for seed in range(5)]
    rows, table = rows_of(lines)
    assert rows["a"].means["hole_psnr"].clips == rows["a"].clips == 4
    assert rows["a"].means["hole_psnr"].value == pytest.approx(17.0)
    assert "seeds 0, 1, 2, 3, 4" in show.notes(table)[0]


def test_a_system_that_is_not_measured_everywhere_is_compared_where_it_is():
    lines = [one for one in grid(VALUES) if not (one["cell"]["system"] == "good" and one["cell"]["number"] > 1)]
    lines.append(broken("good", 2))
    rows, table = rows_of(lines)
    assert rows["good"].more.value == pytest.approx(0.75)  # over the two clips that it has
    assert table.shared == 2
    assert any("Not all clips are measured for good" in note for note in show.notes(table))
    cells = {row[0]: row for row in show.cells(table)}
    assert cells["good"][-1] == "2, 1 failed"
    assert "[" not in cells["good"][1], "two clips have no interval"


def test_a_system_without_a_number_stands_last_and_takes_no_rank():
    lines = [*grid(VALUES), *(broken("lost", n) for n in range(4)), line("blind", 0, {"hole_psnr": [None]})]
    rows, _ = rows_of(lines)
    assert list(rows)[-2:] == ["blind", "lost"]
    assert rows["good"].rank == rows_of(grid(VALUES))[0]["good"].rank
    assert (rows["lost"].rank, rows["lost"].means, rows["lost"].broken) == (None, {}, 4)
    assert [row[1] for row in show.cells(rows_of(lines)[1])[-2:]] == ["-", "-"]


def test_other_weights_are_another_row():
    lines = [line("a", n, {"hole_psnr": [10.0 + n]}, weights=sha) for n in range(3) for sha in ("11" * 32, "22" * 32)]
    rows, _ = rows_of(lines)
    assert sorted(rows) == ["a (a.safetensors, 11111111)", "a (a.safetensors, 22222222)"]
    lines[0]["clip"] = lines[0]["clip"] | {"camera_motion": 0.5}
    (fast,) = split(rows_of(lines)[1])["fast"].rows
    assert fast.label == "a (a.safetensors, 11111111)", "a part has the names of the whole"


def test_where_nothing_is_true_the_warping_error_leads():
    lines = [
        line(name, n, {"warping_error": [0.001], "hole_warping_error": [value]}, masks="object")
        for name, value in (("flow", 0.002), ("calm", 0.001))
        for n in range(3)
    ]
    rows, table = rows_of(lines)
    assert list(rows) == ["calm", "flow"], "less is better"
    assert (rows["calm"].rank, rows["calm"].more.value) == (1.0, pytest.approx(-0.001))
    assert show.cells(table)[1][:3] == ["calm", "1.000 [1.000, 1.000]", "-1.000 [-1.000, -1.000]"]


def test_parts_hold_the_clips_that_belong_there():
    lines = grid(VALUES)
    for one in lines:
        number = one["cell"]["number"]
        one["clip"] = one["clip"] | {
            "camera_motion": [0.002, 0.03, None, 0.0][number],
            "mask_share": 0.03 + 0.03 * number,
        }
    found = split(rows_of(lines)[1])
    held = {name: sorted({unit[0] for row in part.rows for unit in row.units}) for name, part in found.items()}
    assert held == {"slow": [0, 3], "fast": [1], "unknown": [2], "small": [0], "middle": [1, 2], "large": [3]}
    by_name = {row.label: row for row in found["slow"].rows}
    assert by_name["good"].more.value == pytest.approx(0.75)


def test_text_and_markdown_hold_the_same_cells():
    cells = show.cells(rows_of(grid(VALUES))[1])
    text, page = show.aligned(cells), show.markdown(cells)
    assert [row.strip("| ").split(" | ") for row in (page[0], *page[2:])] == cells
    assert all(cell in row for cells_, row in zip(cells, (text[0], *text[2:]), strict=True) for cell in cells_)
    assert text[2].startswith("good")
    assert "16.75 [" in text[2]
    assert "+1.25 [" in text[2]


def of_form(system, number, value, *, seed=0, training="tiny, 4 steps", **more):
    """A line of an ablation: weights differ by seed."""
    made = line(system, number, {"hole_psnr": [value]}, seed=seed, weights=f"{seed}{training}")
    return made | {"model": made["model"] | {"whole": "full", "training": training, **more}}


def test_forms_are_held_against_the_full_one_and_their_seeds_are_one_row():
    lines = [of_form("full", n, 10.0 + n, seed=s) for n in range(4) for s in range(2)]
    lines += [of_form("less", n, 9.0 + n - s, seed=s, says="A part less.") for n in range(4) for s in range(2)]
    rows, table = rows_of(lines)
    assert list(rows) == ["full", "less"]
    assert rows["less"].more.value == pytest.approx(-1.5)
    assert (rows["less"].clips, len(rows["less"].units)) == (4, 8)
    assert show.cells(table)[0][2] == "hole PSNR dB less `full`"
    assert "`less`: A part less." in show.notes(table)
    parts = split(table)
    assert {row.label: len(row.units) for part in parts.values() for row in part.rows} == {"full": 8, "less": 8}


def test_forms_of_other_trainings_are_rows_of_their_own():
    lines = [of_form("full", n, 10.0 + n) for n in range(3)]
    lines += [of_form("less", n, 9.0, training=words) for n in range(3) for words in ("4 steps", "8 steps")]
    assert set(rows_of(lines)[0]) == {"full", "less (4 steps)", "less (8 steps)"}
