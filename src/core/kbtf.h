/* SPDX-License-Identifier: GPL-2.0-only */
/* kbtf.h: types of the running kernel: what exists, and the names of its enums. */
#ifndef NETSONDE_CORE_KBTF_H
#define NETSONDE_CORE_KBTF_H

#include <bpf/btf.h>
#include <stdbool.h>
#include <stdint.h>

/**
 * kbtf_open: types of vmlinux, from path (as --btf) or from the running kernel (NULL).
 * Returns 0, -ENOENT if the kernel has none, or another -errno.
 */
int kbtf_open(const char *path);
/** kbtf_close: frees what kbtf_open() read; some 15 MB. */
void kbtf_close(void);

/** True if the types of vmlinux (module NULL) or of a module have this function by its exact name. */
bool kbtf_has_function(const char *name, const char *module);
/** True if the types of vmlinux or of a loaded module have a struct or a variable of this name. */
bool kbtf_knows(const char *name);
/** Arguments of a tracepoint without its implicit data pointer, or -ENOENT. */
int kbtf_tracepoint_args(const char *name);
/** The whole vmlinux BTF, for libbpf. */
struct btf *kbtf_vmlinux(void);
/** BTF of a loaded module, to be freed with btf__free(); NULL if it has none. */
struct btf *kbtf_module(const char *module);

#endif
