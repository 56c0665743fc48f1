// SPDX-License-Identifier: GPL-2.0-only
/* attach.c: which kinds of program this kernel can attach, and where. */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/attach.h"
#include "core/kbtf.h"
#include "core/ksym.h"

const struct attach_kind attach_kinds[] = {
	{ "tp", "tp_btf", "tp_btf/" }, { "rt", "raw_tp", "raw_tp/" },
	{ "fe", "fentry", "fentry/" }, { "kp", "kprobe", "kprobe/" },
	{ "fx", "fexit", "fexit/" },   { "kr", "kretprobe", "kretprobe/" },
	{ NULL, NULL, NULL },
};

const struct attach_kind *attach_kind(const struct bpf_program *program, size_t *hook_length)
{
	const char *name = bpf_program__name(program), *suffix = strstr(name, "__");
	size_t length;

	if (!suffix)
		return NULL;
	*hook_length = suffix - name;
	suffix += 2;
	length = strcspn(suffix, "_");
	for (const struct attach_kind *kind = attach_kinds; kind->suffix; kind++) {
		if (strlen(kind->suffix) == length && !strncmp(kind->suffix, suffix, length))
			return kind;
	}
	return NULL;
}

const char *attach_target(const struct bpf_program *program, const struct attach_kind *kind)
{
	return bpf_program__section_name(program) + strlen(kind->section);
}

static bool ftrace_is_off(void)
{
	FILE *file = fopen("/proc/sys/kernel/ftrace_enabled", "re");
	int enabled = 1;

	if (file && fscanf(file, "%d", &enabled) != 1)
		enabled = 1;
	if (file)
		fclose(file);
	return !enabled;
}

bool attach_kinds_known(const char *list)
{
	while (*list) {
		size_t length = strcspn(list, ",");
		const struct attach_kind *kind;

		for (kind = attach_kinds; kind->suffix; kind++) {
			if (strlen(kind->suffix) == length && !strncmp(kind->suffix, list, length))
				break;
		}
		if (!kind->suffix)
			return false;
		list += length;
		list += *list == ',';
	}
	return true;
}

/*
 * Whether a trampoline can really be attached: arm64 before 6.4 loads fentry
 * programs and refuses each attachment, so only an attempt tells.
 */
bool attach_has_fentry(void)
{
	static int answer = -1;
	struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = BPF_TRACE_FENTRY);
	int program, link = -1, id;

	if (answer >= 0)
		return answer;
	answer = 0;
	/* trampolines can be attached then, and never run */
	if (ftrace_is_off())
		return false;
	/* a function that every kernel has and that runs rarely */
	id = kbtf_vmlinux()
		     ? btf__find_by_name_kind(kbtf_vmlinux(), "do_init_module", BTF_KIND_FUNC)
		     : -1;
	if (id < 0)
		id = kbtf_vmlinux()
			     ? btf__find_by_name_kind(kbtf_vmlinux(), "kernel_halt", BTF_KIND_FUNC)
			     : -1;
	if (id < 0)
		return false;
	opts.attach_btf_id = id;
	program = bpf_prog_load(BPF_PROG_TYPE_TRACING, "probe_fentry", "GPL", code, 2, &opts);
	if (program >= 0)
		link = bpf_raw_tracepoint_open(NULL, program);
	answer = link >= 0;
	if (link >= 0)
		close(link);
	if (program >= 0)
		close(program);
	return answer;
}

bool attach_has_kprobe(void)
{
	return !access("/sys/bus/event_source/devices/kprobe/type", R_OK);
}

bool attach_possible(const struct attach_kind *kind, const char *target, const char **why)
{
	const char *kind_name = kind->suffix;
	struct ksym symbol;

	if (!strcmp(kind_name, "tp") || !strcmp(kind_name, "rt")) {
		if (kbtf_tracepoint_args(target) >= 0)
			return true;
		*why = "this kernel has no such tracepoint";
		return false;
	}
	/* types can name a function that the compiler cloned or inlined: the symbol decides */
	if (!ksym_lookup(target, &symbol)) {
		*why = ksym_hidden()
			       ? "kernel symbols are hidden (kernel.kptr_restrict)"
			       : "this kernel has no such function (or its module is not loaded)";
		return false;
	}
	if (!strcmp(kind_name, "kp") || !strcmp(kind_name, "kr")) {
		*why = "this kernel has no kprobes";
		return attach_has_kprobe();
	}
	if (!kbtf_has_function(target, symbol.module)) {
		*why = "this kernel's types have no such function";
		return false;
	}
	*why = "this kernel attaches no fentry programs";
	return attach_has_fentry();
}
