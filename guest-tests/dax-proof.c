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
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "dax.h"

enum { PAGE_BYTES = 4096 };

static const char *in_words(enum dax said)
{
	return said == DAX_UNKNOWN ? "unknown" : said == DAX_YES ? "yes" : "no";
}

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "dax-proof: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void prove_mount(const char *directory)
{
	static char path[PATH_MAX], mount[2 * DAX_LINE_BYTES];
	enum dax asked;

	if (!realpath(directory, path))
		die(directory);
	asked = dax_by_mount(path, mount);
	printf("mount=%s\n", mount);
	printf("dax_option=%s\n", asked == DAX_YES ? "yes" : "no");
}

static void prove_statx(int fd)
{
	enum dax said = dax_by_statx(fd);

	printf("statx_known=%s\n", said == DAX_UNKNOWN ? "no" : "yes");
	printf("statx_dax=%s\n", in_words(said));
}

static void prove_address(int fd)
{
	const char *page = mmap(NULL, PAGE_BYTES, PROT_READ, MAP_SHARED, fd, 0);
	uint64_t address;

	if (page == MAP_FAILED)
		die("mmap");
	(void)*(const volatile char *)page;
	address = dax_physical(page);
	if (address)
		printf("phys=0x%llx\n", (unsigned long long)address);
	else
		puts("phys=unknown");
	printf("pfn_in_pmem=%s\n", in_words(dax_by_address(address, 1)));
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
