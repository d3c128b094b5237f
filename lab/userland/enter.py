# SPDX-License-Identifier: GPL-2.0-only
"""How a program is run in the root of an image: by a script, which the guest has in /lab."""

from __future__ import annotations

from pathlib import Path

ENTER = Path(__file__).with_name("in-image.sh")
