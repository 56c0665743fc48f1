/* SPDX-License-Identifier: GPL-2.0-only */
/* prune.h: programs without what their options rule out, before the kernel sees them. */
#ifndef NETSONDE_CORE_PRUNE_H
#define NETSONDE_CORE_PRUNE_H

#include <linux/bpf.h>
#include <stddef.h>
#include <stdint.h>

/**
 * struct prune - one program and the data that its map of constants will hold.
 * @code: the instructions, relocated; written over by those that are left.
 * @count, @left: how many there were, and are.
 * @constants_fd: the map as the instructions name it (BPF_PSEUDO_MAP_VALUE).
 * @constants, @constants_size: its bytes; nothing changes them once the program is loaded.
 * @places: the caller's room for count + 1 numbers: where each old instruction now stands, or the first one behind it
 *	that is left.
 * @kept: the caller's room for count flags: 1 where an instruction is left.
 */
struct prune {
	struct bpf_insn *code;
	uint32_t count, left;
	int constants_fd;
	const void *constants;
	size_t constants_size;
	uint32_t *places;
	uint8_t *kept;
};

/**
 * prune_code: takes out what no run of the program can reach, because a branch depends on constants alone.
 *
 * The kernel does the same, but late: it first walks through all of it (since 7.0 several times, to find what each
 * stack slot is used for), then takes out one piece after the other and moves the rest each time.
 *
 * Follows constants through registers, not through the stack nor into functions. Returns 0; -EINVAL (nothing changed) for
 * a program with an instruction that is not known here, -ENOMEM.
 */
int prune_code(struct prune *prune);

/**
 * prune_offsets: moves records of type or line information, whose first member is an instruction's number (struct
 * bpf_func_info, struct bpf_line_info), in place. Drops those of which no instruction is left. Returns how many are left.
 */
uint32_t prune_offsets(const struct prune *prune, void *records, uint32_t record_size,
		       uint32_t record_count);

#endif
