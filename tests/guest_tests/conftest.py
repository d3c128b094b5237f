# SPDX-License-Identifier: GPL-2.0-only
from pathlib import Path

import pytest

from lab.process import run
from tests.guest_tests.test_programs import SOURCES

HERE = Path(__file__).parent


def _compiled(name: str, folder: Path, *more: str) -> Path:
    flags = ["-std=c11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror", *more]
    run(["gcc", *flags, "-I", SOURCES, "-o", folder / name, HERE / f"{name}.c"])
    return folder / name


@pytest.fixture(scope="session")
def looker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What of init looks at a guest, which looks into the working directory instead."""
    return _compiled("settings", tmp_path_factory.mktemp("looker"))


@pytest.fixture(scope="session")
def commander(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What of init runs commands, and looks at a guest: in the working directory."""
    return _compiled("commands", tmp_path_factory.mktemp("commander"))


@pytest.fixture(scope="session")
def patient_commander(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One that holds what is printed for longer than a busy host keeps a shell from its lines."""
    return _compiled("commands", tmp_path_factory.mktemp("patient"), "-DHOLD_US=900000")
