"""`vinpaint rerun`: its options, and what it does with them."""

import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import tyro

from vinpaint_lib.errors import UserError, tell

GRIDS = (".yml", ".yaml")


class RunFailed(UserError):
    """A run of the grid failed; its folder shows how."""

    exit_code = 1


def rerun(
    target: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="NOTEBOOK|GRID.yml")],
    *,
    parameter: Annotated[
        tyro.conf.UseAppendAction[tuple[str, ...]], tyro.conf.arg(aliases=["-p"], metavar="NAME=VALUE")
    ] = (),
    out: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None,
    workers: Annotated[int | None, tyro.conf.arg(metavar="INT")] = None,
    scheduler: Annotated[str, tyro.conf.arg(metavar="tcp://HOST:PORT")] = "",
    retry: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
) -> None:
    """Run a notebook again with other parameters, or a whole grid of such runs. What is done is not run again.

    Each run has a process and a folder of its own: the executed notebook, metrics.json, manifest.json, log.txt. One
    that fails is kept in the folder failed, and the others go on; exit code 1 if any failed. Ctrl-C keeps what is done,
    and the same command goes on. A grid ends with results.csv and results.html.

    Args:
        target: a notebook; or a grid: notebook, parameters (a value or a list for each), exclude, seeds, repeats
        parameter: another value for a parameter of the notebook, as seed=3; the option once for each
        out: folder of the runs; runs/reruns/NAME if not given
        workers: runs at a time on this machine; one for each GPU, or for every two cores, if not given
        scheduler: the address of a Dask cluster's scheduler, whose workers then make the runs
        retry: make runs again that failed before
    """
    from vinpaint_lib.reruns.grid import read_grid

    if workers is not None and (workers < 1 or scheduler):
        why = "with --scheduler the cluster's workers make the runs" if scheduler else "give a whole number from 1"
        raise UserError(f"--workers {workers}: {why}")
    if target.suffix in GRIDS and parameter:
        raise UserError(f"-p {parameter[0]}: {target} is a grid, which holds its parameters; write it there")
    grid = read_grid(target) if target.suffix in GRIDS else None

    from vinpaint_lib.lessons import declared, words
    from vinpaint_lib.reruns import local, many, one

    if grid is None:
        given = words.parse_all(parameter, declared.parameters_of(target))
        one.check_names(target, given)
        one.check_values(given)
        grid = many.alone(target, given)
    engine: many.Engine = partial(local.hand_out, free=local.slots(workers))
    if scheduler:
        try:
            from vinpaint_lib.reruns import cluster
        except ImportError as error:
            raise UserError("--scheduler needs the package distributed: pip install -e '.[cluster]'") from error
        engine = partial(cluster.hand_out, address=scheduler, tell=tell)
    folder = out or many.default_out(target)
    result = many.run(grid, folder, engine, tell, asker=str(target), retry=retry)
    for path in result.shown:
        print(path)
    said = many.sentence(result, folder)
    if result.count.failed or result.count.failed_before:
        raise RunFailed(said)
    print(f"vinpaint: {said}", file=sys.stderr)
