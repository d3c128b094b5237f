// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the kernel says of a mapping, and which of its functions a call ran: the flags of the
 * VMA, page frames without a struct page, what is counted as mlocked, __mm_populate().
 * Anonymous memory is asked beside it, of which each witness has to say the opposite.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ktap.h"
#include "mapping.h"
#include "residency.h"
#include "witness/calls.h"

/* include/uapi/linux/kernel-page-flags.h, fs/proc/page.c */
#define KPF_NOPAGE (UINT64_C(1) << 20)
#define KPF_MLOCKED (UINT64_C(1) << 33)
/* Documentation/admin-guide/mm/pagemap.rst */
#define PAGEMAP_PRESENT (UINT64_C(1) << 63)
#define PAGEMAP_FRAME ((UINT64_C(1) << 55) - 1)

/* Counters of the kernel are off by some dozen pages a CPU (calculate_normal_threshold()). */
enum { SLACK = 256 };

/* What /proc says of MAPPING_PAGES at an address. */
struct sight {
	char flags[256];
	size_t present;
	size_t unpaged;
	size_t mlocked;
	size_t untold;
};

struct counts {
	long meminfo;
	long nr_mlock;
	long mlocked_ever; /* -1 where the kernel does not count them */
};

static void read_flags(const char *address, char *flags, size_t bytes)
{
	FILE *smaps = fopen("/proc/self/smaps", "re");
	char line[512];
	bool inside = false;

	flags[0] = '\0';
	while (smaps && flags[0] == '\0' && fgets(line, sizeof(line), smaps)) {
		unsigned long start, end;

		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			inside = start == (uintptr_t)address;
		else if (inside && strncmp(line, "VmFlags:", 8) == 0)
			snprintf(flags, bytes, "%.*s ", (int)strcspn(line + 8, "\n"), line + 8);
	}
	if (smaps)
		fclose(smaps);
}

static bool has_flag(const struct sight *sight, const char *flag)
{
	char word[8];

	snprintf(word, sizeof(word), " %s ", flag);
	return strstr(sight->flags, word) != NULL;
}

/* Where it says nothing, the frame is beyond the last struct page (abec749facff). */
static void ask_frame(int kpageflags, uint64_t frame, struct sight *sight)
{
	uint64_t flags;

	if (pread(kpageflags, &flags, sizeof(flags), (off_t)(frame * sizeof(flags))) !=
	    (ssize_t)sizeof(flags)) {
		sight->untold++;
		return;
	}
	sight->unpaged += (flags & KPF_NOPAGE) != 0;
	sight->mlocked += (flags & KPF_MLOCKED) != 0;
}

static int open_proc(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		ktap_bail("%s: %s", path, ktap_errno(errno));
	return fd;
}

static void look(const char *address, struct sight *sight)
{
	static uint64_t entries[MAPPING_PAGES];
	int pagemap = open_proc("/proc/self/pagemap"), kpageflags = open_proc("/proc/kpageflags");
	off_t offset = (off_t)((uintptr_t)address / PAGE_BYTES * sizeof(entries[0]));

	*sight = (struct sight){ 0 };
	if (pread(pagemap, entries, sizeof(entries), offset) != (ssize_t)sizeof(entries))
		ktap_bail("/proc/self/pagemap: short read");
	for (size_t i = 0; i < MAPPING_PAGES; i++) {
		if (!(entries[i] & PAGEMAP_PRESENT))
			continue;
		sight->present++;
		ask_frame(kpageflags, entries[i] & PAGEMAP_FRAME, sight);
	}
	read_flags(address, sight->flags, sizeof(sight->flags));
	close(pagemap);
	close(kpageflags);
}

static void say_sight(const char *what, const struct sight *sight)
{
	ktap_note("%s: VmFlags:%s", what, sight->flags);
	ktap_note("%s: %zu of %zu pages present, %zu frames without a struct page (NOPAGE), "
		  "%zu marked mlocked, of %zu nothing is told", what, sight->present, MAPPING_PAGES,
		  sight->unpaged, sight->mlocked, sight->untold);
}

/* The frames are told to who may see them alone (ab676b7d6fbf, 1c90308e7a77). */
static enum ktap_status may_look(void)
{
	int fd = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return ktap_skip("/proc/kpageflags: %s", ktap_errno(errno));
	close(fd);
	return KTAP_OK;
}

static char *map_anonymous(void)
{
	char *address = mmap(NULL, MAPPING_BYTES, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (address == MAP_FAILED)
		ktap_bail("mapping anonymous memory: %s", ktap_errno(errno));
	/* Small pages: those within a huge one are not marked one by one. */
	madvise(address, MAPPING_BYTES, MADV_NOHUGEPAGE);
	return address;
}

static void map_file(struct mapping *mapping)
{
	int error = mapping_map(mapping, mapping->pages, 0);

	if (error)
		ktap_bail("mmap: %s", ktap_errno(error));
}

/* One that never says "no struct page" of RAM, and sees which mapping is whose. */
static bool look_at_memory(void)
{
	char *address = map_anonymous();
	struct sight memory;

	memset(address, 1, MAPPING_BYTES);
	look(address, &memory);
	say_sight("anonymous memory", &memory);
	return memory.present == MAPPING_PAGES && memory.unpaged + memory.untold == 0 &&
	       has_flag(&memory, "rd") && !has_flag(&memory, "mm");
}

/* Whether a mapping is VM_MIXEDMAP, and its page frames have a struct page. */
static enum ktap_status struct_page(const void *argument)
{
	const enum mapping_kind *kind = argument;
	struct mapping mapping;
	struct sight file;
	enum ktap_status status = may_look();

	if (status == KTAP_OK)
		status = mapping_prepare(&mapping, *kind, SIZE_4K);
	if (status != KTAP_OK)
		return status;
	map_file(&mapping);
	residency_read(mapping.address, mapping.pages, 0);
	look(mapping.address, &file);
	say_sight("the file", &file);
	ktap_note("the file: %s", has_flag(&file, "mm") ? "VM_MIXEDMAP (mm)" : "not VM_MIXEDMAP");
	if (file.unpaged == MAPPING_PAGES)
		ktap_note("the file: no page has a struct page");
	else if (file.unpaged + file.untold == 0)
		ktap_note("the file: every page has a struct page");
	return ktap_verdict(look_at_memory() && file.present == MAPPING_PAGES);
}

static long number_after(const char *path, const char *name)
{
	FILE *file = fopen(path, "re");
	char line[256];
	long value = -1;
	size_t length = strlen(name);

	while (file && value < 0 && fgets(line, sizeof(line), file)) {
		if (strncmp(line, name, length) == 0)
			value = atol(line + length);
	}
	if (file)
		fclose(file);
	return value;
}

static void count(struct counts *counts)
{
	/* What each CPU holds back (52b6f46bc163, 4.7); its absence costs some pages. */
	int refresh = open("/proc/sys/vm/stat_refresh", O_WRONLY | O_CLOEXEC);

	if (refresh >= 0) {
		if (write(refresh, "1", 1) < 0)
			ktap_note("/proc/sys/vm/stat_refresh: %s", ktap_errno(errno));
		close(refresh);
	}
	counts->meminfo = number_after("/proc/meminfo", "Mlocked:") / 4;
	counts->nr_mlock = number_after("/proc/vmstat", "nr_mlock ");
	counts->mlocked_ever = number_after("/proc/vmstat", "unevictable_pgs_mlocked ");
}

enum counted { NOT_COUNTED, COUNTED, DISAGREE };

static enum counted counted(const struct counts *before, const struct counts *after,
			    const struct sight *sight)
{
	long grown[] = { (long)sight->mlocked, after->meminfo - before->meminfo,
			 after->nr_mlock - before->nr_mlock,
			 after->mlocked_ever - before->mlocked_ever };
	int many = 0, few = 0, all = sizeof(grown) / sizeof(grown[0]);

	/* CONFIG_VM_EVENT_COUNTERS, of which the last one is. */
	if (before->mlocked_ever < 0) {
		all--;
		ktap_note("/proc/vmstat has no unevictable_pgs_mlocked");
	}
	for (int i = 0; i < all; i++) {
		many += grown[i] > (long)MAPPING_PAGES - SLACK;
		few += grown[i] < SLACK;
	}
	ktap_note("pages: PG_mlocked on %ld, Mlocked %+ld, nr_mlock %+ld, "
		  "unevictable_pgs_mlocked %+ld", grown[0], grown[1], grown[2], grown[3]);
	return many == all ? COUNTED : few == all ? NOT_COUNTED : DISAGREE;
}

/* mlock(), and what is told of it; its errno. */
static int lock(const char *what, const char *address, struct sight *sight, enum counted *said)
{
	static const char *const words[] = { "not counted as mlocked", "counted as mlocked",
					     "counted as mlocked in part" };
	struct counts before, after;
	int error;

	count(&before);
	error = mlock(address, MAPPING_BYTES) == 0 ? 0 : errno;
	count(&after);
	ktap_note("%s: mlock: %s", what, ktap_errno(error));
	look(address, sight);
	say_sight(what, sight);
	ktap_note("%s: %s", what, has_flag(sight, "lo") ? "VM_LOCKED (lo)" : "not VM_LOCKED");
	*said = counted(&before, &after, sight);
	ktap_note("%s: %s", what, words[*said]);
	return error;
}

/* Whether mlock() sets VM_LOCKED, and marks pages; of anonymous memory it does both. */
static enum ktap_status mlocked(const void *argument)
{
	const enum mapping_kind *kind = argument;
	struct mapping mapping;
	struct sight file, memory;
	enum counted of_file, of_memory;
	bool passed;
	enum ktap_status status = may_look();

	if (status == KTAP_OK)
		status = mapping_raise_memlock(2 * MAPPING_BYTES);
	if (status == KTAP_OK)
		status = mapping_prepare(&mapping, *kind, SIZE_4K);
	if (status != KTAP_OK)
		return status;
	passed = lock("anonymous memory", map_anonymous(), &memory, &of_memory) == 0;
	passed &= of_memory == COUNTED && has_flag(&memory, "lo");
	map_file(&mapping);
	passed &= lock("the file", mapping.address, &file, &of_file) == 0;
	return ktap_verdict(passed && file.present == MAPPING_PAGES);
}

struct way {
	const char *name;
	int map_flags;
	bool lock;
};

static const struct way ways[] = {
	{ "control", 0, false },
	{ "mmap-populate", MAP_POPULATE, false },
	{ "mlock", 0, true },
};

enum { WAYS = sizeof(ways) / sizeof(ways[0]) };

/* Which of the two ran while it was mapped, locked, and a page of it touched. */
static enum ktap_status which_calls(const void *argument)
{
	const struct way *way = argument;
	struct mapping mapping;
	struct calls calls;
	enum ktap_status status = mapping_raise_memlock(MAPPING_BYTES);

	if (status == KTAP_OK)
		status = mapping_prepare(&mapping, SHARED_RW, SIZE_4K);
	if (status == KTAP_OK)
		status = calls_open(&calls);
	if (status != KTAP_OK)
		return status;
	calls_begin(&calls);
	if (mapping_map(&mapping, mapping.pages, way->map_flags) != 0)
		ktap_bail("mmap: %s", ktap_errno(errno));
	if (way->lock)
		ktap_note("mlock: %s", ktap_errno(mlock(mapping.address, MAPPING_BYTES) ? errno : 0));
	(void)*(volatile char *)mapping.address;
	calls_end(&calls);
	ktap_note("__mm_populate() ran %zu times, __get_user_pages() %zu times", calls.populates,
		  calls.gets);
	if (calls.nested)
		ktap_note("first __mm_populate(), then __get_user_pages()");
	if (way->map_flags == 0 && !way->lock)
		return ktap_verdict(calls.populates + calls.gets == 0);
	return ktap_verdict(calls.populates > 0 && calls.gets > 0 && calls.nested);
}

static void add_tests(void)
{
	static const enum mapping_kind kinds[MAPPING_KINDS] = { SHARED_RW, SHARED_RO, PRIVATE_RO,
								PRIVATE_RW };

	for (int i = 0; i < MAPPING_KINDS; i++)
		ktap_add(struct_page, &kinds[i], "struct-page.%s.4k", mapping_kind_name(kinds[i]));
	for (int i = 0; i < MAPPING_KINDS; i++)
		ktap_add(mlocked, &kinds[i], "mlocked.%s.4k", mapping_kind_name(kinds[i]));
	for (int i = 0; i < WAYS; i++)
		ktap_add(which_calls, &ways[i], "calls.%s", ways[i].name);
}

int main(int argc, char **argv)
{
	return ktap_main(argc, argv, add_tests);
}
