"""The one loop that trains any system, on a CPU, a GPU or several processes.

Every random choice of step s is drawn from (seed, s). So a run that was killed and resumed draws the same
numbers as a run that was not. Several processes share one global batch: sample k of step s is the same,
whichever process computes it. (A network with batch norm takes its means over each process's share.) The
loop knows a system only through its task (`task.py`).

Batches come from `feed.py`. A step waits for the device once, when it reads the losses for the log, and once more if
there is a critic.
"""

import math
import sys
import time
import warnings
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from vinpaint_lib import checkpoints
from vinpaint_lib.datasets.parse import without_places
from vinpaint_lib.errors import UserError
from vinpaint_lib.files import sha256_of
from vinpaint_lib.interface import Inpainter
from vinpaint_lib.options import use_bf16
from vinpaint_lib.training import run_log
from vinpaint_lib.training.adversary import Adversary
from vinpaint_lib.training.feed import Feed, StepSamples, choice_of
from vinpaint_lib.training.pools import BlockPool
from vinpaint_lib.training.resume import Run, check_same, check_tensors, check_whole
from vinpaint_lib.training.schedule import learning_rate
from vinpaint_lib.training.task import Task

STATE = "state.pt"
WEIGHTS = "weights.safetensors"
LOG = run_log.LOG
BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
PATIENCE = 10  # steps in a row with a loss that is not finite before the run gives up


class Trainer:
    """State of a run: the network, its running average, the optimiser, the critic where there is one, the step."""

    def __init__(
        self,
        run: Run,
        task: Task,
        pools: dict[str, BlockPool],
        accelerator: Accelerator,
        *,
        out: Path,
        start: Path | None = None,
        workers: int = 0,
        compiled: bool = False,
    ) -> None:
        """`pools` by name: "train", and "held back" where there is one. `start`: weights to begin from. `workers`: the
        number of processes that draw samples. `compiled`: the network goes through torch.compile."""
        self.run, self.task, self.pools, self.accelerator, self.out = run, task, pools, accelerator, out
        self.preset = run.preset
        self.origin: dict[str, Any] = {}
        world, rank = run.processes, accelerator.process_index
        # Loaders get a task of their own: it holds no feature net, and is small to send.
        bare = type(task)(task.preset, task.model, task.config)
        samples = StepSamples(bare, pools["train"], run.seed, range(self.preset.batch)[rank::world])
        others = not accelerator.is_local_main_process
        self.feed = Feed(samples, accelerator.device, workers, elsewhere=others)
        torch.manual_seed(run.seed)
        self.plain = self.task.network()
        if start is not None:
            self.origin = origin_of(start, checkpoints.begin_with(self.plain, start))
        self.plain.to(accelerator.device)
        part = self.task.trained(self.plain)
        if self.task.channels_last:
            self.plain.put_channels_last()
        optimiser = self.task.optimiser([p for p in self.plain.parameters() if p.requires_grad])
        self.average = {k: v.detach().clone().float() for k, v in self.plain.state_dict().items()}
        if compiled:
            part.compile()
        self.model, self.optimiser = accelerator.prepare(part, optimiser)
        self.task.prepare(accelerator.device)
        self.adversary = make_adversary(self.task, accelerator.device)
        self.bf16 = use_bf16(self.preset.precision, accelerator.device)
        self.step, self.bad = 0, 0
        self.kept: int | None = None  # the step of the state on disk
        self.begun = ""  # what `begin` took over, in words

    def loop(self, stop_after: int | None, deadline: float | None = None) -> None:
        """Train until the schedule ends, until `stop_after` steps are done, or until `deadline` (`time.monotonic()`).

        The state is stored in each case. A deadline that is over before the first step stores nothing.
        """
        main = self.accelerator.is_main_process
        bar = tqdm(total=self.preset.steps, initial=self.step, disable=not main, desc="train", unit="step")
        board = SummaryWriter(str(self.out / run_log.BOARD), purge_step=self.step) if main else None
        ended = self.preset.steps if stop_after is None else min(self.preset.steps, self.step + stop_after)
        over = passed(deadline)
        with bar, closing(self.feed.batches(self.step, ended)) as batches:
            while self.step < ended and not over:
                began = time.perf_counter()
                batch = next(batches)
                fed = time.perf_counter()
                if main and self.step == 0:
                    run_log.picture_batch(self.out, batch)
                terms = self.one_step(batch)
                self.step += 1
                bar.update()
                over = passed(deadline)
                if main:
                    row = {"step": self.step, "lr": learning_rate(self.preset, self.step - 1), **terms}
                    now = time.perf_counter()
                    row |= {"seconds": round(now - began, 3), "seconds fed": round(fed - began, 3)}
                    if self.step % self.preset.validate == 0 or self.step == self.preset.steps:
                        row |= run_log.validate(self.task, self.averaged(), self.pools, self.out, self.step, self.bf16)
                        bar.set_postfix({k: v for k, v in row.items() if k.startswith("held")})
                    run_log.log(self.out / LOG, board, row)
                    if self.step % self.preset.checkpoint == 0 or self.step == ended or over:
                        self.save()
        self.accelerator.wait_for_everyone()
        if board is not None:
            board.close()

    def one_step(self, batch: dict[str, Tensor]) -> dict[str, float]:
        """One update from this process's share of the global batch; returns the terms of the loss, averaged over the
        processes."""
        rate = learning_rate(self.preset, self.step)
        for group in self.optimiser.param_groups:
            group["lr"] = rate * group.get("factor", 1.0)
        choice, weights = choice_of(self.task, self.run.seed, self.step), self.task.weights_at(self.step)
        judged: dict[str, float] = {}
        with self.autocast():
            terms, completed = self.task.losses(self.model, batch, weights, choice)
        if self.adversary is not None and completed is not None and weights.get("L_adv"):
            truth = self.task.truth_of(batch, choice)
            judged = {"L_D": self.adversary.step(self.accelerator, truth, completed, rate, self.bf16)}
            with self.autocast():
                terms["L_adv"] = self.task.adversarial(self.adversary.critic, completed)
        loss = torch.stack([weights.get(name, 0.0) * term for name, term in terms.items()]).sum()
        self.accelerator.backward(loss)
        values = torch.stack([*(t.detach() for t in terms.values()), loss.detach()])
        values = self.accelerator.reduce(values, "mean")
        norm = self.accelerator.clip_grad_norm_(self.model.parameters(), self.preset.clip_gradient)
        *found, last, length = torch.cat([values.float(), norm.detach().float().reshape(1)]).tolist()
        # Every process sees the same reduced numbers, so all skip or none does.
        if math.isfinite(last) and math.isfinite(length):
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
        return dict(zip(terms, found, strict=True)) | {"loss": last} | judged | {"skipped": self.bad}

    def autocast(self) -> torch.autocast:
        return torch.autocast(self.accelerator.device.type, torch.bfloat16, enabled=self.bf16)

    @torch.no_grad()
    def update_average(self) -> None:
        """One step of the running average of all weights, on the device."""
        # With a constant decay the average would keep the random start for long. So the decay grows with the step.
        decay = min(self.preset.average, (1 + self.step) / (10 + self.step))
        now = self.plain.state_dict()
        values = [now[name].detach().float() for name in self.average]
        torch._foreach_lerp_(list(self.average.values()), values, 1 - decay)

    def averaged(self) -> Inpainter:
        """A copy of the model with the running average of its weights."""
        copy = self.task.network()
        copy.load_state_dict(self.average)
        return copy.to(self.accelerator.device).eval()

    @property
    def content(self) -> dict[str, str]:
        """What identifies the clips of each pool."""
        return {name: pool.content for name, pool in self.pools.items()}

    def save(self) -> None:
        """State and weights, each atomically."""
        state = {
            "run": self.run.stored(),
            "content": self.content,
            "step": self.step,
            "bad": self.bad,
            "model": self.plain.state_dict(),
            "average": self.average,
            "optimiser": self.optimiser.state_dict(),
        }
        if self.adversary is not None:
            state["adversary"] = self.adversary.state_dict()
        checkpoints.save_state(self.out / STATE, state)
        self.kept = self.step
        provenance = {
            "model": self.run.model,
            "config": asdict(self.task.config),
            "config_name": self.preset.config,
            "step": self.step,
            "run": asdict(self.run) | {"data": without_places(self.run.data)},
            **self.task.provenance(),
            **self.origin,
            "bf16": self.bf16,
            "device": str(self.accelerator.device),
            "torch": torch.__version__,
            "threads": torch.get_num_threads(),
        }
        checkpoints.save_weights(self.averaged(), self.out / WEIGHTS, provenance)

    def begin(self, resume: bool) -> None:
        """Go on from the stored state if `resume`, else begin anew.

        The log is cut back to the step at which training begins. Without `resume`, an old state is removed, or the next
        call would take it for this run's. Raises UserError, and removes nothing, if the task cannot train these
        weights.
        """
        path, main = self.out / STATE, self.accelerator.is_main_process
        if main:
            run_log.check_names(self.out, (STATE, WEIGHTS))
        if resume and path.exists():
            self.load(path)
            if main and self.step < self.preset.steps:
                self.begun = f"{self.out}: goes on after step {self.step}"
        elif main and (self.out / LOG).exists():
            self.begun = f"{self.out}: begins anew, no step of an earlier run is taken over"
        self.task.check_start(self.plain)
        self.accelerator.wait_for_everyone()
        if main and not resume:
            path.unlink(missing_ok=True)
        if main:
            run_log.cut_back(self.out, self.step)

    def load(self, path: Path) -> None:
        """Take over a stored state, with a warning of what differs. Raises UserError if it belongs to another run."""
        state = checkpoints.load_state(path)
        check_whole(path, state)
        normed = any(isinstance(part, BATCH_NORMS) for part in self.plain.modules())
        notes = check_same(path, state, self.run, self.content, batch_norm=normed)
        for note in notes if self.accelerator.is_main_process else ():
            warnings.warn(note, stacklevel=2)
        check_tensors(path, state, checkpoints.shapes_of(self.plain.state_dict()))
        self.plain.load_state_dict(state["model"])
        self.average = {name: value.to(self.accelerator.device) for name, value in state["average"].items()}
        try:
            self.optimiser.load_state_dict(state["optimiser"])
            if self.adversary is not None:
                self.adversary.load_state_dict(state["adversary"])
        except (ValueError, KeyError, TypeError, RuntimeError) as error:
            raise UserError(f"{path}: its optimiser is that of another network; delete it to start anew") from error
        self.step, self.bad = state["step"], state["bad"]
        self.kept = self.step


def origin_of(start: Path, anew: list[str]) -> dict[str, Any]:
    """What the header says of the weights that a training began with. Tells which tensors begin anew."""
    if anew:
        print(f"{start}: {', '.join(sorted({name.rsplit('.', 1)[0] for name in anew}))} begin anew", file=sys.stderr)
    step = checkpoints.read_provenance(start).get("step")
    return {"start": {"file": start.name, "sha256": sha256_of(start), "step": step}}


def make_adversary(task: Task, device: torch.device) -> Adversary | None:
    """The task's critic with an optimiser like the network's, or None."""
    critic = task.critic()
    if critic is None:
        return None
    critic = critic.to(device)
    return Adversary(critic, task.optimiser(list(critic.parameters())), task.judge, task.preset.clip_gradient)


def passed(deadline: float | None) -> bool:
    """Whether a time of `time.monotonic()` is over; None never is."""
    return deadline is not None and time.monotonic() >= deadline
