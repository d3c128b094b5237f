# SPDX-License-Identifier: GPL-2.0-only
"""A run as a folder of static HTML: no network, no build step, readable without a script."""

from lab.report.site.page_data import Report, make_report
from lab.report.site.publish import publish
from lab.report.site.site import write_site

__all__ = ["Report", "make_report", "publish", "write_site"]
