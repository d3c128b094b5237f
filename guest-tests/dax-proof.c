// SPDX-License-Identifier: GPL-2.0-only
/*
 * dax-proof DIR: what there is to say about whether DIR's filesystem maps files
 * straight from persistent memory, as KEY=VALUE lines.  A mount that succeeded
 * says nothing.  Exit status 1, and why on stderr, when a file could not be made.
 *
 *   release=6.1.0                 uname -r
 *   mount=ext4 rw,dax=always      type and options in /proc/self/mounts
 *   dax_option=yes|no             "dax" or "dax=always" among them
 *   statx_known=yes|no            the kernel has STATX_ATTR_DAX (5.10)
 *   statx_dax=yes|no|unknown      and says it of a file
 *   phys=0x108200000|unknown      where a mapped page of the file is
 *   iomem=NAME                    the range of /proc/iomem that shows it as persistent
 *   pfn_in_pmem=yes|no|unknown    whether there is one: no page cache is there.
 *                                 Root, any kernel.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

enum { PAGE_BYTES = 4096, LINE_BYTES = 4096 };

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

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "dax-proof: %s: %s\n", what, strerror(errno));
	exit(1);
}

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
	static char line[LINE_BYTES], point[LINE_BYTES], kind[LINE_BYTES], words[LINE_BYTES];
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

static void prove_mount(const char *directory)
{
	static char path[PATH_MAX], type[LINE_BYTES], options[LINE_BYTES];

	if (!realpath(directory, path))
		die(directory);
	if (!find_mount(path, type, options)) {
		puts("mount=unknown");
		puts("dax_option=no");
		return;
	}
	printf("mount=%s %s\n", type, options);
	printf("dax_option=%s\n", has_dax(options) ? "yes" : "no");
}

static void prove_statx(int fd)
{
	struct attributes attributes = { 0 };
	bool known = syscall(SYS_statx, fd, "", AT_EMPTY_PATH, 0, &attributes) == 0 &&
		     (attributes.known & ATTRIBUTE_DAX);

	printf("statx_known=%s\n", known ? "yes" : "no");
	if (!known)
		puts("statx_dax=unknown");
	else
		printf("statx_dax=%s\n", attributes.set & ATTRIBUTE_DAX ? "yes" : "no");
}

/* The physical address of a touched page; 0 when pagemap does not tell. */
static uint64_t physical(const void *page)
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
static const char *in_persistent_memory(uint64_t address)
{
	static char line[LINE_BYTES];
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
		printf("iomem=%s", line + name);
	}
	if (iomem)
		fclose(iomem);
	if (!readable || address == 0)
		return "unknown";
	return inside ? "yes" : "no";
}

static void prove_address(int fd)
{
	const char *page = mmap(NULL, PAGE_BYTES, PROT_READ, MAP_SHARED, fd, 0);
	uint64_t address;

	if (page == MAP_FAILED)
		die("mmap");
	(void)*(const volatile char *)page;
	address = physical(page);
	if (address)
		printf("phys=0x%llx\n", (unsigned long long)address);
	else
		puts("phys=unknown");
	printf("pfn_in_pmem=%s\n", in_persistent_memory(address));
}

/* Written, not a hole: 4.1 maps a hole from the page cache. Unlinked at once. */
static int make_file(const char *directory)
{
	static char path[PATH_MAX];
	char page[PAGE_BYTES];
	int fd;

	snprintf(path, sizeof(path), "%s/.dax-proof.%ld", directory, (long)getpid());
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || unlink(path) < 0)
		die(path);
	memset(page, 'D', sizeof(page));
	if (write(fd, page, sizeof(page)) != (ssize_t)sizeof(page) || fsync(fd) < 0)
		die("writing the test file");
	return fd;
}

int main(int argc, char **argv)
{
	struct utsname system;
	int fd;

	if (argc != 2) {
		fprintf(stderr, "usage: %s DIR\n", argv[0]);
		return 1;
	}
	fd = make_file(argv[1]);
	uname(&system);
	printf("release=%s\n", system.release);
	prove_mount(argv[1]);
	prove_statx(fd);
	prove_address(fd);
	return 0;
}
