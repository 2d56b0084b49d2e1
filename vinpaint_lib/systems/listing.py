"""The table of `vinpaint models`."""

from vinpaint_lib.systems.registry import MODELS, SYSTEMS, VARIANTS, build, weights_of


def lines() -> list[str]:
    """A line for each system, variant and baseline: name, kind, parameters, weights, paper; columns aligned."""
    rows = [("name", "kind", "parameters", "weights", "paper")]
    for name in MODELS:
        path = weights_of(name)
        if path is not None and not path.exists():
            paper = SYSTEMS[VARIANTS[name][0]].model.card.paper
            rows.append((name, "network", "-", f"none yet: vinpaint train {VARIANTS[name][0]}", paper))
            continue
        system = build(name)
        if path is None:
            about = ("baseline", "-", "-")
        else:
            about = ("network", f"{sum(parameter.numel() for parameter in system.parameters()):,}", path.name)
        rows.append((name, *about, system.card.paper))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
