/* SPDX-License-Identifier: GPL-2.0-only */
/* ledger.h: the last words of a run: what it could not report, and what it cost. */
#ifndef NETSONDE_CORE_LEDGER_H
#define NETSONDE_CORE_LEDGER_H

#include "core/tool.h"

/** ledger_print: events, every loss counter that is not zero, and with --cost the cost of each probe. */
void ledger_print(struct run *run);
/** Sum over all CPUs of one counter of the object's map "losses". */
uint64_t ledger_loss(const struct run *run, enum sonde_loss loss);
/** Sum over all CPUs of element index of a per-CPU array of counters. */
uint64_t ledger_sum(int map, uint32_t index);

#endif
