/* SPDX-License-Identifier: GPL-2.0-only */
/* feature.h: what the running kernel offers to tools like these, each asked of the kernel itself. */
#ifndef NETSONDE_CORE_FEATURE_H
#define NETSONDE_CORE_FEATURE_H

#include <stdbool.h>
#include <stddef.h>

struct feature {
	const char *name; /* for JSON */
	const char *title; /* for people */
	/** Whether the kernel has it; may write a few words about it. */
	bool (*has)(char *detail, size_t size);
	const char *advice; /* what its absence costs and what to do about it */
};

/** All features; ends with a NULL name. */
extern const struct feature features[];

/** Why this process may load no BPF programs, as far as that is its own matter; NULL: it may. */
const char *feature_forbidden(void);
/** True if the kernel loads a BPF program of ours; else why says what it was that refused. */
bool feature_loads_bpf(char *why, size_t size);
/** True if kernel lockdown forbids reading kernel memory, which every tool does. */
bool feature_locked_down(void);
/** True if a module is loaded or built in. */
bool feature_module(const char *module);

#endif
