"""`vinpaint compare`: from its options to a run, or to the tables and figures of a file of results."""

from collections.abc import Callable
from pathlib import Path

from vinpaint_lib.comparison import run, show
from vinpaint_lib.comparison.cells import Comparison
from vinpaint_lib.comparison.words import Words
from vinpaint_lib.errors import UserError
from vinpaint_lib.options import choose_device, parse_names, parse_size
from vinpaint_lib.systems.registry import BASELINES, SYSTEMS

Tell = Callable[[object], None]


def work(words: Words, tell: Tell, say: Tell, on_fault: Callable[[Exception], str]) -> bool:
    """Do what the options ask for; whether no cell is broken. Raises UserError as `run.compare` and `show.tables`."""
    if words.table is not None:
        if words.out is not None or words.data:
            raise UserError("--table: shows a file of results and runs nothing; leave --out and --data away")
        print(show.tables(words.table, tell))
        if words.figures is not None:
            for path in show.figures(words.table, words.figures, words.pictures):
                say(path)
        return True
    if words.figures is not None:
        raise UserError(f"--figures {words.figures}: are drawn from finished results; give --table FILE with it")
    if words.out is None:
        raise UserError("--out: is missing; give a .jsonl file for the results, or --table FILE to show one")
    if not words.data:
        raise UserError("--data: is missing; give a set of clips, as in davis:PATH, or --table FILE to show results")
    return run.compare(asked_by(words, words.out), tell, say, on_fault)


def asked_by(words: Words, out: Path) -> Comparison:
    """The options in the library's types. Raises UserError for values that mean nothing."""
    return Comparison(
        models=[*BASELINES, *SYSTEMS] if words.model == "all" else unique(words.model),
        data=words.data,
        out=out,
        masks=unique(words.masks),
        protocols=unique(words.protocol),
        sizes=[parse_size(size) for size in unique(words.size)],
        limit=words.limit,
        clips=parse_names(words.clips) or None,
        seeds=range(words.seed, words.seed + words.trials),
        sample=words.sample,
        weights=dict(pair(text) for text in unique(words.weights)),
        features=words.features,
        retry=words.retry,
        pictures=words.pictures,
        device=choose_device(words.device),
    )


def unique(text: str) -> list[str]:
    """The names in a list, each once."""
    return list(dict.fromkeys(parse_names(text)))


def pair(text: str) -> tuple[str, Path]:
    """'tgfnet=runs/mine.safetensors' -> the name and the path."""
    name, equals, path = text.partition("=")
    if not (name and equals and path):
        raise UserError(
            f"--weights {text}: names no system; write NAME=FILE, as in vinet=runs/mine/weights.safetensors"
        )
    return name, Path(path)
