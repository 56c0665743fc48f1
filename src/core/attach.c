// SPDX-License-Identifier: GPL-2.0-only
/* attach.c: which kinds of program this kernel can attach, and where. */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "core/attach.h"
#include "core/kbtf.h"
#include "core/ksym.h"

const struct attach_kind attach_kinds[] = {
	{ "tp", "tp_btf", "tp_btf/", BPF_PROG_TYPE_TRACING, BPF_TRACE_RAW_TP, false },
	{ "rt", "raw_tp", "raw_tp/", BPF_PROG_TYPE_RAW_TRACEPOINT, 0, false },
	{ "fe", "fentry", "fentry/", BPF_PROG_TYPE_TRACING, BPF_TRACE_FENTRY, false },
	{ "kp", "kprobe", "kprobe/", BPF_PROG_TYPE_KPROBE, 0, false },
	{ "fx", "fexit", "fexit/", BPF_PROG_TYPE_TRACING, BPF_TRACE_FEXIT, false },
	{ "kr", "kretprobe", "kretprobe/", BPF_PROG_TYPE_KPROBE, 0, true },
	{ NULL, NULL, NULL, 0, 0, false },
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
	id = kbtf_attach_function(NULL, "do_init_module");
	if (id < 0)
		id = kbtf_attach_function(NULL, "kernel_halt");
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

static bool mode_preempts(const char *mode, size_t length)
{
	return length == 4 && (!strncmp(mode, "full", 4) || !strncmp(mode, "lazy", 4));
}

static bool config_preempts(const char *path)
{
	FILE *file = fopen(path, "re");
	bool keeps = false;
	char line[256];

	while (file && fgets(line, sizeof(line), file))
		keeps |= !strcmp(line, "CONFIG_PREEMPT_NONE=y\n") || !strcmp(line, "CONFIG_PREEMPT_VOLUNTARY=y\n");
	if (file)
		fclose(file);
	return !keeps;
}

bool attach_preempts_by(const char *version, const char *command_line, const char *config)
{
	const char *word = command_line, *mode = NULL;

	if (!strstr(version, "PREEMPT"))
		return false;
	/* the mode is chosen at boot; else it was when the kernel was built */
	if (!strstr(version, "PREEMPT_DYNAMIC"))
		return true;
	for (; *word; word += strcspn(word, " \n"), word += strspn(word, " \n")) {
		if (!strncmp(word, "preempt=", 8))
			mode = word + 8;
	}
	return mode ? mode_preempts(mode, strcspn(mode, " \n")) : config_preempts(config);
}

bool attach_preempts(void)
{
	FILE *file = fopen("/sys/kernel/debug/sched/preempt", "re");
	char modes[64] = "", command_line[4096] = "", config[128];
	struct utsname kernel;

	/* "none voluntary (full) lazy": the one in brackets is used */
	if (file) {
		if (!fgets(modes, sizeof(modes), file))
			*modes = '\0';
		fclose(file);
	}
	if (*modes)
		return strstr(modes, "(full)") || strstr(modes, "(lazy)");
	/* one mode for ever, or no debugfs to ask */
	if (uname(&kernel))
		return true;
	file = fopen("/proc/cmdline", "re");
	if (file) {
		if (!fgets(command_line, sizeof(command_line), file))
			*command_line = '\0';
		fclose(file);
	}
	snprintf(config, sizeof(config), "/boot/config-%s", kernel.release);
	return attach_preempts_by(kernel.version, command_line, config);
}

bool attach_possible(const struct attach_kind *kind, const char *target, struct attach_where *where, const char **why)
{
	const bool by_types = kind->program_type == BPF_PROG_TYPE_TRACING;
	struct ksym symbol;

	*where = (struct attach_where){};
	if (kind->attach_type == BPF_TRACE_RAW_TP || kind->program_type == BPF_PROG_TYPE_RAW_TRACEPOINT) {
		where->type = kbtf_attach_tracepoint(target, where->module);
		if (where->type > 0 || (!by_types && kbtf_has_tracepoint(target)))
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
	if (!by_types) {
		*why = "this kernel has no kprobes";
		return attach_has_kprobe();
	}
	where->type = kbtf_attach_function(symbol.module, target);
	if (symbol.module)
		snprintf(where->module, sizeof(where->module), "%s", symbol.module);
	if (where->type < 0) {
		*why = "this kernel's types have no such function";
		return false;
	}
	*why = "this kernel attaches no fentry programs";
	return attach_has_fentry();
}

int attach_module(const char *module)
{
	uint32_t id = 0;

	while (!bpf_btf_get_next_id(id, &id)) {
		char name[KBTF_MODULE_NAME] = "";
		struct bpf_btf_info info = { .name = (uintptr_t)name, .name_len = sizeof(name) };
		uint32_t size = sizeof(info);
		const int fd = bpf_btf_get_fd_by_id(id);

		if (fd < 0 && errno == ENOENT)
			continue; /* gone meanwhile */
		if (fd < 0)
			return -errno;
		if (!bpf_obj_get_info_by_fd(fd, &info, &size) && info.kernel_btf && !strcmp(name, module))
			return fd;
		close(fd);
	}
	return -ENOENT;
}
