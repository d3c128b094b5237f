# SPDX-License-Identifier: GPL-2.0-only
"""Mails in all the shapes that patches are sent in, and what series comes of each."""

from __future__ import annotations

import base64
import mailbox
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab.errors import UserError
from lab.patches import load_series
from lab.patches.intake import Intake, read_intake

MAILS = Path(__file__).parent / "mails"
ONE = ("mm: populate the whole range",)
THREE = ("mm: part 1", "mm: part 2", "mm: part 3")
TWO = ("mm: one", "mm: two")
NAME = "mm-populate-the-whole-range"


def diff(number: int = 4, new: str = "", file: str = "mm/gup.c") -> bytes:
    """The diff that the mails hold, as their authors had it."""
    first = number - 3
    lines = [f" a{line}" for line in range(first, first + 7)]
    lines[3:4] = [f"-a{number}", f"+{new or f'A{number}'}"]
    head = [f"diff --git a/{file} b/{file}", f"--- a/{file}", f"+++ b/{file}"]
    head.append(f"@@ -{first},7 +{first},7 @@ int f(void)")
    return "\n".join([*head, *lines, ""]).encode()


def parts(revision: int) -> tuple[bytes, ...]:
    """The diffs of the three patches of a revision."""
    return tuple(diff(10 * n - 6, f"A{n}v{revision}") for n in (1, 2, 3))


#: By git patch-id --stable of git 2.39, of parts(1).
PATCH_IDS = [
    "385ac1e33040f48c7f24fda4ae7bdd82180261f4",
    "873049e0c6b159e54feafd95647f51753df43ac7",
    "de22fa59b3a503d3a096968b5851695482e64e9b",
]


@dataclass(frozen=True)
class Taken:
    """What comes of a source."""

    name: str = NAME
    titles: tuple[str | None, ...] = ONE
    diffs: tuple[bytes, ...] = (diff(),)
    left_out: tuple[str, ...] = ()


SHAPES = {
    "plain.mbox": Taken(),
    "quoted-printable.mbox": Taken(
        "mm-p-pulate-the-whole-range",
        ("mm: pöpulate the whole range",),
        (diff(4, "int a4 = 1;\t"),),
    ),
    "base64-crlf.mbox": Taken(),
    "latin-1.mbox": Taken(diffs=(diff(4, "/* für a4 */").decode().encode("latin-1"),)),
    "signed.mbox": Taken(diffs=(diff(4, "int a4 = 1;"),)),
    "clear-signed.mbox": Taken(),
    "attached-diff.mbox": Taken(),
    "attached-series.mbox": Taken("mm-one", TWO, (diff(), diff(14))),
    "flowed.mbox": Taken(),
    "flowed-in-name-alone.mbox": Taken(),
    "wire-crlf.eml": Taken(),
    "scissors-own.mbox": Taken(f"{NAME}-v2"),
    "someone-else-s.mbox": Taken(),
    "forwarded.mbox": Taken(f"{NAME}-v2"),
    "quotes-an-mbox.mbox": Taken(),
    "cover-letter.mbox": Taken("mm-populate", THREE, parts(1)),
    "three-versions.mbox": Taken(
        "mm-populate-v3",
        THREE,
        parts(3),
        ("v1, and v3 was taken",) * 4 + ("v2, and v3 was taken",) * 4,
    ),
    "rfc-then-patch.mbox": Taken("mm-populate", THREE, parts(1), ("RFC v3, and v1 was taken",) * 4),
    "counter-patch.mbox": Taken(
        "mm-populate",
        THREE,
        parts(1),
        ("a patch that somebody else sent in reply: taken with --pick alone",),
    ),
    "thread.mbox": Taken(left_out=("a reply: taken with --pick alone", "there is no patch in it")),
    "twice-by-the-list.mbox": Taken(left_out=("the same mail again",)),
    "format-patch-stdout.mbox": Taken("mm-one", TWO, (diff(), diff(14))),
    "format-patch-keep-subject.mbox": Taken("mm-one", TWO, (diff(), diff(14))),
    "threading-lost.mbox": Taken("mm-part-1", THREE[:2], (diff(), diff(14))),
    "git-diff.patch": Taken("git-diff", (None,)),
    "no-prefix.patch": Taken(
        "no-prefix", (None,), (diff().replace(b"a/mm", b"mm").replace(b"b/mm", b"mm"),)
    ),
    "diff-u.patch": Taken(
        "diff-u",
        (None,),
        (
            diff()
            .partition(b"\n")[2]
            .replace(b"a/mm", b"linux-6.1.orig/mm")
            .replace(b"b/mm", b"linux-6.1/mm"),
        ),
    ),
}

#: Sent as they are, whatever their Content-Type says: a file that is indented, with a
#: diffstat, and a new one that ends in a space.
AS_THEY_ARE = (
    b" x.yaml | 1 +\n\ndiff --git a/x.yaml b/x.yaml\n--- a/x.yaml\n+++ b/x.yaml\n"
    b"@@ -1,2 +1,3 @@\n   a: 1\n+  b: 2\n   c: 3\n-- \n2.39\n",
    b"--- /dev/null\n+++ b/mm/x.c\n@@ -0,0 +1,2 @@\n+a\n+b \n-- \n2.39\n",
)


@pytest.mark.parametrize("sent", AS_THEY_ARE)
def test_flowed_in_name_alone_is_not_undone(tmp_path: Path, sent: bytes) -> None:
    head = b"From: a <a@example.org>\nSubject: [PATCH] x\nContent-Type: text/plain; format=flowed\n"
    (tmp_path / "mail.eml").write_bytes(head + b"\nWhy.\n---\n" + sent)
    intake = read_intake(str(tmp_path / "mail.eml"), tmp_path)
    (letter,) = intake.choice.patches
    assert sent.endswith(letter.diff)
    assert not letter.notes


@pytest.mark.parametrize(
    "said", ["quoted-printable ", "Quoted-Printable; x=y", "quoted-printable (1)"]
)
def test_an_encoding_that_says_more(tmp_path: Path, said: str) -> None:
    made = b"--- /dev/null\n+++ b/mm/x.c\n@@ -0,0 +1 @@\n+a =3D 1;\n"
    head = f"From: a\nSubject: [PATCH] x\nContent-Transfer-Encoding: {said}\n\nWhy.\n---\n"
    (tmp_path / "mail.eml").write_bytes(head.encode() + made)
    (letter,) = read_intake(str(tmp_path / "mail.eml"), tmp_path).choice.patches
    assert letter.diff == made.replace(b"=3D", b"=")


@pytest.mark.parametrize("charset", ["utf-8", "iso-8859-1"])
def test_a_header_of_raw_bytes(tmp_path: Path, charset: str) -> None:
    """Nobody declares its charset, and git takes it for UTF-8."""
    head = "From: Jörg <j@example.org>\nSubject: [PATCH] mm: pöp\n\nWhy.\n\n".encode(charset)
    (tmp_path / "mail.eml").write_bytes(head + diff())
    (letter,) = read_intake(str(tmp_path / "mail.eml"), tmp_path).choice.patches
    wanted = "ö" if charset == "utf-8" else "\ufffd"
    assert (letter.subject.title, letter.author) == (
        f"mm: p{wanted}p",
        f"J{wanted}rg <j@example.org>",
    )


def test_carriage_returns_of_the_file_itself_stay(tmp_path: Path) -> None:
    """The headers came over the wire, and the body is as it was written."""
    made = b"--- /dev/null\n+++ b/mm/x.c\n@@ -0,0 +1,2 @@\n+a\r\n+b\r\n-- \n2.39\n"
    (tmp_path / "mail.eml").write_bytes(b"From: a\r\nSubject: [PATCH] x\r\n\r\nWhy.\n---\n" + made)
    (letter,) = read_intake(str(tmp_path / "mail.eml"), tmp_path).choice.patches
    assert letter.diff == made


def test_clear_signed_in_base64(tmp_path: Path) -> None:
    signed = diff().replace(b"\n-", b"\n- -")
    text = b"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA1\n\nWhy.\n" + signed
    text += b"-----BEGIN PGP SIGNATURE-----\nx\n-----END PGP SIGNATURE-----\n"
    head = b"From: a@b\nSubject: [PATCH] x\nContent-Transfer-Encoding: base64\n\n"
    wire = base64.encodebytes(text.replace(b"\n", b"\r\n"))
    (tmp_path / "mail.eml").write_bytes(head + wire)
    (letter,) = read_intake(str(tmp_path / "mail.eml"), tmp_path).choice.patches
    assert letter.diff == diff()


def test_a_charset_that_makes_a_diff_of_the_message(tmp_path: Path) -> None:
    """What is kept holds one diff: the one that can be seen in the mail."""
    head = b"From: a@b\nSubject: [PATCH] x\nContent-Type: text/plain; charset=utf-7\n\n"
    body = b"+AGQ-iff --git a/mm/b.c b/mm/b.c\n\n"
    (tmp_path / "mail.eml").write_bytes(head + body + diff())
    intake = read_intake(str(tmp_path / "mail.eml"), tmp_path)
    intake.write()
    (patch,) = load_series(tmp_path, intake.name).patches
    assert [file.path for file in patch.diff] == ["mm/gup.c"]


def test_utf_16_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.patch").write_bytes(diff().decode().encode("utf-16"))
    with pytest.raises(UserError, match="it is UTF-16"):
        read_intake(str(tmp_path / "x.patch"), tmp_path)


REFUSED = {
    "part-missing.mbox": "-v2-0-0123456789ab@example.org> is not whole; missing: 2/3",
    "newest-not-whole.mbox": "is not whole; missing: 3/3",
    "cover-alone.mbox": "there is a cover letter, and no patch",
    "reply-alone.mbox": "the only patches here are in replies",
    "reply-with-a-file.mbox": "the only patches here are in replies",
    "base64-cut.mbox": "its base64 is damaged",
    "halves-of-two-people.mbox": "there are 2 series in it",
    "halves-of-two-series.mbox": "there are 2 series in it",
    "scissors.mbox": "the only patches here are in replies",
    "two-series.mbox": "there are 2 series in it",
    "one-patch-again.mbox": "nothing says whether the newest is one patch again, or all",
    "point-revision.mbox": "nothing says which of its revisions counts",
    "binary.patch": "the patch says that b/x.png differs, which is binary, but not how",
    "empty.patch": "there is nothing in it",
    "no-patch.mbox": "there is no patch in it",
    "html-alone.mbox": "it is HTML alone",
    "two-diffs.mbox": "it carries 2 diffs, and nothing says which is the patch",
    "cut-off.mbox": "it was cut off: its last part has no end",
    "flowed-and-wrapped.mbox": "format=flowed, which wrapped or indented the diff's lines",
    "diff-crlf-in-part.patch": "some of its lines end in CRLF, others in LF",
    "patch-headed.patch": "the hunk does not have the lines that its header counts",
}


def read(shape: str, folder: Path, **asked: Any) -> Intake:
    return read_intake(str(MAILS / shape), folder, **asked)


def origin(intake: Intake) -> dict[str, Any]:
    return tomllib.loads((intake.folder / "origin.toml").read_text())


def test_no_mail_is_forgotten() -> None:
    assert {path.name for path in MAILS.iterdir()} == SHAPES.keys() | REFUSED.keys()


@pytest.mark.parametrize("name", SHAPES)
def test_what_comes_of_a_shape(name: str, tmp_path: Path) -> None:
    intake, right = read(name, tmp_path), SHAPES[name]
    intake.write()
    series = load_series(tmp_path, right.name)
    assert tuple(patch.subject for patch in series.patches) == right.titles
    for patch, wanted in zip(series.patches, right.diffs, strict=True):
        # From its first line on it is what was sent, byte for byte.
        begin = patch.content.index(wanted.partition(b"\n")[0])
        assert patch.content[begin:].startswith(wanted)
    assert tuple(each.why for each in intake.choice.left_out) == right.left_out
    assert [row["why"] for row in origin(intake).get("left-out", [])] == list(right.left_out)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        read(name, tmp_path)
    assert REFUSED[name] in caught.value.what
    assert str(caught.value.where).startswith(str(MAILS / name))
    assert list(tmp_path.iterdir()) == []


def test_several_series_are_named_and_one_is_picked(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        read("two-series.mbox", tmp_path)
    assert caught.value.detail == (
        "mm: populate the whole range (v1, 1 patch) <a@example.org>\n"
        "fs: dax: say why (v1, 1 patch) <b@example.org>"
    )
    for pick in ("DAX: say", "b@example.org", "<b@example.org>"):
        assert read("two-series.mbox", tmp_path, pick=pick).name == "fs-dax-say-why"
    with pytest.raises(UserError, match="no series here is called 'ext4'"):
        read("two-series.mbox", tmp_path, pick="ext4")


def test_a_reply_is_taken_alone_when_it_is_asked_for(tmp_path: Path) -> None:
    intake = read("thread.mbox", tmp_path, pick="2@example.org")
    (patch,) = intake.choice.patches
    assert patch.author == "A Reviewer <rev@example.org>"
    assert patch.diff.startswith(diff(4, file="fs/dax.c"))
    assert [each.why for each in intake.choice.left_out] == ["another was picked"] * 2


@pytest.mark.parametrize("asked", ["2", "v2"])
def test_another_revision(asked: str, tmp_path: Path) -> None:
    intake = read("three-versions.mbox", tmp_path, revision=asked)
    assert intake.name == "mm-populate-v2"
    assert [each.diff.split(b"-- \n")[0] for each in intake.choice.patches] == list(parts(2))
    assert read("newest-not-whole.mbox", tmp_path, revision="1").name == "mm-populate"


@pytest.mark.parametrize(
    ("asked", "said"), [("4", "there is no v4 in it"), ("x", "'x' is no revision")]
)
def test_a_revision_that_is_not_there(asked: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=said):
        read("three-versions.mbox", tmp_path, revision=asked)


def test_the_newest_is_told(tmp_path: Path) -> None:
    notes = read("three-versions.mbox", tmp_path).choice.notes
    beneath = "it goes onto what was not taken in yet: 9876543210987654321098765432109876543210"
    assert notes == ("v3 was taken of v1, v3, v2", beneath)


@pytest.mark.parametrize(
    ("shape", "notes"),
    [
        ("wire-crlf.eml", ()),
        ("base64-crlf.mbox", ("its lines ended in CRLF",)),
        ("flowed.mbox", ("format=flowed was undone",)),
        ("flowed-in-name-alone.mbox", ()),
    ],
)
def test_what_was_undone_is_told(shape: str, notes: tuple[str, ...], tmp_path: Path) -> None:
    assert read(shape, tmp_path).choice.patches[0].notes == notes


def test_no_prefix_is_for_p0(tmp_path: Path) -> None:
    assert read("no-prefix.patch", tmp_path).files["series"] == b"0001-no-prefix.patch -p0\n"
    assert read("diff-u.patch", tmp_path).files["series"] == b"0001-diff-u.patch\n"


def test_somebody_else_s_patch_is_theirs(tmp_path: Path) -> None:
    intake = read("someone-else-s.mbox", tmp_path)
    content = next(iter(intake.files.values())).decode()
    assert content.startswith(
        "From: Jörg <joerg@example.org>\nDate: Mon, 1 Jun 2020 10:00:00 +0000\n"
    )
    assert content.count("From: ") == 1


def test_where_it_is_from(tmp_path: Path) -> None:
    intake = read("cover-letter.mbox", tmp_path)
    intake.write()
    told = origin(intake)
    assert told["base-commit"] == "1234567890" * 4
    assert told["change-id"] == "20200601-populate-0123456789ab"
    assert told["prerequisites"] == ["prerequisite-patch-id: " + "9876543210" * 4]
    assert told["message-id"] == "20200601-populate-v1-0-0123456789ab@example.org"
    assert told["revision"] == "1"
    assert [row["subject"] for row in told["patch"]] == list(THREE)
    assert [row["patch-id"] for row in told["patch"]] == PATCH_IDS


def test_the_same_bytes_have_the_same_name(tmp_path: Path) -> None:
    first = read("plain.mbox", tmp_path, name="mine")
    first.write()
    kept = (tmp_path / "mine/origin.toml").stat().st_ino
    again = read("plain.mbox", tmp_path)
    again.write()
    assert (again.name, again.known) == ("mine", True)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    assert (tmp_path / "mine/origin.toml").stat().st_ino == kept


def test_other_bytes_have_another(tmp_path: Path) -> None:
    read("plain.mbox", tmp_path).write()
    other = read("signed.mbox", tmp_path)
    other.write()
    assert other.name.startswith(f"{NAME}-")
    assert len(list(tmp_path.iterdir())) == 2
    with pytest.raises(UserError, match=f"there is another series '{NAME}'"):
        read("signed.mbox", tmp_path, name=NAME)


def test_a_series_that_was_edited_is_another(tmp_path: Path) -> None:
    read("plain.mbox", tmp_path).write()
    path = next((tmp_path / NAME).glob("*.patch"))
    path.write_bytes(path.read_bytes().replace(b"+A4", b"+B4"))
    assert not read("plain.mbox", tmp_path).known


def test_two_at_once_take_one_name_once(tmp_path: Path) -> None:
    one, other = read("plain.mbox", tmp_path), read("signed.mbox", tmp_path)
    assert one.folder == other.folder
    one.write()
    with pytest.raises(UserError, match="there is another series"):
        other.write()
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


@pytest.mark.parametrize("name", ["../out", "a/b", ".hidden", "a+b", ""])
def test_what_is_no_name(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be a series' name"):
        read("plain.mbox", tmp_path, name=name)


def test_a_maildir(tmp_path: Path) -> None:
    box = mailbox.Maildir(tmp_path / "mails")
    for mail in mailbox.mbox(MAILS / "cover-letter.mbox", create=False):
        box.add(mail)
    intake = read_intake(str(tmp_path / "mails"), tmp_path / "patches")
    assert [each.subject.title for each in intake.choice.patches] == list(THREE)


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="this folder is no maildir"):
        read_intake(str(tmp_path), tmp_path / "patches")


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file or directory"):
        read_intake(str(tmp_path / "x.mbox"), tmp_path / "patches")
