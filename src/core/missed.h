/* SPDX-License-Identifier: GPL-2.0-only */
/* missed.h: hits of the run's probes for which the kernel ran no program. */
#ifndef NETSONDE_CORE_MISSED_H
#define NETSONDE_CORE_MISSED_H

#include "core/tool.h"

/**
 * missed_count: hits that the kernel skipped, of all probes of the run, which must still be attached: because the
 * program was running on that CPU (counted since 5.12, for programs of kprobes since 6.7); because a kprobe was; because
 * more calls were under way than a kretprobe remembers.
 * Returns 0, or -errno if what the kprobes missed cannot be read; *missed has the others then.
 */
int missed_count(const struct run *run, uint64_t *missed);

#endif
