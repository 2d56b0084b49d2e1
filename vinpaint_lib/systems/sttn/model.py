"""STTN (Zeng, Fu, Chao; ECCV 2020) fills all frames of a window at once, from all frames of the window (many-to-many).

`network.py` holds the generator, `attention.py` its heads. This file walks the generator over a clip as the released
code does.
"""

from collections.abc import Iterator
from typing import Any

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from vinpaint_lib.interface import Inpainter, ModelCard, Output, Step, Window
from vinpaint_lib.motion.first_guess import FirstGuesses, guesses_of_step, reached
from vinpaint_lib.systems.frames import Indices, every_tenth
from vinpaint_lib.systems.sttn.network import CONFIGS, MULTIPLE, Config, STTNGenerator

CARD = ModelCard(
    name="sttn",
    title="STTN",
    paper="Zeng, Fu, Chao: Learning Joint Spatial-Temporal Transformations for Video Inpainting. ECCV 2020",
    choices=(
        "a window of a clip of more than 200 frames sees the 20 nearest of its distant references, not all",
        "keys inside holes get no weight; the released code computes that mask and drops it (`as_released`)",
        "a query whose every key is a hole attends to all keys; the released code never meets the case",
        "patch sizes are shares of the frame, so any frame whose sides divide by 48 will do; the engine pads",
        "L_hole and L_valid are means by clip, so that a batch in two halves gives the same number",
        "the discriminator sees each clip for itself; the released code strings all clips of a batch together",
        "holes in training: `paper` draws blobs, half of them still, as released; other presets add silhouettes of "
        "objects and watermarks",
        "revisited frames are averaged with equal weights; the released code halves the old average each time",
        "`small` is narrower and shallower, starts otherwise, is trained without the adversarial loss, and keeps the "
        "sharpness that its attention had in training at other frame sizes",
        "`first_guess` (sttn-aligned) is ours: holes begin with what chains of flow find, the encoder sees its trust, "
        "and the decoder adds a residual; keys in holes still get no weight, since they show what other frames show",
    ),
)

REFERENCE_STEP = 10  # every tenth frame of the whole clip is a reference [code]
REFERENCES = 20  # most distant references of a window: those of a clip of 200 frames
PICTURES = 2  # frames that are decoded together; the decoder's full-size maps need the most memory


class STTN(Inpainter):
    """Windows of frames f-5 .. f+5 for f = 0, 5, 10, .., each seen together with every tenth frame of the clip.

    Of these, a window of a clip of more than 200 frames sees the nearest 20, so that memory and time for a window have
    a bound.
    """

    card = CARD
    multiple = MULTIPLE
    feedback = False

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.net = STTNGenerator(config)

    def plan(self, length: int) -> Iterator[Step]:
        """The paper's windows. With a first guess the frames from which the guesses come are references too: not of the
        network, but of the guess."""
        for targets, references in sttn_windows(length, step=REFERENCE_STEP):
            seen = nearest(references, targets[len(targets) // 2])
            around = reached((*targets, *seen), length) if self.config.aligned else seen
            yield Step(targets, tuple(i for i in around if i not in targets))

    def forward(self, window: Window, step: Step, state: dict[str, Any]) -> Output:
        """Fill all targets of the window at once. No maps: `net.attention_row` shows single rows of the attention."""
        device = next(self.parameters()).device
        # The network sees the paper's windows alone, however many frames the guesses need.
        distant = tuple(i for i in step.references if i % REFERENCE_STEP == 0)
        distant = nearest(distant, step.targets[len(step.targets) // 2])
        seen = window.only(step.targets if self.config.keys == "neighbours" else (*step.targets, *distant))
        guesses = guesses_of_step(window, seen.indices, state) if self.config.aligned else None
        window = seen
        features = self.encoded(window, step, state, guesses)
        hidden = torch.stack([self.hidden(window, step, index) for index in window.indices])
        masks = rearrange(hidden, "t 1 h w -> 1 t 1 h w").to(device)
        features = self.net.transform(rearrange(features, "t c h w -> 1 t c h w"), masks)[0]
        places = [window.indices.index(target) for target in step.targets]
        painted = torch.cat([self.net.decode(features[part]) for part in torch.tensor(places).split(PICTURES)])
        given = torch.stack([begun(window, target, guesses)[0] for target in step.targets])
        return Output(self.net.picture(painted, given.to(painted)).clamp(0, 1).to(given), {})

    def hidden(self, window: Window, step: Step, index: int) -> Float[Tensor, "1 h w"]:
        """What of a frame is no key: its hole; with the keys "references" all of a target, if others are there."""
        mask = window.at(window.indices.index(index)).mask
        others = self.config.keys == "references" and len(window.indices) > len(step.targets)
        return torch.ones_like(mask) if others and index in step.targets else mask

    def encoded(
        self, window: Window, step: Step, state: dict[str, Any], guesses: FirstGuesses | None
    ) -> Float[Tensor, "t c hf wf"]:
        """Features of the window's frames, from `state` where an earlier step left them."""
        device = next(self.parameters()).device
        cache: dict[int, Tensor] = state.setdefault("features", {})
        found = []
        for place, index in enumerate(window.indices):
            still = window.at(place)
            # A frame that was written back changes from step to step.
            changed = bool(still.filled.any())
            if index not in cache or changed:
                frame, trust = begun(window, index, guesses)
                shown = self.net.shown(frame, still.mask, trust).to(device)
                cache[index] = self.net.encode(rearrange(shown, "c h w -> 1 c h w"))[0]
            found.append(cache[index])
        # The next windows begin behind the first frame of this window; before it they need references only. A frame
        # before this window's first may be needed once more at the end of a clip, and is then encoded again.
        first = window.indices[0]
        for index in [i for i in cache if i < first or (i <= min(step.targets) and i % REFERENCE_STEP)]:
            del cache[index]
        return torch.stack(found)


__all__ = ["CARD", "CONFIGS", "STTN", "Config"]


def sttn_windows(length: int, stride: int = 5, reach: int = 5, step: int = 10) -> Iterator[tuple[Indices, Indices]]:
    """STTN's inference [code]: for f = 0, 5, 10, .. the targets f-5 .. f+5 within the clip, and distant references."""
    for centre in range(0, length, stride):
        targets = tuple(range(max(0, centre - reach), min(length, centre + reach + 1)))
        yield targets, every_tenth(length, targets, step)


def begun(window: Window, index: int, guesses: FirstGuesses | None) -> tuple[Tensor, Tensor | None]:
    """A frame (3 h w) as the network begins with it, and the trust (1 h w) of its first guess, if there are guesses."""
    return (window.at(window.indices.index(index)).frame, None) if guesses is None else guesses.of(window, index)


def nearest(references: Indices, centre: int, most: int = REFERENCES) -> Indices:
    """At most `most` of the references: a run of neighbours around frame `centre`, moved inwards at the clip's ends."""
    before = sum(i < centre for i in references)
    start = max(0, min(before - most // 2, len(references) - most))
    return references[start : start + most]
