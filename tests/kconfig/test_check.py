# SPDX-License-Identifier: GPL-2.0-only
"""Options that did not stick, after the fake kernel's own ``olddefconfig``."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.errors import Location, UserError
from lab.kconfig import Gone, Option, check_config, load_fragments, options_for, parse_config
from lab.kconfig.check import NEWEST_SEEN, find_definitions
from lab.model.version import KernelVersion
from lab.process import run

OLD = KernelVersion(6, 1)
NEWER = KernelVersion(NEWEST_SEEN.version, NEWEST_SEEN.patchlevel + 1, rc=1)


def check(kernel: Path, fragment: str) -> None:
    """Configure the kernel in its own folder, and check."""
    (kernel / "asked.config").write_text(fragment)
    options = options_for(load_fragments(kernel, ["asked"]), KernelVersion.read(kernel))
    (kernel / ".config").write_text("".join(f"{option.line}\n" for option in options))
    run(["make", "-C", kernel, "olddefconfig"])
    check_config(
        options, parse_config((kernel / ".config").read_text()), kernel, KernelVersion.read(kernel)
    )


def refused(kernel: Path, fragment: str) -> UserError:
    with pytest.raises(UserError, match="did not stick") as caught:
        check(kernel, fragment)
    return caught.value


def test_what_can_be_set_sticks(fake_kernel: Path) -> None:
    check(fake_kernel, "CONFIG_DAX=y\nCONFIG_SMP=y\n# CONFIG_BASE is not set\nCONFIG_NONE=n\n")


def test_an_unmet_dependency_is_named(fake_kernel: Path) -> None:
    error = refused(fake_kernel, "CONFIG_BASE=y\nCONFIG_DAX=y\n")
    fragment = fake_kernel / "asked.config"
    assert error.where == Location(fragment, 2)
    assert error.detail == (
        f"{fragment}:2: asked CONFIG_DAX=y, got n (not set)\n  Kconfig:8: depends on SMP  [SMP=n]"
    )


def test_an_option_without_a_prompt(fake_kernel: Path) -> None:
    error = refused(fake_kernel, "CONFIG_HIDDEN=y\n")
    assert "Kconfig:12: has no prompt: only other options select it" in str(error)


def test_an_option_this_kernel_has_not(fake_kernel: Path) -> None:
    assert "this kernel has no option NONSENSE" in str(refused(fake_kernel, "CONFIG_NONSENSE=y\n"))


def test_each_one_is_named(fake_kernel: Path) -> None:
    error = refused(fake_kernel, "CONFIG_NONSENSE=y\nCONFIG_SMP=y\nCONFIG_HIDDEN=y\n")
    assert "2 option(s)" in error.what
    assert "asked.config:1: asked CONFIG_NONSENSE=y" in str(error)
    assert "asked.config:3: asked CONFIG_HIDDEN=y" in str(error)
    assert "CONFIG_SMP" not in str(error)


@pytest.mark.parametrize(
    ("asked", "config"),
    [
        ("# CONFIG_SMP is not set", "CONFIG_SMP=y"),
        ("CONFIG_SMP=m", "CONFIG_SMP=y"),
        ("CONFIG_SMP=y", "CONFIG_SMP=m"),
        ("CONFIG_SMP=8", "CONFIG_SMP=64"),
        ('CONFIG_SMP="a"', 'CONFIG_SMP=""'),
    ],
)
def test_another_value_is_not_what_was_asked(
    fake_kernel: Path, tmp_path: Path, asked: str, config: str
) -> None:
    (tmp_path / "asked.config").write_text(asked)
    options = load_fragments(tmp_path, ["asked"])
    with pytest.raises(UserError, match=r"1 option\(s\)") as caught:
        check_config(options, parse_config(config), fake_kernel, OLD)
    assert f"got {config.partition('=')[2]}" in str(caught.value)


def test_definitions_of_every_form(tmp_path: Path) -> None:
    (tmp_path / "Kconfig").write_text(
        'menuconfig A\n\ttristate\n\tprompt "A"\n\nif A && B_2\n'
        'config C\n\tint "C"\n\tdepends on D\n\tdepends on NR > 64\n\thelp\n\t  depends on luck\n\n'
        "endif # A\nconfig E\n\tdef_bool y\n"
    )
    (tmp_path / "arch/arm").mkdir(parents=True)
    (tmp_path / "arch/arm/Kconfig").write_text('config C\n\tbool "on ARM"\n')
    (tmp_path / "arch/x86").mkdir()
    (tmp_path / "arch/x86/Kconfig.debug").write_text('config C\n\tbool "on x86"\n')
    found = find_definitions(tmp_path, {"A", "C", "E", "F"})
    told = {
        name: [(block.where, block.depends, block.has_prompt) for block in blocks]
        for name, blocks in found.items()
    }
    assert told == {
        "A": [("Kconfig:1", (), True)],
        "C": [
            ("Kconfig:6", ("A && B_2", "D", "NR > 64"), True),
            ("arch/x86/Kconfig.debug:1", (), True),
        ],
        "E": [("Kconfig:14", (), False)],
        "F": [],
    }


def test_numbers_are_no_options(tmp_path: Path) -> None:
    (tmp_path / "Kconfig").write_text('config C\n\tbool "C"\n\tdepends on NR > 64 && 64BIT\n')
    (tmp_path / "asked.config").write_text("CONFIG_C=y")
    options = load_fragments(tmp_path, ["asked"])
    with pytest.raises(UserError) as caught:
        check_config(options, {"NR": "8"}, tmp_path, OLD)
    assert "depends on NR > 64 && 64BIT  [NR=8, 64BIT=n]" in str(caught.value)


SHOWN = "# shown by: /proc/sys/kernel\nCONFIG_LOST=y\n# shown by: boot\nCONFIG_AWAY=8\n"


def options_of(folder: Path, fragment: str) -> tuple[Option, ...]:
    (folder / "ours.config").write_text(fragment)
    return load_fragments(folder, ["ours"])


def test_what_a_guest_shows_may_be_gone_from_a_newer_kernel(tmp_path: Path) -> None:
    options = options_of(tmp_path, SHOWN)
    gone = check_config(options, {}, tmp_path, NEWER)
    assert gone == (Gone("LOST", "/proc/sys/kernel"), Gone("AWAY", "boot"))
    assert str(gone[0]) == (
        "no option LOST any more; what it was for is shown by /proc/sys/kernel in the guest"
    )
    assert check_config(options, {"LOST": "y", "AWAY": "8"}, tmp_path, NEWER) == ()


@pytest.mark.parametrize(
    ("fragment", "kconfig", "version", "name"),
    [
        (SHOWN, "", NEWEST_SEEN, "LOST"),
        (SHOWN, 'config LOST\n\tbool "it"\n\tdepends on THAT\n', NEWER, "LOST"),
        ("CONFIG_LOST=y\n", "", NEWER, "LOST"),
        (SHOWN + "\nCONFIG_MINE=y\n", "", NEWER, "MINE"),
        (SHOWN + "CONFIG_X=y\n\nCONFIG_LOST=y\n", "", NEWER, "LOST"),
    ],
)
def test_what_is_there_and_what_nothing_shows_may_not(
    tmp_path: Path, fragment: str, kconfig: str, version: KernelVersion, name: str
) -> None:
    options = options_for(options_of(tmp_path, fragment), version)
    (tmp_path / "Kconfig").write_text(kconfig)
    with pytest.raises(UserError, match="did not stick") as caught:
        check_config(options, {}, tmp_path, version)
    assert f"asked CONFIG_{name}=y" in str(caught.value)


def test_what_cannot_show_an_option(tmp_path: Path) -> None:
    for text in ("luck", "/proc/$(reboot)", "proc/sys"):
        with pytest.raises(UserError, match="is nothing that shows an option"):
            options_of(tmp_path, f"# shown by: {text}\nCONFIG_A=y\n")
