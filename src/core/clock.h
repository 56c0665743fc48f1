/* SPDX-License-Identifier: GPL-2.0-only */
/* clock.h: the kernel's monotonic time and wall time. */
#ifndef NETSONDE_CORE_CLOCK_H
#define NETSONDE_CORE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

/** CLOCK_MONOTONIC in ns, the clock of bpf_ktime_get_ns(). */
uint64_t clock_now(void);
/** clock_wall: wall time, ns since 1970, of a monotonic time; follows steps of the wall clock. */
uint64_t clock_wall(uint64_t monotonic_ns);
/** clock_format: RFC 3339 in UTC with ns, "2026-11-22T15:54:23.123456789Z"; 31 bytes with the NUL. */
void clock_format(uint64_t wall_ns, char *text, size_t size);

#define CLOCK_TEXT 40

/** clock_span: "1.25us": three or four digits and a unit that suits; returns text. */
const char *clock_span(char *text, double ns);

#define CLOCK_SPAN 32

#endif
