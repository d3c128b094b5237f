# SPDX-License-Identifier: GPL-2.0-only
"""Templates to pages.  All that is put into one is hostile text until shown otherwise."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from lab.suites.plain import without_escapes

#: What turns the reading order round: "x" may look like "y" (CVE-2021-42574).
_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069\u200e\u200f\u061c]")


def plain(text: str) -> str:
    """Text as a page may show it: no control characters, none that reorder others."""
    if text.isprintable():
        # Nearly all text; no control, format or surrogate character is printable.
        return text
    return _BIDI.sub("\ufffd", without_escapes(text)).encode(errors="replace").decode()


def safe(text: str) -> Markup:
    """Text of anybody's as part of a page."""
    return escape(plain(text))


def render(template: str, **values: Any) -> str:
    """A page."""
    return _environment().get_template(template).render(**values)


def asset(name: str) -> bytes:
    """A style sheet or a script of the report's own."""
    return (resources.files("lab.report.site") / "assets" / name).read_bytes()


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("lab.report.site"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False}
    return environment


def _finalize(value: Any) -> Any:
    return plain(value) if isinstance(value, str) and not isinstance(value, Markup) else value
