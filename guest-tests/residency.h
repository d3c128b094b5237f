// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whether pages are in the page table, from two witnesses: the present bit of
 * /proc/self/pagemap before any touch, and the faults that a touch then takes.
 * mincore(), Rss and VmLck cannot tell: they look at the page cache, at struct
 * pages, or at the VMA's size.
 */
#ifndef RESIDENCY_H
#define RESIDENCY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE_BYTES ((size_t)4096)

/* What one pass over a mapping saw. */
struct touch {
	long minor;	     /* faults that needed no I/O */
	long major;	     /* faults that did */
	long nanoseconds;    /* of the pass, CLOCK_MONOTONIC */
	size_t wrong;	     /* pages that did not hold the file's data */
};

/* The word that page number page of a test file is filled with. */
static inline uint64_t page_pattern(size_t page)
{
	return (page + 1) * UINT64_C(0x9e3779b97f4a7c15);
}

/*
 * Opens /proc/self/pagemap now, for a caller that is about to give up its
 * privileges: Linux 4.0 and 4.1 refuse it to anybody else (EPERM). Bails out.
 */
void residency_open(void);

/* How many of the pages at address are present. Does not touch them. */
size_t residency_present(const void *address, size_t pages);

/* Reads a word of each page; first is the file's page number at address. */
struct touch residency_read(const void *address, size_t pages, size_t first);

/* Writes a word of each page, with the value it has. */
struct touch residency_write(void *address, size_t pages, size_t first);

/* Notes and returns whether none of the pages is present. */
bool residency_none(const void *address, size_t pages, const char *when);

/* Notes and returns whether all are present, hold the data, and take no fault. */
bool residency_all(const void *address, size_t pages, size_t first);

/* Notes and returns whether writing takes no fault either. */
bool residency_writable(void *address, size_t pages, size_t first);

#endif
