"""Which sentences of the guide on landscapes hold the figures of its report."""

from collections.abc import Iterable, Iterator

from evaluation.stored import Sentence, report


def landscapes() -> Iterator[Sentence]:
    """`python benchmarks/landscapes.py`: the generator, its warm start and recoloured scenes."""
    found = report("landscapes")
    ours = ("landscapes", "warm start")
    all_three = ("landscapes", "one scene recoloured", "scenes recoloured")

    def of(names: Iterable[str], *measures: str) -> list[float]:
        return [found[name]["rows"][m]["value"] for name in names for m in measures]

    def both(figure: str) -> tuple[str, str]:
        return f"{figure}_valence", f"{figure}_arousal"

    for text, figure in (
        ("concordance of valence / arousal | # / # | # / # | 0.80 / 0.70 | # / # |", "ccc"),
        ("valence / arousal, on 0..1 | # / # | # / # | 0.10 / 0.12 | # / # |", "mae"),
    ):
        yield text, of(ours, *both(figure)) + [found["ceiling"][m] for m in both(figure)]
    yield (
        "of simple statistics | # | # | a quarter of a warm start's | # |",
        [found[name]["frechet_distance"] for name in ours] + [found["floor"]["frechet_distance"]],
    )
    for text, measures in (
        ("beside the real one's | # / # | # / # | 0.7 / 0.5", ("va_diversity", "latent_diversity")),
        (
            "valence to luma, chroma, warmth | #, #, # | #, #, # |",
            ("valence_luma", "valence_chroma", "valence_warmth"),
        ),
        ("arousal to contrast, edges | #, # | #, # |", ("arousal_contrast", "arousal_edges")),
        ("red flags / largest scaled gamma | # / # | # / # |", ("red_flags", "gamma_max")),
    ):
        yield text, of(ours, *measures)
    yield "| copies | # % | # % |", [100 * value for value in of(ours, "copies")]
    by_colours, by_structure = (of(all_three, *both(name)) for name in ("ccc", "structure_ccc"))
    pairs = "# / # | # / # | # / # |"
    yield f"concordance by colours, valence / arousal | {pairs} 0.80 / 0.70", by_colours
    yield (
        f"**by structure**, valence / arousal | {pairs} half of the real | # / # |",
        by_structure + [found["ceiling"][m] for m in both("structure_ccc")],
    )
    for text, measure in (
        ("variety of structure at one mood | # | # | # |", "structure_diversity"),
        ("kinds of scenes drawn at one mood | # | # | # |", "kinds_at_a_mood"),
    ):
        yield text, of(all_three, measure)
    counts = [found[name][key] for name in all_three for key in ("failed", "measured")]
    yield "measures failed | # of # | # of # | # of # |", counts
    yield (
        "mood # and # by colours, # and # by structure (recoloured scenes at most #)",
        [*by_colours[:2], *by_structure[:2], max(by_structure[2:])],
    )
