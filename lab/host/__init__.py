# SPDX-License-Identifier: GPL-2.0-only
"""The machine the lab runs on: where its tools are, and which package brings each."""

from lab.host.machine import Host
from lab.host.tool import Tool, install_command, known_tools, locate, need_tool, package_names

__all__ = ["Host", "Tool", "install_command", "known_tools", "locate", "need_tool", "package_names"]
