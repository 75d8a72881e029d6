"""What a run looks after while it trains: plateaus of its curves, and the warnings of its task."""

from collections.abc import Mapping

from engine.training.callbacks import Callback
from engine.training.plateau import PlateauRule
from engine.training.state import State
from engine.training.task import Task


class Watch:
    """Follows the rows of the journal; a remark for a new plateau, and once for each warning."""

    def __init__(self, task: Task, rule: PlateauRule | None, callback: Callback) -> None:
        self._task, self._rule, self._callback = task, rule, callback
        self._said: set[str] = set()

    def follow(self, state: State, metrics: Mapping[str, float]) -> tuple[dict[str, float], bool]:
        """Add a row to the curves of a run's state.

        Returns the trends of the watched curves as further columns, and whether all are flat.
        """
        for text in self._task.warnings(metrics):
            if text not in self._said:
                self._callback.remark(text)
            self._said.add(text)
        if self._rule is None:
            return {}, False
        step, curves = state.step, state.plateaus
        watched = list(zip(self._rule.curves, curves, strict=True))
        seen = [(rule, curve) for rule, curve in watched if rule.metric in metrics]
        if not seen:
            return {}, state.flat
        for rule, curve in seen:
            curve.reached(step, metrics[rule.metric])
        flat = all(curve.is_flat(step) for curve in curves)
        if flat and not state.flat:
            what = " and ".join(f"`{one.metric}` in {one.window}" for one in self._rule.curves)
            self._callback.remark(f"plateau at step {step}: no new lowest value of {what} steps")
        trends = {f"trend/{rule.metric}": curve.trend for rule, curve in seen}
        return {**trends, "plateau": float(flat)}, flat
