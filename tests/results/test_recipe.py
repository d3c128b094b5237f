# SPDX-License-Identifier: GPL-2.0-only
"""What it takes to repeat a job: as it was written, and as older labs wrote it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from lab.model.recipe import FORMAT, OLDEST, Boot, Machine, Recipe, RecipeUnit, WantedProof
from lab.results.recipe import parse_recipe, write_recipe
from tests import older

MACHINE = Machine(1 << 30, 2, "tcg", "q35", 1 << 29, "memmap")
UNIT = RecipeUnit(
    "ext4-dax", "ext4", "/mnt/x", "mkfs.ext4 /dev/pmem0", "mlock", "mlock",
    ("mkfs.ext4",), (WantedProof(("dax-proof",), "echo no"),), False,
)  # fmt: skip
RECIPE = Recipe(
    variant="6.1",
    release="6.1.192",
    tree="git:" + "ab" * 20,
    version="6.1.192",
    source={"kind": "git", "url": "https://h/x.git", "ref": "v6.1"},
    environment={"LOCALVERSION": ""},
    cc="gcc",
    compiler="gcc 12",
    mends=("pie: -fno-pie",),
    kernel_flags=("-fno-pie",),
    host_flags=(),
    sha256={"bzImage": "ab" * 32},
    units=(UNIT,),
    fresh="filesystem",
    pattern=None,
    program_s=120.0,
    hardware=MACHINE,
    arguments="panic=-1",
    prepare="true",
    format=FORMAT,
)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_recipe(tmp_path / "recipe.json", RECIPE)
    assert parse_recipe((tmp_path / "recipe.json").read_bytes()) == RECIPE
    assert RECIPE.boot == Boot(MACHINE, "panic=-1", "true")
    assert UNIT.needed == ("mkfs.ext4",)
    played = replace(RECIPE, hardware=None)
    write_recipe(tmp_path / "played.json", played)
    assert parse_recipe((tmp_path / "played.json").read_bytes()).boot is None


def test_an_older_labs_says_what_it_meant() -> None:
    (content, *_) = (
        path.read_bytes() for path in sorted(Path(older.__path__[0]).rglob("recipe.json"))
    )
    recipe = parse_recipe(content)
    assert recipe.format == OLDEST
    assert recipe.tree == "apt:linux-source-6.1=6.1.192-3"
    assert recipe.hardware == Machine(1 << 30, 2, "tcg", "q35", 1 << 29, "nvdimm")
    assert {unit.needed for unit in recipe.units} == {("mkfs.ext4",)}
    assert {(unit.proofs, unit.by_hand) for unit in recipe.units} == {(None, True)}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"format": FORMAT + 1}, f"format {FORMAT + 1} is of another lab"),
        ({"units": [{}]}, "units.0.filesystem: Field required"),
        ({"program_s": "soon"}, "program_s: "),
    ],
)
def test_what_is_no_recipe(changes: dict[str, object], said: str, tmp_path: Path) -> None:
    write_recipe(tmp_path / "recipe.json", RECIPE)
    document = json.loads((tmp_path / "recipe.json").read_bytes())
    with pytest.raises(ValueError, match=said):
        parse_recipe(json.dumps({**document, **changes}).encode())
