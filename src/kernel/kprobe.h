/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The members that lead from a file descriptor of a kprobe to its counters, relocated by CO-RE; see skb.h. A kprobe by
 * perf_event_open() stands in no list that the kernel shows, and its own struct is kept within several others.
 */
#ifndef NETSONDE_KERNEL_KPROBE_H
#define NETSONDE_KERNEL_KPROBE_H

#include "kernel/task.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct file {
	void *private_data;
};

struct fdtable {
	unsigned int max_fds;
	struct file **fd;
};

struct files_struct {
	struct fdtable *fdt;
};

/* since 5.15; before, the program is attached to the perf event itself */
struct bpf_perf_link {
	struct file *perf_file;
};

struct list_head {
	struct list_head *next;
};

struct trace_event_call {
	int flags;
};

struct perf_event {
	struct trace_event_call *tp_event;
};

struct trace_probe_event {
	struct trace_event_call call;
	struct list_head probes;
};

struct trace_probe {
	struct list_head list;
};

struct kprobe {
	unsigned long nmissed;	/* hits while a kprobe's handler was running on that CPU */
};

struct kretprobe {
	struct kprobe kp;
	int nmissed;	/* calls that found no free instance */
};

struct trace_kprobe {
	struct kretprobe rp;
	struct trace_probe tp;
};

#pragma clang attribute pop

#endif
