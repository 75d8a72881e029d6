"""The attack suite: hostile files and moments, class by class, and a table of tries and failures.

`make test` takes a few cases of each class by a fixed seed. By hand, everything by another seed:
`pytest tests/attack -m 'slow or not slow'`; the header says the seed, and ATTACK_SEED=n repeats it.

Not faults: an exit code that the contract gives; an age or picture that is odd but harmless.
"""

import os
import random
import re
from collections import Counter
from dataclasses import dataclass, field

import pytest

FIXED = 1
SEED = int(os.environ.get("ATTACK_SEED", random.SystemRandom().randrange(1, 10**6)))
TABLE: Counter[tuple[str, str]] = Counter()
FIGURES: list[str] = []
DOCUMENTED = {0, 2, 3, 4, 5}
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def pytest_report_header():
    return f"attack seed {SEED} (the few cases of the fast tests: {FIXED})"


def pytest_terminal_summary(terminalreporter):
    if TABLE:
        terminalreporter.section("attacks")
    for name in sorted({name for name, _ in TABLE}):
        tries, failures = TABLE[name, "tries"], TABLE[name, "failures"]
        terminalreporter.line(f"{name:32} tries {tries:6}  failures {failures:4}")
    for line in FIGURES:
        terminalreporter.line(line)


@dataclass
class Attack:
    """One class of cases: which of them are tried, and what went wrong."""

    name: str
    few: bool
    seed: int
    failures: list[str] = field(default_factory=list)

    @property
    def rng(self):
        """The random numbers of this class."""
        return random.Random(f"{self.name} {self.seed}")

    def chosen(self, cases, count):
        """All cases, or `count` of them in a fast test."""
        cases = list(cases)
        return self.rng.sample(cases, min(count, len(cases))) if self.few else cases

    def measured(self, text):
        """Keep a line for the table at the end."""
        FIGURES.append(f"{self.name}: {text}")

    def tried(self, case, faults):
        """Count a case, and keep its faults."""
        TABLE[self.name, "tries"] += 1
        TABLE[self.name, "failures"] += bool(faults)
        self.failures += [f"{case}: {fault}" for fault in faults]

    def told(self, case, result, *, allowed=frozenset(DOCUMENTED), also=()):
        """Count a run of `tm`: its exit is documented, it explains itself, and names do nothing."""
        faults = list(also)
        if result.code not in allowed:
            faults.append(f"exit {result.code}: {result.err.strip()[-300:]}")
        if result.code and not result.err.strip():
            faults.append(f"exit {result.code} without a word")
        if "Traceback" in result.err or "fault of tm" in result.err:
            faults.append(f"a mistake of ours: {result.err.strip()[-300:]}")
        if CONTROL.search(result.out + result.err):
            faults.append("a control character reaches the terminal")
        self.tried(case, faults)


@pytest.fixture(params=["few", pytest.param("all", marks=pytest.mark.slow)])
def attack(request):
    """The class that is named by the test; fails with the list of what went wrong."""
    few = request.param == "few"
    name = request.function.__name__.removeprefix("test_").replace("_", " ")
    one = Attack(name, few, FIXED if few else SEED)
    yield one
    assert not one.failures, f"seed {one.seed}, {len(one.failures)}:\n" + "\n".join(one.failures)
