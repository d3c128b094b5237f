// SPDX-License-Identifier: GPL-2.0-only
/*
 * A kernel for the guest programs, laid between them and the real one by the linker
 * (--wrap): pages come one by one, or 512 where the address allows it, as on DAX, and
 * each fault is a SIGSEGV that is counted.  It keeps its word, or not: LIE in the
 * environment names the one way in which it does not.
 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#ifndef SYS_statx
#define SYS_statx 332
#endif
#define ATTRIBUTE_DAX UINT64_C(0x00200000)

#define PAGE ((size_t)4096)
#define HUGE ((size_t)512)
#define MOST ((size_t)1024)
#define POPULATE_READ 22
#define POPULATE_WRITE 23
#define MLOCKALL_BYTES ((rlim_t)128 << 20)

enum { ABSENT, READABLE, WRITABLE };

/* The file mapping that is looked at; there is never more than one. */
static struct {
	char *start;
	size_t pages, in_file;
	int protection;
	bool shared;
	bool claimed; /* something was to be brought in */
	char state[MOST];
} map;

static long faults;
static bool lock_future;
static rlim_t limit = RLIM_INFINITY;

void *__real_mmap(void *, size_t, int, int, int, off_t);
ssize_t __real_pread(int, void *, size_t, off_t);
int __real_madvise(void *, size_t, int);
long __real_syscall(long, ...);
FILE *__real_fopen(const char *, const char *);

void *__wrap_mmap(void *, size_t, int, int, int, off_t);
ssize_t __wrap_pread(int, void *, size_t, off_t);
int __wrap_madvise(void *, size_t, int);
int __wrap_mlock(const void *, size_t);
int __wrap_munlock(const void *, size_t);
int __wrap_mlockall(int);
int __wrap_getrusage(int, struct rusage *);
int __wrap_setrlimit(int, const struct rlimit *);
int __wrap_fsync(int);
long __wrap_syscall(long, ...);
FILE *__wrap_fopen(const char *, const char *);

static bool lie(const char *name)
{
	const char *told = getenv("LIE");

	return told && strcmp(told, name) == 0;
}

/* What is no DAX, and what was to be and is not. */
static bool is_page_cache(void)
{
	return lie("page-cache") || lie("locked-page-cache") || lie("lost-dax");
}

static int refuse(int error)
{
	errno = error;
	return -1;
}

static void set(size_t page, int state)
{
	int protection = state == ABSENT ? PROT_NONE : PROT_READ;

	if (state == WRITABLE)
		protection |= PROT_WRITE;
	map.state[page] = (char)state;
	mprotect(map.start + page * PAGE, PAGE, protection);
}

static bool is_huge(size_t first)
{
	return !lie("small-pages") && !is_page_cache() &&
	       (uintptr_t)map.start % (HUGE * PAGE) == 0 &&
	       first + HUGE <= map.in_file;
}

static void fault(int number, siginfo_t *info, void *context)
{
	const bool write = ((ucontext_t *)context)->uc_mcontext.gregs[REG_ERR] & 2;
	size_t page = (size_t)((char *)info->si_addr - map.start) / PAGE;
	size_t first = page, end = page + 1;

	if (!map.start || page >= map.in_file || (write && !(map.protection & PROT_WRITE))) {
		signal(number, SIG_DFL);
		return;
	}
	faults++;
	if (lie("fault-around") || is_page_cache())
		end = page + 16 < map.in_file ? page + 16 : map.in_file;
	if (is_huge(page / HUGE * HUGE) && !(write && !map.shared)) {
		first = page / HUGE * HUGE;
		end = first + HUGE;
	}
	for (size_t i = first; i < end; i++)
		if (map.state[i] < (write ? WRITABLE : READABLE))
			set(i, write ? WRITABLE : READABLE);
}

static void watch_faults(void)
{
	struct sigaction action = { .sa_sigaction = fault, .sa_flags = SA_SIGINFO };

	sigaction(SIGSEGV, &action, NULL);
}

/* Brings pages in, as far as the file goes, and as far as the lie does. */
static void bring(size_t first, size_t pages, int state)
{
	map.claimed = true;
	if (lie("absent") || lie("major-absent") || lie("pagemap") || lie("faults"))
		return;
	if (lie("copy-on-write"))
		state = READABLE;
	if (lie("all-but-one"))
		pages--;
	for (size_t i = first; i < first + pages && i < map.in_file; i++)
		if (map.state[i] < state)
			set(i, state);
}

/* mm/gup.c: copy-on-write is broken beforehand for a private mapping alone. */
static void populate(size_t first, size_t pages)
{
	bool writable = map.protection & PROT_WRITE;

	if (lie("end-of-file"))
		memset(map.state + map.in_file, READABLE, map.pages - map.in_file);
	bring(first, pages, writable && !map.shared ? WRITABLE : READABLE);
}

static bool inside(const void *address, size_t bytes)
{
	const char *start = address;

	return map.start && start >= map.start &&
	       start + bytes <= map.start + map.pages * PAGE;
}

static size_t page_of(const void *address)
{
	return (size_t)((const char *)address - map.start) / PAGE;
}

static void *map_file(char *address, size_t bytes, int protection, int flags, int fd)
{
	struct stat file;
	int real = flags & ~(MAP_POPULATE | MAP_LOCKED);

	if (lie("no-memory")) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	if (lie("data"))
		real = MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS;
	if (__real_mmap(address, bytes, protection, real, lie("data") ? -1 : fd, 0) == MAP_FAILED)
		return MAP_FAILED;
	fstat(fd, &file);
	mprotect(address, bytes, PROT_NONE);
	memset(&map, 0, sizeof(map));
	map.start = address;
	map.pages = bytes / PAGE;
	map.in_file = ((size_t)file.st_size + PAGE - 1) / PAGE;
	map.in_file = map.in_file < map.pages ? map.in_file : map.pages;
	map.protection = protection;
	map.shared = flags & MAP_SHARED;
	watch_faults();
	if ((flags & (MAP_POPULATE | MAP_LOCKED)) || lock_future || lie("eager"))
		populate(0, map.pages);
	return address;
}

void *__wrap_mmap(void *address, size_t bytes, int protection, int flags, int fd, off_t offset)
{
	void *mapped;

	if (fd < 0) {
		if (map.start == address)
			map.start = NULL;
		mapped = __real_mmap(address, bytes, protection, flags, fd, offset);
		return mapped;
	}
	if ((flags & MAP_LOCKED) && bytes > limit && !lie("no-limit")) {
		if (lie("refused-but-done"))
			map_file(address, bytes, protection, flags, fd);
		errno = lie("errno") ? EPERM : EAGAIN;
		return MAP_FAILED;
	}
	mapped = map_file(address, bytes, protection, flags, fd);
	if ((flags & (MAP_POPULATE | MAP_LOCKED)) && lie("refuses")) {
		errno = EFAULT;
		return MAP_FAILED;
	}
	return mapped;
}

static int lock(const void *address, size_t bytes)
{
	size_t first = page_of(address), end = first + bytes / PAGE;

	if (bytes > limit && !lie("no-limit")) {
		if (lie("refused-but-done"))
			populate(first, bytes / PAGE);
		return refuse(lie("errno") ? EPERM : ENOMEM);
	}
	populate(first, bytes / PAGE);
	if (lie("refuses"))
		return refuse(EAGAIN);
	return end > map.in_file ? refuse(lie("errno") ? EPERM : ENOMEM) : 0;
}

int __wrap_mlock(const void *address, size_t bytes)
{
	return inside(address, bytes) ? lock(address, bytes) : refuse(ENOMEM);
}

int __wrap_munlock(const void *address, size_t bytes)
{
	return inside(address, bytes) && !lie("munlock") ? 0 : refuse(ENOMEM);
}

int __wrap_mlockall(int flags)
{
	if (limit < MLOCKALL_BYTES && !lie("no-limit")) {
		if (lie("refused-but-done"))
			populate(0, map.pages);
		return refuse(lie("errno") ? EPERM : ENOMEM);
	}
	if (flags & MCL_FUTURE)
		lock_future = true;
	else
		populate(0, map.pages);
	return lie("refuses") ? refuse(EAGAIN) : 0;
}

static int advise_write(size_t first, size_t pages)
{
	bool writable = map.protection & PROT_WRITE;

	if (!writable && lie("read-only"))
		bring(first, pages, READABLE);
	if (!writable)
		return lie("advice") ? 0 : refuse(lie("errno") ? EPERM : EINVAL);
	bring(first, pages, WRITABLE);
	return lie("refuses") ? refuse(EFAULT) : 0;
}

int __wrap_madvise(void *address, size_t bytes, int advice)
{
	size_t first = page_of(address);

	if (!inside(address, bytes)) {
		if ((advice == POPULATE_READ || advice == POPULATE_WRITE))
			return lie("old") ? refuse(EINVAL) : 0;
		return __real_madvise(address, bytes, advice);
	}
	if (advice == POPULATE_WRITE)
		return advise_write(first, bytes / PAGE);
	if (advice == POPULATE_READ)
		bring(first, bytes / PAGE, READABLE);
	for (size_t i = first; advice == MADV_DONTNEED && i < first + bytes / PAGE; i++)
		if (!lie("dontneed"))
			set(i, ABSENT);
	return lie("refuses") ? refuse(EFAULT) : 0;
}

/* struct statx: stx_attributes at 8, stx_attributes_mask at 56. */
static int attributes(char *result)
{
	memset(result, 0, 256);
	*(uint64_t *)(void *)(result + 8) = is_page_cache() ? 0 : ATTRIBUTE_DAX;
	*(uint64_t *)(void *)(result + 56) = ATTRIBUTE_DAX;
	return 0;
}

/* mlock2(address, bytes, MLOCK_ONFAULT): populated, since a DAX mapping is never locked. */
long __wrap_syscall(long number, ...)
{
	va_list arguments;
	char *address;
	size_t bytes;

	va_start(arguments, number);
	address = va_arg(arguments, char *);
	bytes = va_arg(arguments, size_t);
	if (number == SYS_statx && !lie("old")) {
		(void)va_arg(arguments, int);
		(void)va_arg(arguments, int);
		address = va_arg(arguments, char *);
	}
	va_end(arguments);
	if (number == SYS_statx && !lie("old"))
		return attributes(address);
	if (number != SYS_mlock2 || lie("old"))
		return refuse(ENOSYS);
	if (inside(address, bytes) && lie("one-on-fault"))
		set(0, READABLE);
	else if (inside(address, bytes) && !lie("on-fault") && !lie("page-cache"))
		populate(page_of(address), bytes / PAGE);
	else if (!inside(address, bytes) && lie("anonymous"))
		memset(address, 1, bytes);
	return lie("refuses") ? refuse(EAGAIN) : 0;
}

/* /proc/self/pagemap. */
ssize_t __wrap_pread(int fd, void *entries, size_t bytes, off_t offset)
{
	const char *address = (const char *)((uintptr_t)offset / sizeof(uint64_t) * PAGE);
	size_t pages = bytes / sizeof(uint64_t);
	uint64_t *entry = entries;

	if (!inside(address, pages * PAGE))
		return __real_pread(fd, entries, bytes, offset);
	for (size_t i = 0; i < pages; i++) {
		bool present = map.state[page_of(address) + i] != ABSENT;
		bool claimed = lie("pagemap") && map.claimed;

		entry[i] = present || claimed ? UINT64_C(1) << 63 : 0;
	}
	return (ssize_t)(lie("short-read") ? bytes - sizeof(uint64_t) : bytes);
}

int __wrap_getrusage(int who, struct rusage *usage)
{
	bool major = lie("major") || lie("major-absent");

	(void)who;
	memset(usage, 0, sizeof(*usage));
	usage->ru_minflt = lie("faults") || major ? 0 : faults;
	usage->ru_majflt = major ? faults : 0;
	return 0;
}

/* The disk is not what is tested. */
int __wrap_fsync(int fd)
{
	(void)fd;
	return lie("no-disk") ? refuse(EIO) : 0;
}

int __wrap_setrlimit(int resource, const struct rlimit *limits)
{
	if (resource == RLIMIT_MEMLOCK && lie("no-raise"))
		return refuse(EPERM);
	if (resource == RLIMIT_MEMLOCK)
		limit = limits->rlim_cur;
	return 0;
}

/* /proc/self/mounts. */
FILE *__wrap_fopen(const char *path, const char *mode)
{
	static char mounts[] = "none / ext4 rw,dax=always 0 0\n";

	if (lie("lost-dax") && strcmp(path, "/proc/self/mounts") == 0)
		return fmemopen(mounts, sizeof(mounts) - 1, mode);
	return __real_fopen(path, mode);
}
