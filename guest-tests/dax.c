// SPDX-License-Identifier: GPL-2.0-only
#include "dax.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PAGE_BYTES = 4096 };

/* /proc/mounts writes space, tab, newline and backslash as \ooo. */
static void decode(char *text)
{
	char *out = text;

	for (const char *in = text; *in; in++, out++) {
		*out = *in;
		if (in[0] == '\\' && in[1] && in[2] && in[3]) {
			*out = (char)strtol((char[]){ in[1], in[2], in[3], '\0' }, NULL, 8);
			in += 3;
		}
	}
	*out = '\0';
}

static bool below(const char *path, const char *mount_point)
{
	size_t length = strlen(mount_point);

	if (strcmp(mount_point, "/") == 0)
		return true;
	return strncmp(path, mount_point, length) == 0 &&
	       (path[length] == '/' || path[length] == '\0');
}

/* The options of the innermost mount over path: the last of the longest. */
static bool find_mount(const char *path, char *type, char *options)
{
	static char line[DAX_LINE_BYTES], point[DAX_LINE_BYTES];
	static char kind[DAX_LINE_BYTES], words[DAX_LINE_BYTES];
	FILE *mounts = fopen("/proc/self/mounts", "re");
	size_t longest = 0;

	while (mounts && fgets(line, sizeof(line), mounts)) {
		if (sscanf(line, "%*s %s %s %s", point, kind, words) != 3)
			continue;
		decode(point);
		if (!below(path, point) || strlen(point) < longest)
			continue;
		longest = strlen(point);
		strcpy(type, kind);
		strcpy(options, words);
	}
	if (mounts)
		fclose(mounts);
	return longest > 0;
}

static bool has_dax(char *options)
{
	for (char *word = strtok(options, ","); word; word = strtok(NULL, ","))
		if (strcmp(word, "dax") == 0 || strcmp(word, "dax=always") == 0)
			return true;
	return false;
}

enum dax dax_by_mount(const char *path, char *mount)
{
	static char type[DAX_LINE_BYTES], options[DAX_LINE_BYTES];

	if (!find_mount(path, type, options)) {
		strcpy(mount, "unknown");
		return DAX_UNKNOWN;
	}
	sprintf(mount, "%s %s", type, options);
	return has_dax(options) ? DAX_YES : DAX_NO;
}

/* Linux 4.11, a528d35e8bfc; the headers may be older. */
#ifndef SYS_statx
#if defined(__x86_64__)
#define SYS_statx 332
#else
#define SYS_statx 291
#endif
#endif

/* 5.8, 712b2698e4c0; there and in 5.9 it had another's value until 72d1249e2ffd (5.10). */
#define ATTRIBUTE_DAX UINT64_C(0x00200000)

/* struct statx, as far as it is needed; the kernel writes 256 bytes. */
struct attributes {
	uint32_t mask;
	uint32_t block_bytes;
	uint64_t set;
	uint32_t middle[10];
	uint64_t known;
	uint64_t rest[24];
};

_Static_assert(offsetof(struct attributes, set) == 8, "stx_attributes");
_Static_assert(offsetof(struct attributes, known) == 56, "stx_attributes_mask");
_Static_assert(sizeof(struct attributes) == 256, "struct statx");

enum dax dax_by_statx(int fd)
{
	struct attributes attributes = { 0 };
	bool known = syscall(SYS_statx, fd, "", AT_EMPTY_PATH, 0, &attributes) == 0 &&
		     (attributes.known & ATTRIBUTE_DAX);

	if (!known)
		return DAX_UNKNOWN;
	return attributes.set & ATTRIBUTE_DAX ? DAX_YES : DAX_NO;
}

uint64_t dax_physical(const void *page)
{
	const uint64_t present = UINT64_C(1) << 63, pfn_mask = (UINT64_C(1) << 55) - 1;
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	off_t offset = (off_t)((uintptr_t)page / PAGE_BYTES * sizeof(uint64_t));
	uint64_t entry = 0;

	if (fd < 0 || pread(fd, &entry, sizeof(entry), offset) != sizeof(entry))
		entry = 0;
	if (fd >= 0)
		close(fd);
	return entry & present ? (entry & pfn_mask) * PAGE_BYTES : 0;
}

/*
 * "Persistent Memory" (NFIT), "Persistent Memory (legacy)" (memmap=), which 4.1
 * calls "Persistent RAM" (renamed by ad5fb870c486). Before af1996ef59db (4.6) an
 * NVDIMM's range has only the name of the device whose driver claimed it:
 * namespace0.0, or pfn0.0 if that is in fsdax mode.
 */
static bool is_persistent(const char *name)
{
	return strncmp(name, "Persistent Memory", 17) == 0 ||
	       strncmp(name, "Persistent RAM", 14) == 0 ||
	       strncmp(name, "namespace", 9) == 0 || strncmp(name, "pfn", 3) == 0;
}

/* Who may not see addresses is shown zeros (51d7b120418e). */
enum dax dax_by_address(uint64_t address, bool say)
{
	static char line[DAX_LINE_BYTES];
	FILE *iomem = fopen("/proc/iomem", "re");
	bool readable = false, inside = false;

	while (iomem && fgets(line, sizeof(line), iomem)) {
		unsigned long long start, end;
		int name = 0;

		if (sscanf(line, " %llx-%llx : %n", &start, &end, &name) < 2 || name == 0)
			continue;
		readable |= end != 0;
		if (inside || !is_persistent(line + name) || address < start || address > end)
			continue;
		inside = true;
		if (say)
			printf("iomem=%s", line + name);
	}
	if (iomem)
		fclose(iomem);
	if (!readable || address == 0)
		return DAX_UNKNOWN;
	return inside ? DAX_YES : DAX_NO;
}

bool dax_is_none(int fd, const void *page)
{
	static char path[PATH_MAX], mount[2 * DAX_LINE_BYTES];
	enum dax said = dax_by_statx(fd);

	if (said == DAX_UNKNOWN)
		said = dax_by_address(dax_physical(page), false);
	return said == DAX_NO && realpath(".", path) &&
	       dax_by_mount(path, mount) == DAX_NO;
}
