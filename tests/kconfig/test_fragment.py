# SPDX-License-Identifier: GPL-2.0-only
"""Fragments: kinds of values, paragraphs for some versions, and bad lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.errors import Location, UserError
from lab.kconfig import Option, load_fragments, options_for, parse_config
from lab.model.version import KernelVersion

ROOT = Path(__file__).parents[2]


def load(folder: Path, text: str) -> tuple[Option, ...]:
    (folder / "test.config").write_text(text)
    return load_fragments(folder, ["test"])


def lines(options: tuple[Option, ...], version: str = "6.1") -> list[str]:
    return [option.line for option in options_for(options, KernelVersion.parse(version))]


@pytest.mark.parametrize(
    "value", ["y", "m", "42", "-1", "0x1000", '"console=ttyS0 \\"x\\" #"', '""']
)
def test_kinds_of_values(tmp_path: Path, value: str) -> None:
    (option,) = load(tmp_path, f"# SPDX\n\n  CONFIG_DAX_2={value}  \n")
    assert (option.name, option.value) == ("DAX_2", value)
    assert option.where == Location(tmp_path / "test.config", 3)
    assert option.line == f"CONFIG_DAX_2={value}"


@pytest.mark.parametrize("text", ["# CONFIG_DAX is not set", "CONFIG_DAX=n"])
def test_not_set(tmp_path: Path, text: str) -> None:
    (option,) = load(tmp_path, text)
    assert (option.value, option.line) == ("n", "# CONFIG_DAX is not set")


@pytest.mark.parametrize(
    "bad",
    [
        "CONFIG_DAX",
        "CONFIG_DAX = y",
        "DAX=y",
        "CONFIG_DAX=",
        "CONFIG_DAX=yes",
        "CONFIG_DAX=Y",
        "CONFIG_DAX=y # a comment",
        'CONFIG_DAX="open',
        "CONFIG_DAX is not set",
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, bad: str) -> None:
    with pytest.raises(UserError, match="not an option") as caught:
        load(tmp_path, f"CONFIG_SMP=y\n{bad}\n")
    assert caught.value.where == Location(tmp_path / "test.config", 2)
    assert repr(bad) in caught.value.what


def test_a_paragraph_for_some_versions(tmp_path: Path) -> None:
    options = load(
        tmp_path,
        "CONFIG_A=y\n# versions: >=4.2 <4.3\nCONFIG_B=y\n# why\nCONFIG_C=y\n\nCONFIG_D=y\n",
    )
    always, some = ["CONFIG_A=y", "CONFIG_D=y"], ["CONFIG_B=y", "CONFIG_C=y"]
    assert lines(options, "4.1.52") == always
    assert sorted(lines(options, "4.2")) == sorted(always + some)
    assert sorted(lines(options, "4.3-rc1")) == sorted(always + some)
    assert lines(options, "4.3") == always


def test_a_bad_range_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        load(tmp_path, "\n# versions: 4.2\nCONFIG_B=y\n")
    assert caught.value.where == Location(tmp_path / "test.config", 2)
    assert caught.value.hint == "# versions: >=4.1 <4.3"


def test_the_last_wins_and_says_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "base.config").write_text("CONFIG_DAX=y\nCONFIG_SMP=y\n")
    (tmp_path / "less.config").write_text("\n# CONFIG_DAX is not set\n")
    options = load_fragments(tmp_path, ["base", "less"])
    chosen = {option.name: option for option in options_for(options, KernelVersion.parse("6.1"))}
    assert {name: option.value for name, option in chosen.items()} == {"DAX": "n", "SMP": "y"}
    assert chosen["DAX"].where == Location(tmp_path / "less.config", 2)
    again = options_for(load_fragments(tmp_path, ["less", "base"]), KernelVersion.parse("6.1"))
    assert {option.name: option.value for option in again} == {"DAX": "y", "SMP": "y"}


def test_the_last_for_this_version_wins(tmp_path: Path) -> None:
    options = load(tmp_path, "CONFIG_DAX=y\n\n# versions: <4.2\n# CONFIG_DAX is not set\n")
    assert lines(options, "4.1") == ["# CONFIG_DAX is not set"]
    assert lines(options, "4.2") == ["CONFIG_DAX=y"]


def test_a_missing_fragment_names_the_nearest(tmp_path: Path) -> None:
    for name in ("guest", "dax"):
        (tmp_path / f"{name}.config").touch()
    with pytest.raises(UserError, match="no fragment 'gest'") as caught:
        load_fragments(tmp_path, ["dax", "gest"])
    assert caught.value.hint == "one of: guest"
    with pytest.raises(UserError) as caught:
        load_fragments(tmp_path, ["zzz"])
    assert caught.value.hint == "one of: dax, guest"


def test_a_config_as_it_is_written() -> None:
    text = '#\n# Automatically\n#\nCONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C="x=y"\nCONFIG_D=\n'
    assert parse_config(text) == {"A": "y", "C": '"x=y"', "D": ""}


def test_the_shipped_fragments_can_be_read() -> None:
    names = [path.stem for path in (ROOT / "kconfigs").glob("*.config")]
    assert load_fragments(ROOT / "kconfigs", names)
