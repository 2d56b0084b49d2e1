"""Parts of trained weights switched off: nothing is trained."""

from vinpaint_lib.comparison.ablations.asked import Ablating, Tell
from vinpaint_lib.comparison.ablations.forms import Labels, chosen, system_of
from vinpaint_lib.comparison.measure import Contestant
from vinpaint_lib.errors import UserError
from vinpaint_lib.scoring.ablation import Ablation
from vinpaint_lib.systems import registry


def rows(asked: Ablating, tell: Tell) -> tuple[list[Contestant], Ablation]:
    """A contestant for each row, all with the same weights, and the table that the rows are of.

    Raises UserError for a system without rows, a row that is not there, options that belong to training, and as
    `registry.build` for weights.
    """
    parts = system_of(asked.name, switches=True).ablation
    assert parts is not None, "`system_of` sees to that"
    if asked.out.suffix.lower() != ".jsonl":
        raise UserError(f"--out {asked.out}: cannot hold the results of --switches; give the name of a .jsonl file")
    if asked.steps is not None or asked.held_back:
        raise UserError("--switches: trains nothing; leave --steps and --held-back away")
    whole = parts.reference
    labels, found = Labels(asked.name, whole.name), []
    for row in chosen(parts.rows, asked.variants, whole.name):
        try:
            model = registry.build(asked.name, asked.weights, **row.options)
        except UserError as error:
            if row is whole or not str(error).startswith(tuple(row.options)):
                raise
            tell(f"{row.name} is left out: these weights have no such part ({error})")
            continue
        told = {"says": row.says, "changes": row.options}
        found.append(labels.contestant(row.name, model.to(asked.device).eval(), asked.weights, told))
    return found, parts
