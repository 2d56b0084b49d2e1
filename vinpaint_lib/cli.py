"""The `vinpaint` command: fill a clip, train, evaluate, list the systems, look at the machine, check a lesson.

The library does the work and raises UserError for a user's mistake; `errors.py` makes one sentence of it, and of a
fault of ours. Each command imports what it needs, so that `--help` and a wrong option answer at once.
"""

import io
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from vinpaint_lib import errors
from vinpaint_lib.comparison.ablations.command import ablate
from vinpaint_lib.comparison.words import Words
from vinpaint_lib.errors import DEBUG_HELP, in_table, run_program, say, tell
from vinpaint_lib.lessons.progress.verb import lessons
from vinpaint_lib.lessons.verdicts.verb import check
from vinpaint_lib.reruns.command import rerun


def shown(name: str) -> Any:
    """What stands for an option's value in `--help`."""
    return tyro.conf.arg(metavar=name)


def inpaint(
    input: Annotated[Path, tyro.conf.Positional, shown("INPUT")],
    *,
    mask: Annotated[Path, shown("MASK")],
    out: Annotated[Path, shown("OUT")],
    model: Annotated[str, shown("NAME")] = "tgfnet",
    weights: Annotated[Path | None, shown("FILE")] = None,
    dilate: int = 0,
    invert_mask: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    size: Annotated[str | None, shown("WIDTHxHEIGHT")] = None,
    margin: Annotated[str, shown("PIXELS")] = "auto",
    max_side: Annotated[int | None, shown("PIXELS")] = None,
    limit: Annotated[int | None, shown("FRAMES")] = None,
    fps: Annotated[str | None, shown("RATE")] = None,
    overwrite: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    device: str = "auto",
    seed: int = 0,
) -> None:
    """Fill the holes of a clip, or of every clip in a folder. Known pixels, frame rate, size and sound stay.

    Of a folder of clips, what is done already is left as it is, and a clip that fails does not stop the others.
    A table at the end says what became of each; exit code 2 if any failed.

    Args:
        input: a video, a folder of pictures, or one picture; or a folder of clips (videos, folders of pictures)
        mask: the holes, white = missing: a video, a folder, or one picture for all frames; for a folder of clips a
            folder with a mask of each clip's name, or one file for all
        out: a video (.mp4, .mov, .mkv), or a folder for PNGs that keep their names; a folder for a folder of clips
        model: a name from `vinpaint models`
        weights: a checkpoint of that model, or a .pth file of its authors; without it, the weights that ship
        dilate: grow the holes by so many pixels, if the object still shows at their edge
        invert_mask: black = missing
        size: the size to work at and to write; without it, that of the input
        margin: work only on a box around the holes of all frames and so many pixels more; "all" for whole frames.
            auto: whole frames up to 1280x720, above it an eighth of the longer side (at least 128). Where the camera
            or the hole moves far between frames, a small margin hides from the model what it could copy
        max_side: make what is worked on smaller, until its longer side is at most this: holes lose sharpness, known
            pixels keep their full size
        limit: only the first so many frames
        fps: frame rate of a folder of pictures, as 30 or 30000/1001; 24 if not given
        overwrite: allow files in the folder OUT to be replaced
        device: auto, cpu, cuda, cuda:1, mps
        seed: of models that draw random numbers
    """
    from vinpaint_lib.filling.job import Job, fill_one
    from vinpaint_lib.filling.many import clips_in, fill_all
    from vinpaint_lib.options import check_seed, choose_device, parse_rate, parse_size

    job = Job(
        input=input,
        mask=mask,
        out=out,
        model=model,
        weights=weights,
        dilate=dilate,
        invert_mask=invert_mask,
        size=parse_size(size) if size else None,
        margin=margin,
        max_side=max_side,
        limit=limit,
        fps=parse_rate(fps) if fps else None,
        overwrite=overwrite,
        device=choose_device(device),
        seed=check_seed(seed),
    )
    clips = clips_in(job)
    if clips is None:
        print(fill_one(job, tell, say))
    elif not fill_all(job, clips, tell, say, in_table):
        sys.exit(2)


def train(
    model: Annotated[str, tyro.conf.Positional, shown("MODEL")],
    *,
    preset: str = "laptop",
    data: Annotated[str, shown("SPEC")] = "toy",
    out: Annotated[Path, shown("FOLDER")],
    steps: Annotated[int | None, shown("INT")] = None,
    peak: Annotated[float | None, shown("RATE")] = None,
    blocks: Annotated[int | None, shown("INT")] = None,
    seed: int = 0,
    resume: bool = True,
    held_back: Annotated[str, shown("NAMES")] = "",
    start: Annotated[Path | None, shown("FILE")] = None,
    without_features: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    holes: Annotated[str, shown("KINDS")] = "",
    workers: Annotated[int | None, shown("INT")] = None,
    compile: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    device: str = "auto",
) -> None:
    """Train a model. A run that was killed goes on from its last checkpoint.

    Args:
        model: a name from `vinpaint models` that is a network
        preset: tiny (seconds), laptop (an hour or two), gpu (meant for one), paper (days); sttn and combcn also have
            laptop-aligned, which begins with what flow finds; tgfnet also has laptop-refined and laptop-learned
        data: toy, videos:PATH, photos:PATH, davis:PATH, youtube-vos:PATH, sintel:PATH (its clean rendering) or
            sintel-final:PATH; several joined by commas, with *WEIGHT behind a set that counts more. A PATH in quotes
            may hold anything, as in 'videos:"a, toy"*2'
        out: folder for checkpoints, log and sample pictures, as in runs/first
        steps: number of steps, instead of the preset's
        peak: largest learning rate, instead of the preset's
        blocks: prepared blocks of training samples, instead of the preset's number; fewer are made sooner
        seed: of weights, data and order
        resume: go on with the run in FOLDER, if there is one
        held_back: clips, joined by commas, that only serve for the scores in the log; quotes keep a comma in a name
        start: weights to begin from
        without_features: train without the losses that need a feature network (TGF-Net's preset paper)
        holes: kinds of holes instead of the preset's, joined by commas, with *SHARE behind a kind that counts more:
            blob, moving blob, object, moving object, rectangle, moving rectangle, watermark, irregular
        workers: processes that make samples beside the training; they change no number, and 0 makes them inside of it
        compile: run the network through torch.compile
        device: auto, cpu, cuda, cuda:1, mps
    """
    from vinpaint_lib import train as training
    from vinpaint_lib.holes import mix
    from vinpaint_lib.options import parse_names

    print(
        training.train(
            training.Training(
                model=model,
                preset=preset,
                data=data,
                out=out,
                held_back=tuple(parse_names(held_back)),
                steps=steps,
                overrides={"peak": peak, "blocks": blocks},
                seed=seed,
                resume=resume,
                start=start,
                without_features=without_features,
                holes=mix.parse(holes) if holes else None,
                workers=training.usual_workers(device) if workers is None else workers,
                compiled=compile,
                device=device,
                tell=tell,
            )
        )
    )


def evaluate(
    *,
    model: Annotated[str, shown("NAMES")] = "tgfnet,telea,median,flow",
    data: Annotated[str, shown("SPEC")],
    masks: Annotated[str, shown("SPEC")] = "stationary",
    protocol: Literal["clean", "paper"] = "clean",
    size: Annotated[str, shown("WIDTHxHEIGHT")] = "432x240",
    limit: Annotated[int | None, shown("FRAMES")] = 40,
    clips: Annotated[str, shown("NAMES")] = "",
    weights: Annotated[Path | None, shown("FILE")] = None,
    ablation: Annotated[str | None, shown("NAME")] = None,
    out: Annotated[Path | None, shown("JSON")] = None,
    device: str = "auto",
    seed: int = 0,
) -> None:
    """Score models on clips whose truth is known; every model sees the same holes.

    Args:
        model: names from `vinpaint models`, joined by commas
        data: davis:PATH, where PATH holds JPEGImages/480p; also toy, youtube-vos:PATH, videos:PATH, photos:PATH,
            and sintel:PATH or sintel-final:PATH, where PATH holds training and E_warp follows the true flow; a PATH in
            quotes may hold anything, as in 'videos:"a, toy"'
        masks: stationary (a blob), watermark (letters that stay), moving (silhouettes of another clip), object (the
            clip's own objects, where only E_warp can be scored), or fvi:PATH (published masks)
        protocol: clean, or paper (as the papers' evaluators do)
        size: the size to work at
        limit: only the first so many frames of each clip; None for all
        clips: only these of the data, joined by commas; quotes keep a comma in a name
        weights: a checkpoint for the networks; without it, the weights that ship
        ablation: instead of models, one system with parts switched off: tgfnet, sttn, vinet, combcn, align_attend
        out: a .json file for every number
        device: auto, cpu, cuda, cuda:1, mps
        seed: of the holes
    """
    from vinpaint_lib import evaluate as evaluation
    from vinpaint_lib.options import choose_device, parse_names, parse_size

    evaluation.evaluate(
        evaluation.Evaluation(
            models=parse_names(model),
            data=data,
            masks=masks,
            protocol=protocol,
            size=parse_size(size),
            limit=limit,
            seed=seed,
            out=out,
            weights=weights,
            clips=parse_names(clips) or None,
            device=choose_device(device),
            ablation=ablation,
        )
    )


def compare(words: Annotated[Words, tyro.conf.arg(name="")]) -> None:
    """Score systems on clips, holes, sizes and draws into one file of results, which resumes; or show such a file."""
    from vinpaint_lib.comparison import verb

    if not verb.work(words, tell, say, in_table):
        sys.exit(2)


def models() -> None:
    """List the systems that are built: name, kind, parameters, paper."""
    from vinpaint_lib.systems.listing import lines

    print("\n".join(lines()))


def doctor(model: str = "") -> None:
    """What this machine has, what works, and what training would take. Exit code 1 if something needs mending.

    Args:
        model: list all presets of this system; by default the preset laptop of every system.
    """
    from vinpaint_lib.doctor import report

    broken = False
    for line in report(model or None):
        print(f"{line.topic:15} {'' if line.good else 'PROBLEM: '}{line.text}", flush=True)
        broken |= not line.good
    if broken:
        sys.exit(1)


WORDLESS = ("--clips", "--held-back", "--held_back", "--holes", "--model", "--data", "doctor")  # may be empty
VERBS = (inpaint, train, evaluate, compare, ablate, rerun, check, lessons, models, doctor)
COMMANDS = {verb.__name__: verb for verb in VERBS}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; `arguments` default to those that the program was started with."""
    run_program(work, arguments, name="vinpaint")


def work(arguments: Sequence[str]) -> None:
    """What `main` does with its words."""
    errors.check_words(arguments, WORDLESS)
    about = f"Deep video inpainting: fill what is missing in a clip. ({DEBUG_HELP}.)"
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        # a path that the terminal cannot spell must not make a fault of a finished work
        sys.stdout.reconfigure(errors="backslashreplace")
    with warnings.catch_warnings():
        # the place in the code that a warning comes from says nothing to a user
        warnings.showwarning = lambda message, *where, **more: tell(message)
        tyro.extras.subcommand_cli_from_dict(COMMANDS, prog="vinpaint", description=about, args=list(arguments))


if __name__ == "__main__":
    main()
