// SPDX-License-Identifier: GPL-2.0-only
/* missed.c: what the kernel says of programs that it did not run; of kprobes by a program that reads its structs. */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/missed.h"
#include "core/object.h"
#include "missed.skel.h"

static bool is_kprobe(const struct probe *probe)
{
	return !strcmp(probe->by, "kprobe") || !strcmp(probe->by, "kretprobe");
}

/* that program, loaded only at the end of a run that has kprobes; the caller closes it, also after an error */
static int reader_load(const struct run *run, struct bpf_object **reader)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "sonde_missed", .btf_custom_path = run->btf_path);
	size_t size;
	const void *embedded = missed__elf_bytes(&size);
	void *bytes = object_inflate(embedded, size, &size);
	int err = -ENOMEM;

	if (bytes) {
		*reader = bpf_object__open_mem(bytes, size, &opts);
		err = *reader ? bpf_object__load(*reader) : -errno;
	}
	free(bytes);
	return err;
}

static int kprobe_missed(int reader, const struct probe *probe, uint64_t *missed)
{
	const int fd = bpf_link__fd(probe->link);
	struct bpf_link_info info = {};
	uint32_t size = sizeof(info);
	/* before 5.15 what libbpf calls a link is the perf event itself */
	uint64_t args[] = { fd, !bpf_obj_get_info_by_fd(fd, &info, &size) };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = args, .ctx_size_in = sizeof(args));
	const int err = bpf_prog_test_run_opts(reader, &opts);

	if (!err)
		*missed += opts.retval;
	return err;
}

static int kprobes_missed(const struct run *run, uint64_t *missed)
{
	struct bpf_object *reader = NULL;
	int err = 0;

	for (unsigned int i = 0; i < run->probe_count && !err; i++) {
		if (!is_kprobe(&run->probes[i]))
			continue;
		if (!reader)
			err = reader_load(run, &reader);
		if (!err)
			err = kprobe_missed(bpf_program__fd(bpf_object__next_program(reader, NULL)), &run->probes[i],
					    missed);
	}
	bpf_object__close(reader);
	return err;
}

int missed_count(const struct run *run, uint64_t *missed)
{
	*missed = 0;
	for (unsigned int i = 0; i < run->probe_count; i++) {
		struct bpf_prog_info info = {};
		uint32_t size = sizeof(info);

		if (!bpf_obj_get_info_by_fd(bpf_program__fd(run->probes[i].program), &info, &size))
			*missed += info.recursion_misses;
	}
	return kprobes_missed(run, missed);
}
