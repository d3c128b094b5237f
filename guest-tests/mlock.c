// SPDX-License-Identifier: GPL-2.0-only
/* mlock(), munlock(), mlockall() and mlock2(): the return value, and residency. */
#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ktap.h"
#include "mapping.h"
#include "residency.h"

/* Linux 4.4, b0f205c2a308; the headers may be older. */
#ifndef SYS_mlock2
#if defined(__x86_64__)
#define SYS_mlock2 325
#else
#define SYS_mlock2 284
#endif
#endif
#ifndef MLOCK_ONFAULT
#define MLOCK_ONFAULT 1
#endif

typedef enum ktap_status lock_call(struct mapping *mapping);

struct call {
	const char *name;
	lock_call *lock;
	size_t locked_bytes; /* at most */
};

/* The program, the mapping and the addresses reserved for it. */
#define PROGRAM_BYTES ((size_t)64 << 20)
#define ANONYMOUS_PAGES ((size_t)16)

struct test {
	const struct call *call;
	enum mapping_kind kind;
	enum mapping_size size;
};

/* Notes how a call ended and returns its errno. */
static int ended(const char *call, long result)
{
	int error = result == 0 ? 0 : errno;

	ktap_note("%s: %s", call, ktap_errno(error));
	return error;
}

static void map(struct mapping *mapping)
{
	int error = mapping_map(mapping, mapping->pages, 0);

	if (error)
		ktap_bail("mmap: %s", ktap_errno(error));
}

/* Maps, unpopulated; false when pages are there before anything asked for them. */
static bool map_absent(struct mapping *mapping)
{
	map(mapping);
	return residency_none(mapping->address, mapping->pages, "after mmap");
}

static bool lock_all(struct mapping *mapping, const char *name)
{
	return ended(name, mlock(mapping->address, mapping->pages * PAGE_BYTES)) == 0;
}

static bool unlock_all(struct mapping *mapping)
{
	return ended("munlock", munlock(mapping->address, mapping->pages * PAGE_BYTES)) == 0;
}

static enum ktap_status lock_whole(struct mapping *mapping)
{
	bool passed = map_absent(mapping) && lock_all(mapping, "mlock");

	return ktap_verdict(mapping_resident(mapping, 0, mapping->pages) && passed);
}

/* 4k: the middle half. 2m: the second 2 MiB, or the split VMA has room for none. */
static enum ktap_status lock_part(struct mapping *mapping)
{
	size_t first = mapping->size == SIZE_2M ? PMD_PAGES : PMD_PAGES / 2;
	char *start = mapping->address + first * PAGE_BYTES;
	bool passed = map_absent(mapping);

	passed &= ended("mlock of a half", mlock(start, PMD_PAGES * PAGE_BYTES)) == 0;
	ktap_note("the whole mapping: %zu of %zu pages present",
		  residency_present(mapping->address, mapping->pages), mapping->pages);
	return ktap_verdict(mapping_resident(mapping, first, PMD_PAGES) && passed);
}

/* Locks over pages that are there, and again after the page table has lost them. */
static enum ktap_status lock_again(struct mapping *mapping)
{
	size_t bytes = mapping->pages * PAGE_BYTES;
	bool passed = map_absent(mapping) && lock_all(mapping, "first mlock");

	passed &= unlock_all(mapping) && lock_all(mapping, "second mlock");
	passed &= unlock_all(mapping);
	passed &= ended("madvise(MADV_DONTNEED)",
			madvise(mapping->address, bytes, MADV_DONTNEED)) == 0;
	passed &= residency_none(mapping->address, mapping->pages, "after it");
	passed &= lock_all(mapping, "third mlock");
	return ktap_verdict(mapping_resident(mapping, 0, mapping->pages) && passed);
}

static enum ktap_status lock_current(struct mapping *mapping)
{
	bool passed = map_absent(mapping) && ended("mlockall", mlockall(MCL_CURRENT)) == 0;

	return ktap_verdict(mapping_resident(mapping, 0, mapping->pages) && passed);
}

static enum ktap_status lock_future(struct mapping *mapping)
{
	bool passed = ended("mlockall", mlockall(MCL_FUTURE)) == 0;

	map(mapping);
	return ktap_verdict(mapping_resident(mapping, 0, mapping->pages) && passed);
}

static int lock_on_fault(void *address, size_t bytes)
{
	return ended("mlock2(MLOCK_ONFAULT)",
		     syscall(SYS_mlock2, address, bytes, MLOCK_ONFAULT));
}

/* On memory of no file, MLOCK_ONFAULT brings nothing in: that it is not plain mlock(). */
static bool leaves_anonymous_absent(void)
{
	const size_t bytes = ANONYMOUS_PAGES * PAGE_BYTES;
	void *address = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			     -1, 0);

	if (address == MAP_FAILED)
		ktap_bail("mmap: %s", ktap_errno(errno));
	return lock_on_fault(address, bytes) == 0 &&
	       residency_none(address, ANONYMOUS_PAGES, "anonymous memory");
}

/*
 * None are there after the call.  On DAX all may be: mlock_fixup() in mm/mlock.c sets
 * neither VM_LOCKED nor VM_LOCKONFAULT there (as VM_MIXEDMAP, and as
 * vma_is_dax() since e1fb4a086495, 4.19), so that populate goes ahead as for mlock().
 * What was touched has to stay.
 */
static enum ktap_status lock_as_faulted(struct mapping *mapping)
{
	size_t bytes = mapping->pages * PAGE_BYTES, present;
	bool passed = map_absent(mapping);
	int error = lock_on_fault(mapping->address, bytes);

	if (error == ENOSYS)
		return ktap_skip("mlock2 came with Linux 4.4");
	present = residency_present(mapping->address, mapping->pages);
	ktap_note("after mlock2: %zu of %zu pages present%s", present, mapping->pages,
		  present && !mapping->page_cache ? " (DAX is never locked on fault: populated)" :
						    "");
	passed &= error == 0 &&
		  (present == 0 || (present == mapping->pages && !mapping->page_cache));
	passed &= leaves_anonymous_absent();
	residency_read(mapping->address, mapping->pages, 0);
	return ktap_verdict(residency_all(mapping->address, mapping->pages, 0) && passed);
}

static enum ktap_status run(const void *argument)
{
	const struct test *test = argument;
	enum ktap_status status = mapping_raise_memlock(test->call->locked_bytes);
	struct mapping mapping;

	if (status == KTAP_OK)
		status = mapping_prepare(&mapping, test->kind, test->size);
	return status == KTAP_OK ? test->call->lock(&mapping) : status;
}

static const struct call calls[] = {
	{ "mlock", lock_whole, MAPPING_BYTES },
	{ "mlock-part", lock_part, MAPPING_BYTES },
	{ "munlock-mlock", lock_again, MAPPING_BYTES },
	{ "mlockall-current", lock_current, PROGRAM_BYTES },
	{ "mlockall-future", lock_future, PROGRAM_BYTES },
	{ "mlock2-onfault", lock_as_faulted, MAPPING_BYTES + ANONYMOUS_PAGES * PAGE_BYTES },
};

enum { CALLS = sizeof(calls) / sizeof(calls[0]) };

static void add_call(const struct call *call, struct test *test)
{
	for (int kind = 0; kind < MAPPING_KINDS; kind++) {
		for (int size = 0; size < MAPPING_SIZES; size++, test++) {
			*test = (struct test){ call, kind, size };
			ktap_add(run, test, "%s.%s.%s", call->name, mapping_kind_name(kind),
				 mapping_size_name(size));
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
