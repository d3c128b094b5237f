# SPDX-License-Identifier: GPL-2.0-only
"""A line of the kernel's for each head and each of its alternatives: the file, the versions."""

from __future__ import annotations

import pytest

from lab.complaints.heads import CONSEQUENCE, HEADS, Shape, continues, find_head
from lab.complaints.title import title_of
from lab.model.complaint import Frame

#: The innermost function of the stack trace: in a title where the head names none.
TRACE = (Frame("somewhere", 0, 1, reliable=True, module=""),)
F = "foo+0x10/0x20"

#: Kind, title, the line, and the file that prints it, with the versions that do.
SAMPLES = (
    # arch/x86/mm/fault.c
    ("oops", "NULL pointer dereference in somewhere",
     "BUG: unable to handle kernel NULL pointer dereference at 0000000000000008", "4.0-5.0"),
    ("oops", "NULL pointer dereference in somewhere",
     "BUG: kernel NULL pointer dereference, address: 0000000000000008", "5.1-"),
    ("oops", "page fault in somewhere",
     "BUG: unable to handle kernel paging request at ffffc900000d7000", "4.0-5.0"),
    ("oops", "page fault in somewhere",
     "BUG: unable to handle page fault for address: ffffc900000d7000", "5.1-"),
    ("oops", "bad memory access in somewhere", "BUG: unable to handle kernel ", "4.0-5.0, cut"),
    # arch/x86/kernel/traps.c
    ("stack", "stack overflow in somewhere",
     "BUG: stack guard page was hit at ffffc9000015bff8 (stack is ffffc9000015c000..0)",
     "4.9-5.16"),
    ("stack", "TASK stack overflow in somewhere",
     "BUG: TASK stack guard page was hit at 00000000c2f5 (stack is 00000000..0000)", "5.17-"),
    ("stack", "stack overflow in somewhere",
     "kernel stack overflow (page fault): 0000 [#1] SMP PTI", "4.9-5.16"),
    ("stack", "stack overflow in somewhere",
     "kernel stack overflow (double-fault): 0000 [#1] SMP PTI", "4.9-5.16"),
    ("double-fault", "double fault in somewhere",
     "PANIC: double fault, error_code: 0x0", "4.0-4.19, 5.2-"),
    ("double-fault", "double fault in somewhere",
     "traps: PANIC: double fault, error_code: 0x0", "5.2-"),
    ("double-fault", "double fault in somewhere", "double fault: 0000 [#1] SMP NOPTI", "4.0-"),
    # arch/x86/kernel/traps.c, dumpstack.c: __die()
    ("oops", "general protection fault in somewhere",
     "general protection fault: 0000 [#1] SMP", "4.0-5.4"),
    ("oops", "general protection fault in somewhere",
     "general protection fault, probably for non-canonical address 0xdead: 0000 [#1] SMP", "5.5-"),
    ("oops", "stack segment in somewhere", "stack segment: 0000 [#1] SMP", "4.0-"),
    ("oops", "segment not present in somewhere", "segment not present: 0018 [#1] SMP", "4.0-"),
    ("oops", "invalid TSS in somewhere", "invalid TSS: 0000 [#1] SMP", "4.0-"),
    ("oops", "coprocessor segment overrun in somewhere",
     "coprocessor segment overrun: 0000 [#1] SMP", "4.0-"),
    ("oops", "alignment check in somewhere", "alignment check: 0000 [#1] SMP", "4.0-"),
    ("oops", "divide error in somewhere", "divide error: 0000 [#1] SMP", "4.0-"),
    ("oops", "overflow in somewhere", "overflow: 0000 [#1] SMP", "4.0-"),
    ("oops", "bounds in somewhere", "bounds: 0000 [#1] SMP", "4.0-"),
    ("oops", "int3 in somewhere", "int3: 0000 [#1] SMP", "4.0-"),
    ("oops", "invalid opcode in somewhere", "invalid opcode: 0000 [#1] SMP", "4.0-"),
    ("oops", "device not available in somewhere", "device not available: 0000 [#1] SMP", "4.0-"),
    ("oops", "simd exception in somewhere", "simd exception: 0000 [#1] SMP", "4.0-"),
    ("oops", "fpu exception in somewhere", "fpu exception: 0000 [#1] SMP", "4.0-"),
    ("oops", "control protection fault in somewhere",
     "control protection fault: 0000 [#1] SMP", "5.18-"),
    ("oops", "machine check in somewhere", "machine check: 0000 [#1] SMP", "4.0-"),
    ("oops", "oops in somewhere", "Oops: 0002 [#1] SMP", "4.0-"),
    ("oops", "oops in somewhere", "Oops: general protection fault: 0000 [#1] SMP", "6.11-"),
    ("oops", "oops in somewhere", "Oops 0002 [#1]", "4.0-, other architectures"),
    # arch/arm64/mm/fault.c
    ("oops", "NULL pointer dereference in somewhere",
     "Unable to handle kernel NULL pointer dereference at virtual address 0008", "4.0-"),
    ("oops", "paging request in somewhere", "unable to handle kernel paging request", "4.0-"),
    # mm/kasan/report.c
    ("kasan", "slab-out-of-bounds in foo", f"BUG: KASAN: slab-out-of-bounds in {F}", "4.9-"),
    ("kasan", "use-after-free in foo",
     f"BUG: KASAN: use-after-free in {F} [mod] at addr ffff8800", "4.0-4.8"),
    ("kasan", "double-free or invalid-free in foo",
     f"BUG: KASAN: double-free or invalid-free in {F}", "4.10-6.0"),
    ("kasan", "invalid-access in somewhere", "BUG: KASAN: invalid-access", "5.11-"),
    # kernel/kcsan/report.c
    ("kcsan", "data-race in one / other", "BUG: KCSAN: data-race in one / other", "5.8-"),
    ("kcsan", "data-race in one", "BUG: KCSAN: data-race in one+0x10/0x20", "5.8-"),
    ("kcsan", "assert: race", "BUG: KCSAN: assert: race", "5.8-"),
    # mm/kmsan/report.c, mm/kfence/report.c
    ("kmsan", "uninit-value in foo", f"BUG: KMSAN: uninit-value in {F}", "6.1-"),
    ("kmsan", "kernel-infoleak in somewhere", "BUG: KMSAN: kernel-infoleak", "6.1-, cut"),
    ("kfence", "out-of-bounds read in foo", f"BUG: KFENCE: out-of-bounds read in {F}", "5.12-"),
    ("kfence", "memory corruption in somewhere", "BUG: KFENCE: memory corruption", "5.12-, cut"),
    # lib/ubsan.c
    ("ubsan", "Undefined behaviour in somewhere",
     "UBSAN: Undefined behaviour in fs/dax.c:12:3", "4.5-5.7"),
    ("ubsan", "array-index-out-of-bounds in somewhere",
     "UBSAN: array-index-out-of-bounds in fs/dax.c:12:3", "5.8-"),
    # kernel/locking/lockdep.c, kernel/rcu/update.c
    ("suspicious-rcu", "suspicious RCU usage in somewhere",
     "[ INFO: suspicious RCU usage. ]", "4.0-4.10"),
    ("suspicious-rcu", "suspicious RCU usage in somewhere",
     "WARNING: suspicious RCU usage", "4.11-"),
    ("lockdep", "possible circular locking dependency detected in somewhere",
     "[ INFO: possible circular locking dependency detected ]", "4.0-4.10"),
    ("lockdep", "possible circular locking dependency detected in somewhere",
     "WARNING: possible circular locking dependency detected", "4.11-"),
    ("lockdep", "possible recursive locking detected in somewhere",
     "WARNING: possible recursive locking detected", "4.11-"),
    ("lockdep", "possible irq lock inversion dependency detected in somewhere",
     "WARNING: possible irq lock inversion dependency detected", "4.11-"),
    ("lockdep", "inconsistent lock state in somewhere",
     "[ INFO: inconsistent lock state ]", "4.0-4.10"),
    ("lockdep", "bad unlock balance detected in somewhere",
     "[ BUG: bad unlock balance detected! ]", "4.0-4.10"),
    ("lockdep", "held lock freed in somewhere", "WARNING: held lock freed!", "4.11-"),
    ("lockdep", "Nested lock was not taken in somewhere",
     "WARNING: Nested lock was not taken", "4.11-"),
    ("lockdep", "bad contention detected in somewhere",
     "WARNING: bad contention detected!", "4.11-"),
    ("lockdep", "lock held when returning to user space in somewhere",
     "WARNING: lock held when returning to user space!", "4.11-"),
    ("lockdep", "HARDIRQ-safe -> HARDIRQ-unsafe lock order detected in somewhere",
     "WARNING: HARDIRQ-safe -> HARDIRQ-unsafe lock order detected", "4.11-"),
    ("lockdep", "still has locks held in somewhere",
     "WARNING: sh/60 still has locks held!", "4.11-"),
    ("lockdep", "Invalid wait context in somewhere", "[ BUG: Invalid wait context ]", "5.7-"),
    ("lockdep", "key N not in .data in somewhere",
     "BUG: key ffff8800 not in .data!", "4.0-5.0"),
    ("lockdep", "MAX_LOCK_DEPTH too low in somewhere", "BUG: MAX_LOCK_DEPTH too low!", "4.0-"),
    ("lockdep", "MAX_STACK_TRACE_ENTRIES too low in somewhere",
     "BUG: MAX_STACK_TRACE_ENTRIES too low!", "4.0-"),
    ("lockdep", "MAX_LOCKDEP_CHAINS too low in somewhere",
     "BUG: MAX_LOCKDEP_CHAINS too low!", "4.0-"),
    ("lockdep", "non-static lock key in somewhere",
     "INFO: trying to register non-static key.", "4.0-"),
    # kernel/locking/spinlock_debug.c
    ("lockdep", "spinlock bad magic in somewhere",
     "BUG: spinlock bad magic on CPU#0, sh/60", "4.0-"),
    ("lockdep", "spinlock already unlocked in somewhere",
     "BUG: spinlock already unlocked on CPU#0, sh/60", "4.0-"),
    ("lockdep", "spinlock wrong owner in somewhere",
     "BUG: spinlock wrong owner on CPU#0, sh/60", "4.0-"),
    ("lockdep", "rwlock wrong CPU in somewhere",
     "BUG: rwlock wrong CPU on CPU#0, sh/60, ffff8800", "4.0-"),
    ("lockdep", "spinlock recursion in somewhere", "BUG: spinlock recursion on CPU#0, sh/60",
     "4.0-"),
    ("lockdep", "spinlock lockup suspected in somewhere",
     "BUG: spinlock lockup suspected on CPU#0, sh/60", "4.0-4.10"),
    ("lockdep", "rwlock trylock failure on UP in somewhere",
     "BUG: rwlock trylock failure on UP on CPU#0, sh/60, ffff8800", "4.0-"),
    ("lockdep", "write-lock lockup in somewhere",
     "BUG: write-lock lockup on CPU#0, sh/60, ffff8800", "4.0-4.10"),
    # kernel/workqueue.c
    ("lockdep", "workqueue leaked lock in somewhere",
     "BUG: workqueue leaked lock or atomic: kworker/0:1/0x00000001/12", "4.0-6.9"),
    ("lockdep", "workqueue leaked lock in somewhere",
     "BUG: workqueue leaked atomic, lock or RCU: kworker/0:1[12]", "6.10-"),
    # kernel/sched/core.c, lib/smp_processor_id.c
    ("atomic", "sleeping function called from invalid context in somewhere",
     "BUG: sleeping function called from invalid context at mm/slab.h:3", "4.0-"),
    ("atomic", "scheduling while atomic in somewhere",
     "BUG: scheduling while atomic: sh/60/0x00000002", "4.0-"),
    ("atomic", "using smp_processor_id() in preemptible in somewhere",
     "BUG: using smp_processor_id() in preemptible [00000000] code: sh/60", "4.0-"),
    ("atomic", "assuming atomic context in somewhere",
     "BUG: assuming atomic context at kernel/foo.c:1", "5.14-"),
    # kernel/watchdog.c
    ("soft-lockup", "soft lockup in somewhere",
     "NMI watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [sh:60]", "4.4-4.17"),
    ("soft-lockup", "soft lockup in somewhere",
     "watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [sh:60]", "4.18-"),
    ("soft-lockup", "soft lockup in somewhere",
     "BUG: soft lockup - CPU#0 stuck for 22s! [sh:60]", "4.0-4.3"),
    # kernel/watchdog_hld.c
    ("hard-lockup", "hard lockup in somewhere",
     "NMI watchdog: Watchdog detected hard LOCKUP on cpu 1", "4.4-4.17"),
    ("hard-lockup", "hard lockup in somewhere",
     "watchdog: BUG: Watchdog detected hard LOCKUP on cpu 1", "4.18-"),
    ("hard-lockup", "hard lockup in somewhere",
     "watchdog: CPU3: Watchdog detected hard LOCKUP on cpu 3", "6.17-"),
    ("hard-lockup", "hard lockup in somewhere", "BUG: hard LOCKUP on cpu 1", "other architectures"),
    # kernel/hung_task.c
    ("hung-task", "task blocked in somewhere",
     "INFO: task sh:60 blocked for more than 120 seconds.", "4.0-"),
    ("hung-task", "task blocked in somewhere",
     "INFO: task sh:60 blocked in I/O wait for more than 120 seconds.", "6.17-"),
    ("hung-task", "task blocked in somewhere", "sh:60 blocked for more than 120 seconds.",
     "4.0-, a name with a line end"),
    ("hung-task", "task can't die in somewhere",
     "INFO: task sh:60 can't die for more than 143 seconds.", "linux-next"),
    # kernel/rcu/tree.c, tree_stall.h, tree_exp.h
    ("rcu-stall", "RCU stall in somewhere",
     "INFO: rcu_sched detected stalls on CPUs/tasks:", "4.0-4.19"),
    ("rcu-stall", "RCU stall in somewhere",
     "rcu: INFO: rcu_preempt self-detected stall on CPU", "4.20-"),
    ("rcu-stall", "RCU stall in somewhere",
     "rcu: INFO: rcu_preempt detected expedited stalls on CPUs/tasks: {", "4.20-"),
    ("rcu-stall", "RCU kthread starved in somewhere",
     "rcu_sched kthread starved for 2502 jiffies! g7 c6 f0x0", "4.1-4.19"),
    ("rcu-stall", "RCU kthread starved in somewhere",
     "rcu: rcu_preempt kthread starved for 2502 jiffies! g7 f0x0", "4.20-"),
    ("rcu-stall", "RCU kthread starved in somewhere",
     "INFO: rcu_tasks kthread starved for 2502 jiffies!", "other forms"),
    # kernel/workqueue.c
    ("workqueue-lockup", "workqueue lockup",
     "BUG: workqueue lockup - pool cpus=0 node=0 flags=0x0 nice=0 stuck for 60s!", "4.5-"),
    # mm/oom_kill.c
    ("oom-kill", "out of memory",
     "sh invoked oom-killer: gfp_mask=0x201da, order=0, oom_score_adj=0", "4.0-"),
    ("oom-kill", "out of memory", "Out of memory: Kill process 61 (hog) score 9 or sacrifice child",
     "4.0-5.2"),
    ("oom-kill", "out of memory", "Out of memory: Killed process 61 (hog) total-vm:1kB", "5.3-"),
    ("oom-kill", "out of memory",
     "Out of memory (oom_kill_allocating_task): Killed process 61 (hog) total-vm:1kB", "5.3-"),
    ("oom-kill", "out of memory", "Memory cgroup out of memory: Killed process 61 (hog)", "5.3-"),
    # mm/page_alloc.c, mm/memory.c, mm/filemap.c, mm/pgtable-generic.c
    ("bad-page", "bad page state in somewhere", "BUG: Bad page state in process sh  pfn:01234",
     "4.0-"),
    ("bad-page", "bad page map in somewhere",
     "BUG: Bad page map in process sh  pte:8000 pmd:1234", "4.0-"),
    ("bad-page", "bad page cache in somewhere",
     "BUG: Bad page cache in process sh  pfn:01234", "4.6-"),
    ("bad-page", "bad pmd", "mm/pgtable-generic.c:39: bad pmd ffff88003e8f2000(8000000000000067)",
     "4.0-"),
    ("bad-page", "bad pud", "mm/memory.c:412: bad pud ffff8800(8000)", "4.0-4.14"),
    ("bad-page", "bad p4d", "mm/pgtable-generic.c:27: bad p4d (____ptrval____)(8000)", "4.15-"),
    ("bad-page", "bad pgd", "bad pgd ffff8800(8000)", "other architectures"),
    # kernel/fork.c
    ("bad-rss", "bad rss-counter MM_ANONPAGES",
     "BUG: Bad rss-counter state mm:00000000 type:MM_ANONPAGES val:5", "5.6-"),
    ("bad-rss", "bad rss-counter N", "BUG: Bad rss-counter state mm:ffff8800 idx:1 val:5",
     "4.0-5.5"),
    ("bad-rss", "page tables left on freeing mm", "BUG: non-zero nr_ptes on freeing mm: 1",
     "4.0-4.14"),
    ("bad-rss", "page tables left on freeing mm",
     "BUG: non-zero pgtables_bytes on freeing mm: 4096", "4.15-"),
    # lib/refcount.c
    ("refcount", "refcount underflow in somewhere",
     "refcount_t: underflow; use-after-free.", "4.11-"),
    ("refcount", "refcount saturated in somewhere", "refcount_t: saturated; leaking memory.",
     "4.11-"),
    # mm/slub.c
    ("slab", "Redzone overwritten in kmalloc-64",
     "BUG kmalloc-64 (Tainted: G    B     ): Redzone overwritten", "4.0-"),
    ("slab", "Poison overwritten in kmalloc-64", "BUG kmalloc-64: Poison overwritten", "4.0-, cut"),
    # mm/kmemleak.c
    ("leak", "memory leak",
     "kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)",
     "4.0-"),
    ("leak", "memory leak in somewhere", "BUG: memory leak", "as fuzzers print kmemleak's"),
    # kernel/panic.c
    ("stack", "stack corrupted in foo",
     f"Kernel panic - not syncing: stack-protector: Kernel stack is corrupted in: {F}", "4.17-"),
    ("stack", "stack corrupted in somewhere",
     "Kernel panic - not syncing: stack-protector: Kernel stack is corrupted in: ffffffff8134",
     "4.0-4.16"),
    ("stack", "corrupted stack end in somewhere",
     "Kernel panic - not syncing: corrupted stack end detected inside scheduler", "4.0-"),
    ("hard-lockup", "hard lockup in somewhere",
     "Kernel panic - not syncing: Watchdog detected hard LOCKUP on cpu 1", "4.0-4.2"),
    ("hard-lockup", "hard lockup in somewhere",
     "Kernel panic - not syncing: hard LOCKUP", "other architectures"),
    ("panic", "Attempted to kill init! exitcode=N",
     "Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100", "4.0-"),
    # lib/bug.c, arch/x86/kernel/traps.c
    ("bug", "kernel BUG in somewhere", "kernel BUG at fs/dax.c:123!", "4.0-"),
    ("bug", "kernel BUG in somewhere", "kernel BUG at fs/dax.c", "4.0-, cut"),
    # lib/list_debug.c, mm/usercopy.c
    ("bug", "list_add corruption in somewhere",
     "list_add corruption. next->prev should be prev (ffff), but was 0000. (next=ffff).", "4.0-"),
    ("bug", "list_del corruption in somewhere", "list_del corruption, ffff8800->next is NULL",
     "4.0-"),
    ("bug", "__list_add_valid corruption in somewhere",
     "__list_add_valid corruption. prev is NULL.", "other forms"),
    ("bug", "__list_del_entry corruption in somewhere",
     "__list_del_entry corruption, ffff8800->next is NULL", "other forms"),
    ("bug", "Kernel memory exposure attempt in somewhere",
     "usercopy: Kernel memory exposure attempt detected from vmalloc (offset 0, size 9)!", "4.8-"),
    ("bug", "Kernel memory overwrite attempt in somewhere",
     "usercopy: Kernel memory overwrite attempt detected to vmalloc (offset 0, size 9)!", "4.8-"),
    # kernel/panic.c
    ("warning", "WARNING in somewhere", f"WARNING: CPU: 0 PID: 60 at fs/dax.c:12 {F}", "4.0-6.14"),
    ("warning", "WARNING in somewhere", f"WARNING: at fs/dax.c:12 {F}, CPU#0: sh/60", "6.15-"),
    ("warning", "WARNING in somewhere", f"WARNING: fs/dax.c:12 at {F}, CPU#0: sh/60", "6.15-"),
    ("warning", "WARNING in somewhere",
     f"WARNING: [a condition] fs/dax.c:12 at {F}, CPU#0: sh/60", "6.19-"),
    ("warning", "WARNING in somewhere", f"WARNING: at {F}, CPU#0: sh/60", "6.19-, no file names"),
    ("warning", "WARNING in somewhere", "WARNING: CPU: 0 PID: 60 at ", "4.0-6.14, cut"),
    ("warning", "WARNING in somewhere", "WARNING: fs/dax.c:12 at ", "6.15-, cut"),
    ("warning", "WARNING in somewhere", "WARNING: [a condition] fs/dax.S:12 at ", "6.19-, cut"),
    ("warning", "WARNING in somewhere", "WARNING: include/linux/mm.h:12 at ", "6.15-, cut"),
    # arch/x86/kernel/unwind_frame.c
    ("warning", "kernel stack regs bad",
     "WARNING: kernel stack regs at ffffc900 in sh:60 has bad 'bp' value 00000000", "4.10-"),
    ("warning", "kernel stack frame pointer bad",
     "WARNING: kernel stack frame pointer at ffffc900 in sh:60 has bad value 00000000", "4.10-"),
    # fs/ext4/super.c
    ("filesystem", "EXT4-fs error in ext4_lookup",
     "EXT4-fs error (device pmem0): ext4_lookup:1855: inode #2: comm sh: deleted inode", "4.0-"),
    ("filesystem", "EXT4-fs error in panic",
     "EXT4-fs panic (device pmem0): panic forced after error", "other forms"),
    ("filesystem", "EXT4-fs error in ext4_free_blocks",
     "EXT4-fs error (device pmem0) in ext4_free_blocks:4912: Journal has aborted", "4.0-"),
    # fs/ext4/inode.c
    ("filesystem", "EXT4-fs Delayed block allocation failed",
     "EXT4-fs (pmem0): Delayed block allocation failed for inode 12 at logical offset 0", "4.0-"),
    ("filesystem", "EXT4-fs This should not happen",
     "EXT4-fs (pmem0): This should not happen!! Data will be lost", "4.0-"),
    # fs/jbd2/journal.c, commit.c
    ("filesystem", "JBD2 Aborting journal", "Aborting journal on device pmem0-8.", "4.0-"),
    ("filesystem", "JBD2 Error -5 detected when updating journal superblock",
     "JBD2: Error -5 detected when updating journal superblock for pmem0-8.", "4.0-5.17"),
    ("filesystem", "JBD2 I/O error when updating journal superblock",
     "JBD2: I/O error when updating journal superblock for pmem0-8.", "5.18-"),
    ("filesystem", "JBD2 Detected IO errors",
     "JBD2: Detected IO errors while flushing file data on pmem0-8", "4.0-"),
    # fs/iomap/buffered-io.c, ioend.c
    ("filesystem", "writeback error",
     "pmem0: writeback error on inode 131, offset 0, sector 96", "5.5-"),
    # fs/xfs/xfs_error.c, xfs_icache.c, xfs_log.c, xfs_message.c, xfs_fsops.c, xfs_buf.c
    ("filesystem", "XFS log I/O error", "XFS (pmem0): log I/O error -5", "4.18-"),
    ("filesystem", "XFS metadata I/O error",
     'XFS (pmem0): metadata I/O error in "xfs_imap_to_bp+0x1/0x2" at daddr 0x40 len 32 error 5',
     "4.0-"),
    ("filesystem", "XFS writeback error",
     "XFS (pmem0): writeback error on sector 96", "4.15-5.4"),
    ("filesystem", "XFS page discard",
     "XFS (pmem0): page discard on page 00000000, inode 0x83, offset 0.", "4.0-"),
    ("filesystem", "XFS Filesystem has been shut down due to log error",
     "XFS (pmem0): Filesystem has been shut down due to log error (0x2).", "5.15-"),
    ("filesystem", "XFS Log I/O Error",
     "XFS (pmem0): Log I/O Error (0x2) detected at xlog_ioend_work+0x1/0x2 (fs/xfs/xfs_log.c:1).",
     "5.15-"),
    ("filesystem", "XFS Log I/O Error",
     "XFS (pmem0): Log I/O Error Detected.  Shutting down filesystem", "4.0-5.14"),
    ("filesystem", "XFS I/O Error",
     "XFS (pmem0): I/O Error Detected.  Shutting down filesystem", "4.0-5.14"),
    ("filesystem", "XFS Metadata I/O Error",
     "XFS (pmem0): Metadata I/O Error (0x1) detected at xfs_trans_read_buf_map+0x1/0x2", "6.0-"),
    ("filesystem", "XFS Block device removal",
     "XFS (pmem0): Block device removal (0x20) detected at fs_bdev_mark_dead+0x1/0x2", "6.6-"),
    ("filesystem", "XFS Corruption of on-disk metadata",
     "XFS (pmem0): Corruption of on-disk metadata (0x10) detected at xfs_x+0x1/0x2", "6.0-"),
    ("filesystem", "XFS Internal error",
     "XFS (pmem0): Internal error XFS_WANT_CORRUPTED_GOTO at line 1 of file fs/xfs/x.c", "4.0-"),
    ("filesystem", "XFS Corruption detected",
     "XFS (pmem0): Corruption detected. Unmount and run xfs_repair", "4.0-"),
    ("filesystem", "XFS Metadata corruption detected",
     "XFS (pmem0): Metadata corruption detected at xfs_agi_verify+0x1/0x2", "4.0-"),
    ("filesystem", "XFS Metadata CRC error",
     "XFS (pmem0): Metadata CRC error detected at xfs_agi_read_verify+0x1/0x2", "4.0-"),
    ("filesystem", "XFS Corruption warning",
     "XFS (pmem0): Corruption warning: Metadata has LSN (1:2) ahead of current LSN", "4.2-"),
    ("filesystem", "XFS Assertion failed",
     "XFS (pmem0): Assertion failed: 0, file: fs/xfs/xfs_bmap.c, line: 1", "4.14-"),
    ("filesystem", "XFS Corruption of in-memory data",
     "XFS (pmem0): Corruption of in-memory data (0x8) detected at xfs_trans_cancel+0x1/0x2",
     "4.0-"),
    ("filesystem", "XFS Assertion failed",
     "XFS: Assertion failed: 0, file: fs/xfs/xfs_bmap.c, line: 1", "4.0-4.13"),
    # fs/super.c, fs/open.c
    ("filesystem", "VFS Busy inodes after unmount",
     "VFS: Busy inodes after unmount of pmem0. Self-destruct in 5 seconds.", "4.0-"),
    ("filesystem", "VFS Close: file count is", "VFS: Close: file count is 0", "4.0-"),
    # kernel/irq/spurious.c
    ("warning", "interrupt nobody cared for in somewhere",
     'irq 10: nobody cared (try booting with the "irqpoll" option)', "4.0-"),
    ("bug", "failure at fs/dax.c:N/foo()! in somewhere", "BUG: failure at fs/dax.c:1/foo()!",
     "4.0-"),
)  # fmt: skip

#: What follows the first line of these, by the kind of its head.
SHAPES = {
    Shape.RULED: {
        "BUG: KASAN: double-free or invalid-free in",
        "BUG: KASAN: invalid-access",
        "BUG: KASAN: slab-out-of-bounds in",
        "BUG: KASAN: use-after-free in",
        "BUG: KCSAN: assert: race",
        "BUG: KCSAN: data-race in one",
        "BUG: KFENCE: memory corruption",
        "BUG: KFENCE: out-of-bounds read in",
        "BUG: KMSAN: kernel-infoleak",
        "BUG: KMSAN: uninit-value in",
        "UBSAN: ",
    },
    Shape.OOM: {"sh invoked oom-killer:"},
    Shape.LINE: {
        "Out of memory",
        "Memory cgroup out of memory",
        "mm/pgtable-generic.c:39: bad pmd",
        "mm/memory.c:412: bad pud",
        "mm/pgtable-generic.c:27: bad p4d",
        "bad pgd",
        "EXT4-fs (pmem0): ",
        "Aborting journal",
        "JBD2: ",
        "pmem0: writeback error",
        "XFS (pmem0): log I/O error",
        "XFS (pmem0): metadata I/O error",
        "XFS (pmem0): writeback error",
        "XFS (pmem0): page discard",
        "XFS (pmem0): Filesystem has been shut down",
        "XFS (pmem0): Log I/O Error",
        "XFS (pmem0): I/O Error",
        "XFS (pmem0): Metadata I/O Error",
        "XFS (pmem0): Block device removal",
        "XFS (pmem0): Corruption of on-disk metadata",
        "BUG: Bad rss-counter",
        "BUG: non-zero ",
        "kmemleak:",
        "WARNING: kernel stack ",
        "EXT4-fs ",
        "VFS: ",
    },
}

each_sample = pytest.mark.parametrize(
    ("kind", "title", "line"),
    [(kind, title, line) for kind, title, line, _ in SAMPLES],
    ids=[line[:60] for _, _, line, _ in SAMPLES],
)


@each_sample
def test_head(kind: str, title: str, line: str) -> None:
    found = find_head(line)
    assert found is not None
    head, match = found
    assert (head.kind, title_of(head, match, TRACE)) == (kind, title)
    assert head.shape is _shape(line)


def _shape(line: str) -> Shape:
    """What follows, by the line's beginning."""
    for shape, beginnings in SHAPES.items():
        if any(line.startswith(beginning) for beginning in beginnings):
            return shape
    return Shape.TRACE


def test_every_head_has_a_sample() -> None:
    found = [find_head(line) for _, _, line, _ in SAMPLES]
    assert {id(head[0]) for head in found if head} == {id(head) for head in HEADS}


@pytest.mark.parametrize(
    "line",
    [
        "traps: a.out[5] general protection fault ip:401136 sp:7ffd error:0 in a.out[401000+1000]",
        "traps: a.out[5] trap invalid opcode ip:401136 sp:7ffd error:0 in a.out[401000+1000]",
        "double fault: what a driver says of its own",
        "general protection fault: in the words of a program",
        "a driver: kernel stack overflow (page fault): 0000 [#1] SMP",
        "WARNING: a warning in words, with no place in the source",
        "blocked for more than a moment",
        "a name far too long for a task's invoked oom-killer: it is a program's word",
        "bad pmd, they said",
        "EXT4-fs (pmem0): mounted filesystem with ordered data mode",
        "XFS (pmem0): User initiated shutdown received.",
        "JBD2: no valid journal superblock found",
        "EXT4-fs warning (device pmem0): ext4_update_dynamic_rev:1084: updating to rev 1",
        "XFS (pmem0): Mounting V5 Filesystem",
        "VFS: Mounted root (ext4 filesystem) on device 259:0.",
        "INFO: lockdep is turned off.",
    ],
)
def test_no_head(line: str) -> None:
    assert find_head(line) is None


@pytest.mark.parametrize(
    "why",
    [
        "Fatal exception in interrupt",
        "panic_on_taint set ...",
        "kernel: panic_on_warn set ...",
        "panic_on_warn set ...",
        "hung_task: blocked tasks",
        "softlockup: hung tasks",
        "Hard LOCKUP",
        "RCU Stall",
        "Aiee, killing interrupt handler!",
        "scheduling while atomic",
        "System is deadlocked on memory",
        "Out of memory: system-wide panic_on_oom is enabled",
        "Attempted to kill the idle task!",
    ],
)
def test_panic_that_ends_an_earlier_complaint(why: str) -> None:
    assert CONSEQUENCE.match(f"Kernel panic - not syncing: {why}")


@pytest.mark.parametrize("why", ["Attempted to kill init! exitcode=0x00000100", "complain: asked"])
def test_panic_of_its_own(why: str) -> None:
    assert CONSEQUENCE.match(f"Kernel panic - not syncing: {why}") is None


@pytest.mark.parametrize(
    ("line", "further"),
    [
        ("Oops: 0002 [#1] SMP", True),
        ("invalid opcode: 0000 [#1] SMP", True),
        ("stack guard page: 0000 [#1] SMP", True),
        ("double fault: 0000 [#1] SMP", True),
        ("general protection fault: 0000 [#1] SMP", True),
        ("kernel BUG at fs/dax.c:123!", True),
        (f"WARNING: CPU: 0 PID: 60 at fs/dax.c:12 {F}", True),
        ("divide error: 0000 [#1] SMP", False),
        ("BUG: Bad page state in process sh  pfn:01234", False),
    ],
)
def test_what_may_be_a_further_line(line: str, further: bool) -> None:
    assert continues(line) is further
