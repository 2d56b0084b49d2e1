"""Scripts that fetch data sets and published weights, or make files that ship; vinpaint runs without them.

fetch_davis.py            DAVIS 2017, 480p: downloaded, checked, unpacked
fetch_youtube_vos.py      YouTube-VOS: checks and unpacks archives that need an account
fetch_weights.py          weights and test masks that other projects published
pretrain_affine.py        trains TGF-Net's affine aligner
pretrain_align_attend.py  trains Align-and-Attend's estimator
ship_weights.py           makes the weights file that ships
film_strip.py             makes the picture at the head of README

Each fetch script can be stopped and started again, checks what it got, and does nothing the second time.
`assets.py` is the one table of addresses, sizes, hashes and licences.
"""
