# SPDX-License-Identifier: GPL-2.0-only
"""Tests played for the lab that started this process: it says which, and has the guests."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from typing import Any

import pytest

from lab.guest.wire import Wire, WireEnded
from lab.pytest_plugin import takes_guest
from lab.pytest_plugin.played import play


def serve(session: pytest.Session, descriptor: int) -> None:
    """Say what was collected, and play what is asked for until the lab hangs up."""
    if session.testsfailed:
        # The lab has what is printed of that.
        raise session.Interrupted("the tests could not be collected")
    with socket.socket(fileno=descriptor) as end:
        wire = Wire(end)
        items = {named(item): item for item in session.items if takes_guest(item)}
        try:
            wire.send(rows=[row(item) for item in items.values()])
            while True:
                asked = wire.receive()
                played = play(items[asked["program"], asked["test"]], wire, asked)
                wire.send(played={"status": played.status, "output": played.output})
        except WireEnded:
            pass
    session._setupstate.teardown_exact(None)


def named(item: pytest.Item) -> tuple[str, str]:
    """The program and the test, as results have them: a file, and what pytest calls it there."""
    return item.path.name, item.nodeid.partition("::")[2]


def row(item: pytest.Item) -> dict[str, object]:
    """A test, and where its marker says that it runs."""
    program, test = named(item)
    variants, filesystems = marked(item)
    return {
        "program": program,
        "test": test,
        "variants": list(variants),
        "filesystems": list(filesystems),
    }


def marked(item: pytest.Item | Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The variants and filesystems of the nearest marker that names any; empty is all.

    Raises:
        pytest.UsageError: The marker says something else.
    """
    variants: tuple[str, ...] = ()
    filesystems: tuple[str, ...] = ()
    for mark in item.iter_markers("lab"):
        if mark.args or mark.kwargs.keys() - {"variants", "filesystems"}:
            raise pytest.UsageError(
                f"{item.nodeid}: pytest.mark.lab takes variants=[...] and filesystems=[...]"
            )
        variants = variants or _names(item, mark.kwargs.get("variants", ()))
        filesystems = filesystems or _names(item, mark.kwargs.get("filesystems", ()))
    return variants, filesystems


def _names(item: Any, given: Iterable[Any]) -> tuple[str, ...]:
    if isinstance(given, str):
        raise pytest.UsageError(f"{item.nodeid}: pytest.mark.lab takes a list: [{given!r}]")
    return tuple(map(str, given))
