// SPDX-License-Identifier: GPL-2.0-only
#include "mapping.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "dax.h"

#define PMD_BYTES (PMD_PAGES * PAGE_BYTES)
#define CHUNK_BYTES ((size_t)1 << 20)

/* Both are XFS's own ioctls, with these numbers, before 4.5. */
#ifndef FS_IOC_FSGETXATTR
#error "linux/fs.h is older than 4.5"
#endif

struct kind {
	const char *name;
	int open_flags;
	int protection;
	int flags;
};

static const struct kind kinds[MAPPING_KINDS] = {
	[SHARED_RW] = { "shared-rw", O_RDWR, PROT_READ | PROT_WRITE, MAP_SHARED },
	[SHARED_RO] = { "shared-ro", O_RDONLY, PROT_READ, MAP_SHARED },
	[PRIVATE_RO] = { "private-ro", O_RDONLY, PROT_READ, MAP_PRIVATE },
	[PRIVATE_RW] = { "private-rw", O_RDONLY, PROT_READ | PROT_WRITE, MAP_PRIVATE },
};

const char *mapping_kind_name(enum mapping_kind kind)
{
	return kinds[kind].name;
}

const char *mapping_size_name(enum mapping_size size)
{
	return size == SIZE_2M ? "2m" : "4k";
}

bool mapping_writable(enum mapping_kind kind)
{
	return kinds[kind].protection & PROT_WRITE;
}

static void write_all(int fd, const char *bytes, size_t length)
{
	while (length > 0) {
		ssize_t written = write(fd, bytes, length);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			ktap_bail("writing the test file: %s", ktap_errno(errno));
		bytes += written;
		length -= (size_t)written;
	}
}

static void fill_page(uint64_t *page, uint64_t pattern)
{
	for (size_t i = 0; i < PAGE_BYTES / sizeof(page[0]); i++)
		page[i] = pattern;
}

/* A few large writes: each is a transaction of the filesystem, slow under TCG. */
static void write_data(int fd, size_t bytes)
{
	static uint64_t chunk[CHUNK_BYTES / sizeof(uint64_t)];

	for (size_t done = 0; done < bytes; done += CHUNK_BYTES) {
		for (size_t i = 0; i < CHUNK_BYTES / PAGE_BYTES; i++)
			fill_page(chunk + i * (PAGE_BYTES / sizeof(chunk[0])),
				  page_pattern(done / PAGE_BYTES + i));
		write_all(fd, (char *)chunk,
			  bytes - done < CHUNK_BYTES ? bytes - done : CHUNK_BYTES);
	}
}

/*
 * Asks for whole 2 MiB extents before the data is there: the extent size hint is
 * XFS's (elsewhere the ioctl fails, and that is fine), the rest is up to the
 * stripe width that mkfs was given.
 */
static void ask_for_huge_extents(int fd, size_t bytes)
{
	struct fsxattr attributes;

	if (ioctl(fd, FS_IOC_FSGETXATTR, &attributes) == 0) {
		attributes.fsx_xflags |= FS_XFLAG_EXTSIZE;
		attributes.fsx_extsize = PMD_BYTES;
		ioctl(fd, FS_IOC_FSSETXATTR, &attributes);
	}
	if (fallocate(fd, 0, 0, (off_t)bytes) < 0 && errno == ENOSPC)
		ktap_bail("allocating the test file: ENOSPC");
}

/* Data in every page: a hole or an unwritten extent takes another path (4.1). */
static void fill_file(int fd, enum mapping_size size, size_t bytes)
{
	if (size == SIZE_2M)
		ask_for_huge_extents(fd, bytes);
	write_data(fd, bytes);
	if (fsync(fd) < 0)
		ktap_bail("fsync: %s", ktap_errno(errno));
}

/*
 * A file of its own for each test: DAX remembers the size of the entry that a
 * part of a file was first mapped with, and never maps it larger again
 * (get_unlocked_entry() in fs/dax.c).
 */
static int create_file(const struct mapping *mapping, size_t bytes)
{
	char name[64];
	int writer, fd;

	snprintf(name, sizeof(name), ".guest-test.%ld", (long)getpid());
	writer = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (writer < 0)
		ktap_bail("creating %s: %s", name, ktap_errno(errno));
	fd = open(name, kinds[mapping->kind].open_flags | O_CLOEXEC);
	/* Whatever becomes of this process, the file goes with it. */
	if (unlink(name) < 0 || fd < 0)
		ktap_bail("opening %s: %s", name, ktap_errno(errno));
	fill_file(writer, mapping->size, bytes);
	close(writer);
	return fd;
}

/*
 * DAX maps 2 MiB at once only where address and file offset agree modulo 2 MiB
 * (dax_fault_check_fallback() in fs/dax.c): one page off makes it 4 KiB.
 */
static char *reserve(const struct mapping *mapping)
{
	size_t bytes = mapping->pages * PAGE_BYTES + 2 * PMD_BYTES;
	char *start = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
			   -1, 0);
	size_t past = (uintptr_t)start % PMD_BYTES;

	if (start == MAP_FAILED)
		ktap_bail("reserving addresses: %s", ktap_errno(errno));
	return start + (PMD_BYTES - past) + (mapping->size == SIZE_4K ? PAGE_BYTES : 0);
}

void mapping_create(struct mapping *mapping, enum mapping_kind kind, enum mapping_size size,
		    size_t file_bytes, size_t pages)
{
	if ((size_t)sysconf(_SC_PAGESIZE) != PAGE_BYTES)
		ktap_bail("the page size is not 4096");
	*mapping = (struct mapping){ .kind = kind, .size = size, .pages = pages };
	mapping->fd = create_file(mapping, file_bytes);
	mapping->address = reserve(mapping);
}

int mapping_map(struct mapping *mapping, size_t pages, int flags)
{
	const struct kind *kind = &kinds[mapping->kind];
	void *mapped = mmap(mapping->address, pages * PAGE_BYTES, kind->protection,
			    kind->flags | MAP_FIXED | flags, mapping->fd, 0);

	return mapped == MAP_FAILED ? errno : 0;
}

void mapping_unmap(struct mapping *mapping)
{
	if (mmap(mapping->address, mapping->pages * PAGE_BYTES, PROT_NONE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED)
		ktap_bail("unmapping: %s", ktap_errno(errno));
}

static void describe_extent(int fd, char *text, size_t bytes)
{
	union {
		struct fiemap map;
		char room[sizeof(struct fiemap) + sizeof(struct fiemap_extent)];
	} query = { .map = { .fm_length = FIEMAP_MAX_OFFSET, .fm_extent_count = 1 } };
	const struct fiemap_extent *extent = query.map.fm_extents;

	if (ioctl(fd, FS_IOC_FIEMAP, &query.map) < 0 || query.map.fm_mapped_extents == 0)
		snprintf(text, bytes, "extents unknown");
	else
		snprintf(text, bytes, "first extent at 0x%llx, 0x%llx bytes",
			 (unsigned long long)extent->fe_physical,
			 (unsigned long long)extent->fe_length);
}

static void describe_huge_pages(char *text, size_t bytes)
{
	FILE *file = fopen("/sys/kernel/mm/transparent_hugepage/enabled", "re");

	if (!file || !fgets(text, (int)bytes, file))
		snprintf(text, bytes, "not in this kernel");
	text[strcspn(text, "\n")] = '\0';
	if (file)
		fclose(file);
}

static enum ktap_status skip_2m(const struct mapping *mapping, size_t present)
{
	char extent[96], huge[96];

	describe_extent(mapping->fd, extent, sizeof(extent));
	describe_huge_pages(huge, sizeof(huge));
	return ktap_skip("no 2 MiB mapping: a fault maps %zu pages%s; %s; transparent huge pages: %s",
			 present, mapping->page_cache ? " of the page cache" : "", extent, huge);
}

/* Pages that one read in a 2 MiB part of the mapping makes present. */
static size_t pages_per_fault(const struct mapping *mapping, size_t part)
{
	char *start = mapping->address + part * PMD_BYTES;

	(void)*(volatile char *)(start + 5 * PAGE_BYTES);
	return residency_present(start, PMD_PAGES);
}

static void say_how_mapped(const struct mapping *mapping, size_t present)
{
	if (present == 1 || present == PMD_PAGES)
		ktap_note("mapped by: %s", present == 1 ? "pte" : "pmd");
	else if (mapping->page_cache)
		ktap_note("mapped by: pte, %zu of them a fault: the page cache", present);
	else
		ktap_note("mapped by: other (a fault maps %zu pages: not DAX?)", present);
}

/*
 * DAX entries are not page cache, so there is no fault-around (filemap_map_pages()
 * skips them): a fault maps either its own page or the 2 MiB around it.  Of the page
 * cache it maps up to fault_around_bytes (8c6e50b0290c), and no more is known of it.
 */
static enum ktap_status probe(struct mapping *mapping)
{
	size_t wanted = mapping->size == SIZE_2M ? PMD_PAGES : 1;
	size_t present = wanted;
	int error = mapping_map(mapping, mapping->pages, 0);

	if (error)
		ktap_bail("mmap: %s", ktap_errno(error));
	for (size_t part = 0; part < mapping->pages / PMD_PAGES && present == wanted; part++)
		present = pages_per_fault(mapping, part);
	mapping->page_cache = dax_is_none(mapping->fd, mapping->address + 5 * PAGE_BYTES);
	mapping_unmap(mapping);
	say_how_mapped(mapping, present);
	if (present == wanted)
		return KTAP_OK;
	if (mapping->size == SIZE_2M)
		return skip_2m(mapping, present);
	return ktap_verdict(mapping->page_cache && present > 0 && present < PMD_PAGES);
}

enum ktap_status mapping_prepare(struct mapping *mapping, enum mapping_kind kind,
				 enum mapping_size size)
{
	mapping_create(mapping, kind, size, MAPPING_BYTES, MAPPING_PAGES);
	if (kind == PRIVATE_RW && size == SIZE_2M)
		ktap_note("private copies are 4 KiB pages: what follows is true of reads alone");
	return probe(mapping);
}

bool mapping_resident(struct mapping *mapping, size_t first, size_t pages)
{
	char *start = mapping->address + first * PAGE_BYTES;
	bool resident = residency_all(start, pages, first);

	if (mapping->kind == PRIVATE_RW)
		resident &= residency_writable(start, pages, first);
	return resident;
}

enum ktap_status mapping_raise_memlock(size_t bytes)
{
	struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };

	if (setrlimit(RLIMIT_MEMLOCK, &limit) == 0)
		return KTAP_OK;
	if (getrlimit(RLIMIT_MEMLOCK, &limit) < 0)
		ktap_bail("getrlimit(RLIMIT_MEMLOCK): %s", ktap_errno(errno));
	limit.rlim_cur = limit.rlim_max;
	if (limit.rlim_max >= bytes && setrlimit(RLIMIT_MEMLOCK, &limit) == 0)
		return KTAP_OK;
	return ktap_skip("RLIMIT_MEMLOCK is %llu bytes and may not be raised",
			 (unsigned long long)limit.rlim_max);
}
