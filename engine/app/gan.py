"""`tm gan`: landscapes of given valence and arousal."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

from engine.core.dry_run import checks_only, end_of_checks
from engine.core.single import require_free
from engine.landscapes.inference.render import Axis, LandscapeRenderer, RenderPlan, render_plan
from engine.runtime.device import Device, choose


def render_landscapes(
    out: Path,
    *,
    va: str | None = None,
    scale: float = 1.0,
    grid: int | None = None,
    sweep: Axis | None = None,
    count: int = 1,
    seed: int = 0,
    truncation: float = 1.0,
    size: int | None = None,
    weights: str = "landscapes",
    device: Device = "auto",
    dry_run: bool = False,
) -> dict[str, Any]:
    """Generate landscapes, each as a PNG with a JSON file beside it.

    Args:
        out: The PNG file; numbered if there are several landscapes.
        va: Valence and arousal in 0..1 as text, `0.8,0.3`.
        scale: What 1 is written as in `va`: 9 for ratings from 1 to 9.
        grid: One landscape over the whole plane instead: images a side, 2 to 11.
        sweep: Landscapes along rising valence (`v`) or arousal (`a`) instead, one row for each of
            `count`; the other value is that of `va`, or 0.5.
        count: Number of landscapes, 1 to 1000.
        seed: Seed of the first latent; the next have the following seeds.
        truncation: In 0..1; below 1 the latents are scaled towards their mean.
        size: Side in pixels, 16 to 2048, by resampling; that of the generator if None.
        weights: A run folder, a weights file, or a name of `tm weights list`.
        device: `auto`, `cpu`, `cuda` or `mps`.
        dry_run: Only return what would be written.

    Returns:
        `files` (the PNG files) and `landscapes` (`file`, `valence`, `arousal`, `seed` of each, or
        their number in a dry run); `weights`, `sha256`, `scale` and `truncation` otherwise.

    Raises:
        UsageError: An argument is out of its range, or two exclude each other.
        WeightsError: The weights are not found or hold no landscape generator.
    """
    plan = RenderPlan.of(
        va=va, scale=scale, grid=grid, sweep=sweep, count=count, seed=seed, out=out,
        truncation=truncation, size=size,
    )  # fmt: skip
    files = sorted({str(file) for file in plan.files})
    with checks_only() if dry_run else nullcontext():
        return {**_rendered(plan, files, weights, device), "files": files}
    return {"dry_run": True, "landscapes": len(plan.samples), "files": files}


def _rendered(plan: RenderPlan, files: list[str], weights: str, device: Device) -> dict[str, Any]:
    outputs = [path for file in files for path in (Path(file), Path(file).with_suffix(".json"))]
    require_free(outputs, inputs=[Path(weights)])
    renderer = LandscapeRenderer.of(weights, choose(device).device)
    end_of_checks()
    return render_plan(plan, renderer)
