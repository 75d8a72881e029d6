"""The one training loop."""

import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from engine.images.saving import save_png
from engine.nets.loading import frozen
from engine.runtime.draws import Draws, seed_torch
from engine.runtime.memory import peak_memory
from engine.training.averaging import WeightAverage
from engine.training.callbacks import Callback, TrainProgress
from engine.training.checkpoint import Checkpoints, Snapshot
from engine.training.guards import FiniteGuard, Plateau
from engine.training.journal import Journal
from engine.training.means import Means
from engine.training.phases import Phase, load_optimizer, optimizer_of, parameters_of, set_trainable
from engine.training.plan import TrainingPlan
from engine.training.processes import Processes, on_device, to_device
from engine.training.run_folder import RunFolder
from engine.training.status_log import StatusEntry, StatusLog
from engine.training.stopping import StopRequest, stop_requests
from engine.training.task import Batch, StepContext, Task

Ended = Literal["finished", "until", "stopped", "plateau"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended: steps done, why, and what the best weights are worth."""

    step: int
    ended: Ended
    best: float | None
    seconds: float


@dataclass(slots=True)
class State:
    """All that changes during a run, beside the networks."""

    step: int = 0
    best: float | None = None
    best_step: int = 0
    seconds: float = 0.0
    plateau: Plateau | None = None
    flat: bool = False
    guards: dict[str, FiniteGuard] = field(default_factory=dict[str, FiniteGuard])
    averages: dict[str, WeightAverage] = field(default_factory=dict[str, WeightAverage])
    optimizers: dict[str, Optimizer] = field(default_factory=dict[str, Optimizer])


def train(
    task: Task,
    plan: TrainingPlan,
    run: RunFolder,
    processes: Processes,
    callback: Callback,
    *,
    until: int | None = None,
) -> Outcome:
    """Take a task through the phases of its plan, from the run's last checkpoint on.

    Stops after the step `until`, or when Ctrl-C or SIGTERM ask for it; the state is saved then.
    DivergedError after `plan.patience` steps in a row that were not finite.
    """
    if processes.first:
        task.prepare(callback)
    processes.wait()
    if not processes.first:
        task.prepare(callback)
    return Trainer(task, plan, run, processes, callback).run(until)


class Trainer:
    """One run in this process: what `train` keeps between steps."""

    def __init__(
        self,
        task: Task,
        plan: TrainingPlan,
        run: RunFolder,
        processes: Processes,
        callback: Callback,
    ) -> None:
        self.task, self.plan, self.run_folder = task, plan, run
        self.processes, self.callback = processes, callback
        self.device = processes.device
        self.positions = processes.positions(plan.batch)
        self.checkpoints = Checkpoints(run.checkpoints, keep=plan.keep)
        self.best = task.best if plan.best is None else plan.best
        to_device([*task.parts.values(), *map(frozen, task.frozen.values())], self.device)
        self.state = State(
            guards={
                optimizer_step: FiniteGuard(plan.patience)
                for optimizer_step in task.optimizer_steps
            }
        )
        if plan.plateau is not None:
            self.state.plateau = Plateau(plan.plateau.window)
        if plan.average is not None:
            self.state.averages = {
                name: WeightAverage(part, plan.average.decay, warm_up=plan.average.warm_up)
                for name, part in task.parts.items()
                if plan.average.parts is None or name in plan.average.parts
            }
        task.precompute(self.device, callback)
        self.phase: Phase | None = None
        self.learning: dict[str, list[nn.Parameter]] = {}
        self.told = Means()
        self.status_log: StatusLog | None = None
        self.latest: dict[str, float] = {}

    def run(self, until: int | None) -> Outcome:
        """Go on from the last checkpoint to the end."""
        self._restore()
        last = self.plan.steps if until is None else min(until, self.plan.steps)
        journal = None
        if self._first:
            journal = Journal(self.run_folder.path, after=self.state.step)
            self.status_log = StatusLog(self.run_folder.checkpoints, after=self.state.step)
            self.latest = journal.latest
        ended: Ended = "finished"
        with stop_requests() as request, ThreadPoolExecutor(1) as ahead:
            try:
                ended = self._steps(last, journal, request, ahead)
            finally:
                self.callback.finished()
                for book in (journal, self.status_log):
                    if book is not None:
                        book.close()
        return Outcome(self.state.step, ended, self.state.best, self.state.seconds)

    def _steps(
        self,
        last: int,
        journal: Journal | None,
        request: StopRequest,
        ahead: ThreadPoolExecutor,
    ) -> Ended:
        state, plan = self.state, self.plan
        upcoming = self._fetch(ahead, state.step) if state.step < last else None
        while state.step < last:
            assert upcoming is not None
            begun = time.perf_counter()
            context, batch = upcoming.result()
            waited = time.perf_counter() - begun
            upcoming = self._fetch(ahead, state.step + 1) if state.step + 1 < last else None
            self._enter(context)
            self._step(context, on_device(batch, self.device))
            state.step += 1
            spent = time.perf_counter() - begun
            state.seconds += spent
            self.told.time(spent, waited, plan.batch)
            self.callback.stepped(self._standing(context))
            stop = self.processes.any(request.made)
            validated = self._record(context, journal, final=state.step == plan.steps)
            flat = state.flat and plan.plateau is not None and plan.plateau.stop
            saved = stop or flat or state.step == last or state.step % plan.save_every == 0
            if validated or saved:
                self._note(context, validated=validated, saved=saved)
            if saved:
                self._save(context)
            if stop:
                return "stopped"
            if flat:
                return "plateau"
        return "finished" if last == plan.steps else "until"

    @property
    def _first(self) -> bool:
        return self.processes.first

    def _moment(self, step: int) -> StepContext:
        index, phase_step = self.plan.phase_at(step)
        phase = self.plan.phases[index]
        trainable = frozenset(phase.learning(self.task.parts))
        draws = Draws(self.plan.seed, step, self.positions)
        return StepContext(step, phase.name, phase_step, trainable, draws)

    def _fetch(self, ahead: ThreadPoolExecutor, step: int) -> "Future[tuple[StepContext, Batch]]":
        context = self._moment(step)
        return ahead.submit(lambda: (context, self.task.batch(context, self.plan.batch)))

    def _enter(self, context: StepContext) -> None:
        """Set rates, and at the first step of a phase what learns and by which optimizers."""
        phase = self.plan.phases[self.plan.phase_at(context.step)[0]]
        if phase is not self.phase:
            self._begin(phase)
        for optimizer in self.state.optimizers.values():
            for group in optimizer.param_groups:
                group["lr"] = phase.rate_at(group["name"], context.phase_step)

    def _begin(self, phase: Phase) -> None:
        self.phase = phase
        names = phase.learning(self.task.parts)
        set_trainable(self.task.parts, names, keeps_statistics=self.task.keeps_statistics)
        self.learning = parameters_of(self.task.parts, names)
        self.state.optimizers = {}
        for optimizer_step, moved in self.task.optimizer_steps.items():
            own = {n: p for n, p in self.learning.items() if n.partition(".")[0] in moved}
            if any(own.values()):
                self.state.optimizers[optimizer_step] = optimizer_of(phase, optimizer_step, own)

    def _step(self, context: StepContext, batch: Batch) -> None:
        seed_torch(self.plan.seed, context.step, self.processes.rank)
        for optimizer_step, optimizer in self.state.optimizers.items():
            own = [p for group in optimizer.param_groups for p in group["params"]]
            for p in own:
                p.requires_grad_(True)
            self._turn(optimizer_step, optimizer, own, batch, context)
            for p in own:
                p.requires_grad_(False)
        for name, average in self.state.averages.items():
            if any(entry.partition(".")[0] == name for entry in self.learning):
                average.update(self.task.parts[name])

    def _turn(
        self,
        optimizer_step: str,
        optimizer: Optimizer,
        own: list[nn.Parameter],
        batch: Batch,
        context: StepContext,
    ) -> None:
        optimizer.zero_grad(set_to_none=True)
        values: dict[str, Tensor] = {}
        totals: list[Tensor] = []
        backward_passes = self.task.backward_passes(optimizer_step, batch, context)
        while True:
            with self.processes.autocast():
                terms = next(backward_passes, None)
                if terms is None:
                    break
                weighted = [t.value.float() * t.weight for t in terms.values() if t.weight]
            values |= {name: term.value.detach() for name, term in terms.items()}
            if weighted:
                total = torch.stack(weighted).sum()
                total.backward()
                totals.append(total.detach())
        self.told.add({f"loss/{name}": value for name, value in values.items()})
        if not totals:  # this optimizer step is off
            return
        total = torch.stack(totals).sum()
        self.processes.average_gradients(own)
        clip = self.phase.clip if self.phase is not None else None
        gradients = [p.grad for p in own if p.grad is not None]
        norm = nn.utils.get_total_norm(gradients, foreach=True)
        if self.state.guards[optimizer_step].allows(context.step, values, norm):
            if clip is not None:
                nn.utils.clip_grads_with_norm_(own, clip, norm, foreach=True)
            optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        self.told.add(
            {f"loss/total_{optimizer_step}": total, f"norm/{optimizer_step}": norm.detach()}
        )

    def _standing(self, context: StepContext) -> TrainProgress:
        return TrainProgress(self.state.step, self.plan.steps, context.phase, self.told.speed)

    def _record(self, context: StepContext, journal: Journal | None, *, final: bool) -> bool:
        """Log, draw a sample and validate where the plan says so, and at the end.

        Returns whether it validated.
        """
        step, plan = self.state.step, self.plan
        standing = self._standing(context)
        figures: dict[str, float] = {}
        if step % plan.log_every == 0 or final:
            figures = {**self.processes.average(self.told.taken()), **self._figures()}
            figures |= self._trend(figures)
            self.latest = {**figures}
            self.told = Means()
            self.callback.logged(standing, figures)
        sampled = _due(step, plan.sample_every) or final
        validated = _due(step, plan.validate_every) or final
        if self._first and (sampled or validated):
            nets = self.delivered()
            if validated:
                figures |= self._validate(nets, standing)
            if sampled and (picture := self.task.sample(nets, self.device)) is not None:
                save_png(self.run_folder.sample(step), picture, {"made": "training", "step": step})
        if sampled or validated:
            self.processes.wait()
        if validated:
            self.latest |= {name: v for name, v in figures.items() if name.startswith("val/")}
        if journal is not None and figures:
            journal.write(step, context.phase, figures)
        return validated

    def _note(self, context: StepContext, *, validated: bool, saved: bool) -> None:
        """A line for people, before the save: a process killed in between writes it again."""
        if self.status_log is None:
            return
        state, step = self.state, self.state.step
        note = StatusEntry(
            step,
            context.phase,
            validated,
            saved,
            averaged=bool(state.averages),
            figures=self.latest,
            best=None if state.best is None else (self.best.metric, state.best, state.best_step),
            plateau=None if state.plateau is None else state.flat,
            told=self.task.noted(step, self.latest),
        )
        self.status_log.write(note)

    def _trend(self, figures: Mapping[str, float]) -> dict[str, float]:
        """Follow the curve that the plan watches; tell once where it has become flat."""
        rule, curve = self.plan.plateau, self.state.plateau
        if rule is None or curve is None or rule.metric not in figures:
            return {}
        flat = curve.reached(self.state.step, figures[rule.metric])
        if flat and not self.state.flat:
            told = f"`{rule.metric}` found no new lowest value for {rule.window} steps"
            self.callback.remark(f"plateau at step {self.state.step}: {told}")
        self.state.flat = flat
        return {f"trend/{rule.metric}": curve.trend, "plateau": float(flat)}

    def _figures(self) -> dict[str, float]:
        """What a row tells beside the losses."""
        told = {"images_per_second": self.told.speed, "waiting": self.told.waiting}
        for optimizer in self.state.optimizers.values():
            for group in optimizer.param_groups:
                told[f"lr/{group['name']}"] = group["lr"]
        skipped = sum(guard.skipped for guard in self.state.guards.values())
        memory = peak_memory(self.device)
        if memory is not None:
            told["memory_mib"] = round(memory / 2**20, 1)
        return told | {"skipped": float(skipped), "seconds": self.state.seconds}

    def _validate(self, nets: Mapping[str, nn.Module], standing: TrainProgress) -> dict[str, float]:
        with torch.no_grad():
            figures = self.task.validate(nets, self.device)
        value = figures[self.best.metric]
        told = None
        if self.best.better(value, self.state.best):
            self.state.best, self.state.best_step = value, self.state.step
            told = f"{self.best.metric} {value:.4g}"
            delivered = self.task.checkpoint(nets)
            self.checkpoints.save_best(self.state.step, delivered, figures)
        self.callback.validated(standing, figures, told)
        return {f"val/{name}": value for name, value in figures.items()}

    def delivered(self) -> dict[str, nn.Module]:
        """Copies of the parts as they would be delivered: averaged if the plan says so, frozen."""
        nets = {name: frozen(deepcopy(part)) for name, part in self.task.parts.items()}
        for name, average in self.state.averages.items():
            average.copy_to(nets[name])
        return nets

    def _save(self, context: StepContext) -> None:
        if self._first:
            state = self.state
            kept: dict[str, Any] = {
                "phase": self.plan.phase_at(context.step)[0],
                "best": state.best,
                "best_step": state.best_step,
                "seconds": state.seconds,
                "plateau": None if state.plateau is None else state.plateau.state_dict(),
                "flat": state.flat,
                "guards": {
                    optimizer_step: [g.bad, g.skipped] for optimizer_step, g in state.guards.items()
                },
                "averages": {name: a.state_dict() for name, a in state.averages.items()},
                "optimizers": {
                    optimizer_step: o.state_dict() for optimizer_step, o in state.optimizers.items()
                },
            }
            nets = {name: part.state_dict() for name, part in self.task.parts.items()}
            self.checkpoints.save(Snapshot(state.step, nets, kept))
        self.processes.wait()

    def _restore(self) -> None:
        """Take up the last checkpoint that is whole, if there is one."""
        snapshot = self.checkpoints.newest(self.callback)
        if snapshot is None:
            return
        state, kept = self.state, snapshot.state
        for name, part in self.task.parts.items():
            part.load_state_dict(snapshot.nets[name])
        for name, average in state.averages.items():
            average.load_state_dict(kept["averages"][name])
        state.step, state.best, state.seconds = snapshot.step, kept["best"], kept["seconds"]
        state.flat, state.best_step = kept["flat"], kept.get("best_step", 0)
        if state.plateau is not None and kept["plateau"] is not None:
            state.plateau.load_state_dict(kept["plateau"])
        for optimizer_step, (bad, skipped) in kept["guards"].items():
            state.guards[optimizer_step].bad, state.guards[optimizer_step].skipped = bad, skipped
        if state.step == self.plan.steps:
            return
        index = self.plan.phase_at(state.step)[0]
        self._begin(self.plan.phases[index])
        if index == kept["phase"]:
            for optimizer_step, optimizer in state.optimizers.items():
                load_optimizer(optimizer, kept["optimizers"][optimizer_step])


def _due(step: int, every: int | None) -> bool:
    return every is not None and step % every == 0
