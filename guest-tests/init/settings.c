// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a guest is set to, before a program and after it: a program that leaves it otherwise,
 * or a process behind, makes of the next one something that nobody asked for.
 *
 * One text of lines NAME=VALUE, always the same lines in the same order.  In the program that
 * is PID 1, since its code is there: to start another costs as much as all that is read here.
 */
#include "init/settings.h"

#include "init/mounts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* A test on no guest says where else. */
#ifndef KEPT
#define KEPT "/run/lab-settings"
#define PROC "/proc"
#define SYS "/sys"
/* Who has what lost its parent. */
#define INIT 1
#endif

enum { TEXT_BYTES = 32768, VALUE_BYTES = 512, ANCESTORS = 3, MOST_PIDS = 1024, SAID_BYTES = 900 };

/*
 * Below /proc/sys and /sys, those that decide what memory a program gets, and what is said of
 * its end; what a kernel or its config does not have has no value.  Of two of which setting one
 * clears the other, the one.  Each costs 0.1 ms under TCG.
 */
static const char *const sysctls[] = {
	"vm/overcommit_memory", "vm/overcommit_ratio", "vm/max_map_count", "vm/nr_hugepages",
	"vm/nr_overcommit_hugepages", "vm/min_free_kbytes", "vm/swappiness", "vm/panic_on_oom",
	"vm/oom_kill_allocating_task", "vm/dirty_ratio", "vm/dirty_background_ratio",
	"vm/drop_caches", "kernel/printk", "kernel/panic", "kernel/panic_on_oops",
	"kernel/panic_on_warn", "kernel/hung_task_timeout_secs", "kernel/watchdog_thresh",
	"kernel/randomize_va_space", "kernel/core_pattern", "kernel/threads-max",
	"kernel/pid_max", "kernel/numa_balancing", "fs/file-max", "fs/nr_open",
};

static const char *const attributes[] = {
	"kernel/mm/transparent_hugepage/enabled", "kernel/mm/transparent_hugepage/defrag",
	"kernel/mm/transparent_hugepage/shmem_enabled", "kernel/mm/ksm/run",
	"devices/system/cpu/online",
};

/* Of each process above: a program may set its parent's. */
static const char *const inherited[] = { "oom_score_adj", "cgroup" };

/* The shell that ran a program, and those from which the next one inherits: commands.c's, and
 * the SSH server's, which starts another of these. */
static const char *const ancestors[] = { "its shell", "its server", "its connection" };

static char text[TEXT_BYTES];
static size_t length;

static void append(const char *what, size_t bytes)
{
	if (bytes >= sizeof(text) - length)
		return;
	memcpy(text + length, what, bytes);
	length += bytes;
	text[length] = '\0';
}

static void add(const char *name, const char *value)
{
	append(name, strlen(name));
	append("=", 1);
	append(value, strlen(value));
	append("\n", 1);
}

/* " NUMBER": printf() takes ten times as long, and there are hundreds. */
static void append_number(unsigned long long number)
{
	char digits[24], *at = digits + sizeof(digits);

	do
		*--at = (char)('0' + number % 10);
	while (number /= 10);
	*--at = ' ';
	append(at, (size_t)(digits + sizeof(digits) - at));
}

/* A file in one read, lines joined; "" where there is none. */
static void read_value(const char *path, char *value, size_t bytes)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? 0 : read(fd, value, bytes - 1);

	if (fd >= 0)
		close(fd);
	value[got > 0 ? got : 0] = '\0';
	for (char *at = value; *at; at++)
		if (*at == '\n')
			*at = at[1] ? ' ' : '\0';
}

static void add_files(const char *root, const char *const *names, size_t count)
{
	char path[128], value[VALUE_BYTES];
	size_t before = strlen(root) + 1;

	memcpy(path, root, before - 1);
	path[before - 1] = '/';
	for (size_t i = 0; i < count; i++) {
		memcpy(path + before, names[i], strlen(names[i]) + 1);
		read_value(path, value, sizeof(value));
		add(names[i], value);
	}
}

/* Only counted: drop_caches itself cannot be read everywhere (204cb79ad42f, 5.7). */
static void add_dropped(void)
{
	static const char *const names[] = { "\ndrop_pagecache ", "\ndrop_slab " };
	static char vmstat[16384];
	int fd = open(PROC "/vmstat", O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? 0 : read(fd, vmstat, sizeof(vmstat) - 1);

	if (fd >= 0)
		close(fd);
	vmstat[got > 0 ? got : 0] = '\0';
	for (int i = 0; i < 2; i++) {
		char *found = strstr(vmstat, names[i]);
		char number[32] = "";

		if (found)
			sscanf(found + strlen(names[i]), "%31s", number);
		add(i ? "times slab was dropped" : "times the page cache was dropped", number);
	}
}

/* State and parent of a process, and its name; false when it is gone. */
static bool look_at(long pid, char *name, char *state, long *parent)
{
	char path[64], line[VALUE_BYTES], *end;

	snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
	read_value(path, line, sizeof(line));
	end = strrchr(line, ')');
	if (!end || sscanf(end, ") %c %ld", state, parent) != 2)
		return false;
	*end = '\0';
	snprintf(name, 32, "%s", strchr(line, '(') + 1);
	return true;
}

static long parent_of(long pid)
{
	char name[32], state;
	long parent;

	return look_at(pid, name, &state, &parent) ? parent : 0;
}

/* "limits=SOFT HARD SOFT HARD ...", in the order of their numbers. */
static void add_limits(long pid, const char *name)
{
	append(name, strlen(name));
	append("=", 1);
	for (int resource = 0; resource < RLIMIT_NLIMITS; resource++) {
		struct rlimit limit = { 0, 0 };

		if (prlimit((pid_t)pid, (enum __rlimit_resource)resource, NULL, &limit))
			limit.rlim_cur = limit.rlim_max = 0;
		append_number(limit.rlim_cur);
		append_number(limit.rlim_max);
	}
	append("\n", 1);
}

static void add_inherited(long shell)
{
	char path[64], name[64], value[VALUE_BYTES];
	long pid = shell;

	for (int above = 0; above < ANCESTORS; above++, pid = pid > 1 ? parent_of(pid) : 0) {
		snprintf(name, sizeof(name), "limits of %s", ancestors[above]);
		add_limits(pid > 1 ? pid : shell, name);
		for (size_t i = 0; i < sizeof(inherited) / sizeof(inherited[0]); i++) {
			snprintf(path, sizeof(path), "/proc/%ld/%s", pid, inherited[i]);
			read_value(path, value, sizeof(value));
			snprintf(name, sizeof(name), "%s of %s", inherited[i], ancestors[above]);
			add(name, pid > 1 ? value : "");
		}
	}
}

static size_t list_pids(long *pids)
{
	DIR *folder = opendir("/proc");
	struct dirent *entry;
	size_t count = 0;

	while (folder && count < MOST_PIDS && (entry = readdir(folder)))
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
			pids[count++] = atol(entry->d_name);
	if (folder)
		closedir(folder);
	return count;
}

static void collect(long shell)
{
	length = 0;
	add_files(PROC "/sys", sysctls, sizeof(sysctls) / sizeof(sysctls[0]));
	add_files(SYS, attributes, sizeof(attributes) / sizeof(attributes[0]));
	add_dropped();
	add_inherited(shell);
}

static int keep(void)
{
	static long pids[MOST_PIDS];
	FILE *file = fopen(KEPT, "we");
	size_t count = list_pids(pids);

	if (!file)
		return 1;
	collect(getppid());
	fputs(text, file);
	fputs("pids", file);
	for (size_t i = 0; i < count; i++)
		fprintf(file, " %ld", pids[i]);
	fputs("\n", file);
	return fclose(file) ? 1 : 0;
}

static char said[SAID_BYTES];

/* As much of it as there is room for. */
static void say(const char *what)
{
	strncat(said, *said ? "; " : "", sizeof(said) - strlen(said) - 1);
	strncat(said, what, sizeof(said) - strlen(said) - 1);
}

/* Of a line of limits the one that differs: RLIMIT_NOFILE is 7. */
static void compare_limits(const char *was, const char *now, char *what, size_t bytes)
{
	const char *name = now;
	size_t length_of_name = strcspn(now, "=");
	int resource = -1;
	unsigned long long were[2], are[2];

	was += length_of_name + 1;
	now += length_of_name + 1;
	for (int read_was = 0, read_now = 0;
	     sscanf(was, " %llu %llu%n", &were[0], &were[1], &read_was) == 2 &&
	     sscanf(now, " %llu %llu%n", &are[0], &are[1], &read_now) == 2;
	     was += read_was, now += read_now) {
		resource++;
		if (were[0] != are[0] || were[1] != are[1])
			break;
	}
	snprintf(what, bytes, "%.*s: RLIMIT %d: %llu, %llu -> %llu, %llu", (int)length_of_name, name,
		 resource, were[0], were[1], are[0], are[1]);
}

static void compare_line(const char *was, const char *now)
{
	const char *value = strchr(now, '=');
	size_t name = value ? (size_t)(value - now) + 1 : 0;
	char what[2 * VALUE_BYTES + 64];

	if (strcmp(was, now) == 0)
		return;
	if (!name || strncmp(was, now, name) != 0)
		snprintf(what, sizeof(what), "not the same settings: %s, %s", was, now);
	else if (strncmp(now, "limits ", 7) == 0)
		compare_limits(was, now, what, sizeof(what));
	else
		snprintf(what, sizeof(what), "%.*s: %s -> %s", (int)name - 1, now, was + name, now + name);
	say(what);
}

static bool was_there(const char *pids, long pid)
{
	char word[32];

	snprintf(word, sizeof(word), " %ld", pid);
	for (const char *at = strstr(pids, word); at; at = strstr(at + 1, word))
		if (at[strlen(word)] == ' ' || at[strlen(word)] == '\0')
			return true;
	return false;
}

/*
 * What lost its parent is init's: what the lab runs beside this has one.  Each connection's
 * server is init's as well.
 */
static size_t find_left(const char *before, char *names, size_t bytes)
{
	static long pids[MOST_PIDS];
	size_t count = list_pids(pids), left = 0;
	char name[32], state;
	long parent;

	names[0] = '\0';
	for (size_t i = 0; i < count; i++) {
		size_t at = strlen(names);

		if (was_there(before, pids[i]) || !look_at(pids[i], name, &state, &parent))
			continue;
		if (parent != INIT || state == 'Z' || state == 'X' || strcmp(name, "dropbear") == 0)
			continue;
		left++;
		snprintf(names + at, bytes - at, " %s[%ld]", name, pids[i]);
	}
	return left;
}

/* One that was killed takes a moment to go. */
static void say_left(const char *before)
{
	char names[256], what[300];

	if (!find_left(before, names, sizeof(names)))
		return;
	nanosleep(&(struct timespec){ .tv_nsec = 50 * 1000000 }, NULL);
	if (!find_left(before, names, sizeof(names)))
		return;
	snprintf(what, sizeof(what), "still running:%s", names);
	say(what);
}

void settings_check(FILE *out, pid_t shell)
{
	static char kept[TEXT_BYTES + 16384];
	int fd = open(KEPT, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, kept, sizeof(kept) - 1);
	char *was = kept, *now = text, *end;

	if (fd >= 0)
		close(fd);
	*said = '\0';
	collect(shell);
	kept[got > 0 ? got : 0] = '\0';
	for (; got > 0 && *now && (end = strchr(was, '\n')); was = end + 1) {
		char *next = strchr(now, '\n');

		*end = *next = '\0';
		compare_line(was, now);
		now = next + 1;
	}
	end = strchr(was, '\n');
	if (end)
		*end = '\0';
	if (got <= 0 || strncmp(was, "pids ", 5) != 0)
		say("nobody knows what it was set to");
	else
		say_left(was);
	if (*said)
		fprintf(out, "\nlab: changed now: %s\n", said);
}

bool settings_know(const char *verb)
{
	return strcmp(verb, "keep") == 0 || strcmp(verb, "check") == 0;
}

int settings_main(int argc, char **argv)
{
	if (strcmp(argv[0], "keep") == 0)
		return argc == 1 ? keep() : 2;
	if (argc != 1 && argc != 4)
		return 2;
	settings_check(stdout, getppid());
	if (argc == 4)
		mounts_check(stdout, argv[1], argv[2], argv[3]);
	return fflush(stdout) ? 1 : 0;
}
