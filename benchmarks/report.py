# SPDX-License-Identifier: GPL-2.0-only
"""Times ``lab report`` of 10,400 recorded results, and its first page in headless Chromium.

Usage: report.py [NIGHTS]   (how many runs of that size are recorded, 3 by default)

Exit status 1: a row misses its limit.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench import Part, Row, run  # noqa: E402
from playwright.sync_api import Page, sync_playwright  # noqa: E402

from tests.report.browser import launch  # noqa: E402
from tests.report.recorded import BUG, Shape, record  # noqa: E402

#: 13 kernels, 4 filesystems, 200 tests.
SHAPE = Shape(
    variants=(
        "6.1",
        BUG,
        f"{BUG}+dax-populate",
        *(f"v{n}.{m}" for n in range(4, 6) for m in range(5)),
    ),
    filesystems=("ext4-dax", "xfs-dax", "ext4-dax-1g", "xfs-dax-always"),
    sizes=("4k", "16k", "64k", "2m", "1g"),
)
_READY = """() => new Promise(done => requestAnimationFrame(() => setTimeout(() => done(
    performance.now()))))"""
_FILTER = """async () => {
    const input = document.getElementById("filter");
    const start = performance.now();
    input.value = "mlock 2m";
    input.dispatchEvent(new Event("input", { bubbles: true }));
    await new Promise(requestAnimationFrame);
    return performance.now() - start;
}"""


def report(nights: int = 3) -> Iterator[Row]:
    """Record, report, open."""
    with tempfile.TemporaryDirectory(prefix="lab-bench-") as name:
        folder = Path(name)
        results = folder / "results"
        record(results, nights, SHAPE)
        (folder / "lab.toml").symlink_to(ROOT / "lab.toml")
        (folder / "lab.local.toml").write_text(f'[paths]\nresults = "{results}"\n')
        for part in ("kconfigs", "patches", "guest-tests"):
            (folder / part).symlink_to(ROOT / part)
        page, row = _report(folder)
        yield row
        yield from _open(page)


def _report(folder: Path) -> tuple[Path, Row]:
    command = [sys.executable, "-m", "lab", "report", "-C", str(folder / "lab.toml")]
    seconds = []
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for _ in range(3):
        start = time.monotonic()
        done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
        seconds.append(time.monotonic() - start)
    page = Path(done.stdout.strip())
    size = sum(path.stat().st_size for path in page.parent.rglob("*") if path.is_file())
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    # Of these alone: parts that ran before had children, too.
    spent = used.ru_utime - before.ru_utime + used.ru_stime - before.ru_stime
    cpu = spent / len(seconds)
    row = Row.alone("`lab report` of 10,400 results", min(seconds), 10.0)
    return page, replace(row, beside=f"CPU {cpu:.2f} s, {size / 1e6:.0f} MB of pages")


def _open(index: Path) -> Iterator[Row]:
    with sync_playwright() as playwright:
        browser = launch(playwright)
        times = [_time(browser.new_page(), index) for _ in range(5)]
        browser.close()
    ready, cpu, key = (min(each[part] for each in times) for part in range(3))
    row = Row.alone("its first page interactive", ready / 1000, 1.0)
    yield replace(row, beside=f"CPU {cpu / 1000:.2f} s")
    yield Row("a key in its filter", f"{key:.0f} ms")


def _time(page: Page, index: Path) -> tuple[float, float, float]:
    """Milliseconds to the first frame with all handlers set, the page's own, and of a key."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    page.goto(index.as_uri(), wait_until="domcontentloaded")
    ready = float(page.evaluate(_READY))
    metrics = session.send("Performance.getMetrics")["metrics"]
    cpu = next(float(each["value"]) for each in metrics if each["name"] == "TaskDuration")
    filtered = float(page.evaluate(_FILTER))
    page.close()
    return ready, cpu * 1000, filtered


PARTS: dict[str, Part] = {"report": report}


if __name__ == "__main__":
    nights = [int(number) for number in sys.argv[1:]]
    sys.exit(run({"report": partial(report, *nights)}, ()))
