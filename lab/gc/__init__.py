# SPDX-License-Identifier: GPL-2.0-only
"""Keep the disk within a budget: what is there, what must stay, what goes first."""

from lab.gc.free import Freed, Removal, free, plan_removal
from lab.gc.inventory import inventory
from lab.gc.item import Item, Rank
from lab.gc.needs import Needs, needs_of
from lab.gc.projects import other_projects, with_needs_of

__all__ = [
    "Freed",
    "Item",
    "Needs",
    "Rank",
    "Removal",
    "free",
    "inventory",
    "needs_of",
    "other_projects",
    "plan_removal",
    "with_needs_of",
]
