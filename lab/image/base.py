# SPDX-License-Identifier: GPL-2.0-only
"""The part of the initramfs that all guests share.

It is not compressed: under TCG, unpacking costs more than copying.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from pathlib import Path

from lab.arch import ARCH
from lab.errors import InfrastructureError
from lab.host import Host, need_tool
from lab.image import cpio, sources
from lab.image.closure import Linker, closure
from lab.process import run
from lab.process.shelf import IMAGES

#: Tools of the machine, and where the guest has them.
PROGRAMS: Mapping[str, str] = {
    "busybox": "/bin/busybox",
    "dropbear": "/bin/dropbear",
    "mkfs.ext4": "/bin/mkfs.ext4",
    "mkfs.xfs": "/bin/mkfs.xfs",
    "ndctl": "/bin/ndctl",
    "sftp-server": "/usr/lib/sftp-server",
}

#: What the lab's own guest commands call.
REQUIRED_APPLETS = frozenset(
    (
        "sh",
        "cat",
        "dmesg",
        "mkdir",
        "mount",
        "poweroff",
        "sed",
        "sleep",
        "sync",
        "umount",
    )
)

_HERE = Path(__file__).parent

# mke2fs's own defaults (e2fsprogs misc/mke2fs.conf), fixed, since they differ by
# distribution; the features are those of every release since 1.43.  "small" (under
# 512 MiB) is there so that mke2fs does not warn, and keeps the block size: a block
# smaller than a page excludes DAX.
MKE2FS_CONF = """\
[defaults]
	base_features = sparse_super,large_file,filetype,resize_inode,dir_index,ext_attr
	default_mntopts = acl,user_xattr
	enable_periodic_fsck = 0
	blocksize = 4096
	inode_size = 256
	inode_ratio = 16384

[fs_types]
	ext4 = {
		features = has_journal,extent,huge_file,flex_bg,metadata_csum,64bit,dir_nlink,extra_isize
	}
	small = {
		inode_ratio = 4096
	}
"""

_ETC: Mapping[str, str] = {
    "passwd": "root:x:0:0:root:/root:/bin/sh\n",
    "group": "root:x:0:\ntty:x:5:\n",
    "shells": "/bin/sh\n",
    "hosts": "127.0.0.1 localhost lab\n",
    # glibc before 2.34 looks for NIS and others without it.
    "nsswitch.conf": "passwd: files\ngroup: files\nshadow: files\nhosts: files\n",
    "profile": "export PATH=/bin:/lab\n",
    "mke2fs.conf": MKE2FS_CONF,
}

_POWEROFF = "#!/bin/sh\nsync\nexec poweroff -f\n"

# Any PATH finds everything: older dropbear gives root one without sbin.
_SAME_AS_BIN = ("/sbin", "/usr/bin", "/usr/sbin")

# Each distribution compiles its own path to sftp-server into dropbear.
_SFTP_SERVERS = (
    "/usr/libexec/sftp-server",
    "/usr/libexec/openssh/sftp-server",
    "/usr/lib/openssh/sftp-server",
    "/usr/lib/ssh/sftp-server",
)


def base_image(cache: Path, host: Host | None = None) -> Path:
    """The base archive: ``CACHE/images/DIGEST.cpio``, DIGEST being its SHA-256.

    It is made again only when a program, a library or the recipe changed.

    Raises:
        InfrastructureError: A tool or library is not installed, or no space is left.
    """
    host = host or Host.here()
    tools = {name: need_tool(name, host) for name in PROGRAMS}
    recipe = sources.recipe_digest(_HERE, tools)
    folder = IMAGES.place(cache)
    known = sources.up_to_date(folder, recipe)
    if known is not None:
        return known
    reader = sources.Reader()
    try:
        archive = io.BytesIO()
        cpio.write(archive, _nodes(tools, host, reader))
        return sources.store(folder, recipe, reader, archive.getvalue())
    except OSError as error:
        raise InfrastructureError(
            f"the guest's image cannot be made: {error}", where=folder
        ) from error


def _nodes(tools: Mapping[str, Path], host: Host, reader: sources.Reader) -> Iterator[cpio.Node]:
    yield from _skeleton()
    yield from _applets(tools["busybox"])
    for name, path in tools.items():
        yield cpio.file(PROGRAMS[name], reader.read(path), 0o755)
    yield from _libraries(tools, Linker.of(host), reader)


def _skeleton() -> Iterator[cpio.Node]:
    folders = ("proc", "sys", "dev", "tmp", "run", "mnt", "lab", "bin", "usr/lib", "etc/dropbear")
    yield from (cpio.directory(f"/{name}") for name in folders)
    yield cpio.directory("/root", 0o700)
    # The kernel opens /dev/console before init can mount devtmpfs.
    yield cpio.character_device("/dev/console", 5, 1)
    yield cpio.character_device("/dev/null", 1, 3, 0o666)
    # The second by its own name, too: an init of a project's own may open that.
    device, major, minor = ARCH.marks
    for name in ("lab-marks", device):
        yield cpio.character_device(f"/dev/{name}", major, minor)
    # Each guest has it among its programs (guest-tests/init.c).
    yield cpio.symlink("/init", "/lab/init")
    yield cpio.file("/bin/lab-poweroff", _POWEROFF.encode(), 0o755)
    yield from (cpio.file(f"/etc/{name}", text.encode()) for name, text in _ETC.items())
    yield from (cpio.symlink(path, "/bin") for path in _SAME_AS_BIN)
    yield from (cpio.symlink(path, PROGRAMS["sftp-server"]) for path in _SFTP_SERVERS)
    # ndctl asks for its configuration, and dropbear for /var/run.
    yield cpio.symlink("/var/run", "/run")


def _applets(busybox: Path) -> Iterator[cpio.Node]:
    names = set(run([busybox, "--list"], timeout=30).stdout.split())
    missing = REQUIRED_APPLETS - names
    if missing:
        raise InfrastructureError(
            f"{busybox} has no {', '.join(sorted(missing))}",
            hint="install the distribution's full static busybox",
        )
    # Busybox has a mke2fs of its own, for ext2 only, and its shell prefers it: programs
    # find the real one under this name, commands should say mkfs.ext4.
    yield cpio.symlink("/bin/mke2fs", "mkfs.ext4")
    taken = {"busybox", "mke2fs", *(Path(path).name for path in PROGRAMS.values())}
    yield from (cpio.symlink(f"/bin/{name}", "busybox") for name in sorted(names - taken))


def _libraries(
    tools: Mapping[str, Path], linker: Linker, reader: sources.Reader
) -> Iterator[cpio.Node]:
    libraries: dict[str, Path] = {}
    interpreters: set[str] = set()
    for path in tools.values():
        found = closure(path, linker)
        _merge(libraries, found.libraries)
        interpreters |= {found.interpreter} if found.interpreter else set()
    # Where the C library is, ld.so looks without a cache or a path to tell it so.
    folder = libraries["libc.so.6"].parent if "libc.so.6" in libraries else Path("/lib")
    # Before glibc 2.34, getpwnam() loads the reader of /etc/passwd by itself.
    nss = folder / "libnss_files.so.2"
    if nss.is_file():
        libraries[nss.name] = nss
    yield from (cpio.file(path, reader.read(Path(path)), 0o755) for path in sorted(interpreters))
    for name, path in libraries.items():
        yield cpio.file(str(folder / Path(name).name), reader.read(path), 0o755)


def _merge(libraries: dict[str, Path], more: Mapping[str, Path]) -> None:
    for name, path in more.items():
        if libraries.setdefault(name, path).resolve() != path.resolve():
            raise InfrastructureError(
                f"two programs need different files as {name}: {libraries[name]}, {path}"
            )
