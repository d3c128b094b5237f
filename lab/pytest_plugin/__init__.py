# SPDX-License-Identifier: GPL-2.0-only
"""pytest's plugin: tests that run on this host, each on a guest of its own.

What there is of it for a run that uses none of its fixtures is this file: no more is imported.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from lab.pytest_plugin.remote import Filesystem, Guest
    from lab.session import Lab

#: What a test has that takes a guest, or a filesystem: where it runs.
PLACE = "_lab_place"
_MARKER = (
    "lab(variants=[...], filesystems=[...]): the kernels and filesystems that a test with the "
    "fixture guest or filesystem runs on; those of [matrix.default] where it names none."
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """What may be asked on pytest's command line."""
    group = parser.getgroup("lab", "kernels and filesystems (lab)")
    group.addoption("--lab-file", metavar="FILE", help="another lab.toml")
    group.addoption(
        "--lab-variant", metavar="VARIANT", action="append", help="only on this one; repeatable"
    )
    group.addoption(
        "--lab-filesystem", metavar="NAME", action="append", help="only on this one; repeatable"
    )
    # A descriptor by which a lab has the tests run that started this process.
    group.addoption("--lab-wire", type=int, help=argparse.SUPPRESS)


def pytest_configure(config: pytest.Config) -> None:
    """Say what the marker means."""
    config.addinivalue_line("markers", _MARKER)


def takes_guest(item: pytest.Item) -> bool:
    """Whether a test runs on a guest."""
    return PLACE in getattr(item, "fixturenames", ())


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test for each kernel and filesystem, unless a lab says where each runs."""
    if PLACE in metafunc.fixturenames and metafunc.config.getoption("lab_wire") is None:
        from lab.pytest_plugin.places import places_of

        places = places_of(metafunc.config, metafunc.definition)
        metafunc.parametrize(PLACE, places, ids=str, indirect=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests that run on guests come last, in the order in which guests are had."""
    if any(map(takes_guest, items)):
        from lab.pytest_plugin.order import put_in_order

        put_in_order(config, items)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Run tests on guests as a lab has these: one that started this process, or one beside it."""
    descriptor = session.config.getoption("lab_wire")
    if session.config.option.collectonly:
        return None
    if descriptor is not None:
        from lab.pytest_plugin.serving import serve

        serve(session, descriptor)
        return True
    if not any(map(takes_guest, session.items)):
        return None
    from lab.pytest_plugin.driving import drive

    drive(session)
    return True


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Run a test on the guest that is there for it."""
    if not takes_guest(item):
        return None
    from lab.pytest_plugin.played import take_turn

    take_turn(item, nextitem)
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep what made a test fail: whether that says anything of the kernel is asked later."""
    report = yield
    if report.failed and call.excinfo is not None and takes_guest(item):
        from lab.pytest_plugin.played import note_raised

        note_raised(item, call)
    return report


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep the part of a test that failed: pytest tells of a subtest while the test runs."""
    # Where no test ran on a guest there is none.
    played = sys.modules.get("lab.pytest_plugin.played")
    if report.failed and played is not None:
        played.note_part(report)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Have what ran recorded."""
    if session.config.stash.get(DRIVEN, None) is not None:
        from lab.pytest_plugin.driving import finish

        finish(session)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say where it is recorded, and what no test tells of."""
    if config.stash.get(DRIVEN, None) is not None:
        from lab.pytest_plugin.driving import say_summary

        say_summary(terminalreporter, config)


#: The lab that runs this session's tests, once one does.
DRIVEN: pytest.StashKey[Any] = pytest.StashKey()


@pytest.fixture(name=PLACE)
def _place(request: pytest.FixtureRequest) -> object:
    return getattr(request, "param", None)


@pytest.fixture
def guest(_lab_place: object) -> Guest:
    """A running guest that no other test had; `guest.run("uname -r").stdout`."""
    from lab.pytest_plugin.stage import current

    return current().guest


@pytest.fixture
def filesystem(_lab_place: object) -> Filesystem:
    """The filesystem that is mounted in the guest, and proved to be what it promised."""
    from lab.pytest_plugin.stage import current

    return current().filesystem


@pytest.fixture(scope="session")
def lab(request: pytest.FixtureRequest) -> Lab:
    """The lab as a library, with the `lab.toml` of this session."""
    from lab.pytest_plugin.places import opened

    return opened(request.config)
