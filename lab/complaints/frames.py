# SPDX-License-Identifier: GPL-2.0-only
"""Functions in stack traces, and the one that says most."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from lab.model.complaint import Frame

#: What printk's %pS and %pB print: name+0xoffset/0xsize [module].
FUNCTION = (
    r"(?P<function>[A-Za-z_][\w.]*)\+0x(?P<offset>[0-9a-f]+)/0x(?P<size>[0-9a-f]+)"
    r"(?: \[(?P<module>[\w-]+)(?: [0-9a-f]+)?\])?"
)
# Before 4.10 each frame had its address in front, and a text address as a pair in RIP.
_ADDRESS = r"(?:\[<[0-9a-f]+>\]\s+)"
_FRAME = re.compile(rf"\s+{_ADDRESS}?(?P<doubt>\? )?{FUNCTION}(?:\s|$)")
_OLD_FRAME = re.compile(rf"{_ADDRESS}(?P<doubt>\? )?{FUNCTION}(?:\s|$)")
_RIP = re.compile(rf"(?P<at>)(?:E?IP: ?|RIP: )(?:[0-9a-f]{{4}}:)?{_ADDRESS}*{FUNCTION}")

#: Those that report a fault, wait, or spin: the function that made them do it tells more.
_DULL = re.compile(
    r"""
    dump_stack|show_stack|show_trace|dump_trace|show_regs|print_|__?dump_|panic$|nmi_panic|
    warn_slowpath|__warn|report_bug|handle_bug|fixup_bug|do_error_trap|do_trap|
    exc_|asm_|error_entry|do_invalid_op|invalid_op|die$|oops_|page_fault_oops|no_context|
    bad_area|__bad_area|do_user_addr_fault|do_kern_addr_fault|do_page_fault|__do_page_fault|
    page_fault|async_page_fault|general_protection|kernelmode_fixup|
    kasan_|__kasan|__asan|check_memory_region|check_region|kcsan|__tsan|kmsan|__msan|
    ubsan|__ubsan|val_to_string|handle_overflow|kfence|
    refcount_|__refcount|
    lockdep_|check_|mark_|validate_chain|__lock_|lock_acquire|lock_release|add_lock|
    __might_|___might_|might_|__schedule|schedule|preempt_schedule|io_schedule|
    wait_for_c|__wait_for|do_wait_for|__mutex|mutex_|down_|__down_|rwsem_|up_|__rt_mutex|
    _raw_|__raw_|queued_spin|native_|pv_|__pv_|do_raw|spin_bug|
    rcu_|__rcu|sched_show|watchdog|touch_|trigger_|nmi_|arch_trigger|
    bad_page|free_page_is_bad|check_new_page|free_pcp|free_unref|__free_pages|
    slab_|object_err|kmem_cache_free|kfree$|__slab|free_debug|free_to_partial|__kmem_cache|
    delay_|__delay|__udelay|__const_udelay|__ndelay|cpu_relax|rep_nop|msleep|usleep|
    __stack_chk_fail|__list_|list_|debug_check|
    usercopy_|__check_object|__check_heap|
    fortify_|__fortify|
    oom_|out_of_memory|dump_header|
    irq_|__irq|handle_|__do_softirq|do_softirq|sysvec_|smp_apic|apic_timer|local_apic|hrtimer|
    __hrtimer|tick_|update_process_times|
    try_to_|hlock_|
    __pfx_
    """,
    re.VERBOSE,
)


def parse_frame(text: str) -> Frame | None:
    """The function that a line of a stack trace, or an RIP line, names."""
    match = _FRAME.match(text) or _OLD_FRAME.match(text) or _RIP.match(text)
    return frame_of(match) if match is not None else None


def frame_of(match: re.Match[str]) -> Frame:
    """The frame in a match of a pattern that holds FUNCTION."""
    named = match.groupdict()
    return Frame(
        named["function"],
        int(named["offset"], 16),
        int(named["size"], 16),
        not named.get("doubt"),
        named["module"] or "",
        returns="at" not in named,
    )


def telling(frames: Iterable[Frame]) -> str:
    """The innermost function that is no machinery of reporting, waiting or locking.

    Without the suffix a compiler gives (``.cold``, ``.isra.0``): it changes from
    one build to the next.
    """
    frames = tuple(frames)
    chosen = next(iter(tellings(frames)), None)
    if chosen is None:
        chosen = next((frame for frame in frames if frame.reliable), None)
    return bare(chosen.function) if chosen else ""


def tellings(frames: Iterable[Frame]) -> Iterator[Frame]:
    """The frames that are no such machinery, the innermost first."""
    for frame in frames:
        if frame.reliable and not _DULL.match(frame.function):
            yield frame


def bare(function: str) -> str:
    """``foo`` for ``foo.constprop.0.cold``."""
    return function.partition(".")[0]
