// SPDX-License-Identifier: GPL-2.0-only
/*
 * What MAP_POPULATE saves: the time of the first access to a page, with and
 * without it, and what mmap() takes instead.  Times are the least of ROUNDS mappings', as
 *   # metric NAME populate=no|yes value=NUMBER
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "ktap.h"
#include "mapping.h"
#include "residency.h"

enum { ROUNDS = 5 };

struct test {
	enum mapping_kind kind;
	enum mapping_size size;
};

struct rounds {
	long mmap_ns[ROUNDS];
	long access_ns[ROUNDS];
	long faults[ROUNDS];
	size_t wrong;
};

static long now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000L + time.tv_nsec;
}

static void measure(struct mapping *mapping, int flags, int round, struct rounds *rounds)
{
	struct touch touch;
	long start = now();
	int error = mapping_map(mapping, mapping->pages, flags);

	rounds->mmap_ns[round] = now() - start;
	if (error)
		ktap_bail("mmap: %s", ktap_errno(error));
	touch = residency_read(mapping->address, mapping->pages, 0);
	rounds->access_ns[round] = touch.nanoseconds;
	rounds->faults[round] = touch.minor + touch.major;
	rounds->wrong += touch.wrong;
	mapping_unmap(mapping);
}

static int ascending(const void *left, const void *right)
{
	long a = *(const long *)left, b = *(const long *)right;

	return (a > b) - (a < b);
}

static void sort(long *values)
{
	qsort(values, ROUNDS, sizeof(values[0]), ascending);
}

static void report(struct rounds *rounds, const char *populate, size_t pages)
{
	/* The least: what else the host does can only add to it, twofold at times. */
	sort(rounds->mmap_ns);
	sort(rounds->access_ns);
	sort(rounds->faults);
	ktap_note("metric first_access_ns_per_page populate=%s value=%.1f", populate,
		  (double)rounds->access_ns[0] / (double)pages);
	ktap_note("metric mmap_ns_per_page populate=%s value=%.1f", populate,
		  (double)rounds->mmap_ns[0] / (double)pages);
	ktap_note("metric faults populate=%s value=%ld", populate, rounds->faults[ROUNDS / 2]);
}

/* Passes when there was a first access to measure; the times are for the record. */
static enum ktap_status first_access(const void *argument)
{
	static struct rounds without, with;
	const struct test *test = argument;
	struct mapping mapping;
	enum ktap_status status = mapping_prepare(&mapping, test->kind, test->size);

	if (status != KTAP_OK)
		return status;
	/* In turn, so that a busy host slows both alike. */
	for (int round = 0; round < ROUNDS; round++) {
		measure(&mapping, 0, round, &without);
		measure(&mapping, MAP_POPULATE, round, &with);
	}
	report(&without, "no", mapping.pages);
	report(&with, "yes", mapping.pages);
	ktap_note("%d rounds; without populate %ld faults at least; wrong data in %zu pages",
		  ROUNDS, without.faults[0], without.wrong + with.wrong);
	return ktap_verdict(without.faults[0] > 0 && without.wrong + with.wrong == 0);
}

static void add_tests(void)
{
	static struct test tests[MAPPING_KINDS * MAPPING_SIZES];
	struct test *test = tests;

	for (int kind = 0; kind < MAPPING_KINDS; kind++) {
		for (int size = 0; size < MAPPING_SIZES; size++, test++) {
			*test = (struct test){ kind, size };
			ktap_add(first_access, test, "first-access.%s.%s",
				 mapping_kind_name(kind), mapping_size_name(size));
		}
	}
}

int main(int argc, char **argv)
{
	return ktap_main(argc, argv, add_tests);
}
