// SPDX-License-Identifier: GPL-2.0-only
/*
 * A plugin of QEMU's TCG that counts how often some instructions run, and which way some
 * branches go.  What it counts, it keeps in a file that the lab maps, too; each time the guest
 * writes to its kernel log it moves what it has to a log, so that counts are told apart by test.
 *
 * QEMU's own header (include/qemu/qemu-plugin.h) is in no package of Debian 12: what follows is
 * the part that is used, which did not change between versions 1 (QEMU 4.2 to 8.1) and 5 of it.
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

#define EXPORT __attribute__((visibility("default")))

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_info;
enum { CB_NO_REGS };
typedef void (*translated_t)(qemu_plugin_id_t id, struct qemu_plugin_tb *tb);
typedef void (*executed_t)(unsigned int vcpu, void *data);
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, translated_t cb);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn, executed_t cb, int flags,
					    void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);

/* QEMU refuses a plugin of another version than its own: the lab compiles one for each. */
EXPORT int qemu_plugin_version = API_VERSION;

/* What is asked, as lab/coverage/probes.py writes it: all addresses ascend. */
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

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	size_t instructions = qemu_plugin_tb_n_insns(tb);

	(void)id;
	for (size_t number = 0; number < instructions; number++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, number);
		uint64_t address = qemu_plugin_insn_vaddr(insn);
		int64_t place = place_of(address);

		if (place >= 0)
			qemu_plugin_register_vcpu_insn_exec_cb(insn, run, CB_NO_REGS,
							       (void *)(uintptr_t)place);
		if (address == asked->mark)
			qemu_plugin_register_vcpu_insn_exec_cb(insn, mark, CB_NO_REGS, NULL);
	}
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

static const char *value(const char *argument, const char *name)
{
	size_t length = strlen(name);

	return strncmp(argument, name, length) ? NULL : argument + length;
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

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info, int argc,
			       char **argv)
{
	const char *probes = "", *counts = "", *log = "";

	(void)info;
	/* Asked only whether it can be loaded, which nothing else of QEMU's says. */
	if (argc == 1 && value(argv[0], "try=")) {
		fprintf(stderr, "lab: loaded\n");
		return -1;
	}
	for (int number = 0; number < argc; number++) {
		const char *found;

		if ((found = value(argv[number], "probes=")))
			probes = found;
		else if ((found = value(argv[number], "counts=")))
			counts = found;
		else if ((found = value(argv[number], "log=")))
			log = found;
	}
	if (begin(probes, counts, log) < 0) {
		fprintf(stderr, "lab: the counts of lines cannot be kept\n");
		return -1;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
