// SPDX-License-Identifier: GPL-2.0-only
/*
 * Counts what counts.c counts where QEMU loads no plugin: out of QEMU's own log of what it
 * executes (-d exec,nochain), of which each line is an instruction if QEMU translates them one by
 * one.  The log is read from a FIFO, and nothing of it is kept but what is of something else.
 */
#include <ctype.h>
#include <errno.h>
#include "counted.h"

enum { MOST_LINE = 4096, MOST_REST = 1 << 20 };

/* QEMU logs an instruction before it knows that it is not interrupted there: of each CPU the last. */
static uint64_t last[MOST_CPUS];
static FILE *rest;
static long kept;

/* Count the last instruction of a CPU, which has run. */
static void settle(unsigned int cpu)
{
	uint64_t address = last[cpu];
	int64_t place = address ? place_of(address) : -1;

	last[cpu] = 0;
	if (place >= 0)
		run(cpu, (void *)(uintptr_t)place);
	if (!address || address != asked->mark)
		return;
	/* What others ran before it is of the test before it. */
	for (unsigned int other = 0; other < MOST_CPUS; other++)
		settle(other);
	mark(cpu, NULL);
}

/* Trace 0: 0x7f5c8000 [0000000000000000/ffffffff8122a3f0/0040c0b0/ff000201] name */
static bool executed(const char *line)
{
	char *end;
	unsigned long cpu;
	const char *at;

	if (strncmp(line, "Trace ", 6) || !isdigit((unsigned char)line[6]))
		return false;
	cpu = strtoul(line + 6, &end, 10);
	at = *end == ':' ? strchr(end, '/') : NULL;
	if (!at || cpu >= MOST_CPUS)
		return false;
	settle(cpu);
	last[cpu] = strtoull(at + 1, NULL, 16);
	return true;
}

/* Stopped execution of TB chain before 0x7f5c8000 [ffffffff8122a3f0] name */
static bool interrupted(const char *line)
{
	const char *at = strncmp(line, "Stopped execution of TB chain before ", 37) ? NULL
									     : strchr(line, '[');
	uint64_t address = at ? strtoull(at + 1, NULL, 16) : 0;

	for (unsigned int cpu = 0; address && cpu < MOST_CPUS; cpu++)
		if (last[cpu] == address) {
			last[cpu] = 0;
			break;
		}
	return at;
}

/* lab 7: what was written before is counted once that is said to be heard. */
static bool asked_for(const char *line)
{
	if (strncmp(line, "lab ", 4))
		return false;
	__atomic_store_n(&counted->heard, strtoull(line + 4, NULL, 10), __ATOMIC_RELEASE);
	return true;
}

static void read_line(const char *line)
{
	if (executed(line) || interrupted(line) || asked_for(line) || kept > MOST_REST)
		return;
	kept += fprintf(rest, "%s\n", line);
	fflush(rest);
}

/* Returns how much of it is whole lines, which are read. */
static size_t read_lines(char *text, size_t size)
{
	size_t at = 0;
	char *end;

	while ((end = memchr(text + at, '\n', size - at))) {
		*end = 0;
		read_line(text + at);
		at = end + 1 - text;
	}
	return at;
}

static int read_all(int from)
{
	static char text[(1 << 20) + 1];
	size_t filled = 0;
	ssize_t got;

	while ((got = read(from, text + filled, sizeof(text) - 1 - filled)) != 0) {
		size_t done;

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		filled += got;
		done = read_lines(text, filled);
		memmove(text, text + done, filled - done);
		filled -= done;
		if (filled > MOST_LINE)
			return -1;
	}
	for (unsigned int cpu = 0; cpu < MOST_CPUS; cpu++)
		settle(cpu);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc != 5 || begin(argv[1], argv[2], argv[3]) < 0) {
		fprintf(stderr, "lab: the counts of lines cannot be kept\n");
		return 1;
	}
	/* Of what is not read to its end nothing counts. */
	__atomic_store_n(&counted->heard, 1, __ATOMIC_RELEASE);
	rest = fopen(argv[4], "we");
	if (!rest || read_all(STDIN_FILENO) < 0) {
		fprintf(stderr, "lab: QEMU's log cannot be read\n");
		return 1;
	}
	__atomic_store_n(&counted->heard, UINT64_MAX, __ATOMIC_RELEASE);
	return 0;
}
