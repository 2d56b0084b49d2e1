"""Scripts that fetch data sets and published weights; nothing in vinpaint needs them to run.

fetch_davis.py        DAVIS 2017, 480p: downloaded, checked, unpacked
fetch_youtube_vos.py  YouTube-VOS: checks and unpacks archives that need an account
fetch_weights.py      weights and test masks that other projects published

Each can be stopped and started again, checks what it got, and does nothing the second time.
`assets.py` is the one table of addresses, sizes, hashes and licences.
"""
