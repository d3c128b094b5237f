// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device of device DAX, mapped by itself: MAP_POPULATE, MAP_LOCKED, mlock() and
 * madvise(MADV_POPULATE_*).  DIR has a link "device" to it; its namespace is aligned to 2 MiB.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dax.h"
#include "ktap.h"
#include "mapping.h"
#include "residency.h"

/* Linux 5.14, 4ca9b3859dac; the headers may be older. */
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif

#define PMD_BYTES (PMD_PAGES * PAGE_BYTES)

struct kind {
	const char *name;
	int open_flags;
	int protection;
	int flags;
};

static const struct kind shared_rw = {
	"shared-rw", O_RDWR, PROT_READ | PROT_WRITE, MAP_SHARED
};
static const struct kind shared_ro = { "shared-ro", O_RDONLY, PROT_READ, MAP_SHARED };
static const struct kind private_ro = { "private-ro", O_RDONLY, PROT_READ, MAP_PRIVATE };
static const struct kind private_rw = {
	"private-rw", O_RDWR, PROT_READ | PROT_WRITE, MAP_PRIVATE
};

/* Addresses that 2 MiB of the device can be mapped at: dev_dax_mmap() refuses others. */
static char *reserve(void)
{
	char *start = mmap(NULL, MAPPING_BYTES + PMD_BYTES, PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (start == MAP_FAILED)
		ktap_bail("reserving addresses: %s", ktap_errno(errno));
	return start + (PMD_BYTES - (uintptr_t)start % PMD_BYTES) % PMD_BYTES;
}

static int open_device(int flags)
{
	struct stat status;
	int fd = open("device", flags | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &status) < 0)
		ktap_bail("device: %s", ktap_errno(errno));
	if (!S_ISCHR(status.st_mode))
		ktap_bail("device is no character device");
	return fd;
}

/* At the address, in place of what is there; returns 0 or the errno. */
static int map(const struct kind *kind, char *address, int flags)
{
	int fd = open_device(kind->open_flags), error = 0;

	if (mmap(address, MAPPING_BYTES, kind->protection, kind->flags | MAP_FIXED | flags, fd,
		 0) == MAP_FAILED)
		error = errno;
	close(fd);
	return error;
}

/* Fills each page with its page_pattern(), through a mapping that is gone afterwards. */
static char *filled(void)
{
	char *address = reserve();
	uint64_t *words = (uint64_t *)address;
	int error = map(&shared_rw, address, 0);

	if (error)
		ktap_bail("mmap: %s", ktap_errno(error));
	for (size_t i = 0; i < MAPPING_BYTES / sizeof(words[0]); i++)
		words[i] = page_pattern(i * sizeof(words[0]) / PAGE_BYTES);
	if (mmap(address, MAPPING_BYTES, PROT_NONE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED)
		ktap_bail("unmapping: %s", ktap_errno(errno));
	return address;
}

/* Memory of another kind would tell nothing of the device. */
static bool persistent(const char *address)
{
	uint64_t physical = dax_physical(address);
	enum dax said = dax_by_address(physical, false);

	ktap_note("first page at 0x%llx: %s", (unsigned long long)physical,
		  said == DAX_YES ? "persistent memory" : "not known to be persistent memory");
	return said == DAX_YES;
}

static bool resident(const char *address)
{
	bool all = residency_all(address, MAPPING_PAGES, 0);

	return persistent(address) && all;
}

static char *mapped(const struct kind *kind)
{
	char *address = filled();
	int error = map(kind, address, 0);

	if (error)
		ktap_bail("mmap: %s", ktap_errno(error));
	return address;
}

/* Nothing asked for: no page is there, one touch brings 2 MiB, and the data is the device's. */
static enum ktap_status control(const void *kind)
{
	char *address = mapped(kind);
	bool none = residency_none(address, MAPPING_PAGES, "before the touch");
	struct touch touch;
	size_t first;

	(void)*(volatile char *)(address + 5 * PAGE_BYTES);
	first = residency_present(address, MAPPING_PAGES);
	ktap_note("mapped by: %s (one touch made %zu pages present)",
		  first == PMD_PAGES ? "pmd" : "other", first);
	touch = residency_read(address, MAPPING_PAGES, 0);
	ktap_note("touch by reading: %ld minor and %ld major faults, wrong data in %zu pages",
		  touch.minor, touch.major, touch.wrong);
	return ktap_verdict(persistent(address) && none && first == PMD_PAGES &&
			    touch.minor + touch.major > 0 && touch.wrong == 0);
}

static enum ktap_status map_populated(const struct kind *kind, int flags)
{
	char *address = filled();
	int error = map(kind, address, flags);

	ktap_note("mmap: %s", ktap_errno(error));
	return ktap_verdict(error == 0 && resident(address));
}

static enum ktap_status populate(const void *kind)
{
	return map_populated(kind, MAP_POPULATE);
}

static enum ktap_status map_locked(const void *kind)
{
	enum ktap_status status = mapping_raise_memlock(MAPPING_BYTES);

	return status == KTAP_OK ? map_populated(kind, MAP_LOCKED) : status;
}

static enum ktap_status lock(const void *kind)
{
	enum ktap_status status = mapping_raise_memlock(MAPPING_BYTES);
	char *address;
	int error;

	if (status != KTAP_OK)
		return status;
	address = mapped(kind);
	error = mlock(address, MAPPING_BYTES) < 0 ? errno : 0;
	ktap_note("mlock: %s", ktap_errno(error));
	return ktap_verdict(error == 0 && resident(address));
}

/* EINVAL could be the mapping's fault: ask where the advice must be valid. */
static bool kernel_has_advice(void)
{
	void *page = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);

	return page != MAP_FAILED && madvise(page, PAGE_BYTES, MADV_POPULATE_READ) == 0;
}

static enum ktap_status advised(const struct kind *kind, int advice)
{
	char *address;
	int error;

	if (!kernel_has_advice())
		return ktap_skip("MADV_POPULATE_READ and _WRITE came with Linux 5.14");
	address = mapped(kind);
	error = madvise(address, MAPPING_BYTES, advice) < 0 ? errno : 0;
	ktap_note("madvise: %s", ktap_errno(error));
	return ktap_verdict(error == 0 && resident(address));
}

static enum ktap_status advise_read(const void *kind)
{
	return advised(kind, MADV_POPULATE_READ);
}

static enum ktap_status advise_write(const void *kind)
{
	return advised(kind, MADV_POPULATE_WRITE);
}

/* __check_vma() of drivers/dax/device.c: a private mapping of a device is none. */
static enum ktap_status refused(const void *kind)
{
	int error = map(kind, reserve(), 0);

	ktap_note("mmap: %s", ktap_errno(error));
	return ktap_verdict(error == EINVAL);
}

static void add(ktap_body *body, const struct kind *kind, const char *call)
{
	ktap_add(body, kind, "%s.%s.2m", call, kind->name);
}

static void add_shared(const struct kind *kind)
{
	add(control, kind, "control");
	add(populate, kind, "populate");
	add(map_locked, kind, "map-locked");
	add(lock, kind, "mlock");
	add(advise_read, kind, "madvise-populate-read");
}

static void add_tests(void)
{
	add_shared(&shared_rw);
	add_shared(&shared_ro);
	add(advise_write, &shared_rw, "madvise-populate-write");
	add(refused, &private_ro, "refused");
	add(refused, &private_rw, "refused");
}

int main(int argc, char **argv)
{
	return ktap_main(argc, argv, add_tests);
}
