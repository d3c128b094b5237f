/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How often some instructions ran and which way some branches went, in a file that the lab maps,
 * too: each time the guest writes to its kernel log what is there is moved to a log, so that
 * counts are told apart by test.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* What is asked, as lab/coverage/counts.py writes it: all addresses ascend. */
struct asked {
	uint64_t magic;
	uint64_t places;
	uint64_t edges;
	uint64_t mark;		/* a function that is entered when the guest writes to its log */
	uint64_t values[];	/* addresses, then (from, to) pairs of edges: indices of addresses */
};

/* What is counted. */
struct counted {
	uint64_t magic;
	uint64_t marks;		/* how often the guest wrote to its log */
	uint64_t heard;		/* by who reads QEMU's log: see exec_log.c */
	uint64_t values[];	/* of places, then of edges */
};

/* In the log: before which mark something ran, and how often. */
struct entry {
	uint32_t marks;
	uint32_t index;
	uint64_t count;
};

enum { MOST_CPUS = 256, NONE = UINT32_MAX };

static const struct asked *asked;
static struct counted *counted;
static int log_file = -1;
static pthread_mutex_t marking = PTHREAD_MUTEX_INITIALIZER;
/* Of each place the first of its edges; of each CPU the place it came from. */
static uint32_t *first_edge;
static uint32_t came_from[MOST_CPUS];

static const uint64_t *edge(uint64_t number)
{
	return asked->values + asked->places + 2 * number;
}

static void count(uint64_t index)
{
	__atomic_fetch_add(&counted->values[index], 1, __ATOMIC_RELAXED);
}

static void follow(unsigned int cpu, uint32_t place)
{
	uint32_t from = came_from[cpu];

	if (from == NONE)
		return;
	for (uint64_t at = first_edge[from]; at < asked->edges && edge(at)[0] == from; at++)
		if (edge(at)[1] == place)
			count(asked->places + at);
	came_from[cpu] = NONE;
}

static void run(unsigned int cpu, void *data)
{
	uint32_t place = (uintptr_t)data;

	if (cpu < MOST_CPUS) {
		follow(cpu, place);
		if (first_edge[place] != NONE)
			came_from[cpu] = place;
	}
	count(place);
}

static void move_counts(void)
{
	static struct entry entries[4096];
	uint64_t all = asked->places + asked->edges;
	size_t filled = 0;

	for (uint64_t index = 0; index < all; index++) {
		uint64_t found = __atomic_exchange_n(&counted->values[index], 0, __ATOMIC_RELAXED);

		if (found)
			entries[filled++] = (struct entry){counted->marks, index, found};
		if (filled && (filled == 4096 || index + 1 == all)) {
			if (write(log_file, entries, filled * sizeof(*entries)) < 0)
				abort();
			filled = 0;
		}
	}
}

static void mark(unsigned int cpu, void *data)
{
	(void)cpu;
	(void)data;
	pthread_mutex_lock(&marking);
	move_counts();
	__atomic_store_n(&counted->marks, counted->marks + 1, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&marking);
}

static int64_t place_of(uint64_t address)
{
	int64_t low = 0, high = (int64_t)asked->places - 1;

	while (low <= high) {
		int64_t middle = (low + high) / 2;

		if (asked->values[middle] == address)
			return middle;
		if (asked->values[middle] < address)
			low = middle + 1;
		else
			high = middle - 1;
	}
	return -1;
}

static void *mapped(const char *path, size_t size, bool ours)
{
	int file = open(path, ours ? O_RDWR | O_CREAT | O_TRUNC : O_RDONLY, 0600);
	struct stat status;
	void *found;

	if (file < 0 || (ours && ftruncate(file, size) < 0) || fstat(file, &status) < 0)
		return NULL;
	found = mmap(NULL, status.st_size, ours ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED,
		     file, 0);
	close(file);
	return found == MAP_FAILED ? NULL : found;
}

static int begin(const char *probes, const char *counts, const char *log)
{
	asked = mapped(probes, 0, false);
	if (!asked)
		return -1;
	counted = mapped(counts, sizeof(*counted) + 8 * (asked->places + asked->edges), true);
	log_file = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
	first_edge = malloc(4 * (asked->places + 1));
	if (!counted || log_file < 0 || !first_edge)
		return -1;
	memset(first_edge, 0xff, 4 * (asked->places + 1));
	memset(came_from, 0xff, sizeof(came_from));
	for (uint64_t at = asked->edges; at-- > 0;)
		first_edge[edge(at)[0]] = at;
	counted->magic = asked->magic;
	return 0;
}
