# SPDX-License-Identifier: GPL-2.0-only
"""How a suite's programs are run in a guest: what ``[suites.X]`` may say of that."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from lab.config.model import NOBODY, Suite
from lab.suites.output import Output, output_of

#: What does not mount has no folder, and a program that runs elsewhere shows nothing.  One
#: that reads would wait for its deadline.
_THERE = 'cd "$0" || exit 126; exec "$@" </dev/null'
#: As a user that nobody knows there yet, in a folder of its own.
_AS_USER = (
    'd=$0/as-$2; mkdir -p "$d" && chown "$2:$2" "$d" && cd "$d" || exit 126; '
    'grep -q "^$1:" /etc/passwd || echo "$1:x:$2:$2::/tmp:/bin/sh" >>/etc/passwd; '
    '[ "$(id -u "$1")" = "$2" ] || exit 126; u=$1; shift 2; '
    'exec su -s /bin/sh -- "$u" -c \'exec "$@"\' sh "$@" </dev/null'
)
#: tmpfile(3) heeds no TMPDIR.
_OVER_TMP = 'mount -o bind "$0" /tmp || exit 126; exec "$@"'
_UIDS = {NOBODY: 65534}
#: In what is set for a program, the filesystem under test.
_MOUNT = "{mount}"
#: The program that runs another in the root of an image: guest-tests/in-image.c.
IN_IMAGE = "in-image"
#: Where the lab's marks go, which only root may write.
_MARKS = "LAB_MARKS"


@dataclass(frozen=True)
class Manner:
    """How programs are run.

    Attributes:
        environment: Set for them, beside what a guest sets; ``{mount}`` is where the filesystem
            under test is.
        cwd: ``mount``, or a folder of the guest.
        tmp: ``mount`` where /tmp is the filesystem under test.
        user: ``nobody`` or a number; "" is root.
        output: A kind of lab.suites.output; "" is their own.
        tools: Of this machine, that they need in a guest.
        image: The root filesystem that they run in; "" is the guest's own.
    """

    arguments: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    cwd: str = "mount"
    tmp: str = "guest"
    user: str = ""
    output: str = ""
    tools: tuple[str, ...] = ()
    image: str = ""

    @staticmethod
    def of(section: Suite) -> Manner:
        """What a table says."""
        return Manner(
            arguments=section.arguments,
            environment=tuple(sorted(section.environment.items())),
            cwd=section.cwd,
            tmp=section.tmp,
            user="" if section.user is None else str(section.user),
            output=section.output or "",
            tools=section.tools,
            image=section.image or "",
        )

    @property
    def tells(self) -> Output:
        """How they tell of their tests."""
        return output_of(self.output or "exit")

    def command(self, words: Sequence[str], mount: str, *, merged: bool) -> list[str]:
        """The command that runs a program so.

        Args:
            mount: Where the filesystem under test is.
            merged: Whether what it says of errors is a part of its output.
        """
        return [*self._enter(mount), *self._command(words, mount, merged=merged)]

    def shell(self, words: Sequence[str], mount: str, *, merged: bool) -> str:
        """The same as text for a shell that stays: to start a shell and an env(1) for it takes a
        guest under TCG as long as a small program does.
        """
        if self.image or self.user or not all(name.isidentifier() for name, _ in self.environment):
            return shlex.join(self.command(words, mount, merged=merged))
        sets = "".join(f"export {shlex.quote(each)}; " for each in self._settings(mount))
        ran = shlex.join([*self._over_tmp(mount), *words])
        after = " 2>&1" if merged else ""
        there = f"cd {shlex.quote(self._cwd(mount))} || exit 126"
        return f"({there}; {sets}exec {ran} </dev/null{after})"

    def _cwd(self, mount: str) -> str:
        return mount if self.cwd == "mount" else self.cwd

    def _enter(self, mount: str) -> list[str]:
        if not self.image:
            return []
        # What is mounted there: an image need not have a mount(8).
        return [f"/lab/{IN_IMAGE}", mount, mount if self.tmp == "mount" else "/tmp"]  # noqa: S108  # the guest's

    def _command(self, words: Sequence[str], mount: str, *, merged: bool) -> list[str]:
        folder = self._cwd(mount)
        after = " 2>&1" if merged else ""
        own = [*self._over_tmp(mount), *self._set(mount), *words]
        if not self.user:
            return ["sh", "-c", f"{_THERE}{after}", folder, *own]
        uid = str(_UIDS.get(self.user, self.user))
        name = self.user if self.user in _UIDS else f"u{uid}"
        return ["sh", "-c", f"{_AS_USER}{after}", folder, name, uid, *own]

    def _over_tmp(self, mount: str) -> list[str]:
        """In a namespace of its own, so that nobody else sees it and nothing stays mounted."""
        if self.tmp != "mount" or self.image:
            return []
        return ["unshare", "-m", "sh", "-c", _OVER_TMP, mount]

    def _settings(self, mount: str) -> list[str]:
        there = [(name, value.replace(_MOUNT, mount)) for name, value in self.environment]
        return [f"{name}={value}" for name, value in there]

    def _set(self, mount: str) -> list[str]:
        names = self._settings(mount)
        hidden = ["-u", _MARKS] if self.user else []
        return ["env", *hidden, *names] if names or hidden else []


#: Of what no table speaks of.
DEFAULT = Manner()
