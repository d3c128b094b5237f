# SPDX-License-Identifier: GPL-2.0-only
"""Outlives the lab by a moment, to kill what it started.

Run as a script: ``keeper.py LIFELINE COMMAND…``.  LIFELINE is the read end of a
pipe whose only write end the lab holds: end-of-file means that the lab is gone,
kill -9 included, and then the whole session dies (systemd/systemd#29783).  It
imports the standard library only, and as little of that as it can, since it is
started for every child.
"""

import os
import select
import signal
import sys

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36


def _prctl(option: int, value: int) -> None:
    import ctypes

    ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def _children(pid: int) -> list[int]:
    found: list[int] = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as listing:
                found.extend(int(child) for child in listing.read().split())
    except OSError:
        pass
    return found


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    queue = [pid]
    while queue:
        for child in _children(queue.pop()):
            found.append(child)
            queue.append(child)
    return found


def _kill_descendants() -> None:
    # A subreaper keeps orphans below itself, whatever group they moved to, so
    # a few rounds end even a child that forks while it is being killed.
    for _ in range(20):
        victims = _descendants(os.getpid())
        if not victims:
            return
        for victim in victims:
            try:
                os.kill(victim, signal.SIGKILL)
            except ProcessLookupError:
                pass
        _reap_all()


def _reap_all() -> None:
    try:
        while True:
            os.waitpid(-1, 0)
    except ChildProcessError:
        pass


def _exec(command: list[str], lifeline: int) -> None:
    # Should the keeper itself be killed -9, the command goes with it.
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    os.close(lifeline)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execvp(command[0], command)
    except OSError as error:
        os.write(2, f"{command[0]}: {error.strerror}\n".encode())
        os._exit(127 if isinstance(error, FileNotFoundError) else 126)


def _status(wait_status: int) -> int:
    code = os.waitstatus_to_exitcode(wait_status)
    return code if code >= 0 else 128 - code


def keep(lifeline: int, command: list[str]) -> int:
    """Run ``command`` until it ends or the lab does; returns its exit status."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    # The lab decides when a child ends; a Ctrl-C on the terminal reaches the lab.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    pid = os.fork()
    if pid == 0:
        _exec(command, lifeline)
    poll = select.poll()
    poll.register(lifeline, select.POLLIN)
    watched = os.pidfd_open(pid)
    poll.register(watched, select.POLLIN)
    while True:
        ready = {fd for fd, _ in poll.poll()}
        if watched in ready:
            _, wait_status = os.waitpid(pid, 0)
            _kill_descendants()
            return _status(wait_status)
        if lifeline in ready:
            _kill_descendants()
            return 128 + signal.SIGKILL


if __name__ == "__main__":
    sys.exit(keep(int(sys.argv[1]), sys.argv[2:]))
