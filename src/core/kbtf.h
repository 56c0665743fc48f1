/* SPDX-License-Identifier: GPL-2.0-only */
/* kbtf.h: types of the running kernel: what exists, and the names of its enums. */
#ifndef NETSONDE_CORE_KBTF_H
#define NETSONDE_CORE_KBTF_H

#include <bpf/btf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/** Room for a module's name, as the kernel's MODULE_NAME_LEN. */
#define KBTF_MODULE_NAME 64

/**
 * kbtf_open: the running kernel's types, where it has any, and those of path (--btf; NULL: none), which describe it and
 * may hold its modules' too; what both have is taken from path.
 * Returns 0, -ENOENT if there are none at all, -ENODATA if path has no kernel's, or another -errno.
 */
int kbtf_open(const char *path);
/** What an error of kbtf_open() means; libbpf's own errors begin at 4000. */
static inline const char *kbtf_error(int err)
{
	return err < -4000 ? "no BTF in it" : err == -ENODATA ? "not the types of a kernel" : strerror(-err);
}
/** kbtf_close: frees what was read; some 15 MB, twice that with --btf. */
void kbtf_close(void);
/** True if the types of vmlinux are at hand. */
bool kbtf_is_open(void);

/**
 * kbtf_find: a function, struct, variable, typedef or enum (BTF_KIND_*) by its exact name, among the types of vmlinux
 * (module NULL) or those of a module's own. types, if not NULL: where the id is good, until kbtf_close().
 * Returns its id, or -ENOENT.
 */
int kbtf_find(const char *module, const char *name, uint32_t kind, const struct btf **types);
/** As kbtf_find(), in vmlinux and then in each loaded module; module: which one, or "". */
int kbtf_find_anywhere(const char *name, uint32_t kind, const struct btf **types, char module[KBTF_MODULE_NAME]);
/**
 * kbtf_attach_function, kbtf_attach_tracepoint: by which number a program is attached to a function of vmlinux (module
 * NULL) or of a module, or to a tracepoint of either (module: which one, or ""); the running kernel's number, whatever
 * --btf holds. -ENOENT if it has none.
 */
int kbtf_attach_function(const char *module, const char *name);
int kbtf_attach_tracepoint(const char *name, char module[KBTF_MODULE_NAME]);
/** kbtf_has_tracepoint: true if the types know a tracepoint of this name. */
bool kbtf_has_tracepoint(const char *name);
/** True if the types of vmlinux or of a loaded module have a struct or a variable of this name. */
bool kbtf_knows(const char *name);
/** Arguments of a tracepoint without its implicit data pointer, or -ENOENT. */
int kbtf_tracepoint_args(const char *name);

#endif
