"""The table of what can be fetched: addresses, sizes, hashes, licences, and the option that takes each file.

No publisher below prints a hash, except torchvision, whose file names hold the first 8 hex digits of the sha256.
A sha256 marked `MEASURED` was measured on the published file by several of its users, independently and with the
same result. Where neither size nor hash is known, the script prints the sha256 it got, for the reader to pin.
Licences are as the projects state them; "none found" means that only the authors can say what is allowed.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DATA = Path("data")  # of the current folder, where the library looks too
MASKS = DATA / "masks"
MEASURED = "sha256 as several users measured it; the publisher prints none"
DRIVE = "https://drive.google.com/file/d/"


def weights_folder() -> Path:
    """Where weights are put and looked for: the folder in VINPAINT_WEIGHTS, else data/weights."""
    return Path(os.environ.get("VINPAINT_WEIGHTS") or DATA / "weights")


@dataclass(frozen=True)
class Asset:
    """One thing to fetch.

    urls     tried in this order; all of them serve the same bytes
    page     where a person can get it by hand when every address refuses
    size     in bytes, None when it is not known
    sha256   hex digits, whole or the first ones; None when it is not known
    check    where the hash comes from
    option   the option that takes the file, or the part of the library that reads it
    module   the file of the library that must exist for `option` to work
    unpacks  the file is an archive of masks: it is unpacked, not kept
    wanted   the asset is a Drive folder, and these are the names to take from it
    """

    name: str
    file: str
    urls: tuple[str, ...]
    page: str
    licence: str
    size: int | None = None
    sha256: str | None = None
    check: str = MEASURED
    option: str = ""
    module: str = ""
    unpacks: bool = False
    wanted: tuple[str, ...] = ()


DAVIS = Asset(
    name="davis",
    file="DAVIS-2017-trainval-480p.zip",
    urls=(
        "https://data.vision.ee.ethz.ch/csergi/share/davis/DAVIS-2017-trainval-480p.zip",
        "https://data.vision.ee.ethz.ch/jpont/davis/DAVIS-2017-trainval-480p.zip",
    ),
    page="https://davischallenge.org/davis2017/code.html",
    licence="BSD, as its code package says; read the terms on its page",
    size=832_766_765,
    sha256="e3d0b5b77c3d031b000a19e0e25e3e2cac65d183755601bc2cf066df1a2aa492",
)

YOUTUBE_VOS_PAGE = "https://youtube-vos.org/dataset/"
YOUTUBE_VOS_ACCOUNT = "https://competitions.codalab.org/competitions/19544"

WEIGHTS = (
    Asset(
        name="vgg16",
        file="vgg16-397923af.pth",
        urls=("https://download.pytorch.org/models/vgg16-397923af.pth",),
        page="https://download.pytorch.org/models/vgg16-397923af.pth",
        licence="BSD-3-Clause (torchvision); trained on ImageNet",
        size=553_433_881,
        sha256="397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
        check="sha256 whose first 8 digits are in the published file name",
        option="the perceptual and style losses find it there",
        module="losses/features.py",
    ),
    Asset(
        name="sttn",
        file="sttn.pth",
        urls=(
            f"{DRIVE}1ZAMV8547wmZylKRt5qR_tC5VlosXD4Wv/view",
            "https://raw.githubusercontent.com/YaoFANGUK/video-subtitle-remover/"
            "f78e985e1ce75c0739bee13ab12226d5e71a958a/backend/models/sttn-det/sttn.pth",
        ),
        page=f"{DRIVE}1ZAMV8547wmZylKRt5qR_tC5VlosXD4Wv/view",
        licence="MIT (added 2025)",
        size=66_252_587,
        sha256="25b0c2c30042d82efd1893bd42ec726764262d94115393a1718f8d65d2a7817b",
        option="--model sttn --weights FILE",
        module="systems/sttn/released.py",
    ),
    Asset(
        name="vinet",
        file="save_agg_rec_512.pth",
        urls=(f"{DRIVE}1KAi9oQVBaJU9ytr7dYr2WwEcO5NLiJvo/view",),
        page=f"{DRIVE}1KAi9oQVBaJU9ytr7dYr2WwEcO5NLiJvo/view",
        licence="none found",
        option="--model vinet --weights FILE",
        module="systems/vinet/released.py",
    ),
    Asset(
        name="vinet-256",
        file="save_agg_rec_256.pth",
        urls=(f"{DRIVE}1UCDZVJbymiHUcD2GfLq9-NU65MW6rSY4/view",),
        page=f"{DRIVE}1UCDZVJbymiHUcD2GfLq9-NU65MW6rSY4/view",
        licence="none found",
        option="--model vinet --weights FILE",
        module="systems/vinet/released.py",
    ),
    Asset(
        name="cpnet",
        file="cpnet.pth",
        urls=("https://www.dropbox.com/s/vbh12ay2ubrw3m9/weight.pth?dl=1",),
        page="https://github.com/shleecs/Copy-and-Paste-Networks-for-Deep-Video-Inpainting",
        licence="CC BY-NC-SA",
        option="--model cpnet --weights FILE",
        module="systems/cpnet/released.py",
    ),
    Asset(
        name="dfvi",
        file="dfvi",
        urls=("https://drive.google.com/drive/folders/1a2FrHIQGExJTHXxSIibZOGMukNrypr_g",),
        page="https://drive.google.com/drive/folders/1a2FrHIQGExJTHXxSIibZOGMukNrypr_g",
        licence="MIT",
        option="--model dfvi --weights FILE",
        module="systems/dfvi/released.py",
        wanted=("*.pth",),
    ),
    Asset(
        name="dfvi-refine",
        file="dfvi-refine",
        urls=("https://drive.google.com/drive/folders/1zIamN-DzvknZLf5QAGCfvWs7a6qUqaaC",),
        page="https://drive.google.com/drive/folders/1zIamN-DzvknZLf5QAGCfvWs7a6qUqaaC",
        licence="MIT",
        option="the later stages of DFVI; no command here reads them yet",
        wanted=("*.pth", "*.pth.tar"),
    ),
    Asset(
        name="i3d",
        file="i3d_rgb_imagenet.pt",
        urls=(
            "https://github.com/sczhou/ProPainter/releases/download/v0.1.0/i3d_rgb_imagenet.pt",
            f"{DRIVE}1A-ilDsXZCVhWh2_erApyL7C0jXhaeTjR/view",
        ),
        page=f"{DRIVE}1A-ilDsXZCVhWh2_erApyL7C0jXhaeTjR/view",
        licence="Apache-2.0 (kinetics-i3d, converted by pytorch-i3d)",
        size=50_883_138,
        sha256="2609088c2e8c868187c9921c50bc225329a9057ed75e76120e0b4a397a2c7538",
        option="vinpaint compare --features i3d",
        module="scoring/video_features.py",
    ),
    Asset(
        name="fuseformer-masks",
        file="fuseformer-masks.zip",
        urls=(f"{DRIVE}1wihArvScAFT9hs3KDGSoCEjsEjXpfEOL/view",),
        page=f"{DRIVE}1wihArvScAFT9hs3KDGSoCEjsEjXpfEOL/view",
        licence="none found",
        option="vinpaint evaluate --masks fvi:FOLDER/random_mask_stationary_w432_h240",
        module="evaluate.py",
        unpacks=True,
    ),
    Asset(
        name="e2fgvi-masks",
        file="e2fgvi-masks.zip",
        urls=(f"{DRIVE}1dFTneS_zaJAHjglxU10gYzr1-xALgHa4/view",),
        page=f"{DRIVE}1dFTneS_zaJAHjglxU10gYzr1-xALgHa4/view",
        licence="CC BY-NC 4.0",
        option="vinpaint evaluate --masks fvi:FOLDER",
        module="evaluate.py",
        unpacks=True,
    ),
)
