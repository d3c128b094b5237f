# SPDX-License-Identifier: GPL-2.0-only
"""Starts what the lab asks for, and outlives the lab by a moment to kill it.

Run as a script: ``keeper.py CONTROL``, a stream socket on which the lab asks.  For each
command it forks a keeper of its own: a start of Python for each would take 40 ms, a fork
takes 2.  A keeper has a lifeline, whose other end the lab holds: end-of-file means that
the lab is gone, kill -9 included, or has done with it, and then all below the keeper
dies (systemd/systemd#29783).  On the lifeline it says its process id, and how the
command ended.

It imports the standard library only, and as little of that as it can.
"""

import fcntl
import json
import os
import select
import signal
import socket
import sys

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
#: Bytes that say how long a request is; file descriptors come with them.
LENGTH_BYTES = 4
#: A message has room for no more (SCM_MAX_FD in Linux's include/net/scm.h).
MOST_DESCRIPTORS = 253

_IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def _prctl(option: int, value: int) -> None:
    # The lab itself imports this module, and does without.
    import ctypes

    # What is linked to Python, the C library among it; a CDLL would be made anew each time.
    ctypes.pythonapi.prctl(option, value, 0, 0, 0)


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


def _take_up(received: list[int], targets: list[int]) -> int:
    """Give the command's descriptors their numbers; returns the lifeline's.

    ``received`` are the lifeline and one for each of ``targets``.
    """
    above = max(targets) + 1
    # Out of the way first: what came may have a number that another is to get.
    moved = [fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, above) for number in received]
    for number in received:
        os.close(number)
    lifeline, *sources = moved
    for source, target in zip(sources, targets, strict=True):
        os.dup2(source, target)
        os.close(source)
    return lifeline


def _exec(
    command: list[str], environment: dict[str, str], keeper: int, file_size: int | None
) -> None:
    # Should the keeper itself be killed -9, the command goes with it; prctl(2): one that
    # was killed before this sends no signal.
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != keeper:
        os._exit(128 + signal.SIGKILL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    # Python ignores the last two, which would be inherited.
    for number in (*_IGNORED, signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    if file_size is not None:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (file_size, file_size))
    try:
        os.execvpe(command[0], command, environment)
    except OSError as error:
        os.write(2, f"{command[0]}: {error.strerror}\n".encode())
        os._exit(127 if isinstance(error, FileNotFoundError) else 126)


def _status(wait_status: int) -> int:
    code = os.waitstatus_to_exitcode(wait_status)
    return code if code >= 0 else 128 - code


def _watch(lifeline: int, pid: int) -> int:
    """Wait for the command's end or the lab's; returns the command's exit status."""
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


def _say(lifeline: int, number: int) -> None:
    try:
        os.write(lifeline, b"%d\n" % number)
    except OSError:  # the lab is gone
        pass


def keep(request: bytes, received: list[int]) -> None:
    """Run a command until it ends or the lab does."""
    asked = json.loads(request)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    lifeline = _take_up(received, asked["descriptors"])
    _say(lifeline, os.getpid())
    try:
        os.chdir(asked["cwd"])
    except OSError as error:
        os.write(2, f"{asked['cwd']}: {error.strerror}\n".encode())
        _say(lifeline, 126)
        return
    keeper = os.getpid()
    pid = os.fork()
    if pid == 0:
        _exec(asked["command"], asked["environment"], keeper, asked["file_size"])
    _say(lifeline, _watch(lifeline, pid))


def _prepare() -> None:
    """Do once what each keeper would do before its command runs, or after."""
    # To read /proc, and because os.execvpe() does.
    import encodings.ascii  # noqa: F401
    import gc
    import warnings  # noqa: F401

    _prctl(PR_SET_CHILD_SUBREAPER, 0)
    # A collection in a keeper would copy each page that it shares with this process.
    gc.freeze()


def serve(control: socket.socket) -> None:
    """Fork a keeper for each request, until the lab closes the socket."""
    _prepare()
    # The lab decides when a child ends; a Ctrl-C on the terminal reaches the lab.
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    # Keepers leave no zombies.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        head, received, _, _ = socket.recv_fds(control, LENGTH_BYTES, MOST_DESCRIPTORS)
        if not head:
            return
        length = int.from_bytes(head, "big")
        request = control.recv(length, socket.MSG_WAITALL)
        if len(request) < length:
            return
        if os.fork() == 0:
            control.close()
            keep(request, received)
            os._exit(0)
        for descriptor in received:
            os.close(descriptor)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
    os._exit(0)
