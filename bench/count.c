// SPDX-License-Identifier: GPL-2.0-only
/*
 * count: a QEMU plugin that counts the instructions of each virtual CPU, for
 * machines with more than one of them: a clock that counts instructions is
 * there with one CPU only (lab/vm run --count).
 *
 * Where a CPU executes the mark (mark.h), a line "CPU INSTRUCTIONS" is added
 * to the file out=FILE. Counted are whole blocks of the translator where they
 * are entered: between two marks at one place that is exact, but for blocks
 * that a fault leaves early.
 *
 * QEMU's qemu-plugin.h is in no Debian package. Declared here is what is used
 * of it, as it is in QEMU 7.2 (version 1 of the interface; QEMU takes no other
 * than it knows).
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include "mark.h"

#define VCPUS 64	/* a power of 2 */
#define EXPORT __attribute__((visibility("default")))

struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum qemu_plugin_cb_flags { QEMU_PLUGIN_CB_NO_REGS };

void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, void (*cb)(uint64_t id, struct qemu_plugin_tb *tb));
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb, void (*cb)(unsigned int vcpu, void *data),
					  enum qemu_plugin_cb_flags flags, void *data);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn, void (*cb)(unsigned int vcpu, void *data),
					    enum qemu_plugin_cb_flags flags, void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);

EXPORT int qemu_plugin_version = 1;

/* each written by its CPU's thread only, and in a cache line of its own */
static struct {
	uint64_t instructions;
} __attribute__((aligned(64))) vcpus[VCPUS];

static FILE *out;

static void block_entered(unsigned int vcpu, void *instructions)
{
	vcpus[vcpu % VCPUS].instructions += (uintptr_t)instructions;
}

static void mark_executed(unsigned int vcpu, void *unused)
{
	(void)unused;
	fprintf(out, "%u %llu\n", vcpu, (unsigned long long)vcpus[vcpu % VCPUS].instructions);
}

static void block_translated(uint64_t id, struct qemu_plugin_tb *tb)
{
	static const uint8_t mark[] = { MARK };
	size_t instructions = qemu_plugin_tb_n_insns(tb);

	(void)id;
	qemu_plugin_register_vcpu_tb_exec_cb(tb, block_entered, QEMU_PLUGIN_CB_NO_REGS, (void *)instructions);
	for (size_t i = 0; i < instructions; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);

		if (qemu_plugin_insn_size(insn) == sizeof(mark) &&
		    !memcmp(qemu_plugin_insn_data(insn), mark, sizeof(mark)))
			qemu_plugin_register_vcpu_insn_exec_cb(insn, mark_executed, QEMU_PLUGIN_CB_NO_REGS, NULL);
	}
}

EXPORT int qemu_plugin_install(uint64_t id, const void *info, int count, char **arguments)
{
	(void)info;
	if (count != 1 || strncmp(arguments[0], "out=", 4)) {
		fprintf(stderr, "count: wants out=FILE\n");
		return -1;
	}
	out = fopen(arguments[0] + 4, "w");
	if (!out) {
		perror(arguments[0] + 4);
		return -1;
	}
	/* a line is there for the guest when its CPU goes on */
	setvbuf(out, NULL, _IOLBF, 0);
	qemu_plugin_register_vcpu_tb_trans_cb(id, block_translated);
	return 0;
}
