/* SPDX-License-Identifier: GPL-2.0-only */
/* ksym.h: kernel text symbols with their modules, from /proc/kallsyms. */
#ifndef NETSONDE_CORE_KSYM_H
#define NETSONDE_CORE_KSYM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/types.h"

struct ksym {
	const char *name;
	const char *module; /* NULL: vmlinux */
	uint64_t address;
	uint64_t size; /* to the next symbol; an upper bound */
};

/** ksym_find: the symbol that holds address; false if none does. Reads /proc/kallsyms at the first call. */
bool ksym_find(uint64_t address, struct ksym *symbol);
/** ksym_lookup: the symbol of this exact name, vmlinux first. */
bool ksym_lookup(const char *name, struct ksym *symbol);
/** ksym_text: where the function of this exact name lies; text stays as it is if there is none. */
void ksym_text(const char *name, struct sonde_text *text);
/** ksym_is: true if the name is the function's, or that of a part which the compiler split off (NAME.cold). */
bool ksym_is(const char *name, const char *function);
/** ksym_each: calls visit with each symbol, by address. */
void ksym_each(void (*visit)(const struct ksym *symbol, void *data), void *data);
/** ksym_hidden: true if the kernel shows no addresses (kernel.kptr_restrict). */
bool ksym_hidden(void);
/** ksym_format: "ovs_vport_send+0x1f [openvswitch]", or the bare address. */
void ksym_format(uint64_t address, char *text, size_t size);
/** ksym_close: free the table, some 8 MB; the next call reads it again. */
void ksym_close(void);

#endif
