# SPDX-License-Identifier: GPL-2.0-only
"""What goes into a program: no file that is included may be missed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lab.errors import UserError
from lab.suites import c_source
from lab.suites.c_source import sources_of


@pytest.fixture(autouse=True, params=["found", "known"])
def known(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether what was found is known the next time, however lately it was written."""
    monkeypatch.setattr(c_source, "_KNOWN", {})
    if request.param == "known":
        monkeypatch.setattr(c_source, "_SETTLED_NS", -(1 << 62))
    return bool(request.param == "known")


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    folder = tmp_path / "guest-tests"
    for name, text in {
        "Makefile": "all:\n",
        "mine.c": '#include "lib.h"\n#  include <stddef.h>\n'
        '#if 0\n\t#include "sub/value.h"\n#endif\n',
        "lib.h": "",
        "lib.c": '#include "deep.h"\n',
        "deep.h": "",
        "sub/value.h": '#include "near.h"\n',
        "sub/near.h": "",
        "other.c": "",
        "other.h": "",
    }.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    return folder


def own(folder: Path, name: str = "mine") -> set[str]:
    return {str(path.relative_to(folder)) for path, _ in sources_of(folder, name).own}


def test_all_that_is_included(sources: Path) -> None:
    expected = {"Makefile", "mine.c", "lib.h", "lib.c", "deep.h", "sub/value.h", "sub/near.h"}
    assert own(sources) == expected


def test_what_is_known_is_not_found_again(
    sources: Path, known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But what was written a moment ago is: it may be written again unseen."""
    before = sources_of(sources, "mine")
    read: list[Path] = []
    real = c_source._read

    def reading(path: Path) -> object:
        read.append(path)
        return real(path)

    monkeypatch.setattr(c_source, "_read", reading)
    assert sources_of(sources, "mine") == before
    assert bool(read) != known


@pytest.mark.parametrize("name", ["sub/lib.h", "mine/part.c", "mine.mk"])
def test_a_file_that_comes_counts(sources: Path, name: str) -> None:
    (sources / "sub" / "value.h").write_text('#include "lib.h"\n')
    before = sources_of(sources, "mine").digest
    (sources / name).parent.mkdir(exist_ok=True)
    (sources / name).write_text("int new;\n")
    assert sources_of(sources, "mine").digest != before


def test_two_headers_of_one_name(sources: Path) -> None:
    (sources / "near.h").write_text("")
    assert "sub/near.h" in own(sources)
    assert "near.h" not in own(sources)


def test_what_a_program_has_besides(sources: Path) -> None:
    (sources / "mine").mkdir()
    (sources / "mine" / "part.c").write_text('#include "other.h"\n')
    (sources / "mine.mk").write_text("")
    assert {"mine/part.c", "mine.mk", "other.h"} < own(sources)


def test_header_that_only_an_option_finds(sources: Path) -> None:
    (sources / "mine.c").write_text('#include "value.h"\n')
    assert "sub/value.h" in own(sources)


def test_header_that_a_macro_names(sources: Path) -> None:
    (sources / "mine.c").write_text('#define WHICH "sub/value.h"\n#include WHICH\n')
    assert "sub/value.h" in own(sources)


def test_headers_of_the_machine(sources: Path, tmp_path: Path) -> None:
    system = tmp_path / "include"
    for name, text in (("stddef.h", "#include <bits/a.h>\n"), ("bits/a.h", '#include "b.h"\n'),
                       ("bits/b.h", "")):  # fmt: skip
        (system / name).parent.mkdir(parents=True, exist_ok=True)
        (system / name).write_text(text)
    found = sources_of(sources, "mine", [system]).others
    assert {str(path.relative_to(system)) for path, _ in found} == {
        "stddef.h",
        "bits/a.h",
        "bits/b.h",
    }


@pytest.mark.parametrize("name", ["mine.c", "lib.c", "deep.h", "sub/near.h", "Makefile"])
def test_each_file_counts(sources: Path, name: str) -> None:
    before = sources_of(sources, "mine").digest
    (sources / name).write_text((sources / name).read_text() + "\n")
    assert sources_of(sources, "mine").digest != before


@pytest.mark.parametrize("change", [lambda f: (f / "other.h").write_text("int x;\n"),
                                    lambda f: f.rename(f.with_name("elsewhere"))])  # fmt: skip
def test_what_does_not_count(sources: Path, change: Callable[[Path], object]) -> None:
    before = sources_of(sources, "mine").digest
    change(sources)
    folder = next(sources.parent.glob("*"))
    assert sources_of(folder, "mine").digest == before


def test_program_that_is_not_there(sources: Path) -> None:
    with pytest.raises(UserError, match="No such file") as caught:
        sources_of(sources, "missing")
    assert caught.value.where == sources / "missing.c"
