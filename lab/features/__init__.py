# SPDX-License-Identifier: GPL-2.0-only
"""What a kernel has, by its version: data, asked by name."""

from lab.features.feature import Feature, feature, has, known_features
from lab.features.layout import Layout, layouts

__all__ = ["Feature", "Layout", "feature", "has", "known_features", "layouts"]
