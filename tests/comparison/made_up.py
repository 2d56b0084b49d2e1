"""Lines of a file of results with scores that the tests choose."""

from vinpaint_lib.comparison.cells import key_of


def line(system, number, scores, *, seed=0, masks="stationary", protocol="clean", weights=None, **more):
    """A finished line; `scores` by name, each a list over frames."""
    cell = {
        "system": system, "weights": weights, "data": "d", "clip": f"clip {number}", "number": number, "masks": masks,
        "protocol": protocol, "size": "64x48", "limit": 4, "seed": seed,
    }  # fmt: skip
    about = None if weights is None else {"file": f"{system}.safetensors", "sha256": weights, "shipped": False}
    return {
        "key": key_of(cell),
        "cell": cell,
        "model": {"title": system, "parameters": 0, "weights": about},
        "scores": scores,
        "seconds_per_frame": 0.5,
        "cpu_seconds_per_frame": 0.25,
        "memory": {"before_mib": 100.0, "peak_mib": 120.0, "gpu_peak_mib": None},
        "clip": {
            "frames": 4, "mask_share": 0.07, "mask_donor": None, "camera_motion": 0.004, "holes": "a blob",
            "flow": "DIS",
        },
        "run": {
            "device": "cpu", "processor": "x", "threads": 1, "cores": 2, "load": 1.0, "commit": "0" * 40,
            "ended": "2000-01-01T00:00:00+00:00",
        },
    } | more  # fmt: skip


def broken(system, number, **more):
    """A line of a cell that failed."""
    made = line(system, number, {}, **more)
    return {name: made[name] for name in ("key", "cell", "model", "run")} | {"error": "it broke"}


def grid(values):
    """Lines with one hole PSNR for each clip: system -> values by clip."""
    return [line(name, n, {"hole_psnr": [value]}) for name, each in values.items() for n, value in enumerate(each)]
