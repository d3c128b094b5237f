// SPDX-License-Identifier: GPL-2.0-only
/*
 * A mapping of a file of our own, at an address that decides whether the kernel
 * can map it 2 MiB at a time.
 */
#ifndef MAPPING_H
#define MAPPING_H

#include <stdbool.h>
#include <stddef.h>

#include "ktap.h"
#include "residency.h"

enum mapping_kind { SHARED_RW, SHARED_RO, PRIVATE_RO, PRIVATE_RW, MAPPING_KINDS };
enum mapping_size { SIZE_4K, SIZE_2M, MAPPING_SIZES };

#define PMD_PAGES ((size_t)512)	     /* pages that a 2 MiB entry maps */
#define MAPPING_PAGES ((size_t)1024) /* pages of an ordinary test's mapping */
#define MAPPING_BYTES (MAPPING_PAGES * PAGE_BYTES)

struct mapping {
	enum mapping_kind kind;
	enum mapping_size size;
	size_t pages;
	char *address;
	int fd;
	bool page_cache; /* the probe found it to be no DAX; false until then */
};

const char *mapping_kind_name(enum mapping_kind kind);
const char *mapping_size_name(enum mapping_size size);
bool mapping_writable(enum mapping_kind kind);

/*
 * Writes a file of file_bytes in the working directory, each page filled with
 * its page_pattern(), fsync()ed and already unlinked, and reserves addresses for
 * pages of it. Bails out (ENOSPC).
 */
void mapping_create(struct mapping *mapping, enum mapping_kind kind, enum mapping_size size,
		    size_t file_bytes, size_t pages);

/*
 * mapping_create() for MAPPING_PAGES, then a probe: one read in each 2 MiB of a
 * mapping that is not populated, and how many pages that made present.
 * KTAP_OK when it is what size asks for, KTAP_SKIP (2m) or KTAP_NOT_OK (4k).  Where the
 * file is not DAX, a fault may bring pages around its own (4k).
 */
enum ktap_status mapping_prepare(struct mapping *mapping, enum mapping_kind kind,
				 enum mapping_size size);

/* mmap() of the first pages at the reserved address; returns 0 or the errno. */
int mapping_map(struct mapping *mapping, size_t pages, int flags);

/* Gives the addresses back to the reservation. */
void mapping_unmap(struct mapping *mapping);

/*
 * residency_all(); where populate is to break copy-on-write beforehand
 * (populate_vma_page_range() in mm/gup.c: VM_WRITE without VM_SHARED), a write
 * must not fault either.
 */
bool mapping_resident(struct mapping *mapping, size_t first, size_t pages);

/*
 * Raises RLIMIT_MEMLOCK, so that ENOMEM and EAGAIN mean something else.
 * KTAP_SKIP when it is below bytes and may not be raised (CAP_SYS_RESOURCE).
 */
enum ktap_status mapping_raise_memlock(size_t bytes);

#endif
