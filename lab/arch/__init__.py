# SPDX-License-Identifier: GPL-2.0-only
"""What one architecture has that another has not, and no other module says."""

from __future__ import annotations

import os

from lab.arch.architecture import Architecture
from lab.arch.x86_64 import X86_64

#: Those that kernels can be built for, and guests be of.
ARCHITECTURES = {one.name: one for one in (X86_64,)}
#: That of the kernels under test, this host's: another would need a compiler of its own.
ARCH = ARCHITECTURES.get(os.uname().machine, X86_64)

__all__ = ["ARCH", "ARCHITECTURES", "Architecture"]
