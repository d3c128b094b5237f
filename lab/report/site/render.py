# SPDX-License-Identifier: GPL-2.0-only
"""Templates to pages.  All that is put into one is hostile text until shown otherwise."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from lab.text import plain


def safe(text: str) -> Markup:
    """Text of anybody's as part of a page."""
    return escape(plain(text))


def broken(name: str) -> Markup:
    """A name that may wrap before each series in it."""
    return safe(name).replace("+", Markup("<wbr>+"))


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
    environment.globals["broken"] = broken
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False}
    return environment


def _finalize(value: Any) -> Any:
    return plain(value) if isinstance(value, str) and not isinstance(value, Markup) else value
