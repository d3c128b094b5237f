# SPDX-License-Identifier: GPL-2.0-only
"""Kernels that are a distribution's source package, such as linux-source-6.1."""

from __future__ import annotations

import re
import shlex
import subprocess
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from lab.config.model import AptKernel
from lab.errors import InfrastructureError, LabError, UserError
from lab.host.apt import candidate_in
from lab.model.tree_identity import TreeIdentity
from lab.process import ProcessFailed, spawn
from lab.trees.download import sha256_of
from lab.trees.request import ELSEWHERE, Brought, Request
from lab.trees.source import Bringing, Called, SourceKind
from lab.trees.tar_stream import Members
from lab.trees.unpack import unpack

# Debian Policy 5.6.1, and an architecture; no option of apt's looks like it.
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+(:[a-z0-9-]+)?")
# Debian has usr/src/NAME.tar.xz, Ubuntu usr/src/NAME/NAME.tar.bz2.
_TARBALL = re.compile(r"(?:^|/)usr/src/(?:[^/]+/)?[^/]+\.tar(?:\.\w+)?$")
# Ubuntu's linux-source-6.8.0 is 6.8.12.
_VERSIONED = re.compile(r"linux-source-(\d+)\.(\d+)(?:[.:-].*)?")
_UPDATE = "sudo apt-get update"
_SOURCES = "linux-source-"
_CHUNK = 1 << 20


class AptSource(Bringing):
    """The tarball inside a package: the installed one, else apt's candidate."""

    def __init__(self, kernel: AptKernel, request: Request) -> None:
        if not _PACKAGE.fullmatch(kernel.package):
            raise UserError(
                f"{kernel.package!r} is not the name of a package",
                where=request.where("package"),
                hint="linux-source-6.1",
            )
        self._kernel = kernel
        self._request = request

    def identify(self) -> TreeIdentity:
        """The package and its version."""
        return TreeIdentity.of("apt", self._spec, self._kernel.member or "")

    def write(self, source: Path, work: Path) -> Brought:
        """Take the tarball from the package and unpack it, without root."""
        installed = self._installed
        tarball = Path(installed[1]) if installed else self._download(work)
        record = {"package": self._spec, "tarball": tarball.name, "sha256": sha256_of(tarball)}
        self._request.say(f"unpacking {tarball.name}")
        return Brought(record, unpack(tarball, source, self._request, tarball))

    @property
    def _spec(self) -> str:
        version = self._candidate if self._installed is None else self._installed[0]
        return f"{self._kernel.package}={version}"

    @cached_property
    def _installed(self) -> tuple[str, str] | None:
        """The version and tarball on this machine already."""
        package = self._kernel.package
        query = ["dpkg-query", "-W", "-f", "${db:Status-Status} ${Version}", package]
        status, _, version = self._request.run(query, check=False).stdout.partition(" ")
        if status != "installed":
            return None
        files = self._request.run(["dpkg-query", "-L", package]).stdout.splitlines()
        there = [file for file in files if Path(file).is_file()]
        tarballs = [file for file in there if self._wanted(file)]
        return (version, self._only(tarballs, there)) if tarballs else None

    @cached_property
    def _candidate(self) -> str:
        name = self._kernel.package
        policy = self._request.run(["apt-cache", "policy", name], check=False).stdout
        candidate = candidate_in(policy, name)
        if candidate is None:
            raise self._unknown()
        return candidate

    def _unknown(self) -> LabError:
        names = self._request.run(["apt-cache", "pkgnames", _SOURCES], check=False).stdout
        known = sorted(names.split())
        if not known:
            return InfrastructureError(
                f"apt knows no kernel sources: {self._kernel.package} cannot be found",
                hint=f"{_UPDATE}; if that does not do it, a mirror that has them",
            )
        return UserError(
            f"apt knows no package {self._kernel.package}",
            where=self._request.where("package"),
            detail="it knows " + " ".join(known),
            hint=f"one of these; {_UPDATE}, should it be new; or {ELSEWHERE}",
        )

    def _download(self, work: Path) -> Path:
        self._request.say(f"downloading {self._spec}")
        try:
            self._request.run(["apt-get", "-q", "download", self._spec], cwd=work)
        except ProcessFailed as error:
            raise InfrastructureError(
                f"apt cannot download {self._spec}", detail=error.detail, hint=_UPDATE
            ) from None
        (package,) = work.glob("*.deb")
        self._check_name(package)
        tarball = self._extract(package, work)
        package.unlink()
        return tarball

    def _check_name(self, package: Path) -> None:
        query = ["dpkg-deb", "-f", str(package), "Package"]
        got = self._request.run(query).stdout.strip()
        if got != self._kernel.package.partition(":")[0]:
            raise UserError(
                f"apt brought the package {got} for {self._kernel.package}",
                where=self._request.where("package"),
                hint=f"apt-cache policy {self._kernel.package}",
            )

    def _extract(self, package: Path, work: Path) -> Path:
        names, tarballs = [], []
        with spawn(["dpkg-deb", "--fsys-tarfile", str(package)], stdout=subprocess.PIPE) as child:
            try:
                members = Members(child.stdout)
                for member in (member for member in members if member.isreg()):
                    names.append(member.name)
                    if self._wanted(member.name):
                        tarballs.append(member.name)
                        self._save(members, member, work)
            except tarfile.TarError as error:
                raise InfrastructureError(f"{package.name} is damaged: {error}") from None
        return work / Path(self._only(tarballs, names)).name

    def _save(self, members: Members, member: tarfile.TarInfo, work: Path) -> None:
        with (work / Path(member.name).name).open("wb") as file:
            for piece in members.content(member):
                file.write(piece)
                self._request.left()

    def _wanted(self, name: str) -> bool:
        member = self._kernel.member
        if member is None:
            return _TARBALL.search(name) is not None
        return f"/{name}".endswith(f"/{member.strip('/')}")

    def _only(self, tarballs: Iterable[str], names: Iterable[str]) -> str:
        found = list(tarballs)
        if len(found) == 1:
            return found[0]
        count = "several tarballs" if found else "no tarball"
        raise UserError(
            f"{self._kernel.package} holds {count} such as usr/src/NAME.tar.xz",
            where=self._request.where("member" if self._kernel.member else "package"),
            detail="\n".join(found or names),
            hint="name one as member" if found else f"apt-cache depends {self._kernel.package}",
        )


class AptKind(SourceKind[AptKernel]):
    """``kind = "apt"``."""

    key = "package"

    def source(self, section: AptKernel, request: Request) -> AptSource:
        """The package."""
        return AptSource(section, request)

    def names(self, section: AptKernel) -> Iterator[Called]:
        """The package's."""
        yield Called(_VERSIONED, section.package, f"the package is {section.package}")

    def by_hand(self, identity: TreeIdentity, section: Mapping[str, Any]) -> str:
        """The installed package if it is this one, else apt's."""
        package, version = identity.package
        spec = shlex.quote(f"{package}={version}")
        return f"""\
mkdir -p "$work/package"
if [ "$(dpkg-query -W -f '${{Version}}' {shlex.quote(package)} 2>/dev/null)" = \
{shlex.quote(version)} ]; then
	package=
else
	(cd "$work/package" && apt-get download {spec}) || stop "apt has no "{spec}
	dpkg-deb -x "$work"/package/*.deb "$work/package" || stop "dpkg-deb failed"
	package=$work/package
fi
tarball=$(find "$package/usr/src" -name {shlex.quote(package + ".tar.*")} | head -n 1)
tar -C "$source" --strip-components=1 -xf "$tarball" || stop "tar failed\""""


APT = AptKind()
