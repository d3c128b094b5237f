# SPDX-License-Identifier: GPL-2.0-only
"""Something made of a source in a root of Debian's packages, which is thrown away after that.

What wants headers and libraries of a distribution is built where these are, whatever this
machine has; what was made goes into the image that guests run (make_userland()).
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lab.arch import ARCH
from lab.config.model import Image
from lab.errors import UserError
from lab.process.cache_use import note_use
from lab.process.lock import locked
from lab.process.removal import remove_tree
from lab.process.scratch import scratch_folder
from lab.process.seal import damage, seal, sealed_digests
from lab.process.shelf import PROGRAMS
from lab.store.bundle import pull_folder, push_folder
from lab.userland.bootstrap import HookFailed, bootstrap, packages_key

#: Raised when the lab comes to make them otherwise.
_RECIPE = 1
_ARCHIVE = "made.tar"
#: In the root: the source, and the archive of what was made.
_SOURCE, _MADE = "lab-source", "/lab-made.tar"
_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_SHOWN = 12


@dataclass(frozen=True)
class RootBuild:
    """How something is made of a source.

    Attributes:
        name: Of its suite or source, for people.
        identity: Names the source, whole.
        commands: A shell's, each in the copy of it.
        take: Files and folders that they leave in the root, by their whole paths.
        sandbox: Whether they run in bubblewrap there, without a network.
    """

    name: str
    identity: str
    commands: tuple[str, ...]
    take: tuple[str, ...]
    sandbox: bool = False


def made_in_root(
    build: RootBuild,
    name: str,
    image: Image,
    fill: Callable[[Path], None],
    cache: Path,
    deadline_s: float,
) -> Path:
    """The archive of what was made, by its places in a root; once for the source and the root.

    Args:
        name: Of the table ``[images.NAME]`` in whose packages it is built.
        fill: Writes the source into an empty folder.

    Raises:
        UserError: Its commands fail, or leave not what is taken.
        InfrastructureError: A tool, the network or the disk failed.
    """
    final = PROGRAMS.place(cache, f"made-{_key(build, name, image)}")
    with locked(PROGRAMS.lock_of(cache, final.name)):
        if not sealed_digests(final) or damage(final, [_ARCHIVE]):
            with scratch_folder(final) as scratch:
                had = pull_folder(PROGRAMS.kind, final, scratch, [_ARCHIVE])
                if not had:
                    source = scratch / _SOURCE
                    source.mkdir()
                    fill(source)
                    _build(build, name, image, scratch, deadline_s)
                    remove_tree(source)
                    seal(scratch, [_ARCHIVE])
            if not had:
                push_folder(PROGRAMS.kind, final)
        note_use(final)
    return final / _ARCHIVE


def _key(build: RootBuild, name: str, image: Image) -> str:
    packages = packages_key(name, image)
    parts = (_RECIPE, ARCH.name, packages, build.identity, build.commands, build.take)
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]


def _build(build: RootBuild, name: str, image: Image, scratch: Path, deadline_s: float) -> None:
    source, archive = (shlex.quote(str(scratch.absolute() / it)) for it in (_SOURCE, _ARCHIVE))
    hooks = [
        f"copy-in {source} /",
        _inside(_script(build), sandbox=build.sandbox),
        f"download {_MADE} {archive}",
    ]
    try:
        bootstrap(name, image, scratch / _ARCHIVE, deadline_s, hooks, kept=False)
    except HookFailed as error:
        # What mmdebstrap says of it begins so, and has the whole script in it.
        said = re.split(r"^E: ", error.detail or "", maxsplit=1, flags=re.MULTILINE)[0].splitlines()
        last = next((line for line in reversed(said) if line and not line.startswith("I: ")), "")
        what = f"{build.name} does not build in image {name!r}: {last}"
        raise UserError(what, where="build", detail="\n".join(said[-_SHOWN:])) from error


def _script(build: RootBuild) -> str:
    taken = shlex.join(path.lstrip("/") for path in build.take)
    pack = f"tar -C / --numeric-owner -cf {_MADE} {taken}"
    return "\n".join((f"cd /{_SOURCE}", *build.commands, pack))


def _inside(script: str, *, sandbox: bool) -> str:
    """A shell's command that runs a script in the root, which is the shell's ``$1``."""
    words = shlex.join(["env", "-i", _PATH, "HOME=/tmp", "LC_ALL=C", "sh", "-euc", script])
    if not sandbox:
        return f'chroot "$1" {words} >&2'
    return (
        'bwrap --unshare-all --die-with-parent --cap-drop ALL --bind "$1" / --proc /proc '
        f"--dev /dev --tmpfs /tmp --chdir / -- {words} >&2"
    )
