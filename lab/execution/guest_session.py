# SPDX-License-Identifier: GPL-2.0-only
"""A guest that works off a group of units, and those who look at it."""

from __future__ import annotations

from dataclasses import dataclass, field

from lab.execution.agenda import Agenda
from lab.execution.complaint_watch import ComplaintWatch
from lab.execution.findings import Findings
from lab.execution.stall_watch import StallWatch
from lab.execution.unit import Unit
from lab.guest.guest import Guest


@dataclass(frozen=True)
class GuestSession:
    """A guest at work.

    Attributes:
        findings, agenda: The job's.
        watch: Reads its console.
        stall_watch: Tells what comes there, and ends it when it hangs.
        ran: What has run there.
        mounted: What was mounted when each filesystem was proved, by its name.
        lost: Ends of programs, or of a setup, after which nobody expects the guest to do
            anything.
    """

    findings: Findings
    agenda: Agenda
    guest: Guest
    watch: ComplaintWatch
    stall_watch: StallWatch
    ran: list[Unit] = field(default_factory=list)
    mounted: dict[str, str] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)

    @staticmethod
    def of(findings: Findings, agenda: Agenda, guest: Guest, watch: ComplaintWatch) -> GuestSession:
        """A session of a guest that is open."""
        stall_watch = StallWatch(watch, guest, findings.job.stall_s, findings.tell)
        return GuestSession(findings, agenda, guest, watch, stall_watch)

    @property
    def sound(self) -> bool:
        """Whether its kernel is whole and would complain, and all that it said was read."""
        return self.stall_watch.sound and not self.watch.unread
