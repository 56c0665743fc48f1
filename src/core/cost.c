// SPDX-License-Identifier: GPL-2.0-only
/* cost.c: the kernel's own statistics of BPF programs (since 5.8), taken for the length of a run. */
#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/cost.h"

int cost_start(struct run *run)
{
	run->stats_fd = bpf_enable_stats(BPF_STATS_RUN_TIME);
	if (run->stats_fd < 0) {
		run_error(run, "--cost: this kernel does not time BPF programs: %s",
			  strerror(errno));
		return -errno;
	}
	return 0;
}

static bool program_info(const struct probe *probe, struct bpf_prog_info *info)
{
	__u32 size = sizeof(*info);

	memset(info, 0, sizeof(*info));
	return !bpf_obj_get_info_by_fd(bpf_program__fd(probe->program), info, &size);
}

json_t *cost_json(const struct run *run)
{
	uint64_t elapsed = clock_now() - run->started_ns;
	json_t *rows;

	if (!run->cost)
		return NULL;
	rows = json_array();
	for (unsigned int i = 0; i < run->probe_count; i++) {
		const struct probe *probe = &run->probes[i];
		struct bpf_prog_info info;
		double ns;

		if (!program_info(probe, &info))
			continue;
		ns = info.run_cnt ? (double)info.run_time_ns / info.run_cnt : 0;
		json_array_append_new(
			rows, json_pack("{s:s, s:s, s:s, s:I, s:f, s:f}", "hook", probe->hook->name,
					"by", probe->by, "target", probe->target, "hits",
					(json_int_t)info.run_cnt, "ns_per_hit", ns, "cpu_share",
					elapsed ? (double)info.run_time_ns / elapsed : 0.0));
	}
	return rows;
}
