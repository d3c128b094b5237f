# SPDX-License-Identifier: GPL-2.0-only
"""A package carries the project with it, so that an installed lab works from any folder."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).parent
PARTS = ("kconfigs", "patches", "guest-tests")


class BuildWithProject(build_py):
    """Copy what lab.config.installed looks for; an editable install has the checkout itself."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        project = Path(self.build_lib) / "lab" / "project"
        shutil.rmtree(project, ignore_errors=True)
        for part in PARTS:
            shutil.copytree(HERE / part, project / part, ignore=shutil.ignore_patterns("build"))
        shutil.copy(HERE / "lab.toml", project)


setup(cmdclass={"build_py": BuildWithProject})
