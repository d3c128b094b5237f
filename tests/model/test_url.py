# SPDX-License-Identifier: GPL-2.0-only
"""A URL shows nobody its secrets."""

from __future__ import annotations

import json
import pickle

import pytest

from lab.config.model import GitKernel, TarballKernel, Webhook
from lab.model.url import HookUrl, Url, without_secrets

SHOWN = [
    ("https://example.org/linux.git", "https://example.org/linux.git"),
    ("https://example.org:8443/a@b/linux.git", "https://example.org:8443/a@b/linux.git"),
    ("https://me:hunter2@example.org/linux.git", "https://example.org/linux.git"),
    ("https://me:hun@ter2@example.org/linux.git", "https://example.org/linux.git"),
    ("https://hunter2@example.org/linux.git", "https://example.org/linux.git"),
    ("HTTPS://me:hunter2@example.org/x", "HTTPS://example.org/x"),
    ("https://example.org/x.tar?token=hunter2&a=1", "https://example.org/x.tar?token=***&a=***"),
    ("https://example.org/x.tar?hunter2", "https://example.org/x.tar?***"),
    ("https://example.org/x.tar#hunter2", "https://example.org/x.tar#***"),
    ("http://me:hunter2@[::1/T", "http://[::1/T"),
    ("ssh://git@example.org/linux.git", "ssh://git@example.org/linux.git"),
    ("ssh://git:hunter2@example.org/linux.git", "ssh://git@example.org/linux.git"),
    ("postgresql://lab:hunter2@host/lab", "postgresql://lab@host/lab"),
    ("git@example.org:linux.git", "git@example.org:linux.git"),
    ("me:hunter2@example.org/linux.git", "***@example.org/linux.git"),
    ("/srv/git/linux.git", "/srv/git/linux.git"),
    ("linux-4.2.tar.xz", "linux-4.2.tar.xz"),
]


@pytest.mark.parametrize(("text", "shown"), SHOWN)
def test_what_is_shown(text: str, shown: str) -> None:
    url = Url(text)
    assert (str(url), f"{url}") == (shown, shown)
    assert "hunter2" not in repr(url) + repr([url]) + json.dumps({"url": str(url)})
    assert url.with_secrets == text
    assert pickle.loads(pickle.dumps(url)) == url


def test_json_takes_none_by_accident() -> None:
    with pytest.raises(TypeError):
        json.dumps({"url": Url("https://me:hunter2@example.org/")})


def test_a_section_does_not_show_it() -> None:
    url = "https://me:hunter2@example.org/linux.git"
    kernel = GitKernel.model_validate({"kind": "git", "url": url, "ref": "v6.1"})
    assert "hunter2" not in f"{kernel} {kernel!r} {kernel.model_dump()} {kernel.model_dump_json()}"
    assert kernel.url.with_secrets == url
    assert kernel.url.credentials == ("me", "hunter2")
    hook = Webhook(url=HookUrl("https://chat.example.org/services/hunter2"))
    assert "hunter2" not in f"{hook} {hook!r} {hook.model_dump()} {hook.model_dump_json()}"
    assert str(hook.url) == "https://chat.example.org"


@pytest.mark.parametrize(
    "url",
    [
        "https://x:99999/hunter2",
        "http://[::1/hunter2",
        "https:///hunter2",
        "https://me:hunter/2@example.org/",
        "https://example.org/hunter2\nHost: x",
        "https://example.org/hunter2%0a",
        "https://exam ple.org/hunter2",
        "https://x:²/hunter2",
    ],
)
def test_what_is_none_is_refused_unseen(url: str) -> None:
    sections = (
        (Webhook, {"url": url}),
        (GitKernel, {"kind": "git", "url": url, "ref": "v6.1"}),
        (TarballKernel, {"kind": "tarball", "url": url, "sha256": "0" * 64}),
    )
    for section, table in sections:
        with pytest.raises(ValueError, match="is no URL") as caught:
            section.model_validate(table)
        assert "hunter" not in str(caught.value)


def test_what_git_would_show_is_refused() -> None:
    for url in ("https://example.org/linux.git?token=hunter2", "ssh://git:hunter2@example.org/x"):
        with pytest.raises(ValueError, match=r"has a (query|password)") as caught:
            GitKernel.model_validate({"kind": "git", "url": url, "ref": "v6.1"})
        assert "hunter2" not in str(caught.value)


def test_what_others_said_is_scrubbed() -> None:
    url = Url("https://me:hunt%20er2@example.org/x.tar?token=s3cr3t")
    said = (
        f"{url.with_secrets} {url.without_credentials} me:hunt%20er2 hunt er2 "
        "Max retries exceeded with url: /x.tar?token=s3cr3t (Caused by ...)"
    )
    assert "hunt" not in url.scrub(said)
    assert "s3cr3t" not in url.scrub(said)
    assert "/services" not in HookUrl("https://h/services/T").scrub("url: /services/T (Caused")
    told = without_secrets("unable to access 'https://me:hunter2@example.org/x/': 403")
    assert told == "unable to access 'https://example.org/x/': 403"
