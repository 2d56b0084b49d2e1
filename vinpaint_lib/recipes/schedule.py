"""The learning rate of a step, for every recipe."""

from typing import Any

import numpy as np


def learning_rate(preset: Any, step: int) -> float:
    """Linear warm-up over `preset.warmup` steps, then a cosine down to a fiftieth of `preset.peak`.

    A preset with `drops`, step numbers, stays at its peak instead and has a tenth of the rate left behind each.
    """
    if step < preset.warmup:
        return preset.peak * (step + 1) / preset.warmup
    if drops := getattr(preset, "drops", ()):
        return preset.peak * 0.1 ** sum(step >= at for at in drops)
    share = (step - preset.warmup) / max(1, preset.steps - preset.warmup)
    return preset.peak * (0.02 + 0.98 * 0.5 * (1 + float(np.cos(np.pi * share))))
