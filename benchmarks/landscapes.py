"""The acceptance table of a landscape generator by its weights, beside recoloured scenes.

    python benchmarks/landscapes.py [--weights landscapes] [--structure RUN] [--training 2000]
        [--out DIR]

The table of `tm eval RUN`, where the run itself is not kept: 1,000 scenes of no training, a ridge
regression on colours (fitted to the evaluators' range), one on structure (to training scenes) or
the structure evaluator of `--structure`, and two baselines that draw nothing. Copies are looked for
among the first `--training` scenes.
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


def material(weights: str, structure: str | None, training: int) -> EvaluationMaterial:
    """The generator, and scenes that it never saw."""
    file = find_weights(weights)
    checkpoint = read_checkpoint(file)
    require_this_world(checkpoint, weights)
    net = generator_of(checkpoint, CPU)
    reader = None if structure is None else (structure, load_structure_evaluator(structure))
    train, test, fit = (
        rendered(WorldPlan(first=first, count=count, size=net.spec.size), Silence())
        for first, count in (
            (TRAIN.start, training), (TEST_START, SCENES), (VA_EVALUATOR.start, SCENES),
        )
    )  # fmt: skip
    rows = range(len(fit))
    predictor = ColorStatisticsRegression.fitted(fit.tensor(rows), fit.va_of(rows))
    run = EvaluatedRun(Path(weights).name, net, file_sha256(file), warm_start=False)
    return EvaluationMaterial([run], train, test, predictor, RIDGE, photos=False, structure=reader)


def table(report: dict[str, Any]) -> dict[str, Any]:
    """The rows of every generator, `failed` of `measured`, and the ceiling."""
    results = {report["subject"]: report[report["subject"]], **report["baselines"]}
    return {
        "weights_sha256": report[report["subject"]]["sha256"],
        "images": report["images"],
        "ceiling": report["ceiling"],
        **{
            name: {
                "failed": result["failed"],
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
    parser.add_argument("--training", type=int, default=2_000)
    parser.add_argument("--out", type=Path, help="folder of the page and the pictures")
    options = parser.parse_args()
    torch.set_num_threads(1)
    evaluation = evaluate_landscapes(
        material(options.weights, options.structure, options.training), CPU, Silence()
    )
    if options.out is not None:
        save_landscape_evaluation(
            evaluation, options.out, command="python benchmarks/landscapes.py"
        )
    print(to_json(table(evaluation.report), indent=1))


if __name__ == "__main__":
    main()
