# SPDX-License-Identifier: GPL-2.0-only
"""The distribution's Chromium, without a window."""

from __future__ import annotations

import os
import shutil

from playwright.sync_api import Browser, Playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or ""


def launch(playwright: Playwright) -> Browser:
    """Start it; the sandbox needs namespaces that containers often do not give to root."""
    assert CHROMIUM, "no chromium here: apt-get install chromium, or ./bootstrap check"
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    return playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
