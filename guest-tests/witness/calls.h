// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whether this process ran __mm_populate() and __get_user_pages(): breakpoints of the CPU's, set
 * through perf_event_open(2), on a kernel that was not changed for it.
 */
#ifndef CALLS_H
#define CALLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ktap.h"

struct calls {
	int populate, get; /* the events */
	uint64_t populate_address, get_address;
	void *ring;
	size_t populates, gets;
	bool nested; /* the first to run was __mm_populate(), and __get_user_pages() followed */
};

/* KTAP_SKIP where the kernel has no such symbol, or the CPU no breakpoint to give. */
enum ktap_status calls_open(struct calls *calls);

void calls_begin(struct calls *calls);

/* Fills in what ran since. */
void calls_end(struct calls *calls);

#endif
