/* SPDX-License-Identifier: GPL-2.0-only */
/* attach.h: kinds of attachment, and whether this kernel has a program's target. */
#ifndef NETSONDE_CORE_ATTACH_H
#define NETSONDE_CORE_ATTACH_H

#include <bpf/libbpf.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/kbtf.h"

struct attach_kind {
	const char *suffix; /* in the program's name: HOOK__SUFFIX */
	const char *by; /* for people and JSON */
	const char *section; /* how the ELF section begins, behind it the target */
	enum bpf_prog_type program_type;
	enum bpf_attach_type attach_type; /* of BPF_PROG_TYPE_TRACING */
	bool returns; /* of BPF_PROG_TYPE_KPROBE: runs as the function returns */
};

/** A program's target, by the kernel's types. */
struct attach_where {
	int type; /* BTF id; 0: the kind does not go by types */
	char module[KBTF_MODULE_NAME]; /* whose types; "": of vmlinux */
};

/** Kinds from the best to the last choice; ends with a NULL suffix. */
extern const struct attach_kind attach_kinds[];

/** True if each word of a comma-separated list is the suffix of a kind. */
bool attach_kinds_known(const char *list);
/** The kind of a program, by its name; hook_length: length of the hook's name. */
const struct attach_kind *attach_kind(const struct bpf_program *program, size_t *hook_length);
/** What a program wants to attach to: function or tracepoint. */
const char *attach_target(const struct bpf_program *program, const struct attach_kind *kind);
/**
 * attach_possible: true if this kernel has the target and can attach to it in this way; why: one clause if not.
 * where: by what the kernel knows the target, if the kind is one that goes by types.
 */
bool attach_possible(const struct attach_kind *kind, const char *target, struct attach_where *where, const char **why);
/**
 * attach_module: a descriptor of a module's types in the kernel, as the load of a program takes it, to be closed by
 * the caller; or -errno.
 */
int attach_module(const char *module);

/** What the kernel can do at all; each asks the kernel once. */
bool attach_has_fentry(void);
bool attach_has_kprobe(void);
/** True if this kernel takes a task off the CPU also while it is in the kernel, as Debian's does since 7. */
bool attach_preempts(void);
/**
 * The same by other sources, for a kernel without debugfs: its version (uname -v), its command line, and the file with its
 * configuration, which may be missing. Where they leave it open: true, which costs more and is never wrong.
 */
bool attach_preempts_by(const char *version, const char *command_line, const char *config);

#endif
