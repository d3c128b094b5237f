# SPDX-License-Identifier: GPL-2.0-only
"""How much of what judges could be wrong unseen: single mutations, each tried by its tests.

    .venv/bin/python -m tests.mutate                            # all of them: hours
    .venv/bin/python -m tests.mutate --sample 300 --seed 7
    .venv/bin/python -m tests.mutate lab/suites/judge.py guest-tests/mlock.c

Each is made in a scratch copy and tried by the module's own tests that need no guest, and
then by the quick ones of its folder.  What no test notices is printed as a diff.  The
exit status is 1 where fewer than ``--least`` per cent were seen.  A mutation that never
ends, or eats memory, is seen too: a test that does not end is no test that passed.
"""

from __future__ import annotations

import argparse
import difflib
import importlib
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.c_mutations import c_mutations, compiles
from tests.mutations import Mutation, python_mutations

ROOT = Path(__file__).resolve().parents[1]
#: What decides a verdict, or that there is none.
MODULES = (
    "lab/suites/judge.py",
    "lab/suites/ktap.py",
    "lab/suites/ktap_programs.py",
    "lab/suites/output/exit.py",
    "lab/suites/output/ltp.py",
    "lab/suites/output/xfstests.py",
    "lab/suites/output/xunit.py",
    "lab/suites/scripts.py",
    "lab/filesystems/dax.py",
    "lab/filesystems/dax_proof.py",
    "lab/filesystems/set_up.py",
    "lab/guest/settings.py",
    "lab/model/proof.py",
    "lab/model/scale.py",
    "lab/execution/complaint_watch.py",
    "lab/execution/cause_of_death.py",
    "lab/execution/agenda.py",
    "lab/execution/findings.py",
    "lab/execution/group_run.py",
    "lab/execution/grouping.py",
    "lab/execution/guest_trouble.py",
    "lab/execution/hang.py",
    "lab/execution/last_words.py",
    "lab/execution/program_end.py",
    "lab/execution/run_job.py",
    "lab/execution/unit_run.py",
    "lab/analysis/verdict.py",
    "lab/analysis/series_verdict.py",
    "lab/analysis/compare.py",
    "lab/analysis/claims.py",
    "lab/results/recover.py",
    "lab/analysis/run_status.py",
    "lab/analysis/expectation.py",
    "lab/plan/plan.py",
    "lab/complaints/heads.py",
    "lab/complaints/reader.py",
    "lab/nightly/judgement.py",
    "lab/nightly/rerun.py",
    "lab/patches/fit.py",
    "lab/patches/apply.py",
    "lab/build/applied_mends.py",
    "lab/build/key.py",
    "guest-tests/residency.c",
    "guest-tests/mapping.c",
    "guest-tests/populate.c",
    "guest-tests/mlock.c",
    "guest-tests/limits.c",
    "guest-tests/first-access.c",
    "guest-tests/dax-proof.c",
)
#: Tests that bear another name than their module, or are of the folder that uses it.
_OWN = {
    "lab/suites/output/exit.py": "suites/test_reproducers.py",
    "lab/suites/output/xunit.py": "suites/output/test_xfstests.py",
    "lab/filesystems/dax_proof.py": "filesystems/test_dax.py",
    "lab/guest/settings.py": "execution/test_ends.py",
    "lab/build/applied_mends.py": "build/test_mends.py",
    "lab/results/recover.py": "results/test_recorder.py",
    "lab/nightly/rerun.py": "nightly/test_judgement.py",
    "lab/analysis/expectation.py": "plan/test_plan.py",
    "lab/analysis/run_status.py": "report/test_report.py",
    "lab/execution/cause_of_death.py": "execution/test_complaint_watch.py",
    "lab/execution/agenda.py": "execution/test_ends.py",
    "lab/execution/findings.py": "execution/test_ends.py",
    "lab/execution/group_run.py": "execution/test_ends.py",
    "lab/execution/grouping.py": "execution/test_ends.py",
    "lab/execution/guest_trouble.py": "execution/test_ends.py",
    "lab/execution/last_words.py": "execution/test_ends.py",
    "lab/execution/program_end.py": "execution/test_ends.py",
    "lab/execution/unit_run.py": "execution/test_ends.py",
    "lab/execution/hang.py": "execution/test_deaths.py",
    "lab/execution/run_job.py": "execution/test_deaths.py",
}
#: Imported once, and the lab itself anew for every mutation.
_PRELOADED = ("pydantic", "sqlalchemy.orm", "alembic.command", "jinja2", "unidiff", "paramiko")
_OURS = ("lab", "tests")
_PYTEST = ("-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist")
_NO_GUEST = ("-m", "not guest and not browser")
_QUICK = ("-m", "not slow and not guest and not browser")
_Calls = tuple[tuple[str, ...], ...]
#: A test that takes so many times as long as without a mutation will not end.
_PATIENCE = 3
_SPARE_S = 20.0
#: A loop that never ends may collect something: 12 GB of it within the deadline.
_MOST_BYTES = 4 << 30


def main() -> int:
    """Try the mutations asked for; 0 when enough of them were seen."""
    asked = _arguments()
    chosen = _chosen(asked.modules or MODULES, asked.sample, asked.seed)
    with tempfile.TemporaryDirectory(prefix="lab-mutate-") as name:
        scratch = _Scratch(Path(name))
        seen = Counter(mutation.module for mutation in chosen if scratch.sees(mutation))
    for module, tried in Counter(mutation.module for mutation in chosen).items():
        print(f"{seen[module]:5} of {tried:4}  {module}")
    score = 100 * seen.total() / max(1, len(chosen))
    print(f"{seen.total()} of {len(chosen)} mutations seen: {score:.1f} % (seed {asked.seed})")
    return int(score < asked.least)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests.mutate", description=__doc__.partition("\n")[0])
    parser.add_argument("modules", nargs="*", help="files to mutate; all that judge by default")
    parser.add_argument("--seed", type=int, default=1, help="of the sample")
    parser.add_argument("--sample", type=int, help="how many to try; all by default")
    parser.add_argument("--least", type=float, default=95.0, help="the score to reach, in per cent")
    return parser.parse_args()


def _chosen(modules: Iterable[str], sample: int | None, seed: int) -> list[Mutation]:
    every = [mutation for module in modules for mutation in _mutations(module)]
    places: Sequence[int] = range(len(every))
    if sample is not None and sample < len(every):
        places = sorted(random.Random(seed).sample(places, sample))
    return [every[place] for place in places if _is_one(every[place])]


def _is_one(mutation: Mutation) -> bool:
    """Whether it needs a test to be seen: the compiler does not refuse it."""
    return not mutation.module.endswith(".c") or compiles(mutation, (ROOT / mutation.module).parent)


def _mutations(module: str) -> list[Mutation]:
    path = ROOT / module
    source = path.read_text(encoding="utf-8")
    if path.suffix == ".c":
        return c_mutations(module, source)
    return python_mutations(module, source)


class _Scratch:
    """A copy of the repository in which one file at a time is another."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._usual_s: dict[_Calls, float] = {}
        for name in _files():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
        for module in _PRELOADED:
            importlib.import_module(module)

    def sees(self, mutation: Mutation) -> bool:
        """Whether a test fails, or does not end; tells when none does."""
        tests = _tests(mutation.module)
        if tests not in self._usual_s:
            self._usual_s[tests] = self._time(tests)
        path = self._folder / mutation.module
        original = path.read_text(encoding="utf-8")
        _write(path, mutation.source)
        status = self._run(tests, _SPARE_S + _PATIENCE * self._usual_s[tests], compiled=False)
        _write(path, original)
        if status == 0:
            _tell(mutation, original)
        return status != 0

    def _time(self, tests: _Calls) -> float:
        """How long the tests take without a mutation; compiles the copy as it goes."""
        started = time.monotonic()
        if self._run(tests, 3600.0, compiled=True) != 0:
            said = (self._folder / "said").read_text(errors="replace")
            sys.exit(f"without a mutation these fail: {tests}\n{said}")
        return time.monotonic() - started

    def _run(self, tests: _Calls, deadline_s: float, *, compiled: bool) -> int | None:
        """The exit status of pytest; None at the deadline."""
        child = os.fork()
        if child == 0:
            os._exit(_pytest(self._folder, tests, compiled=compiled))
        deadline = time.monotonic() + deadline_s
        while time.monotonic() < deadline:
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.01)
        os.killpg(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return None


def _files() -> Iterator[str]:
    """What is in the repository, and what is new."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout
    return (name for name in os.fsdecode(listed).split("\0") if (ROOT / name).is_file())


def _tests(module: str) -> _Calls:
    """The calls of pytest that are to notice: of the module's own tests, then of its folder."""
    if module.endswith(".c"):
        own = "test_dax_proof.py" if "dax-proof" in module else "test_verdicts.py"
        return ((f"tests/guest_tests/{own}",), ("tests/guest_tests",))
    folder = "/".join(("tests", *Path(module).parent.parts[1:]))
    own = f"tests/{_OWN[module]}" if module in _OWN else f"{folder}/test_{Path(module).stem}.py"
    alone = ((*_NO_GUEST, own),) if (ROOT / own).exists() else ()
    return (*alone, (*_QUICK, folder))


def _pytest(folder: Path, tests: _Calls, *, compiled: bool) -> int:
    """Run pytest in this process on the copy in ``folder``; returns its exit status."""
    os.setsid()
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_BYTES, _MOST_BYTES))
    with (folder / "said").open("wb") as said:
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    os.environ["PYTHONPATH"] = str(folder)
    if not compiled:
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
        sys.dont_write_bytecode = True
    for name in [name for name in sys.modules if name.partition(".")[0] in _OURS]:
        del sys.modules[name]
    try:
        return next((1 for call in tests if pytest.main([*_PYTEST, *call]) != 0), 0)
    except BaseException:
        return 1


def _write(path: Path, source: str) -> None:
    path.write_text(source, encoding="utf-8")
    # Python takes a file of the same size and second for the one it compiled.
    for compiled in path.parent.glob(f"__pycache__/{path.stem}.*.pyc"):
        compiled.unlink()


def _tell(mutation: Mutation, original: str) -> None:
    before, after = original.splitlines(), mutation.source.splitlines()
    changed = list(difflib.unified_diff(before, after, n=0, lineterm=""))[3:]
    print(f"{mutation.module}:{mutation.line}: {mutation.what}")
    print("\n".join(f"    {line}" for line in changed), flush=True)


if __name__ == "__main__":
    sys.exit(main())
