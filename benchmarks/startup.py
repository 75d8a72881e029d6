"""How long `tm --help` takes against an empty Typer app, paired in one run."""

import statistics
import subprocess
import sys
import time
from pathlib import Path

EMPTY = "import typer\napp = typer.Typer()\n@app.command()\ndef run(): ...\napp()\n"
OURS = "from tm.cli import main\nmain()\n"
RUNS = 15


def seconds(code: str) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", code, "--help"], check=True, capture_output=True)
    return time.perf_counter() - started


def main() -> None:
    seconds(EMPTY), seconds(OURS)
    pairs = [(seconds(EMPTY), seconds(OURS)) for _ in range(RUNS)]
    empty, ours = (statistics.median(times) for times in zip(*pairs, strict=True))
    print(f"{Path(__file__).stem}: medians of {RUNS} pairs")
    print(f"  empty Typer app --help  {empty * 1000:6.0f} ms")
    print(f"  tm --help               {ours * 1000:6.0f} ms")
    print(f"  ratio                   {statistics.median(b / a for a, b in pairs):6.2f}")


if __name__ == "__main__":
    main()
