// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the kernel says to witness, laid between it and the real one by the linker (--wrap):
 * what is mlocked is counted and marked, and a call that populates runs both functions.  LIE in
 * the environment names the one way in which it is otherwise.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "witness/calls.h"

#define NOPAGE (UINT64_C(1) << 20)
#define MLOCKED (UINT64_C(1) << 33)

static int kpageflags = -1;
static long locked, populated;

int __real_open(const char *, int, ...);
FILE *__real_fopen(const char *, const char *);
ssize_t __real_pread(int, void *, size_t, off_t);
void *__real_mmap(void *, size_t, int, int, int, off_t);

int __wrap_open(const char *, int, ...);
FILE *__wrap_fopen(const char *, const char *);
ssize_t __wrap_pread(int, void *, size_t, off_t);
void *__wrap_mmap(void *, size_t, int, int, int, off_t);
int __wrap_mlock(const void *, size_t);
int __wrap_setrlimit(int, const struct rlimit *);

static bool lie(const char *name)
{
	const char *told = getenv("LIE");

	return told && strcmp(told, name) == 0;
}

int __wrap_open(const char *path, int flags, ...)
{
	va_list arguments;
	int mode;

	va_start(arguments, flags);
	mode = flags & O_CREAT ? va_arg(arguments, int) : 0;
	va_end(arguments);
	if (strcmp(path, "/proc/sys/vm/stat_refresh") == 0)
		return -1;
	if (strcmp(path, "/proc/kpageflags") != 0)
		return __real_open(path, flags, mode);
	if (lie("not-root")) {
		errno = EACCES;
		return -1;
	}
	/* A number that no other file gets when it is closed. */
	return kpageflags = fcntl(__real_open("/dev/zero", flags), F_DUPFD_CLOEXEC, 500);
}

ssize_t __wrap_pread(int fd, void *buffer, size_t bytes, off_t offset)
{
	if (fd != kpageflags)
		return __real_pread(fd, buffer, bytes, offset);
	if (lie("untold"))
		return 0;
	*(uint64_t *)buffer = (lie("nopage") ? NOPAGE : 0) |
			      (locked && !lie("unmarked") ? MLOCKED : 0);
	return (ssize_t)bytes;
}

/* VmFlags of each mapping: locked once anything is. */
static void flagged(FILE *out)
{
	FILE *real = __real_fopen("/proc/self/smaps", "re");
	char line[512];

	while (fgets(line, sizeof(line), real)) {
		if (strncmp(line, "VmFlags:", 8) != 0)
			fputs(line, out);
		else if (!lie("flagless"))
			fprintf(out, "VmFlags: rd%s%s \n", locked && !lie("unlocked") ? " lo" : "",
				lie("mixed") ? " mm" : "");
	}
	fclose(real);
}

FILE *__wrap_fopen(const char *path, const char *mode)
{
	bool smaps = strcmp(path, "/proc/self/smaps") == 0;
	FILE *said;

	if (!smaps && strcmp(path, "/proc/meminfo") != 0 && strcmp(path, "/proc/vmstat") != 0)
		return __real_fopen(path, mode);
	said = tmpfile();
	if (smaps)
		flagged(said);
	else
		fprintf(said, "Mlocked: %ld kB\nnr_mlock %ld\nunevictable_pgs_mlocked %ld\n",
			lie("meminfo") ? 0 : 4 * locked, lie("nr_mlock") ? 0 : locked,
			lie("events") ? 0 : locked);
	rewind(said);
	return said;
}

/* All of the memory is there, whatever is asked for. */
void *__wrap_mmap(void *address, size_t bytes, int protection, int flags, int fd, off_t offset)
{
	if (flags & MAP_POPULATE)
		populated++;
	return __real_mmap(address, bytes, protection, flags & ~MAP_POPULATE, fd, offset);
}

int __wrap_mlock(const void *address, size_t bytes)
{
	volatile const char *page = address;

	populated++;
	if (lie("refuses") || (lie("refuses-file") && locked)) {
		errno = ENOMEM;
		return -1;
	}
	for (size_t i = 0; i < bytes && !lie("absent"); i += 4096)
		(void)page[i];
	locked += (long)(bytes / 4096);
	return 0;
}

int __wrap_setrlimit(int resource, const struct rlimit *limits)
{
	(void)resource;
	(void)limits;
	return 0;
}

enum ktap_status calls_open(struct calls *calls)
{
	memset(calls, 0, sizeof(*calls));
	return KTAP_OK;
}

void calls_begin(struct calls *calls)
{
	(void)calls;
	populated = 0;
}

void calls_end(struct calls *calls)
{
	if ((populated || lie("always")) && !lie("never")) {
		calls->populates = !lie("no-populate");
		calls->gets = !lie("no-gets");
		calls->nested = !lie("reversed");
	}
}
