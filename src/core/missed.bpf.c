// SPDX-License-Identifier: GPL-2.0-only
/*
 * missed.bpf.c: how many hits of a kprobe of this process the kernel skipped. Since 6.7 it tells that of a link; before,
 * only its own structs know. Never attached: run once for each kprobe, by test_run (since 5.10 for this type).
 */
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "kernel/kprobe.h"

char LICENSE[] SEC("license") = "GPL";

#define MISSED_MAX 0x7fffffff

/* args: the file descriptor, and whether it is a link's. Returns the number of hits. */
SEC("raw_tp") int missed(struct bpf_raw_tracepoint_args *ctx)
{
	const __u64 fd = ctx->args[0];
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct file **files = BPF_CORE_READ(task, files, fdt, fd), *file = NULL;
	struct perf_event *event;
	struct trace_event_call *call;
	struct list_head *list;
	unsigned long count;
	char *kprobe;

	bpf_probe_read_kernel(&file, sizeof(file), files + fd);
	if (bpf_core_type_exists(struct bpf_perf_link) && ctx->args[1]) {
		struct bpf_perf_link *link = BPF_CORE_READ(file, private_data);

		file = BPF_CORE_READ(link, perf_file);
	}
	event = BPF_CORE_READ(file, private_data);
	call = BPF_CORE_READ(event, tp_event);
	if (!call)
		return 0;
	/* its event has a list of probes, which has it alone */
	list = BPF_CORE_READ((struct trace_probe_event *)((char *)call - bpf_core_field_offset(struct trace_probe_event, call)),
			     probes.next);
	kprobe = (char *)list - bpf_core_field_offset(struct trace_probe, list) -
		 bpf_core_field_offset(struct trace_kprobe, tp);
	count = BPF_CORE_READ((struct trace_kprobe *)kprobe, rp.kp.nmissed) +
		(unsigned int)BPF_CORE_READ((struct trace_kprobe *)kprobe, rp.nmissed);
	return count < MISSED_MAX ? count : MISSED_MAX;
}
