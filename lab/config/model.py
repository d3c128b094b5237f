# SPDX-License-Identifier: GPL-2.0-only
"""What ``lab.toml`` may say: frozen, typed values."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    model_validator,
)
from pydantic_core import PydanticKnownError

from lab.arch import ARCH
from lab.arch.architecture import Pmem
from lab.config.kinds import FILESYSTEMS, IMAGES, MACHINES, MAKING, MANNER, OUTPUTS, QEMU, SUITES, C
from lab.model.job_name import DEFAULT
from lab.model.scale import Worth
from lab.model.status import Outcome, Status
from lab.model.url import HookUrl, Url
from lab.model.version import KernelVersion, VersionRange
from lab.process.xdg import cache_home
from lab.store.settings import wrong_url

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
SHA256_PATTERN = r"^[0-9a-f]{64}$"

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def parse_size(value: object) -> object:
    """``"512M"`` in bytes; QEMU's suffixes K, M, G, T, powers of 1024.

    Raises:
        ValueError: No such text, or a number alone: nobody who writes 20 means 20 bytes.
    """
    is_number = isinstance(value, int) and not isinstance(value, bool) and value > 0
    if not is_number and not isinstance(value, str):
        return value
    match = re.fullmatch(r"([0-9]+)\s*([KMGT]?)(?:iB)?", str(value).strip(), re.IGNORECASE)
    if match is None:
        raise ValueError(f"{value!r} is not a size: write a number and K, M, G or T")
    if not match[2] and int(match[1]):
        units = ", ".join(f'"{match[1]}{unit}"' for unit in "KMGT")
        raise ValueError(f"{value!r} has no unit: one of {units}")
    return int(match[1]) * _UNITS[match[2].upper()]


#: Bytes.  TOML has types: strict, so that ``true`` is not 1 and ``"2"`` is not 2.
Size = Annotated[int, Strict(), BeforeValidator(parse_size), Field(gt=0)]
#: A deadline in seconds; finite, since poll() and select() take no infinity.
Seconds = Annotated[float, Strict(), Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Strict()]
Text = Annotated[str, Field(min_length=1)]
#: Names may not hold "+" (it joins series in a variant) nor "/" (they become paths).
Name = Annotated[str, Field(pattern=NAME_PATTERN)]
Sha256 = Annotated[str, Field(pattern=SHA256_PATTERN)]


#: Part of what a build is, and set by the lab.
_THE_LABS = frozenset({"ARCH", "CC", "HOSTCC", "KBUILD_OUTPUT", "LOCALVERSION", "MAKEFLAGS", "O"})


def _free_to_set(name: str) -> str:
    if name in _THE_LABS or name.startswith("KBUILD_BUILD_"):
        raise ValueError(f"{name} is the lab's to set")
    return name


Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$"), AfterValidator(_free_to_set)]


class Fresh(StrEnum):
    """What of a job gets a guest of its own, untouched by the others."""

    JOB = "job"
    FILESYSTEM = "filesystem"
    PROGRAM = "program"
    TEST = "test"


def _of_the_kernel(status: Status) -> Status:
    if status.worth is Worth.UNKNOWN:
        raise ValueError("an error is the lab's own failure: no test can be expected to end so")
    return status


def _conclusive(outcome: Outcome) -> Outcome:
    if outcome.worth is Worth.UNKNOWN:
        raise ValueError("inconclusive is the want of a verdict: none can be expected to be so")
    return outcome


def _a_range(text: str) -> str:
    VersionRange.parse(text)
    return text


#: Kernel versions such as ``>=4.1 <4.3``; "" is all of them.
Versions = Annotated[str, AfterValidator(_a_range)]


def _a_day_or_a_version(until: object) -> object:
    if isinstance(until, date) and not isinstance(until, datetime):
        return until
    text = until if isinstance(until, str) else ""
    with suppress(ValueError):
        return date.fromisoformat(text)
    try:
        KernelVersion.parse(text)
    except ValueError:
        raise ValueError(
            f"{text or until!r} is neither a day (2026-12-31) nor a version (6.13)"
        ) from None
    return text


def _a_commit(text: str) -> str:
    if text and not re.fullmatch(r"[0-9a-f]{7,40}", text):
        raise ValueError(f"{text!r} is no commit: 7 to 40 hexadecimal digits")
    return text


#: The id of a commit; "" is none.
Commit = Annotated[str, AfterValidator(_a_commit)]
#: A glob list of one or more; an empty one would match nothing, in silence.
Globs = Annotated[tuple[Text, ...], Field(min_length=1)]


class Section(BaseModel):
    """Base of every table in ``lab.toml``: frozen, unknown keys refused.

    Validators are built at the first use: to import the lab costs nothing then.
    """

    # What is wrong with a value is told by lab.config.validation, which knows what is a secret.
    model_config = ConfigDict(
        frozen=True, extra="forbid", defer_build=True, hide_input_in_errors=True
    )


class KernelSection(Section):
    """Where a kernel comes from: ``lab.trees.source`` has what its kind stands for."""

    kind: str

    @property
    def packaged(self) -> str | None:
        """The package of this machine's distribution that it is; None: every machine has it."""
        return None


class AptKernel(KernelSection):
    """A distribution's source package, by name, through the machine's apt."""

    kind: Literal["apt"]
    package: Text
    #: The tarball inside the package; by default the only ``usr/src/*.tar.*``.
    member: Text | None = None

    @property
    def packaged(self) -> str:
        """The package."""
        return self.package


class DirKernel(KernelSection):
    """A folder that holds a kernel's source, with or without ``.git``."""

    kind: Literal["dir"]
    path: Path


def _can_be_asked(url: Url) -> Url:
    if url.is_http and url.wrong:
        raise ValueError(url.wrong)
    return url


def _for_git(url: Url) -> Url:
    # The text itself is not told: that is what may hold a secret.
    if url.is_http and url.has_query:
        raise ValueError(
            "has a query, which git would show to every user of this machine: "
            "https://TOKEN@HOST/PATH, or git's credential helper"
        )
    if not url.is_http and url.credentials is not None and url.credentials[1] is not None:
        raise ValueError(f"has a password, which {url.scheme} does not take: a key of ssh")
    return url


#: Where a kernel comes from: a URL, or a path.
KernelUrl = Annotated[Url, AfterValidator(_can_be_asked)]


class GitKernel(KernelSection):
    """A git repository (URL or path) at any ref."""

    kind: Literal["git"]
    url: Annotated[KernelUrl, AfterValidator(_for_git)]
    ref: Text


class TarballKernel(KernelSection):
    """A tar archive (path or URL); ``sha256`` is of the file as downloaded."""

    kind: Literal["tarball"]
    url: KernelUrl
    sha256: Sha256
    #: URL or path of a detached OpenPGP signature over the uncompressed tar, as
    #: kernel.org's are; the one beside it for a tarball of kernel.org's.
    signature: KernelUrl | None = None


class FirstKernel(Section):
    """The first of other kernels that this machine's distribution has.

    What is not a distribution's every machine has.  Plans and results know the one taken.
    """

    kind: Literal["first"]
    of: tuple[Name, ...] = Field(min_length=1)


Kernel = AptKernel | DirKernel | GitKernel | TarballKernel


class Series(Section):
    """``patches/NAME/series``, with a sentence on what it does; the folder alone will do.

    ``kernels`` are those that ``lab verify`` takes by default, each with the series
    beneath it, if any; ``tests`` are globs of those that the series is about: it
    must mend each of them that fails without it.
    """

    description: str = ""
    kernels: tuple[str, ...] = ()
    tests: Globs = ("*",)


class KernelConfig(Section):
    """A list of fragments: ``dax`` is ``kconfigs/dax.config``.

    ``versions`` are of the kernels that it is for: of another it would be a config of less
    than its name says.  ``slower`` stretches deadlines: how many times as long a guest of it
    takes as one of the default config.
    """

    fragments: tuple[Name, ...] = Field(min_length=1)
    versions: Versions = ""
    slower: Annotated[float, Strict(), Field(ge=1, le=100, allow_inf_nan=False)] = 1.0


def _one_of(kinds: Iterable[str], kind: object) -> object:
    if not isinstance(kind, str) or kind not in kinds:
        raise PydanticKnownError("literal_error", {"expected": ", ".join(map(repr, kinds))})
    return kind


def _a_kind_of_machine(kind: object) -> object:
    return _one_of(MACHINES, kind)


def _a_type_of_machine(kind: object) -> object:
    return _one_of(ARCH.machines, kind)


class Machine(Section):
    """Hardware: QEMU's, unless it is of another ``kind``."""

    kind: Annotated[str, BeforeValidator(_a_kind_of_machine)] = QEMU

    memory: Size = 1 << 30
    cpus: Count = Field(default=2, ge=1, le=8)
    #: Of NUMA: each has as many CPUs and as much RAM, and the last the NVDIMM.
    nodes: Count = Field(default=1, ge=1, le=4)
    #: ``auto`` takes KVM only when a guest really ran with it on this host.
    accelerator: Literal["auto", "kvm", "tcg"] = "auto"
    #: One of the architecture's that QEMU has.
    type: Annotated[str, BeforeValidator(_a_type_of_machine)] = ARCH.machines[-1]
    #: Size of the persistent memory; 128 MiB-aligned, for old kernels (pmem/ndctl#28).
    nvdimm: Size = 512 << 20
    #: Size of a second one, for programs that want two: /dev/lab-scratch of the guest.
    scratch: Size | None = None
    #: Where it comes from: an NVDIMM, a device of virtio's, or RAM that ``memmap=`` sets apart
    #: for kernels that have no NFIT driver; ``auto`` is the first or the last, as the kernel has.
    pmem: Literal["auto", Pmem] = "auto"
    #: Of ``kconfigs/``: what a kernel needs to drive it, beside what its config asks for.
    fragments: tuple[Name, ...] = ()
    #: Boot a guest once for each build, and start the others from what it was then.
    saved_state: bool = True
    fresh: Fresh = Fresh.FILESYSTEM


def _a_filesystem(kind: object) -> object:
    return _one_of(FILESYSTEMS, kind)


class Filesystem(Section):
    """A mkfs and mount recipe; with ``dax`` in its options its mount must end up with DAX on.

    ``options`` left out are those of its type: ``dax``, where it can have that.
    """

    type: Annotated[str, BeforeValidator(_a_filesystem)]
    mkfs: tuple[str, ...] = ()
    options: tuple[str, ...] | None = None
    #: Only where it is named: a matrix that names no filesystems does without.
    by_name: bool = False

    @model_validator(mode="after")
    def _can_be_made(self) -> Self:
        if self.mkfs and not FILESYSTEMS[self.type].mkfs:
            raise ValueError(f"no mkfs makes a {self.type}: leave mkfs out")
        if self.options and not FILESYSTEMS[self.type].mounts:
            raise ValueError(f"of type {self.type!r} nothing is mounted: leave options out")
        return self

    @property
    def mount_options(self) -> tuple[str, ...]:
        """The options of its mount."""
        return FILESYSTEMS[self.type].options if self.options is None else self.options


SuiteSource = TarballKernel | GitKernel | DirKernel

#: (uid_t)-1 and its 16-bit form are nobody's.
_HIGHEST_UID = 65535


def _a_suite(kind: object) -> object:
    return _one_of(SUITES, kind)


#: Who owns nothing.
NOBODY = "nobody"


def _a_user(user: object) -> object:
    whole = isinstance(user, int) and not isinstance(user, bool)
    if user == NOBODY or (whole and 0 < int(str(user)) < _HIGHEST_UID):
        return user
    raise ValueError(f"{user!r} is no user of a guest: {NOBODY!r}, or a number above 0")


def _an_output(kind: object) -> object:
    return _one_of(OUTPUTS, kind)


def _an_expression(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"is no regular expression: {error}") from None
    return text


class Suite(Section):
    """Guest programs of one kind: ``populate`` is ``guest-tests/populate.c``."""

    programs: tuple[Name, ...] = Field(min_length=1)
    description: str = ""
    kind: Annotated[str, BeforeValidator(_a_suite)] = C
    #: Of each of its programs, where they take any.
    arguments: tuple[str, ...] = ()
    environment: dict[Variable, str] = {}
    #: Where they run: on the filesystem under test, or beside it.
    cwd: Literal["mount", "/tmp"] = "mount"  # noqa: S108  # the guest's
    #: What /tmp is to them: the guest's, or the filesystem under test.
    tmp: Literal["guest", "mount"] = "guest"
    #: Seconds; by default ``deadlines.program``.
    timeout: Seconds | None = None
    #: A user of the guest's that is not root: ``nobody``, or a number.
    user: Annotated[str | int, BeforeValidator(_a_user)] | None = None
    output: Annotated[str, BeforeValidator(_an_output)] | None = None
    #: Programs of this machine that they need in a guest: names, or paths.
    tools: tuple[Text, ...] = ()
    #: The one that it runs on, whatever the others do: ``none`` for what touches none.
    filesystem: Name | None = None
    #: The root filesystem that they run in, of ``[images.X]``.
    image: Name | None = None
    #: Where they are from, where that is not ``guest-tests/``.
    source: Annotated[SuiteSource, Field(discriminator="kind")] | None = None
    #: The root in which they are built, of ``[images.X]``: it is thrown away then.
    build_image: Name | None = None
    #: A shell's commands that make them, in a copy of that.
    build: tuple[Text, ...] = ()
    #: Globs of the files that they are then.
    take: tuple[Text, ...] = ()
    #: Of the selftests of a kernel's tree.
    target: Name = "mm"
    #: Programs by the shell's command that each is: of what was made, with arguments.
    calls: dict[Name, Text] = {}
    #: A shell's commands that are run before each of these; they fail, and it is no test.
    before: str = ""
    #: What one of the programs prints where it passes, whole.
    prints: Annotated[str, AfterValidator(_an_expression)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _with_calls(cls, table: object) -> object:
        """Calls are programs, whether ``programs`` names them or not."""
        if not isinstance(table, dict) or not isinstance(table.get("calls"), dict):
            return table
        programs = table.get("programs", ())
        if not isinstance(programs, list | tuple):
            return table
        more = (name for name in table["calls"] if name not in programs)
        return {**table, "programs": (*programs, *more)}

    @model_validator(mode="after")
    def _takes_its_keys(self) -> Self:
        if self.image and self.tools:
            raise ValueError("has both an image and tools: a package of the image brings them")
        given = (MANNER | MAKING) & self.model_fields_set
        if wrong := sorted(given - SUITES[self.kind].keys):
            raise ValueError(f"programs of kind {self.kind!r} take no {wrong[0]}")
        for key in sorted(SUITES[self.kind].wants):
            if not getattr(self, key):
                raise ValueError(f"programs of kind {self.kind!r} want a {key}")
        return self


class OwnSuite(Suite):
    """A program that no suite of ``lab.toml`` names: it runs where somebody asks for it."""


class GivenSuite(OwnSuite):
    """A program in a file that somebody gave: what stands for the project of its sources."""

    project: Path


def _an_image(kind: object) -> object:
    return _one_of(IMAGES, kind)


#: Debian Policy 5.6.1, and an architecture: no option, and no list of two.
Package = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9+.-]+(:[a-z0-9-]+)?$")]
#: Of a distribution: ``bookworm``.
Release = Annotated[str, Field(pattern=r"^[a-z][a-z0-9.-]*$")]


class Image(Section):
    """A root filesystem for programs that need more than a guest's own: Debian's packages."""

    kind: Annotated[str, BeforeValidator(_an_image)]
    #: By default the one that this machine itself is of.
    suite: Release | None = None
    #: Beside those that are essential.
    packages: tuple[Package, ...] = Field(min_length=1)
    #: A file of sources as apt has them, where this machine's own are not to be asked.
    sources: Path | None = None


class Matrix(Section):
    """Each variant with each config on each machine: each suite on each filesystem.

    The variants of the matrices it includes come first, each variant once; all
    else is this matrix's own.  No filesystems, or no suites: all that are defined, but
    those that run by their name alone; no config, or no machine: that called default.
    With a ``series`` each variant is tested without it and with it, and a verdict
    given, as ``lab verify`` does.
    """

    series: Name | None = None
    include: tuple[Name, ...] = ()
    variants: tuple[str, ...] = ()
    filesystems: tuple[Name, ...] = ()
    suites: tuple[Name, ...] = ()
    machine: Name = DEFAULT
    config: Name = DEFAULT
    machines: tuple[Name, ...] = ()
    configs: tuple[Name, ...] = ()

    @model_validator(mode="after")
    def _names_variants(self) -> Self:
        if not self.variants and not self.include:
            raise ValueError("names no variants: give variants, or matrices to include")
        return self

    @model_validator(mode="after")
    def _names_one_way(self) -> Self:
        for one in ("machine", "config"):
            if {one, f"{one}s"} <= self.model_fields_set:
                raise ValueError(f"has both {one} and {one}s: the list alone will do")
        return self

    @property
    def on_machines(self) -> tuple[str, ...]:
        """All its machines."""
        return self.machines or (self.machine,)

    @property
    def with_configs(self) -> tuple[str, ...]:
        """All its configs."""
        return self.configs or (self.config,)


class Expectation(Section):
    """Which results are expected; the last one that matches a test counts.

    ``variants``, ``configs``, ``machines``, ``filesystems``, ``suites`` and
    ``tests`` hold globs (fnmatch); ``versions`` is of the kernel that ran, and ``lacks`` names a
    feature (lab.features) that it has not.  A test nobody speaks of is expected
    to pass.  After the day ``until``, or on kernels from that version on, this speaks of
    none any more, and what it excused is not as expected; ``mended`` is the commit that mended it.
    """

    variants: Globs = ("*",)
    configs: Globs = ("*",)
    machines: Globs = ("*",)
    filesystems: Globs = ("*",)
    suites: Globs = ("*",)
    tests: Globs = ("*",)
    versions: Versions = ""
    lacks: Text | None = None
    until: Annotated[date | str | None, BeforeValidator(_a_day_or_a_version)] = None
    mended: Commit = ""
    status: Annotated[Status, AfterValidator(_of_the_kernel)]
    reason: Text


class ExpectedVerdict(Section):
    """Which verdict a series should get; the last one that matches a kernel counts.

    ``kernels`` hold globs (fnmatch) of kernels, each with the series beneath it; on
    one nobody speaks of a series is expected to be ``fixed``.
    """

    series: Name
    kernels: Globs = ("*",)
    verdict: Annotated[Outcome, AfterValidator(_conclusive)]
    reason: Text


class BenignSection(Section):
    """Complaints of the kernel that say nothing of it, beside those the lab knows of.

    ``title`` is a glob over ``KIND: TITLE``.
    """

    title: Text
    versions: Versions = ""
    reason: Text


class Deadlines(Section):
    """Seconds, by name; an error says which one passed."""

    accelerator: Seconds = 5.0
    boot: Seconds = 120.0
    ssh: Seconds = 60.0
    setup: Seconds = 60.0
    program: Seconds = 120.0
    #: What a guest whose kernel stalls or oopsed gets to go on; without what the host keeps it
    #: waiting for a CPU.
    stall: Seconds = 10.0
    build: Seconds = 7200.0
    fetch: Seconds = 3600.0
    shutdown: Seconds = 10.0
    #: What a guest gets after its last program to complain of it; 0 is nothing.
    settle: Annotated[float, Strict(), Field(ge=0, allow_inf_nan=False)] = 0.1
    mail: Seconds = 60.0
    webhook: Seconds = 30.0
    #: For which a store may say nothing; then all is made here.
    store: Seconds = 30.0


class Paths(Section):
    """Where things go; relative paths are relative to ``lab.toml``."""

    cache: Path = Field(default_factory=lambda: cache_home() / "lab")
    results: Path = Path("results")
    #: OpenPGP keys that tarballs must be signed by; lab.trees.keyring says where else.
    keyring: Path | None = None


def _has_scheme(url: Url) -> Url:
    if not url.scheme:
        # The text itself may hold a password.
        raise ValueError(
            "is no URL: a file is paths.results; a server, postgresql://USER@HOST/NAME"
        )
    return url


class Database(Section):
    """Where results are recorded: a file beside the runs' folders, or a server."""

    #: As SQLAlchemy has it: ``postgresql://USER@HOST/NAME``; it may hold a password.
    url: Annotated[Url, AfterValidator(_has_scheme)] | None = None


def _a_host(server: str) -> str:
    if not re.fullmatch(r"[^\s/@:]+|\[?[0-9A-Fa-f:.]+\]?", server):
        raise ValueError("is no host's name: the port, user and password have keys of their own")
    return server


class Mail(Section):
    """Whom the nightly tells, and through which SMTP server."""

    server: Annotated[Text, AfterValidator(_a_host)]
    #: By default 25, 587 for starttls, 465 for tls.
    port: Count | None = Field(default=None, ge=1, le=65535)
    sender: Text = Field(alias="from")
    to: tuple[Text, ...] = Field(min_length=1)
    tls: Literal["none", "starttls", "tls"] = "none"
    #: Certificates to trust besides this machine's, PEM: for a server of one's own.
    ca: Path | None = None
    user: Text | None = None
    #: The password is in this variable of the environment, or else in the file.
    password_env: Text = "LAB_MAIL_PASSWORD"  # noqa: S105  # a name
    password_file: Path | None = None

    @model_validator(mode="after")
    def _keeps_the_password(self) -> Self:
        if self.user is not None and self.tls == "none":
            raise ValueError(
                'user needs tls = "starttls" or "tls": a password is not sent in clear'
            )
        return self


def _is_http(url: HookUrl) -> HookUrl:
    if url.wrong:
        raise ValueError(url.wrong)
    return url


class Webhook(Section):
    """Where the nightly's JSON is posted to."""

    url: Annotated[HookUrl, AfterValidator(_is_http)]


class Nightly(Section):
    """What ``lab nightly`` tests, and whom it tells of changes."""

    matrix: Name = "default"
    #: How many times what got worse is repeated before it is told.
    reruns: Count = Field(default=2, ge=0, le=100)
    #: Whether what got worse on a git kernel is bisected between the commits of the two nights.
    bisect: bool = False
    #: Seconds for all bisections of a night.
    bisect_budget: Seconds = 7200.0
    mail: Mail | None = None
    webhook: Webhook | None = None


class Gc(Section):
    """How much disk the cache and the results may take."""

    disk: Size = 50 << 30


def _a_store(url: Url) -> Url:
    if why := wrong_url(url):
        raise ValueError(why)
    return url


class Store(Section):
    """Where machines share trees, builds, images and programs by their keys."""

    #: ``file:///FOLDER``, ``sftp://USER@HOST/FOLDER``, ``s3://BUCKET/FOLDER``; ``https://`` is
    #: only read.
    url: Annotated[Url, AfterValidator(_a_store)] | None = None
    #: Whether what is made here goes there.
    push: bool = False
    #: Of how many builds that were found there one is made here all the same; 0 is none.
    rebuild_every: Count = Field(default=0, ge=0)


class Toolchain(Section):
    """The compiler and how many of its processes run at once."""

    cc: Text = "gcc"
    #: 0 is one for each CPU of this host.
    jobs: Count = Field(default=0, ge=0)
    #: Set for the compiler and make; ``$NAME`` in a value is the lab's: ``/opt/gcc-10/bin:$PATH``.
    env: dict[Variable, str] = {}


class Execution(Section):
    """Where jobs run: on this host, or on the workers of a Dask cluster."""

    kind: Literal["local", "dask"] = "local"
    #: Of the scheduler; None is a cluster on this host.
    address: Text | None = None
    #: The folder that ``lab cluster certificates`` made.
    tls: Path | None = None
    #: What workers have to be labelled that get any.
    labels: tuple[Name, ...] = ()

    @model_validator(mode="after")
    def _is_used(self) -> Self:
        """Whoever names a scheduler means it, unless ``kind = "local"`` says that it rests."""
        if "kind" not in self.model_fields_set and (self.address is not None or self.labels):
            key = "labels" if self.address is None else "address"
            raise ValueError(f'has {key} and no kind: kind = "dask", or kind = "local" for none')
        return self


class Builds(Section):
    """Where kernels are built."""

    #: ``auto`` is in bubblewrap where it works; ``none`` lets a patch's Makefile do all that
    #: the user can.
    sandbox: Literal["auto", "bwrap", "none"] = "auto"


class LabConfig(Section):
    """All of ``lab.toml``, ``lab.local.toml`` laid over it."""

    kernels: dict[Name, Annotated[Kernel | FirstKernel, Field(discriminator="kind")]]
    series: dict[Name, Series] = {}
    configs: dict[Name, KernelConfig]
    machines: dict[Name, Machine] = Field(default_factory=lambda: {"default": Machine()})
    filesystems: dict[Name, Filesystem]
    suites: dict[Name, Suite]
    images: dict[Name, Image] = {}
    matrix: dict[Name, Matrix]
    expect: tuple[Expectation, ...] = ()
    verdict: tuple[ExpectedVerdict, ...] = ()
    benign: tuple[BenignSection, ...] = ()
    #: Of lab.local.toml: which of lab.toml's rules its own replace, not add to.
    replace: tuple[Literal["expect", "verdict", "benign"], ...] = ()
    deadlines: Deadlines = Field(default_factory=Deadlines)
    paths: Paths = Field(default_factory=Paths)
    database: Database = Field(default_factory=Database)
    toolchain: Toolchain = Field(default_factory=Toolchain)
    build: Builds = Field(default_factory=Builds)
    executor: Execution = Field(default_factory=Execution)
    nightly: Nightly = Field(default_factory=Nightly)
    gc: Gc = Field(default_factory=Gc)
    store: Store = Field(default_factory=Store)
    #: Guests that run side by side; 0 is what the host's CPUs allow.
    guests: Count = Field(default=0, ge=0)
    #: Variants that are built side by side; 0 is what the host's CPUs allow.
    builds: Count = Field(default=0, ge=0)

    @property
    def usual_filesystems(self) -> tuple[str, ...]:
        """The filesystems of a matrix that names none."""
        return tuple(name for name, table in self.filesystems.items() if not table.by_name)

    def own_filesystems(self, suites: Iterable[str]) -> tuple[tuple[str, str], ...]:
        """Those of some suites that run on a filesystem of their own alone, each with it."""
        named = ((name, self.suites[name].filesystem) for name in suites)
        return tuple((suite, filesystem) for suite, filesystem in named if filesystem)

    @property
    def named_suites(self) -> tuple[str, ...]:
        """The suites that run where nobody says which: those of ``lab.toml``, but others'."""
        named = [name for name, suite in self.suites.items() if not isinstance(suite, OwnSuite)]
        return tuple(name for name in named if name in self.own_suites)

    @property
    def own_suites(self) -> tuple[str, ...]:
        """The suites of ``guest-tests/``, whatever names them."""
        return tuple(name for name, suite in self.suites.items() if not SUITES[suite.kind].others)
