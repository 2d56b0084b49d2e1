"""What VINet is without its parts: switches of the network that ships, and forms that are trained anew."""

from vinpaint_lib.scoring.ablation import AblationRow, switches
from vinpaint_lib.training.variants import Variant, having, weighed

OF_FLOW = {"L_F": 0.0, "L_align": 0.0, "L_flow": 0.0}

ABLATION = switches(
    "vinet",
    AblationRow("as it ships", {}, says="memory, recurrence and feature flow."),
    AblationRow(
        "no memory",
        {"memory": False},
        says="the ConvLSTM begins with zeros at every frame, as in the released demo; its weights stay.",
    ),
    AblationRow(
        "no recurrence",
        {"recurrence": False},
        says="each frame is filled like a first one: the last output is no source and is not blended in. Not frame by "
        "frame: the four sources stay, and the memory too.",
    ),
    AblationRow(
        "neither",
        {"memory": False, "recurrence": False},
        says="nothing goes from frame to frame but what the four sources show.",
    ),
    AblationRow(
        "no flow",
        {"flow": False},
        says="sources, last output and the pixels of the first guess are used where they lie, without any motion, that "
        "of the camera included.",
    ),
    AblationRow(
        "no camera",
        {"camera": False},
        says="the flow begins with no motion in place of the camera's (ours); the learned part stays, which never "
        "had to find that motion.",
    ),
)

RETRAINED = (
    Variant("full", "all parts, as the preset has them."),
    Variant("no memory", "the ConvLSTM begins with zeros at every frame.", having(memory=False)),
    Variant(
        "no recurrence",
        "the last output is no source and is not blended in; the flow to it is not learned (no L_F).",
        having(recurrence=False),
        weighed({"L_F": 0.0}),
    ),
    Variant(
        "neither",
        "nothing goes from frame to frame but what the sources show.",
        having(memory=False, recurrence=False),
        weighed({"L_F": 0.0}),
    ),
    Variant(
        "no flow",
        "nothing is moved, and the terms of motion (L_F, L_align, L_flow) are left out.",
        having(flow=False),
        weighed(OF_FLOW),
    ),
)
