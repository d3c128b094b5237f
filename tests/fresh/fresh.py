#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Run README's commands as a stranger would, in a minimal Debian of today.

    tests/fresh/fresh.py bookworm              # ./bootstrap demo, then ./bootstrap check
    tests/fresh/fresh.py trixie demo           # only that
    tests/fresh/fresh.py --keep trixie check -k ssh

Makes Debian in a folder (mmdebstrap), with what this machine's apt and pip are told of mirrors,
proxies and certificates; clones the checkout's HEAD into it; and runs ./bootstrap there as a
user who has sudo and nothing else. Needs root. Mounts and processes are in namespaces of their
own, so that nothing of them is left, whatever ends this.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
#: Set in the process that has the namespaces.
_INSIDE = "LAB_FRESH_INSIDE"
_USER = "stranger"
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
#: Which of apt's settings are this machine's way to the mirror.
_NETWORK = re.compile(r"^Acquire::(https?|ftp|socks|Retries|ForceIPv|Check-|Queue-Mode)", re.I)
_PROXIES = re.compile(r"^(https?|ftp|no|all)_proxy$", re.I)
_SIX_HOURS = 6 * 3600


def main() -> int:
    """Make a Debian, run the tasks in it, remove it; the exit status is the last task's."""
    options = _options()
    if os.geteuid() != 0:
        sys.exit("fresh: needs root, for chroot and mount")
    if _INSIDE in os.environ:
        return _inside(options)
    for tool in ("mmdebstrap", "unshare", "git"):
        if shutil.which(tool) is None:
            sys.exit(f"fresh: {tool} is not installed: apt-get install mmdebstrap util-linux git")
    if options.folder.exists() != options.again:
        there = "is there already: remove it, or --again" if not options.again else "is not there"
        sys.exit(f"fresh: {options.folder} {there}")
    # The namespaces end with their first process, and that with this one.
    unshare = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
    try:
        again = [*unshare, sys.executable, __file__, *sys.argv[1:]]
        return subprocess.run(again, env={**os.environ, _INSIDE: "1"}, check=False).returncode
    finally:
        if not options.keep:
            subprocess.run(["rm", "-rf", "--one-file-system", options.folder], check=False)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("release", help="bookworm, trixie")
    parser.add_argument("task", nargs=argparse.REMAINDER, help="of ./bootstrap, with its arguments")
    parser.add_argument("--cache", type=Path, help="kept between runs as the user's ~/.cache/lab")
    parser.add_argument("--folder", type=Path, help="where; it must not exist")
    parser.add_argument("--keep", action="store_true", help="do not remove the folder")
    parser.add_argument("--again", action="store_true", help="in a folder that was kept")
    options = parser.parse_args()
    options.folder = (options.folder or Path(f"/var/tmp/lab-fresh-{options.release}")).resolve()
    return options


def _inside(options: argparse.Namespace) -> int:
    root: Path = options.folder
    if not options.again:
        _say(f"making {options.release} in {root}")
        _make_debian(root, options.release)
        _make_user(root)
    environment = _environment(root)
    _mount(root, options.cache)
    _clone(root)
    tasks = [options.task] if options.task else [["demo"], ["check"]]
    for task in tasks:
        status = _run_task(root, environment, task)
        if status != 0:
            return status
    return 0


def _make_debian(root: Path, release: str) -> None:
    settings = root.with_name(f"{root.name}.apt.conf")
    settings.write_text("".join(f"{line}\n" for line in _apt_settings()))
    lists = [f"deb {_mirror()} {suite} main" for suite in (release, f"{release}-updates")]
    try:
        _call(
            "mmdebstrap", "--quiet", "--variant=minbase", "--include=sudo,ca-certificates",
            f"--aptopt={settings}", "--setup-hook=cp -a /etc/apt/auth.conf.d \"$1\"/etc/apt/",
            release, root, *lists,
        )  # fmt: skip
    finally:
        settings.unlink()


def _mirror() -> str:
    """The archive that this machine's own packages come from."""
    asked = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"]
    found = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split()
    return next(uri for uri in found if uri.rstrip("/").endswith("/debian"))


def _apt_settings() -> Iterator[str]:
    said = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=True).stdout
    return (line for line in said.splitlines() if _NETWORK.match(line))


def _environment(root: Path) -> dict[str, str]:
    """What the user's programs are told of the network, as this machine's are."""
    environment = {
        "HOME": f"/home/{_USER}",
        "USER": _USER,
        "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
        "LANG": "C.UTF-8",
        "TERM": os.environ.get("TERM", "dumb"),
    }
    environment |= {name: text for name, text in os.environ.items() if _PROXIES.match(name)}
    environment |= _pip_settings()
    for file in ("/etc/resolv.conf", "/etc/hosts"):
        shutil.copyfile(file, root / file[1:])
    if _CERTIFICATES.exists():
        # One of its own for a proxy, say; what ca-certificates makes anew is not touched.
        shutil.copyfile(_CERTIFICATES, root / "etc/ssl/host.crt")
        environment |= dict.fromkeys(
            ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"), "/etc/ssl/host.crt"
        )
    return environment


def _pip_settings() -> dict[str, str]:
    asked = [sys.executable, "-m", "pip", "config", "list"]
    said = subprocess.run(asked, capture_output=True, text=True, check=False).stdout
    settings = dict(re.findall(r"^[\w:]+\.([\w-]+)='(.*)'$", said, re.MULTILINE))
    return {f"PIP_{name.upper().replace('-', '_')}": text for name, text in settings.items()}


def _mount(root: Path, cache: Path | None) -> None:
    _call("mount", "--make-rprivate", "/")
    # Its own root is a mount there, as it is on a machine: findmnt looks for it.
    _call("mount", "--bind", root, root)
    _call("mount", "-t", "proc", "proc", root / "proc")
    _call("mount", "-t", "sysfs", "-o", "ro", "sysfs", root / "sys")
    _call("mount", "--rbind", "/dev", root / "dev")
    for place in _pip_places():
        _bind(place, root / str(place)[1:], read_only=True)
    if cache is not None:
        cache.mkdir(parents=True, exist_ok=True)
        _bind(cache, root / f"home/{_USER}/.cache/lab")


def _pip_places() -> list[Path]:
    """Files and folders of this machine that pip's settings name."""
    words = " ".join(_pip_settings().values()).replace("file://", "").split()
    paths = (Path(word) for word in words if word.startswith("/"))
    roots = (path.parent if path.name == "simple" else path for path in paths)
    return sorted({path for path in roots if path.exists() and path != _CERTIFICATES})


def _bind(source: Path, target: Path, *, read_only: bool = False) -> None:
    if source.is_dir():
        target.mkdir(parents=True, exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    _call("mount", "--bind", source.resolve(), target)
    if read_only:
        _call("mount", "-o", "remount,bind,ro", target)


def _make_user(root: Path) -> None:
    _call("chroot", root, "useradd", "-m", "-s", "/bin/bash", _USER)
    (root / f"etc/sudoers.d/{_USER}").write_text(f"{_USER} ALL=(ALL) NOPASSWD: ALL\n")
    # A chroot has no services: PostgreSQL's package would start one.
    policy = root / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)


def _clone(root: Path) -> None:
    target = root / f"home/{_USER}/lab"
    if target.exists():
        git = ("git", "-C", target, "-c", "safe.directory=*")
        _call(*git, "fetch", "--quiet", CHECKOUT, "HEAD")
        # The owner was changed: without this a reset writes every file anew.
        subprocess.run([*git, "update-index", "-q", "--refresh"], check=False)
        _call(*git, "reset", "--quiet", "--hard", "FETCH_HEAD")
    else:
        _call("git", "clone", "--quiet", "--no-hardlinks", CHECKOUT, target)
    _call("chroot", root, "chown", "-R", f"{_USER}:", f"/home/{_USER}")
    said = subprocess.run(
        ["git", "-C", CHECKOUT, "log", "-1", "--format=%h %s"], capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    _say(f"cloned {said.stdout.strip()}")


def _run_task(root: Path, environment: dict[str, str], task: Sequence[str]) -> int:
    _say(f"./bootstrap {shlex.join(task)}")
    began = time.monotonic()
    inside = f"cd ~/lab && exec ./bootstrap {shlex.join(task)}"
    variables = [f"{name}={text}" for name, text in environment.items()]
    user = ["chroot", f"--userspec={_USER}:{_USER}", "--groups=", str(root)]
    command = [*user, "env", "-i", *variables, "sh", "-c", inside]
    status = subprocess.run(
        command, stdin=subprocess.DEVNULL, check=False, timeout=_SIX_HOURS
    ).returncode
    _say(f"./bootstrap {shlex.join(task)}: exit {status} after {time.monotonic() - began:.0f} s")
    return status


def _call(*arguments: str | Path) -> None:
    subprocess.run(arguments, stdin=subprocess.DEVNULL, check=True)


def _say(message: str) -> None:
    print(f"fresh: {message}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
