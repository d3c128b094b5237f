# SPDX-License-Identifier: GPL-2.0-only
"""What the kernel complains of on its console and in its log: text in, complaints out."""

from lab.complaints.complaint import Complaint, Frame, Kind
from lab.complaints.lines import Line, Lines
from lab.complaints.reader import Reader, read

__all__ = ["Complaint", "Frame", "Kind", "Line", "Lines", "Reader", "read"]
