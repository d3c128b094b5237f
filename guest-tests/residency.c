// SPDX-License-Identifier: GPL-2.0-only
#include "residency.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "ktap.h"

enum { ENTRIES = 512 };

/* Documentation/admin-guide/mm/pagemap.rst: comes from the page table alone. */
#define PAGEMAP_PRESENT (UINT64_C(1) << 63)

static int pagemap = -1;

void residency_open(void)
{
	if (pagemap >= 0)
		return;
	pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	if (pagemap < 0)
		ktap_bail("/proc/self/pagemap: %s", ktap_errno(errno));
}

static size_t count_chunk(const char *address, size_t pages)
{
	static uint64_t entries[ENTRIES];
	size_t bytes = pages * sizeof(entries[0]), present = 0;
	off_t offset = (off_t)((uintptr_t)address / PAGE_BYTES * sizeof(entries[0]));

	if (pread(pagemap, entries, bytes, offset) != (ssize_t)bytes)
		ktap_bail("/proc/self/pagemap: short read");
	for (size_t i = 0; i < pages; i++)
		present += (entries[i] & PAGEMAP_PRESENT) != 0;
	return present;
}

size_t residency_present(const void *address, size_t pages)
{
	const char *start = address;
	size_t present = 0;

	residency_open();
	for (size_t done = 0; done < pages; done += ENTRIES) {
		size_t chunk = pages - done < ENTRIES ? pages - done : ENTRIES;

		present += count_chunk(start + done * PAGE_BYTES, chunk);
	}
	return present;
}

static size_t read_pages(void *address, size_t pages, size_t first)
{
	size_t wrong = 0;

	for (size_t i = 0; i < pages; i++) {
		/* Not the same word of each page: all of a page is its pattern. */
		size_t word = i % (PAGE_BYTES / sizeof(uint64_t));
		const volatile uint64_t *page = (void *)((char *)address + i * PAGE_BYTES);

		/* The last page of a file need not be whole; its first word is there. */
		wrong += page[i + 1 < pages ? word : 0] != page_pattern(first + i);
	}
	return wrong;
}

static size_t write_pages(void *address, size_t pages, size_t first)
{
	for (size_t i = 0; i < pages; i++) {
		volatile uint64_t *page = (void *)((char *)address + i * PAGE_BYTES);

		page[0] = page_pattern(first + i);
	}
	return 0;
}

typedef size_t pass(void *address, size_t pages, size_t first);

/* Nothing but the pass may fault between the two getrusage(). */
static __attribute__((noinline)) void measure(pass *over, void *address, size_t pages,
					      size_t first, struct touch *touch)
{
	struct rusage before, after;
	struct timespec start, end;

	getrusage(RUSAGE_SELF, &before);
	clock_gettime(CLOCK_MONOTONIC, &start);
	touch->wrong = over(address, pages, first);
	clock_gettime(CLOCK_MONOTONIC, &end);
	getrusage(RUSAGE_SELF, &after);
	touch->minor = after.ru_minflt - before.ru_minflt;
	touch->major = after.ru_majflt - before.ru_majflt;
	touch->nanoseconds = (end.tv_sec - start.tv_sec) * 1000000000L + end.tv_nsec - start.tv_nsec;
}

static struct touch touch_pages(pass *over, void *address, size_t pages, size_t first)
{
	static _Alignas(4096) char spare[2 * 4096];
	struct touch touch;

	/*
	 * A forked child faults on its code and writes its stack for the first
	 * time: that happens here, with the same frames, on pages of our own.
	 */
	for (int i = 0; i < 2; i++)
		measure(over, spare, sizeof(spare) / PAGE_BYTES, 0, &touch);
	measure(over, address, pages, first, &touch);
	return touch;
}

struct touch residency_read(const void *address, size_t pages, size_t first)
{
	return touch_pages(read_pages, (void *)(uintptr_t)address, pages, first);
}

struct touch residency_write(void *address, size_t pages, size_t first)
{
	return touch_pages(write_pages, address, pages, first);
}

bool residency_none(const void *address, size_t pages, const char *when)
{
	size_t present = residency_present(address, pages);

	ktap_note("%s: %zu of %zu pages present", when, present, pages);
	return present == 0;
}

bool residency_all(const void *address, size_t pages, size_t first)
{
	size_t present = residency_present(address, pages);
	struct touch touch = residency_read(address, pages, first);

	ktap_note("before the touch: %zu of %zu pages present", present, pages);
	ktap_note("touch by reading: %ld minor and %ld major faults, wrong data in %zu pages",
		  touch.minor, touch.major, touch.wrong);
	return present == pages && touch.minor == 0 && touch.major == 0 && touch.wrong == 0;
}

bool residency_writable(void *address, size_t pages, size_t first)
{
	struct touch touch = residency_write(address, pages, first);

	ktap_note("touch by writing: %ld minor and %ld major faults", touch.minor, touch.major);
	return touch.minor == 0 && touch.major == 0;
}
