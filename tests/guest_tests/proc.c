// SPDX-License-Identifier: GPL-2.0-only
/*
 * What /proc and statx() say to dax-proof, laid between it and the kernel by the linker
 * (--wrap): MOUNTS and IOMEM in the environment are files, PFN is a page's number in
 * hexadecimal (none: not present), STATX is "KNOWN SET", both in hexadecimal (none: no
 * such call).
 */
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

FILE *__real_fopen(const char *, const char *);

FILE *__wrap_fopen(const char *, const char *);
ssize_t __wrap_pread(int, void *, size_t, off_t);
long __wrap_syscall(long, ...);

FILE *__wrap_fopen(const char *path, const char *mode)
{
	const char *name = strcmp(path, "/proc/iomem") == 0 ? "IOMEM" : "MOUNTS";

	return getenv(name) ? __real_fopen(getenv(name), mode) : NULL;
}

ssize_t __wrap_pread(int fd, void *entry, size_t bytes, off_t offset)
{
	const char *pfn = getenv("PFN");
	uint64_t present = pfn ? UINT64_C(1) << 63 | UINT64_C(1) << 55 : 0;

	(void)fd;
	(void)offset;
	*(uint64_t *)entry = present | (pfn ? strtoull(pfn, NULL, 16) : 7);
	return (ssize_t)bytes;
}

/* struct statx: stx_attributes at 8, stx_attributes_mask at 56. */
long __wrap_syscall(long number, ...)
{
	const char *told = getenv("STATX");
	char *rest, *attributes = NULL;
	va_list arguments;

	(void)number;
	va_start(arguments, number);
	for (int i = 0; i < 5; i++)
		attributes = va_arg(arguments, char *);
	va_end(arguments);
	if (!told) {
		memset(attributes, 0xff, 256);
		errno = ENOSYS;
		return -1;
	}
	*(uint64_t *)(void *)(attributes + 56) = strtoull(told, &rest, 16);
	*(uint64_t *)(void *)(attributes + 8) = strtoull(rest, NULL, 16);
	return 0;
}
