# SPDX-License-Identifier: GPL-2.0-only
"""The patch that the lab is about, as code."""

from __future__ import annotations

import pytest

from lab.mutants.change import Change

_BASE = b"""\
		if (IS_ERR(page))
			return i ? i : PTR_ERR(page);
		flags = FOLL_SPLIT | VM_PFNMAP;
"""
_PATCHED = b"""\
		if (IS_ERR(page)) {
			/* No page may be associated with VM_MIXEDMAP. Proceed */
			/* FOLL_POPULATE when the translation is set but its */
			/* page does not exist (-EFAULT), and @pages is not */
			/* requested by the caller. */
			if ((PTR_ERR(page) == -EFAULT) && (!pages) &&
			(gup_flags & FOLL_POPULATE) &&
			(vma->vm_flags & VM_MIXEDMAP))
				goto next_page;

			return i ? i : PTR_ERR(page);
		}
		flags = FOLL_SPLIT | VM_PFNMAP;
"""


@pytest.fixture
def patch_of_2015() -> Change:
    """What "mm: Fix MAP_POPULATE and mlock() for DAX" does, in a function of its own."""
    before, after = b"long f(void)\n{\n", b"}\n"
    return Change(before + _BASE + after, before + _PATCHED + after)
