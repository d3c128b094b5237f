# SPDX-License-Identifier: GPL-2.0-only
"""Programs in the root of an image, beside the filesystem under test, in a real guest."""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest

from lab.host import need_tool
from lab.image.overlay import placed
from lab.suites.guest_tools import tool_files
from tests.guest.conftest import KERNEL, ROOT, Project

pytestmark = pytest.mark.guest

_SHELL = ("sh", "env", "cat", "su", "mkdir", "chown", "id", "grep", "umount")
SCRIPTS = {
    # The mount under test is the guest's, and is DAX there; what is in the image stays there.
    "in.bash": "#!/bin/bash\nset -e\na=(one two)\n[[ -e /only-here && ${#a[@]} = 2 ]]\n"
    "while read -r device place type options rest; do\n"
    '\t[[ $place = "$PWD" ]] && found="$type $options"\ndone </proc/mounts\n'
    "[[ $found == ext4*dax* ]]\necho kept >file\necho changed >/only-here\necho in bash\n",
    "in.pl": "#!/bin/perl\nuse strict;\nopen(my $f, '<', 'file') or die;\n"
    "print 'in perl: ', <$f>;\n",
    "unmounts.bash": '#!/bin/bash\nmount=$PWD\ncd /\numount "$mount" && echo gone\n',
    "tmp.sh": '#!/bin/sh\n[ "$(id -u)" = 65534 ] && echo x >mine && cat /tmp/as-65534/mine\n',
    "none.sh": "#!/no/such/interpreter\n",
    "outside.sh": "#!/bin/sh\n[ ! -e /only-here ] && cat file\n",
}
LOCAL = """
[images.full]
kind = "mmdebstrap"
suite = "{suite}"
packages = ["bash"]

[suites.inside]
programs = ["in.bash", "in.pl", "unmounts.bash", "none.sh"]
image = "full"

[suites.tmp]
programs = ["tmp.sh"]
image = "full"
user = "nobody"
tmp = "mount"

[suites.outside]
programs = ["outside.sh"]
"""


def members() -> Iterator[tuple[str, Path]]:
    """This machine's own bash and perl, with all that they load."""
    yield from placed(tool_files(["bash", "perl"]))
    yield "/bin/busybox", need_tool("busybox")


def write_root(path: Path) -> None:
    """An archive as mmdebstrap makes one, in a second."""
    files = dict(members())
    folders = {folder for name in files for folder in PurePosixPath(name).parents}
    with tarfile.open(path, "w") as tar:
        for folder in sorted({*map(str, folders), "/etc", "/var/lib/dpkg", "/var/lib", "/var"}):
            entry = tarfile.TarInfo(f".{folder}")
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry)
        for name in _SHELL:
            entry = tarfile.TarInfo(f"./bin/{name}")
            entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(entry)
        for name in ("/only-here", "/var/lib/dpkg/status"):
            tar.addfile(tarfile.TarInfo(f".{name}"))
        for name, file in files.items():
            entry = tarfile.TarInfo(f".{name}")
            entry.size, entry.mode = file.stat().st_size, 0o755
            with file.open("rb") as stream:
                tar.addfile(entry, stream)


@pytest.fixture
def project(clean_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    archive, fake = clean_folder / "root-archive", clean_folder / "bin" / "mmdebstrap"
    write_root(archive)
    fake.parent.mkdir()
    fake.write_text(
        f'#!/bin/sh\nfor word; do case $word in *.tar) cp {archive} "$word";; esac; done\n'
    )
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(fake.parent), prepend=os.pathsep)
    # It is on the shelf of this machine's own lab: another root is another image.
    suite = f"t{hashlib.sha256(archive.read_bytes()).hexdigest()[:12]}"
    project = Project(clean_folder / "project", LOCAL.format(suite=suite))
    (project.folder / "guest-tests").unlink()
    shutil.copytree(ROOT / "guest-tests", project.folder / "guest-tests")
    for name, text in SCRIPTS.items():
        path = project.folder / "guest-tests" / name
        path.write_text(text)
        path.chmod(0o755)
    return project


def test_programs_run_in_an_image(project: Project) -> None:
    asked = ("test", KERNEL, "-f", "ext4-dax", "-s", "inside", "-s", "tmp", "-s", "outside")
    # Booted or restored, the image is as it was made: a guest's changes go with it.
    for _ in range(2):
        run = project.json(*asked)
        found = {row["test"]: (row["status"], row["message"]) for row in run["results"]}
        assert found["in.bash"] == ("pass", "in bash")
        assert found["in.pl"] == ("pass", "in perl: kept")
        assert found["unmounts.bash"] == ("pass", "gone")
        assert found["tmp.sh"] == ("pass", "x")
        assert found["outside.sh"] == ("pass", "kept")
        assert found["none.sh"][0] == "error"
    (console,) = project.results.glob(f"{run['run']}/jobs/*/console.log")
    assert b"pmem1" in console.read_bytes()
