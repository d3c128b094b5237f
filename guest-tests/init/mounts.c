// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is mounted, in one read: a shell reads the kernel's table byte by byte, and takes as
 * long for it as for its start.
 */
#include "init/mounts.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A test on no guest says where else. */
#ifndef MOUNTS
#define MOUNTS "/proc/mounts"
#endif

enum { TABLE_BYTES = 65536, PLACE_BYTES = 512 };

static char table[TABLE_BYTES];
static char now[2 * TABLE_BYTES];

/* Returns whether it was read to its end. */
static bool read_table(void)
{
	int fd = open(MOUNTS, O_RDONLY | O_CLOEXEC);
	size_t length = 0;
	ssize_t got = fd < 0 ? -1 : 0;

	while (fd >= 0 && length < sizeof(table) - 1 &&
	       (got = read(fd, table + length, sizeof(table) - 1 - length)) > 0)
		length += (size_t)got;
	if (fd >= 0)
		close(fd);
	table[length] = '\0';
	return got == 0;
}

/* " FOLDER " is where something is mounted, " FOLDER/" begins what is below it. */
static bool is_at(const char *line, const char *folder, size_t length, char after)
{
	char place[PLACE_BYTES];

	snprintf(place, sizeof(place), " %.*s%c", (int)length, folder, after);
	return strstr(line, place);
}

static bool matters(const char *line, const char *device, const char *folder)
{
	size_t length = strlen(device), whole = strlen(folder);
	const char *last = strrchr(folder, '/');
	size_t above = last && last > folder ? (size_t)(last - folder) : 1;

	return (strncmp(line, device, length) == 0 && line[length] == ' ') ||
	       is_at(line, folder, whole, ' ') || is_at(line, folder, above, ' ') ||
	       is_at(line, folder, whole, '/');
}

void mounts_check(FILE *out, const char *device, const char *folder, const char *was)
{
	size_t at = 0;

	now[0] = '\0';
	if (!read_table() || strlen(folder) + 3 > PLACE_BYTES) {
		fprintf(out, "\nlab: mounted now: nobody could look\n");
		return;
	}
	for (char *line = table, *end; (end = strchr(line, '\n')); line = end + 1) {
		*end = '\0';
		if (matters(line, device, folder))
			at += (size_t)sprintf(now + at, "%s; ", line);
	}
	if (strcmp(now, was) != 0)
		fprintf(out, "\nlab: mounted now: %s\n", now);
}

int mounts_main(const char *device, const char *folder, const char *was)
{
	mounts_check(stdout, device, folder, was);
	return fflush(stdout) ? 1 : 0;
}
