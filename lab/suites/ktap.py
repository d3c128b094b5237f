# SPDX-License-Identifier: GPL-2.0-only
"""Reads KTAP version 1, what of TAP 13 and 14 kernel tests print, and TAP as others print it.

The format: https://docs.kernel.org/dev-tools/ktap.html and
https://testanything.org/tap-version-14-specification.html (``# Subtest: NAME``).
Reading never fails: what is wrong with the output is said in ``Report.problems``,
and whoever judges a report with problems must not call it clean.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, auto

from lab.text import without_escapes

#: More indentation than this is no nesting anybody meant (and would exhaust the stack).
_DEEPEST = 100
#: A program that prints more has lost its way; all of it stays in its file.
_MOST = 8 << 20
_VERSIONS = {("KTAP", "1"), ("TAP", "13"), ("TAP", "14")}
_YAML_BEGINS = re.compile(r"( +)---(?:\s.*)?$")
_UNFINISHED = "(unfinished)"

_DIRECTIVE = re.compile(r"(?:(SKIP)(?:PED)?|(TODO|XFAIL|TIMEOUT|ERROR))(?!\w):?", re.IGNORECASE)
_HASH = re.compile(r"(?:^|(?<=\s))#")
#: TAP 14: what is no directive has its "#" escaped, and a backslash too.
_ESCAPED = re.compile(r"\\([\\#])")


@dataclass(frozen=True)
class Dialect:
    """What of KTAP a dialect asks for, and what it has beside that.

    Attributes:
        name: Of its plan and version line, for people.
        strict: Whether it begins with a version, numbers its tests, and names each once.
        yaml: Whether a result may be followed by a block of YAML (TAP 13).
    """

    name: str
    strict: bool = True
    yaml: bool = False


KTAP = Dialect("KTAP")
#: testanything.org: version 12 has no version line, and in none of them are numbers owed.
TAP = Dialect("TAP", strict=False, yaml=True)


@dataclass(frozen=True)
class Test:
    """One result line, with what led to it.

    ``ok`` is None when subtests were reported but the result line of the test
    itself never came.  ``directive`` is upper case; ``reason`` is the text
    after it, or after ``#`` when there is no directive.  ``diagnostics`` are
    the ``# `` lines since the result line before, which is where KTAP says
    that they go.
    """

    name: str
    ok: bool | None
    directive: str | None = None
    reason: str = ""
    diagnostics: tuple[str, ...] = ()
    subtests: tuple[Test, ...] = ()

    @property
    def broken(self) -> bool:
        """Whether it failed and nothing excuses that."""
        return self.ok is False and self.directive not in {"SKIP", "TODO", "XFAIL"}

    def walk(self, parent: str = "") -> Iterator[tuple[str, Test]]:
        """Full names (joined with ``/``) and tests, subtests before their parent."""
        name = f"{parent}/{self.name}" if parent else self.name
        for subtest in self.subtests:
            yield from subtest.walk(name)
        yield name, self


@dataclass(frozen=True)
class Report:
    """All that one program printed.

    ``planned`` is None without a plan line; ``skipped`` is the reason in
    ``1..0 # SKIP reason``; ``bailed`` is the text after ``Bail out!``;
    ``diagnostics`` are the ``# `` lines after the last result.
    """

    tests: tuple[Test, ...] = ()
    planned: int | None = None
    problems: tuple[str, ...] = ()
    bailed: str | None = None
    skipped: str | None = None
    diagnostics: tuple[str, ...] = ()

    def walk(self) -> Iterator[tuple[str, Test]]:
        """Full names and tests, in the order of their result lines."""
        for test in self.tests:
            yield from test.walk()


def parse(data: bytes, dialect: Dialect = KTAP) -> Report:
    """Read a program's output as it came, line ends included.

    A last line without its line end is taken for cut off: it is a problem,
    and no result.  Undecodable bytes and control characters are replaced.
    """
    text, cut = _clean(data[:_MOST])
    reader = _Reader(_tokens(text, dialect), dialect)
    if not text.strip() and cut is None:
        return Report(problems=("printed nothing",))
    report = reader.report(cut)
    if len(data) > _MOST:
        more = f"printed more than {_MOST >> 20} MiB, of which the rest was not read"
        report = replace(report, problems=(more, *report.problems))
    return report


class _Kind(Enum):
    VERSION = auto()
    PLAN = auto()
    RESULT = auto()
    SUBTEST = auto()
    BAIL = auto()
    DIAGNOSTIC = auto()
    YAML = auto()


# In this order: "# Subtest: x" would be a diagnostic, too.
_PATTERNS = (
    (_Kind.VERSION, re.compile(r"(K?TAP) version (\S+)\s*$")),
    (
        _Kind.PLAN,
        re.compile(r"1\.\.(\d{1,9})\s*(?:#\s*(?:(SKIP)(?:PED)?(?!\w):?)?\s*(.*))?$", re.IGNORECASE),
    ),
    (_Kind.RESULT, re.compile(r"(not )?ok(?:\s+(\d{1,9}))?(?:\s+(.*))?$")),
    (_Kind.SUBTEST, re.compile(r"(?:# )?Subtest: ?(.*)$")),
    (_Kind.BAIL, re.compile(r"bail out!\s*(.*)$", re.IGNORECASE)),
    (_Kind.DIAGNOSTIC, re.compile(r"#\s?(.*)$")),
)
#: Kinds that can be anywhere, whatever their indentation.
_LOOSE = {_Kind.BAIL, _Kind.DIAGNOSTIC, _Kind.YAML}


@dataclass(frozen=True)
class _Token:
    kind: _Kind
    indent: int
    match: re.Match[str]
    lines: tuple[str, ...] = ()
    whole: bool = True

    @property
    def height(self) -> int:
        """How many lines it takes."""
        return 1 + len(self.lines) + (self.kind is _Kind.YAML and self.whole)


def _clean(data: bytes) -> tuple[str, str | None]:
    """The whole lines, and the one that was cut off at the end."""
    text = re.sub(r"\r+\n?", "\n", data.decode(errors="replace"))
    whole, _, rest = without_escapes(text).rpartition("\n")
    return whole, rest.strip() or None


def _tokens(text: str, dialect: Dialect) -> list[_Token]:
    lines = [line.expandtabs() for line in text.split("\n")]
    if dialect.yaml:
        return _with_yaml(lines)
    return [token for token in map(_token, lines) if token is not None]


def _with_yaml(lines: Sequence[str]) -> list[_Token]:
    """The same where a result may be followed by a block that is no result, whatever it says."""
    found: list[_Token] = []
    place, after_result = 0, False
    while place < len(lines):
        begins = _YAML_BEGINS.match(lines[place]) if after_result else None
        token = _yaml(lines, place, begins) if begins is not None else _token(lines[place])
        place += 1 if token is None else token.height
        after_result = token is not None and token.kind is _Kind.RESULT
        found += [] if token is None else [token]
    return found


def _yaml(lines: Sequence[str], place: int, begins: re.Match[str]) -> _Token:
    """A block from its ``---`` to the ``...`` below it, or to what is indented less."""
    indent = begins[1]
    inside: list[str] = []
    for line in lines[place + 1 :]:
        if line.rstrip() == f"{indent}...":
            return _Token(_Kind.YAML, len(indent), begins, tuple(inside))
        if line.strip() and not line.startswith(indent):
            break
        inside.append(line.removeprefix(indent).rstrip())
    return _Token(_Kind.YAML, len(indent), begins, tuple(inside), whole=False)


def _token(line: str) -> _Token | None:
    body = line.lstrip(" ")
    for kind, pattern in _PATTERNS:
        match = pattern.match(body)
        if match is not None:
            return _Token(kind, len(line) - len(body), match)
    # Kernel messages may come in between and mean nothing ("unknown lines").
    return None


@dataclass
class _Block:
    """The tests of one level of nesting, while they are read."""

    indent: int
    name: str = ""
    version: str | None = None
    planned: int | None = None
    skipped: str | None = None
    plan_is_last: bool = False
    tests: list[Test] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)
    next_number: int = 1
    #: Read already, and waiting for the result line of the test it belongs to.
    inner: _Block | None = None
    inner_name: str = ""

    @property
    def reported(self) -> list[Test]:
        return [test for test in self.tests if test.ok is not None]


class _Reader:
    def __init__(self, tokens: list[_Token], dialect: Dialect) -> None:
        self._tokens = tokens
        self._dialect = dialect
        self._last: _Block | None = None
        self._position = 0
        self._diagnostics: list[str] = []
        self._bailed: str | None = None

    def report(self, cut: str | None) -> Report:
        indents = [token.indent for token in self._tokens if token.kind not in _LOOSE]
        block = self._block(min(indents, default=0))
        problems = [*_top_problems(block, self._dialect), *block.problems]
        if cut is not None:
            problems.append(f"was cut off in the middle of a line ({_short(cut)})")
        return Report(
            tests=tuple(block.tests),
            planned=block.planned,
            problems=tuple(problems),
            bailed=self._bailed,
            skipped=block.skipped,
            diagnostics=self._take_diagnostics(),
        )

    def _block(self, indent: int) -> _Block:
        block = _Block(indent)
        while (token := self._peek()) is not None and token.indent >= indent:
            if token.indent > _DEEPEST:
                self._position += 1
                block.problems.append(f"is indented too far ({_short(token.match[0])})")
            elif token.indent > indent:
                inner = self._block(token.indent)
                _close_inner(block)
                block.inner = inner
            else:
                self._position += 1
                self._READ[token.kind](self, block, token)
        _close_inner(block)
        block.problems.extend(_count_problems(block, self._dialect))
        return block

    def _peek(self) -> _Token | None:
        """The next token that belongs to a level; takes those that do not."""
        while self._position < len(self._tokens):
            token = self._tokens[self._position]
            if token.kind not in _LOOSE:
                return token
            self._position += 1
            self._take_loose(token)
        return None

    def _take_loose(self, token: _Token) -> None:
        if token.kind is _Kind.YAML:
            self._take_yaml(token)
            return
        text = token.match[1].rstrip()
        if token.kind is _Kind.DIAGNOSTIC:
            self._diagnostics.append(text)
        elif self._bailed is None:
            self._bailed = text

    def _take_yaml(self, token: _Token) -> None:
        """What follows a result is of that one."""
        block = self._last
        assert block is not None  # it comes after a result
        test = block.tests[-1]
        block.tests[-1] = replace(test, diagnostics=(*test.diagnostics, *token.lines))
        if not token.whole:
            block.problems.append(f"began a block of YAML after {test.name} that has no end")

    def _take_diagnostics(self) -> tuple[str, ...]:
        taken, self._diagnostics = tuple(self._diagnostics), []
        return taken

    def _version(self, block: _Block, token: _Token) -> None:
        spelled = token.match[0].strip()
        if block.version is not None or block.tests or block.planned is not None:
            block.problems.append(f"printed a version line again or too late ({spelled})")
        if (token.match[1], token.match[2]) not in _VERSIONS:
            block.problems.append(f"speaks a version the lab does not know ({spelled})")
        block.version = spelled

    def _plan(self, block: _Block, token: _Token) -> None:
        if block.planned is not None:
            block.problems.append(f"printed a second plan ({token.match[0].strip()})")
            return
        block.planned = int(token.match[1])
        block.plan_is_last = bool(block.tests)
        if token.match[2]:
            block.skipped = token.match[3].strip()

    def _subtest(self, block: _Block, token: _Token) -> None:
        # KUnit names the level from inside, TAP 14 from outside.
        following = self._peek()
        name = token.match[1].strip()
        if following is not None and following.indent > block.indent:
            block.inner_name = name
        else:
            block.name = name

    def _result(self, block: _Block, token: _Token) -> None:
        number = int(token.match[2]) if token.match[2] else None
        name, directive, reason = describe(token.match[3] or "")
        name = name or f"test-{number or block.next_number}"
        inner, block.inner, block.inner_name = block.inner, None, ""
        test = Test(
            name=name,
            ok=not token.match[1],
            directive=directive,
            reason=reason,
            diagnostics=self._take_diagnostics(),
            subtests=tuple(inner.tests) if inner is not None else (),
        )
        if inner is not None:
            block.problems.extend(f"{name}: {problem}" for problem in inner.problems)
        block.problems.extend(_result_problems(block, test, number, self._dialect))
        block.next_number = (number or block.next_number) + 1
        block.tests.append(test)
        self._last = block

    _READ = {  # noqa: RUF012  # a constant
        _Kind.VERSION: _version,
        _Kind.PLAN: _plan,
        _Kind.SUBTEST: _subtest,
        _Kind.RESULT: _result,
    }


def _close_inner(block: _Block) -> None:
    """Keep subtests whose parent never said how it ended."""
    if block.inner is None:
        return
    name = block.inner_name or block.inner.name or _UNFINISHED
    block.problems.extend(f"{name}: {problem}" for problem in block.inner.problems)
    block.problems.append(f"printed subtests of {name} but no result of its own")
    block.tests.append(Test(name, None, subtests=tuple(block.inner.tests)))
    block.inner, block.inner_name = None, ""


def describe(text: str) -> tuple[str, str | None, str]:
    """Name, directive and reason out of what follows a result line's number."""
    marker = _HASH.search(text)
    name = text[: marker.start()] if marker is not None else text
    name = _ESCAPED.sub(r"\1", re.sub(r"^-(?:\s+|$)", "", name.strip()))
    said = text[marker.end() :].strip() if marker is not None else ""
    match = _DIRECTIVE.match(said)
    if match is None:
        return name, None, said
    return name, (match[1] or match[2]).upper(), said[match.end() :].strip()


def _result_problems(
    block: _Block, test: Test, number: int | None, dialect: Dialect
) -> Iterator[str]:
    if number is None and dialect.strict and not (block.version or "").startswith("TAP"):
        yield f"gave no number to {test.name}"
    elif number is not None and number != block.next_number:
        yield f"gave {test.name} number {number} where {block.next_number} was due"
    if test.name in block.names and dialect.strict:
        yield f"reported {test.name} twice"
    block.names.add(test.name)
    if block.plan_is_last:
        yield f"printed its plan between results (before {test.name})"
        block.plan_is_last = False
    broken = [subtest.name for subtest in test.subtests if subtest.broken]
    if broken and test.ok:
        yield f"calls {test.name} ok although {test.name}/{broken[0]} is not"


def _top_problems(block: _Block, dialect: Dialect) -> Iterator[str]:
    # TAP 14 lets subtests do without a version line, but nobody the whole.
    if block.version is None and dialect.strict:
        yield "printed no KTAP version line"


def _count_problems(block: _Block, dialect: Dialect) -> Iterator[str]:
    count = len(block.reported)
    if block.planned is None:
        yield f"printed no {dialect.name} plan{_last(block)}"
    elif count != block.planned:
        yield f"planned {_tests(block.planned)}, reported {count or 'none'}{_last(block)}"


def _last(block: _Block) -> str:
    return f" (last: {block.reported[-1].name})" if block.reported else ""


def _tests(count: int) -> str:
    return f"{count} test" if count == 1 else f"{count} tests"


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."
