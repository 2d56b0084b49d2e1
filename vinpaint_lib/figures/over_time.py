"""Figures of inference: time slices, the frames in memory at each step, scores clip by clip.

Made and shown as `page.py` says.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from einops import repeat
from jaxtyping import Float
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator
from torch import Tensor

from vinpaint_lib.figures import page
from vinpaint_lib.figures.clips import Clips
from vinpaint_lib.figures.curves import HUES, MARKERS


def time_slice(clip: Float[Tensor, "t 3 h w"], row: int, stretch: int = 1) -> Float[Tensor, "3 _ w"]:
    """The x-t picture: line `row` of every frame below each other, time downwards, each line `stretch` times.

    Raises IndexError for a row that the frames do not have.
    """
    return repeat(clip[:, :, row], "t c w -> c (t stretch) w", stretch=stretch)


def slices(clips: Clips, rows: Mapping[str, int], columns: slice, alt: str, *, stretch: int = 4) -> None:
    """Time slices of several clips beside each other, one line of pictures for each of `rows`, cut to `columns`."""
    page.show(slices_figure(clips, rows, columns, stretch), alt, photo=True)


def slices_figure(clips: Clips, rows: Mapping[str, int], columns: slice, stretch: int) -> Figure:
    """The figure behind `slices`."""
    pictures: list[list[Tensor | None]] = [
        [time_slice(clip, row, stretch)[:, :, columns] for clip in clips.values()] for row in rows.values()
    ]
    return page.grid(pictures, list(rows), list(clips))


def held_frames(plans: Mapping[str, Sequence[range]], alt: str) -> None:
    """The frames in memory for several plans: for each step a bar from the oldest to the newest frame held.

    `lessons/experiments/frames_held.py` computes `plans`. A black mark stands at the frame that is filled at each step;
    step t is taken to fill frame t.
    """
    page.show(held_figure(plans), alt)


def held_figure(plans: Mapping[str, Sequence[range]]) -> Figure:
    """The figure behind `held_frames`."""
    figure = page.blank(page.WIDTH, 2.7)
    axes = figure.subplots(1, len(plans), squeeze=False, sharey=True)[0]
    for axis, (name, held) in zip(axes, plans.items(), strict=True):
        steps = np.arange(len(held))
        axis.bar(
            steps, [len(part) for part in held], bottom=[part[0] - 0.5 for part in held], width=0.8,
            color=page.COLOURS[1], label="held",
        )  # fmt: skip
        axis.plot(steps, steps, color="black", marker="s", markersize=2.5, linewidth=0, label="filled at this step")
        most = max(len(part) for part in held)
        axis.set_title(f"{name}: at most {most} frames", fontsize=9, pad=3)
        axis.set_xlabel("step", fontsize=9)
        axis.tick_params(labelsize=8)
        axis.grid(color="0.88", linewidth=0.6)
        axis.set_axisbelow(True)
    axes[0].set_ylabel("frame", fontsize=9)
    axes[0].legend(fontsize=8, frameon=False, loc="upper left")
    return figure


def by_clip(
    clips: Sequence[str],
    panels: Mapping[str, Mapping[str, Sequence[float]]],
    alt: str,
    *,
    line: Mapping[str, float] | None = None,
    log: Sequence[str] = (),
) -> None:
    """One row for each clip; `panels`: label of the x axis -> series -> a value for each clip.

    `line`: panel -> the x value of a vertical line. `log`: the panels with a logarithmic axis.
    Raises ValueError unless every series has one value for each clip.
    """
    page.show(by_clip_figure(clips, panels, line or {}, log), alt)


def by_clip_figure(
    clips: Sequence[str],
    panels: Mapping[str, Mapping[str, Sequence[float]]],
    line: Mapping[str, float],
    log: Sequence[str],
) -> Figure:
    """The figure behind `by_clip`."""
    figure = page.blank(page.WIDTH, 0.3 * len(clips) + 1.1)
    axes = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    places = np.arange(len(clips))[::-1]  # the first clip on top
    for axis, (label, series) in zip(axes, panels.items(), strict=True):
        for n, (name, values) in enumerate(series.items()):
            if len(values) != len(clips):
                raise ValueError(f"{name} has {len(values)} values for {len(clips)} clips")
            # Open and filled marks in turn, so that a mark below another mark still shows.
            face = "white" if n == 1 else HUES[n]
            axis.plot(values, places, MARKERS[n], color=HUES[n], markerfacecolor=face, markersize=7 - n, label=name)
        axis.set_yticks(places, clips, fontsize=9)
        axis.set_xlabel(label, fontsize=9)
        axis.tick_params(labelsize=8)
        axis.grid(color="0.88", linewidth=0.6)
        axis.set_axisbelow(True)
        axis.margins(0.1)
        if label in log:
            axis.set_xscale("log")
            axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.xaxis.set_major_formatter("{x:g}")
            axis.xaxis.set_minor_locator(NullLocator())
        if label in line:
            axis.axvline(line[label], color="0.35", linewidth=1)
    handles, names = axes[-1].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=len(names), fontsize=9, frameon=False)
    return figure
