"""The page of `tm serve` as browsers feel it: a first preview, further ages, fifty at once.

python benchmarks/serve.py [--browsers 50]
"""

import argparse
import json
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from statistics import median

from PIL import Image
from skimage import data

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))
from page_client import Client, peak_memory, serving

AGES = (30, 40, 50, 60, 70, 80)


def photograph(corner: int) -> bytes:
    """A photograph of a person, 512 px, with a corner of one colour."""
    picture, content = data.astronaut().copy(), BytesIO()
    picture[:32, :32] = corner * 5 % 256
    Image.fromarray(picture).save(content, "PNG")
    return content.getvalue()


def visit(url: str, number: int) -> dict[str, float | None]:
    """Seconds from the drop to the first preview, and of further ages; None where told to wait."""
    client = Client(url)
    try:
        start = time.perf_counter()
        (path,) = client.upload(photograph(number)).json()
        first = client.show(path, 65)
        seconds = {"first": time.perf_counter() - start if first else None}
        times = []
        for age in AGES:
            start = time.perf_counter()
            if client.show(path, age) is not None:
                times.append(time.perf_counter() - start)
        return {**seconds, "further": median(times) if times else None}
    finally:
        client.close()


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--browsers", type=int, default=50)
    browsers = parser.parse_args().browsers
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as (url, process):
        time.sleep(10)  # the page warms up by itself
        alone = [visit(url, number) for number in range(3)]
        resting = peak_memory(process.pid)
        start = time.perf_counter()
        with ThreadPoolExecutor(browsers) as pool:
            together = list(pool.map(lambda number: visit(url, 10 + number), range(browsers)))
        figures = {
            "first_preview_seconds": median(one["first"] for one in alone),
            "further_age_seconds": median(one["further"] for one in alone),
            "browsers": browsers,
            "answered": sum(one["first"] is not None for one in together),
            "all_seconds": time.perf_counter() - start,
            "memory_gb_one": resting / 1e9,
            "memory_gb_all": peak_memory(process.pid) / 1e9,
        }
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
