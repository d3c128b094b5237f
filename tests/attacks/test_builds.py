# SPDX-License-Identifier: GPL-2.0-only
"""A hostile patch of a kernel: what its Makefile runs while the kernel is built.

In the sandbox it comes to nothing; without one, what it writes into its source is seen, and
neither the tree nor another build has it.
"""

from __future__ import annotations

import os
import pwd
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lab.build import BuildJob, Toolchain, build
from lab.build.sandbox import Sandbox, Wanted, choose_sandbox, probe_sandbox, tool_folders
from lab.errors import InfrastructureError, UserError
from lab.patches.overlay import Replacement
from lab.process import ProcessTimeout
from lab.trees import Tree
from lab.trees.manifest import compute_manifest
from tests.build.conftest import Bench, bench, immutable, until
from tests.rights import as_a_user

__all__ = ["bench"]

HOSTILE = Path(__file__).with_name("hostile.sh")
needs_bwrap = pytest.mark.skipif(
    not isinstance(probe_sandbox(), Sandbox), reason=f"no sandbox: {probe_sandbox()}"
)


@pytest.fixture
def tree(bench: Bench) -> Tree:
    """A tree of the cache, which workbenches link to."""
    return immutable(bench.kernel, bench.top / "tree")


@pytest.fixture
def port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def attack(bench: Bench, tree: Tree, *commands: str) -> BuildJob:
    """A job whose Makefile runs these commands of the shell before it makes a kernel."""
    makefile = (tree.path / "Makefile").read_text()
    # Outside of any recipe: nothing of make's own ends at a command that failed.
    run = "".join(f"did := $(shell ({command}) 2>/dev/null)\n" for command in commands)
    job = bench.job({"Makefile": makefile + run}, tree=tree)
    # The tests' own compiler lies beside all that is to be out of reach.
    return replace(job, toolchain=Toolchain("gcc", "gcc 12", "ld 2.40", 2))


def hostile(bench: Bench, tree: Tree, port: int) -> BuildJob:
    secret = bench.top / "secret"
    secret.write_text("secret")
    where = (secret, port, os.getpid(), bench.cache / "builds", tree.path)
    words = " ".join(shlex.quote(str(word)) for word in where)
    job = attack(bench, tree, f"sh $(srctree)/hostile.sh $(srctree) {words} > $(objtree)/found")
    files = {**job.overlay.files, "hostile.sh": Replacement(0o100755, HOSTILE.read_bytes())}
    return replace(job, overlay=replace(job.overlay, files=files))


def found(bench: Bench) -> list[str]:
    return (bench.place / "obj/found").read_text().splitlines()


@pytest.fixture(autouse=True)
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_MAIL_PASSWORD", "of no build's concern")


@needs_bwrap
def test_in_the_sandbox_it_comes_to_nothing(bench: Bench, tree: Tree, port: int) -> None:
    before = compute_manifest(tree.path)
    built = build(replace(hostile(bench, tree, port), sandbox="bwrap"))
    assert found(bench) == ["ran"]
    assert compute_manifest(tree.path) == before
    # The links are still there: nothing was copied to keep the tree from harm.
    assert (bench.place / "src/fs/dax.c").samefile(tree.path / "fs/dax.c")
    assert built.image.read_bytes() == bench.from_nothing(attack(bench, tree))


@needs_bwrap
def test_the_attack_is_one(bench: Bench, tree: Tree, port: int) -> None:
    """What comes to nothing in the sandbox does come to something without it."""
    with pytest.raises(UserError):
        build(hostile(bench, tree, port))
    words = (tree.path, bench.top / "secret", port, os.getpid(), bench.top, tree.path)
    command = ["sh", str(HOSTILE), *map(str, words)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert len(said.splitlines()) >= 10


WRITES = {
    "append": "echo x >> $(srctree)/fs/dax.c",
    "append and hide": (
        "touch -r $(srctree)/fs/dax.c $(objtree)/time; echo x >> $(srctree)/fs/dax.c;"
        " touch -r $(objtree)/time $(srctree)/fs/dax.c"
    ),
    "replace": "echo x > $(objtree)/new; mv $(objtree)/new $(srctree)/fs/dax.c",
    "link": "ln -sf /dev/null $(srctree)/fs/dax.c",
    "remove": "rm $(srctree)/fs/dax.c",
    "fifo": "rm $(srctree)/fs/dax.c; mkfifo $(srctree)/fs/dax.c",
}


@pytest.mark.parametrize("how", WRITES)
@pytest.mark.parametrize("linked_before", [False, True])
def test_without_a_sandbox_writing_is_refused_and_nothing_stays(
    bench: Bench, tree: Tree, how: str, linked_before: bool
) -> None:
    before = compute_manifest(tree.path)
    base = replace(attack(bench, tree), variant="6.1")
    if linked_before and isinstance(probe_sandbox(), Sandbox):
        # Its workbench has links to the tree, which a build without one takes over.
        build(replace(base, sandbox="bwrap"))
        base = replace(base, overlay=bench.job({"mm/gup.c": "int gup(void);\n"}).overlay)
    job = attack(bench, tree, WRITES[how])
    if how == "fifo":
        # The compiler waits for somebody to write: what is told is not that it took too long.
        job = replace(job, deadline_s=5)
    with pytest.raises(UserError, match=r"wrote into its source: fs/dax\.c") as caught:
        build(job)
    assert "$(objtree)" in str(caught.value)
    assert not job.folder.exists()
    assert compute_manifest(tree.path) == before
    # The next one has nothing of it.
    assert build(base).image.read_bytes() == bench.from_nothing(base)


#: What a build may put in a product's place for the lab to follow, outside of any sandbox.
ASTRAY = {
    "System.map": "ln -sf {secret} $(objtree)/System.map",
    "vmlinux": "ln -sf /dev/zero $(objtree)/vmlinux",
    "bzImage": "rm -rf $(objtree)/arch; ln -s {folder} $(objtree)/arch",
    "kernel.release": "rm -rf $(objtree)/include; ln -s {secret}.d $(objtree)/include",
    ".config": "ln -sf /dev/zero $(objtree)/.config",
    "fifo": "rm -f $(objtree)/System.map; mkfifo $(objtree)/System.map",
    "sparse": "rm -f $(objtree)/System.map; truncate -s 1T $(objtree)/System.map",
}


@pytest.mark.parametrize("sandbox", [pytest.param("bwrap", marks=needs_bwrap), "none"])
@pytest.mark.parametrize("what", ASTRAY)
def test_a_product_that_leads_elsewhere(
    bench: Bench, tree: Tree, what: str, sandbox: Wanted
) -> None:
    secret = bench.top / "secret"
    secret.write_text("secret")
    places = {"secret": secret, "folder": bench.top / "elsewhere"}
    (bench.top / "elsewhere/x86/boot").mkdir(parents=True)
    (bench.top / "elsewhere/x86/boot/bzImage").write_text("of another")
    release = bench.top / "secret.d/config/kernel.release"
    release.parent.mkdir(parents=True)
    release.write_text("6.1.7")
    base = attack(bench, tree)
    makefile = base.overlay.files["Makefile"]
    assert makefile is not None
    last = ASTRAY[what].format(**places).encode()
    # After all else that is made: nothing puts the right file there any more.
    made = makefile.content + b"\nbzImage: astray\n.PHONY: astray\nastray: real\n\t" + last + b"\n"
    made = made.replace(b"\nbzImage:", b"\nreal:", 1)
    files = {**base.overlay.files, "Makefile": Replacement(0o100644, made)}
    job = replace(base, overlay=replace(base.overlay, files=files), sandbox=sandbox)
    with pytest.raises(UserError, match="the build was to make"):
        build(job)
    assert not job.folder.exists()
    # The next one has nothing of it.
    assert build(replace(base, sandbox=sandbox)).release == "6.1.7"


@needs_bwrap
def test_folders_upon_folders_among_the_objects(bench: Bench, tree: Tree) -> None:
    """Each of these walks through them, and would end there for good."""
    twice = "p=$$p/$$p; " * 10
    dig = f"cd $(objtree); p=d; {twice} mkdir -p $$p"
    build(replace(attack(bench, tree, dig), sandbox="bwrap"))
    place = bench.place
    # Another config starts from the nearest; and then a build that was killed.
    base = replace(attack(bench, tree), sandbox="bwrap")
    build(replace(base, options=bench.job(options="CONFIG_SMP=n\n").options))
    (place / "in-use").touch()
    assert build(base).release == "6.1.7"
    assert not (place / "obj/d").exists()


@needs_bwrap
def test_no_file_of_the_users_is_written_through_the_config(bench: Bench, tree: Tree) -> None:
    profile = bench.top / "profile"
    profile.write_text("mine")
    # Under each name that the lab may write to before it renames it.
    names = [".config.lab-new", ".config~", "configured"]
    links = "; ".join(f"ln -sf {profile} $(objtree)/{name}" for name in names)
    build(replace(attack(bench, tree, links), sandbox="bwrap"))
    assert profile.read_text() == "mine"


@needs_bwrap
def test_a_config_that_a_failed_build_led_astray(bench: Bench, tree: Tree) -> None:
    base = replace(attack(bench, tree), sandbox="bwrap")
    build(base)
    target = bench.top / "elsewhere"
    broken = attack(bench, tree, f"ln -sf {target} $(objtree)/.config", "false")
    makefile = broken.overlay.files["Makefile"]
    assert makefile is not None
    made = makefile.content.replace(b"\nbzImage:", b"\nbzImage:\n\tfalse\nreal:", 1)
    files = {**broken.overlay.files, "Makefile": Replacement(0o100644, made)}
    with pytest.raises(UserError):
        build(replace(broken, overlay=replace(broken.overlay, files=files), sandbox="bwrap"))
    again = replace(base, overlay=bench.job({"mm/gup.c": "int gup(void);\n"}).overlay)
    assert build(again).release == "6.1.7"
    assert not target.exists()


@pytest.mark.parametrize(
    "what", ["touch $(srctree)/fs/new.h", "mkdir $(srctree)/x; touch $(srctree)/x/y"]
)
def test_a_file_that_a_build_adds_to_its_source(bench: Bench, tree: Tree, what: str) -> None:
    with pytest.raises(UserError, match=r"wrote into its source: (fs/new\.h|x/y)"):
        build(attack(bench, tree, what))


def test_many_files_are_counted(bench: Bench, tree: Tree) -> None:
    with pytest.raises(UserError, match=r"source: n1, n2, n3, n4, n5 and 2 more\n"):
        build(attack(bench, tree, "cd $(srctree); touch n1 n2 n3 n4 n5 n6 n7"))


def test_a_build_that_fails_as_well_leaves_nothing(bench: Bench, tree: Tree) -> None:
    job = attack(bench, tree, "echo broken >> $(srctree)/fs/dax.c")
    with pytest.raises(UserError, match="wrote into its source"):
        build(job)
    assert build(attack(bench, tree)).release == "6.1.7"


def test_a_killed_build_that_wrote_is_seen_by_the_next(bench: Bench, tree: Tree) -> None:
    base = attack(bench, tree)
    build(base)
    # As a kill leaves it: the mark of a build, and then what it wrote.
    (bench.place / "in-use").touch()
    with (bench.place / "src/fs/dax.c").open("a") as file:
        file.write("poison\n")
    again = replace(base, overlay=bench.job({"mm/gup.c": "int gup(void);\n"}).overlay)
    assert build(again).image.read_bytes() == bench.from_nothing(again)


@needs_bwrap
def test_in_the_sandbox_writing_is_told(bench: Bench, tree: Tree) -> None:
    makefile = (tree.path / "Makefile").read_text()
    wrote = makefile.replace("tinyconfig:\n", "tinyconfig:\n\techo x >> $(srctree)/fs/dax.c\n")
    job = replace(attack(bench, tree), sandbox="bwrap")
    job = replace(job, overlay=bench.job({"Makefile": wrote}, tree=tree).overlay)
    with pytest.raises(UserError, match=r"writes into what it only may read: .*fs/dax\.c"):
        build(job)


@needs_bwrap
def test_sandboxed_builds_compile_what_differs(bench: Bench, tree: Tree) -> None:
    """With a compiler in an odd place, too."""
    bench.build(replace(bench.job(tree=tree), sandbox="bwrap"))
    bench.build(replace(bench.job({"mm/gup.c": "int gup(void);\n"}, tree=tree), sandbox="auto"))
    assert bench.compiled == ["mm/gup.o"]


@pytest.mark.slow
@pytest.mark.parametrize("sandbox", [pytest.param("bwrap", marks=needs_bwrap), "none"])
def test_a_build_that_hangs_ends_with_all_that_it_started(
    bench: Bench, tree: Tree, sandbox: Wanted
) -> None:
    asleep = f"sleep 61.{os.getpid()}"
    job = attack(bench, tree, f"setsid {asleep} > /dev/null & trap '' TERM HUP; {asleep}")
    with pytest.raises(ProcessTimeout, match="the build deadline of 1 s passed"):
        build(replace(job, sandbox=sandbox, deadline_s=1))
    until(lambda: asleep not in subprocess.run(["ps", "ax"], capture_output=True, text=True).stdout)


def test_asked_for_and_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr("lab.host.machine._SBIN", ())
    probe_sandbox.cache_clear()
    try:
        assert choose_sandbox("auto") is None
        assert choose_sandbox("none") is None
        with pytest.raises(InfrastructureError, match="bwrap is not installed") as caught:
            choose_sandbox("bwrap")
        assert "install bubblewrap" in str(caught.value)
    finally:
        probe_sandbox.cache_clear()


def test_what_a_toolchain_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("HOME", str(home))
    for folder in ("home/bin", "opt/gcc/bin", "opt/gcc/lib", "opt/gcc/share", "more"):
        (tmp_path / folder).mkdir(parents=True)
    gcc = tmp_path / "opt/gcc/bin/gcc-99"
    gcc.write_text("#!/bin/sh\n")
    gcc.chmod(0o755)
    (home / "bin/gcc-99").symlink_to(gcc)
    path = f"{home}/bin:{home}:{tmp_path}:/:/usr/bin:relative:{tmp_path}/none"
    environment = {"PATH": path, "HOME": str(home), "LIBS": str(tmp_path / "more")}
    told = {str(folder.relative_to(tmp_path)) for folder in tool_folders(environment, ["gcc-99"])}
    assert told == {"home/bin", "more", "opt/gcc/bin", "opt/gcc/lib"}


@pytest.mark.slow
def test_a_path_that_only_root_may_look_into(tmp_path: Path) -> None:
    """As `su USER` keeps it of root."""
    hidden = tmp_path / "root"
    (hidden / "cargo/bin").mkdir(parents=True)
    (tmp_path / "bin").mkdir()
    ask = (
        "import os, sys; from lab.build.sandbox import tool_folders;"
        "print([str(path) for path in tool_folders({'PATH': sys.argv[1]}, [])])"
    )
    path = f"{hidden}/cargo/bin:{tmp_path}/bin:/usr/bin"
    command = as_a_user([sys.executable, "-c", ask, path])
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    hidden.chmod(0)
    try:
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    finally:
        hidden.chmod(0o700)
    assert (done.stdout, done.stderr) == (f"['{tmp_path}/bin']\n", "")


def probe_of_a_lab_at(place: Path, monkeypatch: pytest.MonkeyPatch) -> Sandbox | str:
    """What the probe says where the lab itself lies at ``place``."""
    for name in ("sandbox.py", "__init__.py"):
        (place / name).touch()
    monkeypatch.setattr("lab.build.sandbox.__file__", str(place / "sandbox.py"))
    probe_sandbox.cache_clear()
    try:
        return probe_sandbox()
    finally:
        probe_sandbox.cache_clear()


@pytest.fixture
def in_the_home() -> Iterator[Path]:
    """A folder in the user's own home, whatever $HOME says: where most have the lab."""
    home = Path(pwd.getpwuid(os.getuid()).pw_dir)
    if not os.access(home, os.W_OK):
        pytest.skip(f"{home} cannot be written")
    with tempfile.TemporaryDirectory(prefix=".lab-test-", dir=home) as place:
        yield Path(place)


@needs_bwrap
def test_it_works_for_a_lab_in_a_home(in_the_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(probe_of_a_lab_at(in_the_home, monkeypatch), Sandbox)


LEAKY_BWRAP = """#!/bin/bash
[ "$1" = --version ] && exec {real} --version
while [ "$1" != -- ]; do options+=("$1"); shift; done
exec {real} "${{options[@]}}" {bind} {shown} {shown} "$@"
"""


@needs_bwrap
@pytest.mark.parametrize(
    ("bind", "shown", "seen"),
    [
        ("--ro-bind", "", "__init__.py is seen"),
        ("--bind", "sandbox.py", "sandbox.py can be written"),
        ("--ro-bind", "/var", "/var/tmp is seen"),
    ],
)
def test_one_that_shows_too_much_is_none(
    bind: str,
    shown: str,
    seen: str,
    in_the_home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bwrap = tmp_path / "bwrap"
    real = shutil.which("bwrap")
    bwrap.write_text(LEAKY_BWRAP.format(real=real, bind=bind, shown=in_the_home / shown))
    bwrap.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("HOME", "/var/tmp")  # a home that the lab is not in
    said = probe_of_a_lab_at(in_the_home, monkeypatch)
    assert isinstance(said, str)
    assert said.startswith("bwrap does not work: in it /")
    assert said.endswith(seen)
