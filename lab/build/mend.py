# SPDX-License-Identifier: GPL-2.0-only
"""What keeps an old kernel from building with a new toolchain, and what mends it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from lab.errors import Location, UserError
from lab.model.version import KernelVersion, VersionRange

#: Programs whose version says whether a mend is needed.
ToolName = Literal["gcc", "clang", "binutils", "make"]
_COMPILERS = ("gcc", "clang")


def _range(value: object) -> VersionRange:
    if not isinstance(value, str):
        raise ValueError("a range is a text: >=4.1 <4.3")  # noqa: TRY004  (pydantic's rule)
    return VersionRange.parse(value)


Range = Annotated[VersionRange, BeforeValidator(_range)]
Text = Annotated[str, Field(min_length=1)]
#: As ``git log --abbrev=12`` has it.
Commit = Annotated[str, Field(pattern=r"^[0-9a-f]{12,40}$")]


class _Table(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", defer_build=True, arbitrary_types_allowed=True
    )


class Carried(_Table):
    """A file of the tree that has, or lacks, a text once the tree carries the mend."""

    file: Text
    has: Text | None = None
    lacks: Text | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.has is None) == (self.lacks is None):
            raise ValueError("give one of has and lacks")
        return self

    def holds(self, text: str) -> bool:
        """Whether a tree with this text in the file carries the mend; no file is no text."""
        if self.has is not None:
            return self.has in text
        return str(self.lacks) not in text


class Mend(_Table):
    """One table of ``mends.toml``.

    ``tools`` has versions of the tools that bring the symptom; of ``patches`` the
    first that applies is meant.
    """

    versions: Range
    tools: dict[ToolName, Range] = {}
    symptom: Text
    commits: tuple[Commit, ...] = Field(min_length=1)
    patches: tuple[Text, ...] = ()
    kernel_flags: tuple[Text, ...] = ()
    host_flags: tuple[Text, ...] = ()
    carried: Carried | None = None

    @model_validator(mode="after")
    def _mends(self) -> Self:
        if not (self.patches or self.kernel_flags or self.host_flags):
            raise ValueError("mends nothing: give patches, kernel_flags or host_flags")
        if "-fcommon" in self.kernel_flags:
            # COMMON symbols land past _end and are overwritten at boot: 4.1 to 4.3.
            raise ValueError("-fcommon is for host_flags: with it the kernel dies at boot")
        return self

    def concerns(self, kernel: KernelVersion, tools: dict[str, KernelVersion | None]) -> bool:
        """Whether this kernel needs it with these tools.

        Args:
            tools: Versions by name; None where nobody knows, which counts as needing it.
                Only the compiler that is used is among them.
        """
        return self.versions.contains(kernel) and all(
            self._meets(name, wanted, tools) for name, wanted in self.tools.items()
        )

    def _meets(
        self, name: ToolName, wanted: VersionRange, tools: dict[str, KernelVersion | None]
    ) -> bool:
        if name in _COMPILERS and name not in tools:
            # The other compiler: this one must be meant then.
            return any(other in tools for other in self.tools if other in _COMPILERS)
        version = tools.get(name)
        return version is None or wanted.contains(version)


def load_mends(path: Path) -> dict[str, Mend]:
    """The mends of a ``mends.toml`` by name, in its order; none when there is no file.

    Raises:
        UserError: The file is not right.
    """
    import tomllib

    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
        return TypeAdapter(dict[str, Mend]).validate_python(tables)
    except FileNotFoundError:
        return {}
    except ValidationError as error:
        first = error.errors()[0]
        keys = ".".join(str(key) for key in first["loc"])
        raise UserError(first["msg"], where=Location(path, key=keys)) from None
    except ValueError as error:
        raise UserError(f"this is no TOML: {error}", where=Location(path)) from None
