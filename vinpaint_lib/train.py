"""The one loop that runs a recipe on a CPU, a GPU or several processes.

Every random choice of step s is drawn from (seed, s), so a run that was killed and resumed draws the same
numbers as one that was not, and two processes share one global batch. Sample k of the batch of step s is the
same whichever process computes it. (A network with batch norm takes its means over each process's share.)
What belongs to one system is its task (`recipes/task.py`).
"""

import json
import os
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from vinpaint_lib import checkpoints, datasets, progress
from vinpaint_lib.adversary import Adversary
from vinpaint_lib.blocks import BlockPool
from vinpaint_lib.errors import UserError
from vinpaint_lib.models import Inpainter
from vinpaint_lib.recipes import tasks
from vinpaint_lib.recipes.schedule import learning_rate, of_length
from vinpaint_lib.recipes.task import Task

STATE = "state.pt"
WEIGHTS = "weights.safetensors"
LOG = progress.LOG
PATIENCE = 10  # steps in a row with a loss that is not finite before the run gives up


@dataclass(frozen=True)
class Run:
    """Everything that decides a run's numbers; stored beside its log."""

    model: str
    preset_name: str
    preset: Any  # the dataclass of the model's recipe
    data: str
    held_back: tuple[str, ...]
    seed: int
    processes: int


def train(
    model: str,
    preset: str,
    data: str,
    out: Path,
    *,
    held_back: tuple[str, ...] = (),
    steps: int | None = None,
    seed: int = 0,
    resume: bool = True,
    start: Path | None = None,
    device: str = "auto",
    workers: int = 1,
    stop_after: int | None = None,
    overrides: dict[str, Any] | None = None,
) -> Path:
    """Train and return the path of the weights in `out`.

    `data` is a source in the words of `datasets.parse_source`; clips whose name is in `held_back` are only used
    for the scores in the log. `resume` goes on from the state in `out` if there is one; `start` begins from given
    weights. `workers` processes make training samples beside the run (0: it makes them itself). `stop_after` ends
    the process after so many steps without finishing the schedule (for tests). `overrides` replaces fields of the
    preset. Raises UserError: unknown model or preset, wrong data, a state of another run, weights that the task
    cannot begin with, losses that stay NaN.
    """
    presets = tasks.presets(model)
    if preset not in presets:
        raise UserError(f"unknown preset {preset!r}: choose one of {', '.join(presets)}")
    chosen = replace(presets[preset], **(overrides or {}))
    if steps is not None:
        chosen = of_length(chosen, steps)
    ddp = DistributedDataParallelKwargs(find_unused_parameters=True)
    accelerator = Accelerator(cpu=device == "cpu", kwargs_handlers=[ddp])
    run = Run(model, preset, chosen, data, tuple(held_back), seed, accelerator.num_processes)
    if chosen.batch % run.processes:
        raise UserError(f"a batch of {chosen.batch} cannot be shared by {run.processes} processes: choose a divisor")
    out.mkdir(parents=True, exist_ok=True)
    trainer = Trainer(run, out, accelerator, start)
    trainer.begin(resume)
    # One process of each machine makes the samples that are missing, beside the training.
    makers = workers and accelerator.is_local_main_process
    executors = [pool.prepare(workers) for pool in trainer.pools.values()] if makers else []
    try:
        trainer.loop(stop_after)
    finally:
        for executor in executors:
            executor.shutdown(cancel_futures=True)
    return out / WEIGHTS


class Trainer:
    """State of a run: the network, its running average, the optimiser, the critic where there is one, the step."""

    def __init__(self, run: Run, out: Path, accelerator: Accelerator, start: Path | None) -> None:
        self.run, self.out, self.accelerator = run, out, accelerator
        self.preset = run.preset
        self.task = tasks.make(run.model, run.preset)
        torch.manual_seed(run.seed)
        self.plain = self.task.network()
        if start is not None:
            checkpoints.load_weights(self.plain, start)
        part = self.task.trained(self.plain)
        optimiser = self.task.optimiser([p for p in self.plain.parameters() if p.requires_grad])
        self.average = {k: v.detach().clone().float() for k, v in self.plain.state_dict().items()}
        self.model, self.optimiser = accelerator.prepare(part, optimiser)
        self.task.prepare(accelerator.device)
        self.adversary = make_adversary(self.task, accelerator.device)
        self.bf16 = use_bf16(self.preset.precision, accelerator.device)
        self.step, self.bad = 0, 0
        self.pools = make_pools(run, out)

    def loop(self, stop_after: int | None) -> None:
        """Steps until the schedule ends (or `stop_after` steps were done)."""
        main = self.accelerator.is_main_process
        bar = tqdm(total=self.preset.steps, initial=self.step, disable=not main, desc="train", unit="step")
        board = SummaryWriter(str(self.out / "tensorboard"), purge_step=self.step) if main else None
        ended = self.preset.steps if stop_after is None else min(self.preset.steps, self.step + stop_after)
        while self.step < ended:
            began = time.perf_counter()
            terms = self.one_step()
            self.step += 1
            bar.update()
            if main:
                row = {"step": self.step, "lr": learning_rate(self.preset, self.step - 1), **terms}
                row["seconds"] = round(time.perf_counter() - began, 3)
                if self.step % self.preset.validate == 0 or self.step == self.preset.steps:
                    row |= progress.validate(self.task, self.averaged(), self.pools, self.out, self.step, self.bf16)
                    bar.set_postfix({k: v for k, v in row.items() if k.startswith("held")})
                progress.log(self.out / LOG, board, row)
                if self.step % self.preset.checkpoint == 0 or self.step == ended:
                    self.save()
        self.accelerator.wait_for_everyone()
        if board is not None:
            board.close()

    def one_step(self) -> dict[str, float]:
        """One update; returns the terms of the loss, averaged over the processes."""
        rate = learning_rate(self.preset, self.step)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        choice = self.task.choose(np.random.default_rng((self.run.seed, 1, self.step)), self.step)
        batch, weights, judged = self.batch(choice), self.task.weights_at(self.step), {}
        with self.autocast():
            terms, completed = self.task.losses(self.model, batch, weights, choice)
        if self.adversary is not None and weights.get("L_adv"):
            truth = self.task.truth_of(batch, choice)
            value = self.adversary.step(self.accelerator, truth, completed, rate, self.bf16)
            judged = {"L_D": float(value)}
            with self.autocast():
                terms["L_adv"] = self.task.adversarial(self.adversary.critic, completed)
        loss = torch.stack([weights.get(name, 0.0) * term for name, term in terms.items()]).sum()
        self.accelerator.backward(loss)
        names = [*terms, "loss"]
        values = torch.stack([*(t.detach() for t in terms.values()), loss.detach()])
        values = self.accelerator.reduce(values, "mean")
        norm = self.accelerator.clip_grad_norm_(self.model.parameters(), self.preset.clip_gradient)
        # Every process sees the same reduced numbers, so all skip or none does.
        if torch.isfinite(values[-1]) and torch.isfinite(norm):
            self.optimiser.step()
            self.update_average()
            self.bad = 0
        else:
            self.bad += 1
            if self.bad >= PATIENCE:
                raise UserError(
                    f"the loss was not finite for {PATIENCE} steps up to step {self.step}: lower the learning rate "
                    f"(now {self.preset.peak}) or use precision float32; {self.out / STATE} holds the last good state"
                )
        self.optimiser.zero_grad()
        return dict(zip(names, values.tolist(), strict=True)) | judged | {"skipped": self.bad}

    def autocast(self) -> torch.autocast:
        return torch.autocast(self.accelerator.device.type, torch.bfloat16, enabled=self.bf16)

    def batch(self, choice: Any) -> dict[str, Tensor]:
        """This process's share of the global batch. What the samples share was drawn for the step: `choice`."""
        preset, seed, world, rank = self.preset, self.run.seed, self.run.processes, self.accelerator.process_index
        first, every = preset.growth
        parts = []
        for slot in range(preset.batch)[rank::world]:
            rng = np.random.default_rng((seed, 2, self.step, slot))
            parts.append(self.task.sample(self.pools["train"], rng, choice, first + self.step // every))
        return {name: torch.cat([part[name] for part in parts]).to(self.accelerator.device) for name in parts[0]}

    @torch.no_grad()
    def update_average(self) -> None:
        # Early averages would remember the random start for long: the decay grows with the step.
        decay = min(self.preset.average, (1 + self.step) / (10 + self.step))
        for name, value in self.plain.state_dict().items():
            self.average[name].lerp_(value.detach().float().cpu(), 1 - decay)

    def averaged(self) -> Inpainter:
        """A copy of the model with the running average of its weights."""
        copy = self.task.network()
        copy.load_state_dict(self.average)
        return copy.to(self.accelerator.device).eval()

    def save(self) -> None:
        """State and weights, each atomically."""
        state = {
            "run": json.dumps(asdict(self.run), sort_keys=True),
            "step": self.step,
            "bad": self.bad,
            "model": self.plain.state_dict(),
            "average": self.average,
            "optimiser": self.optimiser.state_dict(),
        }
        if self.adversary is not None:
            state["adversary"] = self.adversary.state_dict()
        checkpoints.save_state(self.out / STATE, state)
        provenance = {
            "model": self.run.model,
            "config": asdict(self.task.system.configs[self.preset.config]),
            "config_name": self.preset.config,
            "step": self.step,
            "run": asdict(self.run) | {"data": without_places(self.run.data)},
            **self.task.provenance(),
            "bf16": self.bf16,
            "device": str(self.accelerator.device),
            "torch": torch.__version__,
            "threads": torch.get_num_threads(),
        }
        checkpoints.save_weights(self.averaged(), self.out / WEIGHTS, provenance)

    def begin(self, resume: bool) -> None:
        """Go on from the stored state if `resume`, else begin anew. The log is cut back to the step that is begun with,
        and a state of a run that is not gone on with is removed: a later call would take it for this run's. Raises
        UserError, with nothing removed, where the task cannot train these weights."""
        path, main = self.out / STATE, self.accelerator.is_main_process
        if resume and path.exists():
            self.load(path)
        self.task.check_start(self.plain)
        self.accelerator.wait_for_everyone()
        if main and not resume:
            path.unlink(missing_ok=True)
        if main:
            progress.cut_back(self.out, self.step)

    def load(self, path: Path) -> None:
        """Take over a stored state. Raises UserError if it is one of another run."""
        state = checkpoints.load_state(path)
        if state["run"] != json.dumps(asdict(self.run), sort_keys=True):
            raise UserError(f"{path}: belongs to a run with other settings; choose another --out or use --no-resume")
        self.plain.load_state_dict(state["model"])
        self.average = state["average"]
        self.optimiser.load_state_dict(state["optimiser"])
        if self.adversary is not None:
            self.adversary.load_state_dict(state["adversary"])
        self.step, self.bad = state["step"], state["bad"]


def make_adversary(task: Task, device: torch.device) -> Adversary | None:
    """The task's critic with an optimiser like the network's, or None."""
    critic = task.critic()
    if critic is None:
        return None
    critic = critic.to(device)
    return Adversary(critic, task.optimiser(list(critic.parameters())), task.judge, task.preset.clip_gradient)


def make_pools(run: Run, out: Path) -> dict[str, BlockPool]:
    """Samples to train on, and a small pool from the clips that are held back (if any)."""
    task, source = tasks.make(run.model, run.preset), datasets.parse_source(run.data, training=True)
    folder = Path(os.environ.get("VINPAINT_CACHE", out))
    pools = {"train": task.pool(source.without(run.held_back) if run.held_back else source, folder, run.seed)}
    if run.held_back:
        pools["held back"] = task.held_back(source.only(run.held_back), folder, run.seed + 1)
    return pools


def use_bf16(precision: str, device: torch.device) -> bool:
    """Whether autocast to bf16 helps: on a GPU that has it, on a CPU with AMX or AVX512-BF16 units."""
    if precision != "auto":
        return precision == "bf16"
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    flags = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    return device.type == "cpu" and ("amx_bf16" in flags or "avx512_bf16" in flags)


def without_places(data: str) -> str:
    """A source's words with each folder's name instead of its path: weights do not tell where they were trained."""
    items = [item.strip().partition(":") for item in data.split(",")]
    return ",".join(f"{kind}{colon}{Path(path).name}" for kind, colon, path in items)
