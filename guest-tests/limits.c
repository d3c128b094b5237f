// SPDX-License-Identifier: GPL-2.0-only
/* Where locking and populating have to stop: the end of the file, RLIMIT_MEMLOCK, no pages. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "ktap.h"
#include "mapping.h"
#include "residency.h"

enum {
	NOBODY = 65534,
	LIMIT_PAGES = 16,
	FILE_PAGES = 17, /* the last one holds 128 bytes */
	MAPPED_PAGES = 32,
};

#define FILE_BYTES ((FILE_PAGES - 1) * PAGE_BYTES + 128)

static int errno_of(long result)
{
	return result == 0 ? 0 : errno;
}

/* Notes what was wanted and what came. */
static bool wanted(const char *call, int expected, int error)
{
	ktap_note("%s: %s, wanted %s", call, ktap_errno(error), ktap_errno(expected));
	return error == expected;
}

static bool populate_up_to_eof(struct mapping *mapping)
{
	return wanted("mmap(MAP_POPULATE)", 0,
		      mapping_map(mapping, MAPPED_PAGES, MAP_POPULATE));
}

/*
 * Pages past the end of file raise SIGBUS; populate sees that as EFAULT and
 * mlock() gives it as ENOMEM (__mlock_posix_error_return() in mm/mlock.c).
 */
static bool mlock_up_to_eof(struct mapping *mapping)
{
	if (!wanted("mmap", 0, mapping_map(mapping, MAPPED_PAGES, 0)))
		return false;
	return wanted("mlock", ENOMEM,
		      errno_of(mlock(mapping->address, MAPPED_PAGES * PAGE_BYTES)));
}

static enum ktap_status past_eof(enum mapping_kind kind, bool (*call)(struct mapping *))
{
	enum ktap_status status = mapping_raise_memlock(MAPPED_PAGES * PAGE_BYTES);
	struct mapping mapping;
	bool passed;

	if (status != KTAP_OK)
		return status;
	mapping_create(&mapping, kind, SIZE_4K, FILE_BYTES, MAPPED_PAGES);
	passed = call(&mapping);
	passed &= mapping_resident(&mapping, 0, FILE_PAGES);
	passed &= residency_none(mapping.address + FILE_PAGES * PAGE_BYTES,
				 MAPPED_PAGES - FILE_PAGES, "past the end of file");
	return ktap_verdict(passed);
}

static enum ktap_status past_eof_populate(const void *kind)
{
	return past_eof(*(const enum mapping_kind *)kind, populate_up_to_eof);
}

static enum ktap_status past_eof_mlock(const void *kind)
{
	return past_eof(*(const enum mapping_kind *)kind, mlock_up_to_eof);
}

static bool limit(rlim_t soft, rlim_t hard)
{
	struct rlimit limits = { soft, hard };

	return setrlimit(RLIMIT_MEMLOCK, &limits) == 0;
}

/* CAP_IPC_LOCK knows no limit: go on as somebody who has none. */
static void drop_privileges(void)
{
	residency_open();
	if (geteuid() != 0)
		return;
	if (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
	    setresuid(NOBODY, NOBODY, NOBODY) < 0)
		ktap_bail("becoming uid %d: %s", NOBODY, ktap_errno(errno));
}

/* A shared-rw mapping's file and addresses, and a process that may lock 16 pages. */
static void prepare_limited(struct mapping *mapping)
{
	mapping_create(mapping, SHARED_RW, SIZE_4K, MAPPED_PAGES * PAGE_BYTES, MAPPED_PAGES);
	if (!limit(LIMIT_PAGES * PAGE_BYTES, LIMIT_PAGES * PAGE_BYTES))
		ktap_bail("setrlimit(RLIMIT_MEMLOCK): %s", ktap_errno(errno));
	drop_privileges();
}

/*
 * One call at a time: mlock_fixup() in mm/mlock.c leaves DAX out of what a process
 * has locked so far (as VM_MIXEDMAP, and as vma_is_dax() since e1fb4a086495, 4.19).
 */
static enum ktap_status limited_mlock(const void *argument)
{
	struct mapping mapping;
	bool passed;

	(void)argument;
	prepare_limited(&mapping);
	passed = wanted("mmap", 0, mapping_map(&mapping, MAPPED_PAGES, 0));
	passed &= wanted("mlock of 17 pages, limit 16", ENOMEM,
			 errno_of(mlock(mapping.address, (LIMIT_PAGES + 1) * PAGE_BYTES)));
	passed &= residency_none(mapping.address, MAPPED_PAGES, "after the refusal");
	passed &= wanted("mlock of 16 pages, limit 16", 0,
			 errno_of(mlock(mapping.address, LIMIT_PAGES * PAGE_BYTES)));
	return ktap_verdict(mapping_resident(&mapping, 0, LIMIT_PAGES) && passed);
}

/* mmap(2): EAGAIN. */
static enum ktap_status limited_map_locked(const void *argument)
{
	struct mapping mapping;
	bool passed;

	(void)argument;
	prepare_limited(&mapping);
	passed = wanted("mmap(MAP_LOCKED) of 17 pages, limit 16", EAGAIN,
			mapping_map(&mapping, LIMIT_PAGES + 1, MAP_LOCKED));
	passed &= wanted("mmap(MAP_LOCKED) of 16 pages, limit 16", 0,
			 mapping_map(&mapping, LIMIT_PAGES, MAP_LOCKED));
	return ktap_verdict(passed && mapping_resident(&mapping, 0, LIMIT_PAGES));
}

static enum ktap_status limited_mlockall(const void *argument)
{
	const rlim_t enough = (rlim_t)256 << 20;
	struct mapping mapping;
	bool passed;

	(void)argument;
	if (!limit(LIMIT_PAGES * PAGE_BYTES, enough))
		return ktap_skip("the hard limit is too low for the process: %s",
				 ktap_errno(errno));
	mapping_create(&mapping, SHARED_RW, SIZE_4K, MAPPED_PAGES * PAGE_BYTES, MAPPED_PAGES);
	drop_privileges();
	passed = wanted("mmap", 0, mapping_map(&mapping, MAPPED_PAGES, 0));
	passed &= wanted("mlockall(MCL_CURRENT), limit 16 pages", ENOMEM,
			 errno_of(mlockall(MCL_CURRENT)));
	passed &= residency_none(mapping.address, MAPPED_PAGES, "after the refusal");
	passed &= limit(enough, enough);
	passed &= wanted("mlockall(MCL_CURRENT), limit 256 MiB", 0,
			 errno_of(mlockall(MCL_CURRENT)));
	return ktap_verdict(mapping_resident(&mapping, 0, MAPPED_PAGES) && passed);
}

/*
 * Who populates wants no pages; /proc/PID/mem does (access_remote_vm() in mm/memory.c).  Where
 * a translation has no struct page to give (DAX before pte_devmap(), 3565fce3a659, 4.5) it is
 * refused with EIO: what makes populating go on must not make up a page.
 */
static enum ktap_status pages_by_mem(const void *argument)
{
	size_t read = 0, refused = 0;
	struct mapping mapping;
	int fd;

	(void)argument;
	mapping_create(&mapping, SHARED_RW, SIZE_4K, MAPPED_PAGES * PAGE_BYTES, MAPPED_PAGES);
	if (!wanted("mmap", 0, mapping_map(&mapping, MAPPED_PAGES, 0)))
		return KTAP_NOT_OK;
	fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		ktap_bail("/proc/self/mem: %s", ktap_errno(errno));
	for (size_t page = 0; page < MAPPED_PAGES; page++) {
		uintptr_t place = (uintptr_t)mapping.address + page * PAGE_BYTES;
		uint64_t word = 0;
		ssize_t got = pread(fd, &word, sizeof(word), (off_t)place);

		read += got == (ssize_t)sizeof(word) && word == page_pattern(page);
		refused += got < 0 && errno == EIO;
	}
	ktap_note("/proc/self/mem: %zu of %d pages read, %zu refused", read, MAPPED_PAGES, refused);
	return ktap_verdict(read == MAPPED_PAGES || refused == MAPPED_PAGES);
}

static void add_tests(void)
{
	static enum mapping_kind kinds[MAPPING_KINDS];

	for (int kind = 0; kind < MAPPING_KINDS; kind++)
		kinds[kind] = kind;
	for (int kind = 0; kind < MAPPING_KINDS; kind++)
		ktap_add(past_eof_populate, &kinds[kind], "past-eof.populate.%s",
			 mapping_kind_name(kind));
	for (int kind = 0; kind < MAPPING_KINDS; kind++)
		ktap_add(past_eof_mlock, &kinds[kind], "past-eof.mlock.%s",
			 mapping_kind_name(kind));
	ktap_add(limited_mlock, NULL, "rlimit-memlock.mlock");
	ktap_add(limited_map_locked, NULL, "rlimit-memlock.map-locked");
	ktap_add(limited_mlockall, NULL, "rlimit-memlock.mlockall");
	ktap_add(pages_by_mem, NULL, "pages.proc-mem");
}

int main(int argc, char **argv)
{
	return ktap_main(argc, argv, add_tests);
}
