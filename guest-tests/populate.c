// SPDX-License-Identifier: GPL-2.0-only
/* mmap(MAP_POPULATE), mmap(MAP_LOCKED), madvise(MADV_POPULATE_*), and no populate at all. */
#include <errno.h>
#include <sys/mman.h>

#include "ktap.h"
#include "mapping.h"
#include "residency.h"

/* Linux 5.14, 4ca9b3859dac; the headers may be older. */
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif

struct test {
	enum mapping_kind kind;
	enum mapping_size size;
	int flags;  /* for mmap() */
	int advice; /* for madvise() */
};

static enum ktap_status map_with_flags(const void *argument)
{
	const struct test *test = argument;
	struct mapping mapping;
	enum ktap_status status = KTAP_OK;
	int error;

	if (test->flags & MAP_LOCKED)
		status = mapping_raise_memlock(MAPPING_BYTES);
	if (status == KTAP_OK)
		status = mapping_prepare(&mapping, test->kind, test->size);
	if (status != KTAP_OK)
		return status;
	error = mapping_map(&mapping, mapping.pages, test->flags);
	ktap_note("mmap: %s", ktap_errno(error));
	return ktap_verdict(error == 0 && mapping_resident(&mapping, 0, mapping.pages));
}

/* EINVAL could be the mapping's fault: ask where the advice must be valid. */
static bool kernel_has_advice(int advice)
{
	void *page = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);
	bool has;

	if (page == MAP_FAILED)
		ktap_bail("mmap: %s", ktap_errno(errno));
	has = madvise(page, PAGE_BYTES, advice) == 0;
	munmap(page, PAGE_BYTES);
	return has;
}

static int advise(struct mapping *mapping, int advice)
{
	int error = 0;

	if (madvise(mapping->address, mapping->pages * PAGE_BYTES, advice) < 0)
		error = errno;
	ktap_note("madvise: %s", ktap_errno(error));
	return error;
}

/*
 * MADV_POPULATE_WRITE on a read-only mapping: EINVAL (madvise(2); before
 * eb2faa513c24 and after, faultin_page's permission check ends in it).
 */
static bool refused(struct mapping *mapping)
{
	bool invalid = advise(mapping, MADV_POPULATE_WRITE) == EINVAL;

	return residency_none(mapping->address, mapping->pages, "after madvise") && invalid;
}

/* MADV_POPULATE_READ need not break copy-on-write, _WRITE makes writes free. */
static bool advised(struct mapping *mapping, int advice)
{
	if (advise(mapping, advice) != 0)
		return false;
	if (!residency_all(mapping->address, mapping->pages, 0))
		return false;
	return advice == MADV_POPULATE_READ ||
	       residency_writable(mapping->address, mapping->pages, 0);
}

static enum ktap_status map_and_advise(const void *argument)
{
	const struct test *test = argument;
	struct mapping mapping;
	enum ktap_status status;
	int error;

	if (!kernel_has_advice(test->advice))
		return ktap_skip("MADV_POPULATE_%s came with Linux 5.14",
				 test->advice == MADV_POPULATE_READ ? "READ" : "WRITE");
	status = mapping_prepare(&mapping, test->kind, test->size);
	if (status != KTAP_OK)
		return status;
	error = mapping_map(&mapping, mapping.pages, 0);
	if (error)
		ktap_bail("mmap: %s", ktap_errno(error));
	if (!residency_none(mapping.address, mapping.pages, "before madvise"))
		return KTAP_NOT_OK;
	if (test->advice == MADV_POPULATE_WRITE && !mapping_writable(test->kind))
		return ktap_verdict(refused(&mapping));
	return ktap_verdict(advised(&mapping, test->advice));
}

/* Nothing asked for: both witnesses have to say so, or they prove nothing elsewhere. */
static enum ktap_status map_without_populate(const void *argument)
{
	const struct test *test = argument;
	struct mapping mapping;
	enum ktap_status status = mapping_prepare(&mapping, test->kind, test->size);
	struct touch touch;
	bool none;
	int error;

	if (status != KTAP_OK)
		return status;
	error = mapping_map(&mapping, mapping.pages, 0);
	if (error)
		ktap_bail("mmap: %s", ktap_errno(error));
	none = residency_none(mapping.address, mapping.pages, "before the touch");
	touch = residency_read(mapping.address, mapping.pages, 0);
	ktap_note("touch by reading: %ld minor and %ld major faults, wrong data in %zu pages",
		  touch.minor, touch.major, touch.wrong);
	return ktap_verdict(none && touch.minor + touch.major > 0 && touch.wrong == 0);
}

struct call {
	const char *name;
	ktap_body *body;
	int flags;
	int advice;
};

static const struct call calls[] = {
	{ "control", map_without_populate, 0, 0 },
	{ "populate", map_with_flags, MAP_POPULATE, 0 },
	{ "map-locked", map_with_flags, MAP_LOCKED, 0 },
	{ "madvise-populate-read", map_and_advise, 0, MADV_POPULATE_READ },
	{ "madvise-populate-write", map_and_advise, 0, MADV_POPULATE_WRITE },
};

enum { CALLS = sizeof(calls) / sizeof(calls[0]) };

static void add_call(const struct call *call, struct test *test)
{
	for (int kind = 0; kind < MAPPING_KINDS; kind++) {
		for (int size = 0; size < MAPPING_SIZES; size++, test++) {
			*test = (struct test){ kind, size, call->flags, call->advice };
			ktap_add(call->body, test, "%s.%s.%s", call->name,
				 mapping_kind_name(kind), mapping_size_name(size));
		}
	}
}

static void add_tests(void)
{
	static struct test tests[CALLS][MAPPING_KINDS * MAPPING_SIZES];

	for (int i = 0; i < CALLS; i++)
		add_call(&calls[i], tests[i]);
}

int main(int argc, char **argv)
{
	return ktap_main(argc, argv, add_tests);
}
