import pytest
import toy

from engine.core.errors import DiskError
from engine.training.callbacks import SilentCallback
from engine.training.plateau import PlateauRule
from engine.training.state import State
from engine.training.status_log import StatusEntry, StatusLog
from engine.training.watch import Watch


def entry(step=500, **other):
    values = {
        "phase": "stage1",
        "validated": True,
        "saved": False,
        "averaged": True,
        "metrics": {
            "loss/real/identity": 0.31459,
            "loss/real/contrastive_id/miner/sim_mean": 0.27,
            "loss/cycle/identity": 0.2,
            "loss/total_main": 1.04321,
            "lr/decoder": 1e-4,
            "val/ageing": 0.71234,
            "val/age_error": float("nan"),
        },
        "best": ("ageing", 0.7, 400),
        "plateau": None,
        "groups": {"mb": "k=48 band=[0.25,0.6]"},
    }
    return StatusEntry(step, **(values | other))


def lines(folder):
    """All but the opening one."""
    opening, *others = (folder / "checkpoints" / "timestamp.txt").read_text().splitlines()
    assert opening.startswith("run toy kind=toy from=nothing | rate discriminator=0.05..0.05 both=")
    return others


def steps(folder):
    return [int(line.split()[0].removeprefix("step=")) for line in lines(folder)]


def test_a_line_has_the_step_and_all_groups():
    assert str(entry()) == (
        "step=500 stage1 validated used_ema=1 | loss identity=0.3146 total_main=1.043"
        " | val ageing=0.7123 | lr decoder=0.0001 | mb k=48 band=[0.25,0.6]"
        " | best ageing=0.7 at=400"
    )


def test_every_term_of_two_networks_is_kept_and_their_details_are_not():
    metrics = {"loss/generator/vae": 1.0, "loss/generator/vae/share": 0.5, "lr/generator": 1e-4}
    line = str(entry(metrics=metrics, best=None))
    assert "| loss generator/vae=1 | lr generator=0.0001 |" in line
    assert "share" not in line


def test_a_line_without_a_validation_has_no_old_metrics():
    line = str(entry(validated=False, saved=True, averaged=False, plateau=True, best=None))
    assert line.startswith("step=500 stage1 saved used_ema=0 | loss")
    assert "val" not in line
    assert line.endswith("| plateau=1")


def test_lines_beyond_the_step_are_cut_and_later_ones_added(tmp_path):
    status_log = StatusLog(tmp_path, after=0)
    for step in (5, 10, 15):
        status_log.write(entry(step))
    status_log.close()
    path = tmp_path / "timestamp.txt"
    path.write_text("my own words\n" + path.read_text() + "step=10 cut sho")
    status_log = StatusLog(tmp_path, after=10)
    status_log.write(entry(11))
    status_log.close()
    kept = path.read_text().splitlines()
    assert [line.split()[0] for line in kept] == ["my", "step=5", "step=10", "step=11"]


def test_a_full_disk_is_an_error(tmp_path):
    status_log = StatusLog(tmp_path, after=0)

    class Full:
        def write(self, text):
            raise OSError(28, "No space left on device")

        def close(self): ...

    status_log.close()
    status_log._file = Full()
    with pytest.raises(DiskError, match="no space left"):
        status_log.write(entry())


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    folder = tmp_path_factory.mktemp("straight")
    toy.begin(folder, toy.Parabola(), toy.recipe(save_every=7, validate_every=10, log_every=5))
    return folder


def test_every_validation_and_every_save_has_its_line(straight):
    assert steps(straight) == sorted({*range(7, 61, 7), *range(10, 61, 10)})
    last = lines(straight)[-1]
    assert last.startswith("step=60 both validated saved used_ema=1 | loss sign=")
    assert " total_main=" in last
    assert " | val error=" in last


def test_the_best_has_its_step(straight):
    best = [line for line in lines(straight) if "validated" in line]
    bests = {line.split(" ")[0]: line.partition("best error=")[2] for line in best}
    values = {}
    for line in best:
        values[line.split(" ")[0]] = float(line.partition("val error=")[2].split(" ")[0])
    least = min(values, key=values.get)
    assert bests["step=60"].endswith(f"at={least.removeprefix('step=')}")


@pytest.mark.parametrize("until", [20, 35])
def test_a_run_in_two_parts_has_the_same_lines(straight, tmp_path, until):
    toy.begin(tmp_path, toy.Parabola(), toy.recipe(), until=until)
    toy.begin(tmp_path, toy.Parabola(), toy.recipe())
    same = [line for line in lines(tmp_path) if steps_of(line) in steps(straight)]
    assert [drop_saved(line) for line in same] == [drop_saved(line) for line in lines(straight)]


def steps_of(line):
    return int(line.split()[0].removeprefix("step="))


def drop_saved(line):
    """The line without the word that differs where a run stopped and saved."""
    return line.replace(" saved", "")


def test_a_plateau_needs_all_of_its_curves():
    rule = PlateauRule(metric="a", window=2, also=[{"metric": "b", "window": 1}])
    said = []
    callback = type("Remarks", (SilentCallback,), {"remark": lambda _, text: said.append(text)})()
    task = toy.Parabola()
    watch = Watch(task, rule, callback)
    state = State.fresh(toy.recipe(plateau=rule), task.parts, task.optimizer_steps)
    flats = []
    for state.step, metrics in enumerate([{"a": 1, "b": 3}, {"a": 1, "b": 2}, {"a": 1, "b": 1},
                                          {"loss": 0}, {"b": 1}]):  # fmt: skip
        _, state.flat = watch.follow(state, metrics)
        flats.append(state.flat)
    assert flats == [False, False, False, False, True]
    assert said == ["plateau at step 4: no new lowest value of `a` in 2 and `b` in 1 steps"]
    assert toy.recipe(plateau="ancestor").plateau.curves[1].window == 800


def test_a_warning_of_a_task_is_shown_once():
    said = []
    callback = type("Remarks", (SilentCallback,), {"remark": lambda _, text: said.append(text)})()
    task = toy.Parabola()
    task.warnings = lambda metrics: ["few"] if metrics["n"] < 2 else []
    watch = Watch(task, None, callback)
    state = State.fresh(toy.recipe(), task.parts, task.optimizer_steps)
    for count in (3, 1, 1):
        watch.follow(state, {"n": count})
    assert said == ["few"]


def test_a_plateau_is_shown(tmp_path):
    rule = PlateauRule(metric="loss/guess", window=1)
    toy.begin(tmp_path, toy.Parabola(), toy.recipe(plateau=rule))
    assert {line.partition("plateau=")[2] for line in lines(tmp_path)} <= {"0", "1"}
    assert "plateau=1" in "\n".join(lines(tmp_path))
