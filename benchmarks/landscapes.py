"""The acceptance table of a landscape generator by its weights, beside recoloured scenes.

    python benchmarks/landscapes.py [--weights landscapes] [--structure landscapes-structure]
        [--warm-start RUN] [--training 5000] [--out DIR]

The table of `tm eval RUN`, where the run itself is not kept: 1,000 scenes of no training, a ridge
regression on colours (fitted to the evaluators' range), one on structure (to training scenes) or
the structure evaluator of `--structure`, and two baselines that draw nothing; `--warm-start` is
measured beside it. Copies are looked for among the first `--training` scenes.
"""

import argparse
from pathlib import Path
from typing import Any

import torch

from engine.core.digest import file_sha256
from engine.core.jsontext import to_json
from engine.core.progress import Silence
from engine.data.landscapes import WorldPlan, rendered
from engine.landscapes.evaluation.evaluate import (
    EvaluatedRun,
    EvaluationMaterial,
    evaluate_landscapes,
)
from engine.landscapes.evaluation.page import save_landscape_evaluation
from engine.landscapes.inference.render import generator_of
from engine.landscapes.inference.world import require_this_world
from engine.landscapes.metrics.va_regression import RIDGE, ColorStatisticsRegression
from engine.landscapes.trainings.evaluators import load_structure_evaluator
from engine.weights.find import find_weights
from engine.weights.load import read_checkpoint
from engine.worlds.landscapes.seeds import TEST_START, TRAIN, VA_EVALUATOR

CPU = torch.device("cpu")
SCENES = 1_000


def generator(weights: str, *, warm_start: bool) -> EvaluatedRun:
    """A generator by its weights or run."""
    file = find_weights(weights)
    checkpoint = read_checkpoint(file)
    require_this_world(checkpoint, weights)
    name = "warm start" if warm_start else Path(weights).name
    net = generator_of(checkpoint, CPU)
    return EvaluatedRun(name, net, file_sha256(file), warm_start=warm_start)


def material(
    weights: str, warm_start: str | None, structure: str | None, training: int
) -> EvaluationMaterial:
    """The generators, and scenes that they never saw."""
    runs = [generator(weights, warm_start=False)]
    if warm_start is not None:
        runs.append(generator(warm_start, warm_start=True))
    size = runs[0].generator.spec.size
    reader = None if structure is None else (structure, load_structure_evaluator(structure))
    train, test, fit = (
        rendered(WorldPlan(first=first, count=count, size=size), Silence())
        for first, count in (
            (TRAIN.start, training), (TEST_START, SCENES), (VA_EVALUATOR.start, SCENES),
        )
    )  # fmt: skip
    rows = range(len(fit))
    predictor = ColorStatisticsRegression.fitted(fit.tensor(rows), fit.va_of(rows))
    return EvaluationMaterial(runs, train, test, predictor, RIDGE, photos=False, structure=reader)


def table(report: dict[str, Any]) -> dict[str, Any]:
    """The rows of every generator, `failed` of `measured`, the ceiling and the floor."""
    results = {name: report[name] for name in report["methods"]} | report["baselines"]
    return {
        "weights_sha256": report[report["subject"]]["sha256"],
        "images": report["images"],
        "evaluated_by": report["evaluated_by"],
        "ceiling": report["ceiling"],
        "floor": report["floor"],
        **{
            name: {
                "failed": result["failed"],
                "frechet_distance": result["frechet_distance"],
                "measured": sum(row["passed"] is not None for row in result["acceptance"]),
                "rows": {
                    row["measure"]: {key: row[key] for key in ("value", "limit", "passed")}
                    for row in result["acceptance"]
                },
            }
            for name, result in results.items()
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--weights", default="landscapes")
    parser.add_argument("--structure", help="a run, or the weights, of gan/structure_evaluator")
    parser.add_argument("--warm-start", help="a run of the warm start alone, to compare with")
    parser.add_argument("--training", type=int, default=5_000)
    parser.add_argument("--out", type=Path, help="folder of the page and the pictures")
    options = parser.parse_args()
    torch.set_num_threads(1)
    evaluation = evaluate_landscapes(
        material(options.weights, options.warm_start, options.structure, options.training),
        CPU,
        Silence(),
    )
    if options.out is not None:
        save_landscape_evaluation(
            evaluation, options.out, command="python benchmarks/landscapes.py"
        )
    print(to_json(table(evaluation.report), indent=1))


if __name__ == "__main__":
    main()
