/* SPDX-License-Identifier: GPL-2.0-only */
/* sonde.bpf.h: what every BPF program of netsonde includes; types, hooks, counters, kernel facts. */
#ifndef NETSONDE_SONDE_BPF_H
#define NETSONDE_SONDE_BPF_H

#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_endian.h>

#include "abi/types.h"
#include "read.bpf.h"
#include "hook.bpf.h"
#include "loss.bpf.h"

/* set by core/object.c before load, so the verifier sees constants and removes what this kernel cannot do */
const volatile struct sonde_facts facts = {};

/**
 * BELOW: index (a __u64 variable) is below end from here on, else the program goes on at the label beyond. In
 * assembler because the compiler compares one copy of a number and uses another, of which the verifier then knows
 * nothing. The good way is the one that falls through: the verifier walks it first, and does not walk a loop's body
 * again for a number that is a special case of it.
 */
#define BELOW(index, end, beyond)                                                                  \
	asm volatile goto("if %[i] >= %[e] goto %l[" #beyond "]" : [i] "+r"(index) : [e] "ri"(end) : : beyond)

char LICENSE[] SEC("license") = "GPL";

#endif
