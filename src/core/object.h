/* SPDX-License-Identifier: GPL-2.0-only */
/* object.h: a tool's BPF object from embedded bytes to attached programs. */
#ifndef NETSONDE_CORE_OBJECT_H
#define NETSONDE_CORE_OBJECT_H

#include "core/kbtf.h"
#include "core/tool.h"

/**
 * object_inflate: the object behind the bytes that a tool embeds, which are compressed with gzip; whole: its size.
 * The caller frees it. NULL: it cannot be read.
 */
void *object_inflate(const void *bytes, size_t size, size_t *whole);
/** object_open: open the tool's object and find its rodata and filter; nothing enters the kernel yet. Returns 0 or -errno, said. */
int object_open(struct run *run);
/**
 * object_choose: per hook the best program for this kernel; fills run->probes and run->missing.
 * Returns 0, or -ENOSYS with a sentence if a hook that the tool needs has none.
 */
int object_choose(struct run *run);
/**
 * object_target_module: the module that has a function which this hook could be attached at; false if no module has one.
 */
bool object_target_module(const struct run *run, const struct hook_row *hook, char module[KBTF_MODULE_NAME]);
/** object_load: into the kernel. Returns 0 or -errno, said. */
int object_load(struct run *run);
/** object_attach: all chosen programs. Returns 0 or -errno, said. */
int object_attach(struct run *run);
/** object_detach: what makes events first, what helps to judge them last. */
void object_detach(struct run *run);
/** object_close: detach and free everything. */
void object_close(struct run *run);
/** object_map: file descriptor of a map, or -1. */
int object_map(const struct run *run, const char *name);
/** object_variable: a variable of the loaded object's .bss by name, shared with the programs; NULL if it has none. */
void *object_variable(const struct run *run, const char *name);
/** object_rodata: a variable of the object's rodata by name, before the load; NULL if it has none. */
void *object_rodata(const struct run *run, const char *name);

#endif
