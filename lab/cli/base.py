# SPDX-License-Identifier: GPL-2.0-only
"""``lab patch base``: which kernels a series goes onto, and which have it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lab.cli.commands import File, Json, open_lab, worst
from lab.cli.lines import say_lines
from lab.cli.patch import patch_app
from lab.cli.verify import Kernels
from lab.errors import ExitStatus

if TYPE_CHECKING:
    from lab.builder.placing import Place
    from lab.patches import Series
    from lab.patches.history import Stretch
    from lab.trees.repository import Commit, Repository

    #: By range of versions: where in the history all is as those patches want it, or why nowhere.
    Told = dict[str, Stretch | str]

GitHistory = Annotated[
    Path | None,
    typer.Option("--tree", metavar="DIR", help="A git repository, whose history is asked too."),
]


@patch_app.command()
def base(
    series: Annotated[str, typer.Argument(metavar="SERIES")],
    kernels: Kernels = None,
    tree: GitHistory = None,
    file: File = None,
    json: Json = False,
) -> int:
    """Say which kernels a series goes onto, and which have it.

    Of lab.toml's, or those named, the ones that are on this machine: nothing is downloaded.
    With --tree also since which commit of its HEAD the files are as the patches want them,
    and which commit ended that.
    """
    from lab.builder.placing import Placing, kernels_of, require_one_here
    from lab.cli.progress import print_json
    from lab.trees.repository import open_repository

    opened, named = open_lab(file).taking(kernels or ())
    opened.loaded.require("series", series)
    wanted = named or kernels_of(opened.builder)
    _refuse_unknown(opened.loaded.refuse, opened.loaded.config, series, wanted)
    with open_repository(tree) if tree is not None else nullcontext() as repository:
        placing = Placing(opened.builder, series, repository)
        placing.series  # noqa: B018  (what is wrong with it is told before a tree is read)
        places = list(placing.on_each(wanted))
        if repository is None:
            require_one_here(places)
        told = _history(repository, placing.series) if repository is not None else {}
    if json:
        print_json(_document(series, places, told))
    else:
        say_lines([*_lines(places), *_told(told, tree)])
    return _status(places)


def _refuse_unknown(refuse: Any, config: Any, series: str, kernels: Sequence[str]) -> None:
    from lab.config import base_problems

    refuse([problem for kernel in kernels for problem in base_problems(config, series, kernel)])


def _history(repository: Repository, series: Series) -> Told:
    from lab.patches.history import NoStretch, stretch

    tip = repository.at("HEAD")
    told: Told = {}
    for versions, patches in series.by_range().items():
        try:
            told[versions] = stretch(repository, patches, tip) if tip else "it has no HEAD"
        except NoStretch as error:
            told[versions] = str(error)
    return told


def _lines(places: Sequence[Place]) -> Iterator[str]:
    here = [place for place in places if place.stand is not None or place.error is not None]
    width = max((len(place.kernel) for place in here), default=0)
    words = max((len(_word(place)) for place in here), default=0)
    for place in here:
        line = f"{place.kernel:{width}}  {_word(place):{words}}  {_detail(place)}"
        yield line.rstrip()
        if place.note:
            yield f"{'':{width}}  {place.note}"
    away = [place.kernel.kernel for place in places if place not in here]
    if away:
        yield f"not here: {', '.join(away)}  (lab fetch brings them)"


def _word(place: Place) -> str:
    return place.stand.standing.value if place.stand is not None else "error"


def _detail(place: Place) -> str:
    if place.stand is not None:
        return place.stand.detail
    return place.error.what if place.error is not None else ""


def _told(told: Told, tree: Path | None) -> Iterator[str]:
    for versions, found in told.items():
        yield f"{tree} at HEAD{f', for {versions}' if len(told) > 1 else ''}"
        yield from (f"  {line}" for line in _stretch(found))


def _stretch(found: Stretch | str) -> Iterator[str]:
    if isinstance(found, str):
        yield f"nowhere: {found}"
        return
    yield f"first     {_named(found.first)}"
    yield f"last      {_named(found.last)}"
    if found.ended_by is not None:
        yield f"ended by  {_named(found.ended_by)}"
    else:
        yield "ended by  nothing: its HEAD has every file as the patches want it"
    if found.others:
        yield f"it was so before, and ended {found.others} times more"


def _named(commit: Commit) -> str:
    return f"{commit.short}, {commit.date}"


def _document(series: str, places: Sequence[Place], told: Told) -> dict[str, Any]:
    return {
        "series": series,
        "kernels": [_row(place) for place in places],
        "tree": [_history_row(versions, found) for versions, found in told.items()],
    }


def _row(place: Place) -> dict[str, Any]:
    stand = place.stand
    return {
        "kernel": str(place.kernel),
        "here": stand is not None or place.error is not None,
        "version": place.version or None,
        "standing": stand.standing.value if stand else None,
        "detail": stand.detail if stand else None,
        "patch": (stand.patch or None) if stand else None,
        "commit": (stand.commit or None) if stand else None,
        "found": (stand.found or None) if stand else None,
        "beside": (stand.beside or None) if stand else None,
        "note": place.note or None,
        "error": str(place.error) if place.error else None,
    }


def _history_row(versions: str, found: Stretch | str) -> dict[str, Any]:
    if isinstance(found, str):
        return {"versions": versions, "why": found}
    commits = {"first": found.first, "last": found.last, "ended_by": found.ended_by}
    ids = {name: commit.id if commit else None for name, commit in commits.items()}
    return {"versions": versions, **ids, "others": found.others, "why": None}


def _status(places: Sequence[Place]) -> int:
    """Whether it goes onto any of them, or is there; then what kept one from being asked."""
    from lab.patches.standing import GOOD

    if any(place.stand is not None and place.stand.standing in GOOD for place in places):
        return ExitStatus.EXPECTED
    errors = [place.error for place in places if place.error is not None]
    return worst(errors) if errors else ExitStatus.UNEXPECTED
