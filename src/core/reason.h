/* SPDX-License-Identifier: GPL-2.0-only */
/* reason.h: drop reasons by name, as the running kernel's own enums have them. */
#ifndef NETSONDE_CORE_REASON_H
#define NETSONDE_CORE_REASON_H

#include <stddef.h>
#include <stdint.h>

/** reason_load: read the names; needs kbtf_open(). Returns how many; 0: this kernel has no reasons. */
int reason_load(void);
/** reason_reload: the same once more, after a module has come. */
int reason_reload(void);
/** reason_name: NETFILTER_DROP, OVS_DROP_EXPLICIT, ...; NULL for a number that no enum names. */
const char *reason_name(uint32_t reason);
/**
 * reason_number: the number of a name, with or without SKB_DROP_REASON_, in any case.
 * Returns 0 or -ENOENT.
 */
int reason_number(const char *name, uint32_t *reason);
/** reason_each: calls visit with each name and number. */
void reason_each(void (*visit)(const char *name, uint32_t number, void *data), void *data);
/** reason_count: how many names there are. */
int reason_count(void);

#endif
