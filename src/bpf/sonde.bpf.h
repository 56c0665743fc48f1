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

char LICENSE[] SEC("license") = "GPL";

#endif
