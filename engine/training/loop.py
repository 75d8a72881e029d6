"""The one training loop."""

import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from engine.core.dry_run import end_of_checks
from engine.core.errors import PictureError
from engine.images.saving import save_png
from engine.nets.loading import frozen
from engine.runtime.draws import Draws, seed_torch
from engine.runtime.shared import share_batch_norms
from engine.training.accumulation import recompute_parts, require_separable
from engine.training.callbacks import Callback, TrainProgress
from engine.training.checkpoint import Checkpoints, Snapshot, misfit
from engine.training.journal import Journal, validation_of
from engine.training.means import Means, run_metrics
from engine.training.phases import Phase, build_optimizer, parameters_of, set_trainable
from engine.training.processes import Processes, on_device, to_device
from engine.training.recipe import TrainingRecipe
from engine.training.run_folder import RunFolder
from engine.training.state import State
from engine.training.status_log import StatusEntry, StatusLog
from engine.training.stopping import StopRequest, stop_requests
from engine.training.task import Batches, Nets, StepContext, Task
from engine.training.watch import Watch

UNCHOSEN = (
    "nothing that is in no loss measures this training (`networks.age_evaluator`): no checkpoint is"
    " chosen as the best, and the newest one is delivered"
)
Ended = Literal["finished", "until", "stopped", "plateau"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended: steps done, the reason, and the best value of the metric that picks."""

    step: int
    ended: Ended
    best: float | None
    seconds: float


def train(
    task: Task,
    recipe: TrainingRecipe,
    run: RunFolder,
    processes: Processes,
    callback: Callback,
    *,
    until: int | None = None,
) -> Outcome:
    """Train a task through the phases of its recipe, from the run's last checkpoint on.

    Stops after the step `until`, or at Ctrl-C or SIGTERM; the state is saved then. DivergedError
    after `recipe.patience` non-finite steps in a row.
    """
    if processes.first:
        task.prepare(callback)
    end_of_checks()
    processes.wait()
    if not processes.first:
        task.prepare(callback)
    return Trainer(task, recipe, run, processes, callback).run(until)


class Trainer:
    """One run in this process: what `train` keeps between steps."""

    def __init__(
        self,
        task: Task,
        recipe: TrainingRecipe,
        run: RunFolder,
        processes: Processes,
        callback: Callback,
    ) -> None:
        self.task, self.recipe, self.run_folder = task, recipe, run
        self.processes, self.callback = processes, callback
        self.phases, self.steps = recipe.phases, recipe.total_steps
        self.device = processes.device
        self.positions = processes.positions(recipe.batch, recipe.accumulate)
        if recipe.accumulate > 1:
            require_separable(task, self.phases)
        self.checkpoints = Checkpoints(run.checkpoints, keep=recipe.keep)
        self.best = task.best if recipe.best is None else recipe.best
        to_device([*task.parts.values(), *map(frozen, task.frozen.values())], self.device)
        if processes.count > 1:
            for part in task.parts.values():
                share_batch_norms(part)
        if recipe.recompute:
            recompute_parts(task)
        self.state = State.fresh(recipe, task.parts, task.optimizer_steps)
        task.precompute(self.device, callback)
        self.phase: Phase | None = None
        self.trained: dict[str, list[nn.Parameter]] = {}
        self.means = Means()
        self.watch = Watch(task, recipe.plateau, callback)
        self.journal: Journal | None = None
        self.status_log: StatusLog | None = None
        self.latest: dict[str, float] = {}

    def run(self, until: int | None) -> Outcome:
        """Continue from the last checkpoint to the end."""
        self._restore()
        if self.best is None:
            self.callback.remark(UNCHOSEN)
        last = self.steps if until is None else min(until, self.steps)
        if self._first:
            self.journal = Journal(self.run_folder.path, after=self.state.step)
            self.status_log = StatusLog(
                self.run_folder.checkpoints, after=self.state.step, opening=self.recipe.opening()
            )
            self.latest = self.journal.latest
        ended: Ended = "finished"
        with stop_requests() as request, ThreadPoolExecutor(1) as loader:
            try:
                ended = self._steps(last, request, loader)
            finally:
                self.callback.on_end()
                for log in (self.journal, self.status_log):
                    if log is not None:
                        log.close()
        return Outcome(self.state.step, ended, self.state.best, self.state.seconds)

    def _steps(self, last: int, request: StopRequest, loader: ThreadPoolExecutor) -> Ended:
        state, recipe = self.state, self.recipe
        upcoming = self._fetch(loader, state.step) if state.step < last else None
        while state.step < last:
            assert upcoming is not None
            started = time.perf_counter()
            batches = upcoming.result()
            context = batches[0][0]
            waited = time.perf_counter() - started
            upcoming = self._fetch(loader, state.step + 1) if state.step + 1 < last else None
            self._enter(context)
            self._step([(own, on_device(batch, self.device)) for own, batch in batches])
            state.step += 1
            spent = time.perf_counter() - started
            state.seconds += spent
            self.means.time(spent, waited, recipe.step_pictures)
            self.callback.on_step(self._progress(context))
            stop = self.processes.any(request.made)
            validated = self._record(context, final=state.step == self.steps)
            flat = self._stops_flat
            saved = stop or flat or state.step == last or recipe.saves_at(state.step)
            if validated or saved:
                self._log_status(context, validated=validated, saved=saved)
            if saved:
                self._save(context)
            if stop:
                return "stopped"
            if flat:
                return "plateau"
        return "finished" if last == self.steps else "until"

    @property
    def _first(self) -> bool:
        return self.processes.first

    def _phase_at(self, step: int) -> tuple[int, int]:
        """Index of the phase of a step, and the step within it."""
        for index, phase in enumerate(self.phases):
            if step < phase.steps:
                return index, step
            step -= phase.steps
        raise ValueError("the step lies behind the last phase")

    def _contexts(self, step: int) -> list[StepContext]:
        index, phase_step = self._phase_at(step)
        phase = self.phases[index]
        objective = self.recipe.objective_of(phase)
        return [
            StepContext(step, phase.name, phase_step, Draws(self.recipe.seed, step, own), objective)
            for own in self.positions
        ]

    def _fetch(self, loader: ThreadPoolExecutor, step: int) -> "Future[Batches]":
        contexts, whole = self._contexts(step), self.recipe.step_pictures
        return loader.submit(lambda: [(own, self.task.batch(own, whole)) for own in contexts])

    def _enter(self, context: StepContext) -> None:
        """Set the rates; at the first step of a phase also what is trained, by fresh optimizers."""
        phase = self.phases[self._phase_at(context.step)[0]]
        if phase is not self.phase:
            self._begin(phase)
        for optimizer in self.state.optimizers.values():
            for group in optimizer.param_groups:
                group["lr"] = phase.rate_at(group["name"], context.phase_step)

    def _begin(self, phase: Phase) -> None:
        self.phase, before = phase, self.state.optimizers
        parts, names = self.task.parts, phase.trained(self.task.parts)
        set_trainable(parts, names, freeze_batch_norm=self.task.freeze_batch_norm)
        self.trained = parameters_of(parts, names)
        self.state.optimizers = {}
        for optimizer_step, updated in self.task.optimizer_steps.items():
            own = {n: p for n, p in self.trained.items() if n.partition(".")[0] in updated}
            if any(own.values()):
                self.state.optimizers[optimizer_step] = build_optimizer(phase, optimizer_step, own)
        if phase.keep_optimizers and before:
            self.state.load_optimizers({name: o.state_dict() for name, o in before.items()})

    def _step(self, batches: Batches) -> None:
        seed_torch(self.recipe.seed, self.state.step, self.processes.rank)
        for optimizer_step, optimizer in self.state.optimizers.items():
            own = [p for group in optimizer.param_groups for p in group["params"]]
            for p in own:
                p.requires_grad_(True)
            self._optimizer_step(optimizer_step, optimizer, own, batches)
            for p in own:
                p.requires_grad_(False)
        for name, average in self.state.averages.items():
            if any(entry.partition(".")[0] == name for entry in self.trained):
                average.update(self.task.parts[name])

    def _optimizer_step(
        self,
        name: str,
        optimizer: Optimizer,
        parameters: list[nn.Parameter],
        batches: Batches,
    ) -> None:
        optimizer.zero_grad(set_to_none=True)
        values: dict[str, Tensor] = {}
        totals: list[Tensor] = []
        for context, batch in batches:
            own: dict[str, Tensor] = {}
            backward_passes = self.task.backward_passes(name, batch, context)
            while True:
                with self.processes.autocast():
                    terms = next(backward_passes, None)
                    if terms is None:
                        break
                    weighted = [t.value.float() * t.weight for t in terms.values() if t.weight]
                own |= {key: term.value.detach() for key, term in terms.items()}
                if weighted:
                    total = torch.stack(weighted).sum() / len(batches)
                    total.backward()
                    totals.append(total.detach())
            self.means.add({f"loss/{key}": value for key, value in own.items()})
            values |= {key: values.get(key, 0) + value for key, value in own.items()}
        if not totals:  # no term has weight at this step
            return
        total = torch.stack(totals).sum()
        self.processes.average_gradients(parameters)
        clip = self.phase.clip if self.phase is not None else None
        gradients = [p.grad for p in parameters if p.grad is not None]
        norm = nn.utils.get_total_norm(gradients, foreach=True)
        if self.state.guards[name].allows(self.state.step, values, norm):
            if clip is not None:
                nn.utils.clip_grads_with_norm_(parameters, clip, norm, foreach=True)
            optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        self.means.add({f"loss/total_{name}": total, f"norm/{name}": norm.detach()})

    def _progress(self, context: StepContext) -> TrainProgress:
        return TrainProgress(self.state.step, self.steps, context.phase, self.means.speed)

    def _record(self, context: StepContext, *, final: bool) -> bool:
        """Log, draw a sample and validate where the recipe says so, and at the end.

        Returns whether it validated.
        """
        step, recipe = self.state.step, self.recipe
        progress = self._progress(context)
        metrics: dict[str, float] = {}
        if step % recipe.log_every == 0 or final:
            metrics = self.processes.average(self.means.values())
            metrics |= run_metrics(self.means, self.state, self.device)
            self.latest = {**metrics}
            self.means = Means()
            self.callback.on_log(progress, metrics)
        sampled = _due(step, recipe.sample_every) or final
        validated = _due(step, recipe.validate_every) or final
        if self._first and (sampled or validated):
            nets = self.delivered()
            if validated:
                metrics |= self._validate(nets, progress)
            if sampled and (picture := self._sampled(nets)) is not None:
                save_png(self.run_folder.sample(step), picture, {"made": "training", "step": step})
        if sampled or validated:
            self.processes.wait()
        if validated:
            self.latest |= {name: v for name, v in metrics.items() if name.startswith("val/")}
        if metrics:
            metrics |= self._followed(metrics)
        if self.journal is not None and metrics:
            self.journal.write(step, context.phase, metrics)
        return validated

    def _sampled(self, nets: Mapping[str, nn.Module]) -> np.ndarray | None:
        """The sample sheet; None, with a remark, where the networks give no pictures."""
        try:
            return self.task.sample(nets, self.device)
        except PictureError as error:
            self.callback.remark(f"no samples of step {self.state.step}: {error.reason}")
            return None

    def _log_status(self, context: StepContext, *, validated: bool, saved: bool) -> None:
        """Add a line before the save: a process killed in between will write it again."""
        if self.status_log is None:
            return
        state, step = self.state, self.state.step
        entry = StatusEntry(
            step,
            context.phase,
            validated,
            saved,
            averaged=bool(state.averages),
            metrics=self.latest,
            best=self._best_so_far(),
            plateau=state.flat if state.plateaus else None,
            groups=self.task.status(step, self.latest),
        )
        self.status_log.write(entry)

    def _best_so_far(self) -> tuple[str, float, int] | None:
        if self.best is None or self.state.best is None:
            return None
        return self.best.metric, self.state.best, self.state.best_step

    @property
    def _stops_flat(self) -> bool:
        rule = self.recipe.plateau  # only the first process sees curves of the validation
        return rule is not None and rule.stop and self.processes.any(self.state.flat)

    def _followed(self, metrics: Mapping[str, float]) -> dict[str, float]:
        """The trends of the watched curves, with a remark when they become flat."""
        trends, self.state.flat = self.watch.follow(self.state, metrics)
        return trends

    def _validate(self, nets: Mapping[str, nn.Module], progress: TrainProgress) -> dict[str, float]:
        with torch.no_grad():
            metrics = self.task.validate(nets, self.device)
        best = None
        if self.best is not None:
            value = metrics[self.best.metric]
            if self.best.better(value, self.state.best):
                self.state.best, self.state.best_step = value, self.state.step
                best = f"{self.best.metric} {value:.4g}"
                self._deliver(nets, metrics, self.best.metric)
        self.callback.on_validation(progress, metrics, best)
        return {f"val/{name}": value for name, value in metrics.items()}

    def delivered(self) -> dict[str, nn.Module]:
        """Frozen copies of the parts as they would be delivered: averaged where the recipe says."""
        nets = {name: frozen(deepcopy(part)) for name, part in self.task.parts.items()}
        for name, average in self.state.averages.items():
            average.copy_to(nets[name])
        return nets

    def _deliver(self, nets: Nets, metrics: Mapping[str, float], chosen_by: str | None) -> None:
        """Save what the task delivers of `nets`, marked where some of it is averaged."""
        made = replace(self.task.checkpoint(nets), ema=bool(self.state.averages))
        self.checkpoints.save_delivered(self.state.step, made, metrics, chosen_by=chosen_by)

    def _save(self, context: StepContext) -> None:
        if self._first:
            kept = self.state.state_dict(self._phase_at(context.step)[0])
            nets = {name: part.state_dict() for name, part in self.task.parts.items()}
            self.checkpoints.save(Snapshot(self.state.step, nets, kept), self.recipe.milestones)
            if self.best is None:
                self._deliver(self.delivered(), validation_of(self.latest), None)
        self.processes.wait()

    def _restore(self) -> None:
        """Load the last undamaged checkpoint, if there is one."""
        snapshot = self.checkpoints.newest(self.callback)
        if snapshot is None:
            return
        try:
            self._continue_from(snapshot)
        except (RuntimeError, KeyError, ValueError) as error:
            raise misfit(self.run_folder.path, error) from None

    def _continue_from(self, snapshot: Snapshot) -> None:
        for name, part in self.task.parts.items():
            part.load_state_dict(snapshot.nets[name])
        self.state.load_state_dict(snapshot.step, snapshot.state)
        if self.state.step >= self.steps:
            return
        index = self._phase_at(self.state.step)[0]
        self._begin(self.phases[index])
        if index == snapshot.state["phase"] or self.phases[index].keep_optimizers:
            self.state.load_optimizers(snapshot.state)


def _due(step: int, every: int | None) -> bool:
    return every is not None and step % every == 0
