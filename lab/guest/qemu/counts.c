// SPDX-License-Identifier: GPL-2.0-only
/*
 * A plugin of QEMU's TCG that counts how often some instructions run, and which way some
 * branches go.
 *
 * QEMU's own header (include/qemu/qemu-plugin.h) is in no package of Debian 12: what follows is
 * the part that is used, which did not change between versions 1 (QEMU 4.2 to 8.1) and 5 of it.
 */
#include "counted.h"

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

static const char *value(const char *argument, const char *name)
{
	size_t length = strlen(name);

	return strncmp(argument, name, length) ? NULL : argument + length;
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
