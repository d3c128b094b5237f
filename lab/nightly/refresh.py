# SPDX-License-Identifier: GPL-2.0-only
"""Trees, brought up to date before the night."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab.nightly.kernel_changes import Manifests
from lab.plan import Plan
from lab.unforeseen import as_lab_error

if TYPE_CHECKING:
    from lab.session import Lab


def refresh(lab: Lab, plan: Plan) -> tuple[str, ...]:
    """Ask for newer trees; what cannot be had stays as it is, and is said.

    A server that is away for a night must not keep the other kernels, nor the tree that
    is here, from being tested.
    """
    troubles = []
    for kernel in dict.fromkeys(job.variant.kernel for job in plan.jobs):
        try:
            tree = lab.builder.tree(kernel, refresh=True)
        except Exception as raised:
            error = as_lab_error(raised)
            said = f"{error.where}: {error.what}" if error.where else error.what
            lab.listener.say(f"{kernel}: {error.what}")
            troubles.append(f"{kernel} could not be refreshed: {said}")
        else:
            Manifests.of(lab).keep(tree.identity, tree.manifest)
    return tuple(troubles)
