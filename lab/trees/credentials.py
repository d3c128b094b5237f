# SPDX-License-Identifier: GPL-2.0-only
"""How git is told a user and a password: by its own means, never on a command line.

Everybody on a machine reads each command line (ps(1)), and git hands its URL on to
git-remote-https(1); the environment only its owner reads (proc(5)).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping

from lab.model.url import Url
from lab.process import run

#: gitcredentials(7): a helper is a shell's command, asked with the word ``get``.
_HELPER = """!f() { test "$1" = get && \
printf '%s\\n' "username=$LAB_GIT_USER" "password=$LAB_GIT_PASSWORD"; }; f"""
#: What of the user's own is about who one is, or the way to a server, and not about files.
_THE_USERS = r"^(credential|http)\."
#: Git's own means against a server that sends a byte now and then.
_SLOW = (("http.lowSpeedLimit", "1000"), ("http.lowSpeedTime", "60"))


def git_environment(url: Url) -> dict[str, str]:
    """What to set for git to reach ``url``: nothing where it is not asked for by HTTP."""
    if not url.is_http:
        return {}
    settings = [*_users(), *_given(url), *_SLOW]
    found = {"GIT_CONFIG_COUNT": str(len(settings))}
    for number, (name, value) in enumerate(settings):
        # git-config(1), since 2.31; what comes later counts.
        found |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    return {**found, **_secrets(url)}


def _given(url: Url) -> Iterator[tuple[str, str]]:
    if url.credentials is not None:
        context = re.match(r"[^/]*//[^/]*", str(url))
        assert context is not None
        # Of this host alone, whatever it redirects to, and before those the user has.
        name = f"credential.{context[0]}"
        yield f"{name}.helper", ""
        yield f"{name}.helper", _HELPER


def _secrets(url: Url) -> Mapping[str, str]:
    if url.credentials is None:
        return {}
    user, password = url.credentials
    return {"LAB_GIT_USER": user, "LAB_GIT_PASSWORD": password or ""}


def _users() -> Iterator[tuple[str, str]]:
    for which in ("--system", "--global"):
        command = ["git", "config", which, "--includes", "--null", "--get-regexp", _THE_USERS]
        said = run(command, check=False, timeout=10).stdout
        for setting in said.split("\0")[:-1]:
            name, _, value = setting.partition("\n")
            yield name, value


def asks(environment: Mapping[str, str] = os.environ) -> str:
    """The program that git asks for a password: the user's, else one that knows none."""
    return environment.get("GIT_ASKPASS") or "true"
