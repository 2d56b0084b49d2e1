"""What 3DCN + CombCN is without its parts: switches of the network that ships, and forms that are trained anew."""

from vinpaint_lib.scoring.ablation import AblationRow, switches
from vinpaint_lib.training.variants import Variant, having

ABLATION = switches(
    "combcn",
    AblationRow("as it ships", {}, says="every frame is guided by the volume of 32 frames that 3DCN completes."),
    AblationRow(
        "no guidance",
        {"guidance": False},
        says="CombCN sees even grey as its guide, and so each frame alone. Not a network for single pictures: it "
        "learned to lean on the guide.",
    ),
    AblationRow(
        "known pixels as guide",
        {"structure": False},
        says="the guide keeps the known small pixels and has grey in the hole: what 3DCN completes there is missing.",
    ),
    AblationRow(
        "volumes of 8 frames",
        {"frames": 8, "overlap": 2},
        says="3DCN sees less time at once; it was trained with 16 frames.",
    ),
    AblationRow(
        "volumes of one frame",
        {"frames": 1, "overlap": 0},
        says="3DCN completes each small frame alone: a guide without time, which it never met in training.",
    ),
)

RETRAINED = (
    Variant("full", "both networks, trained together from the first step or as the preset has it."),
    Variant(
        "no guidance",
        "CombCN alone, frame by frame; 3DCN has no part in it.",
        having(guidance=False),
        having(structure_steps=0),
    ),
    Variant(
        "not joint",
        "both networks side by side: 3DCN learns from its own loss alone, and CombCN takes the guide as it is. Not one "
        "after the other: both learn in every step.",
        having(joint=False),
    ),
)
