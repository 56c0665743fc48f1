// SPDX-License-Identifier: GPL-2.0-only
/* feature.c: what the running kernel offers. Nothing is concluded from its version. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "core/attach.h"
#include "core/feature.h"
#include "core/kbtf.h"
#include "core/ksym.h"
#include "core/reason.h"

static bool read_line(const char *path, char *text, size_t size)
{
	FILE *file = fopen(path, "re");
	bool got = file && fgets(text, size, file);

	if (file)
		fclose(file);
	if (got)
		text[strcspn(text, "\n")] = 0;
	return got;
}

bool feature_module(const char *module)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/module/%s", module);
	return !access(path, F_OK);
}

/* root of a user namespace has all capabilities, and they are good for nothing outside of it */
static bool in_user_namespace(void)
{
	const ino_t first = 0xeffffffd; /* PROC_USER_INIT_INO, since 3.8 */
	struct stat own;

	return !stat("/proc/self/ns/user", &own) && own.st_ino != first;
}

/* what the kernel asks for: these three (since 5.8), or CAP_SYS_ADMIN */
static bool lacks_capabilities(void)
{
	const uint64_t admin = 1ULL << 21, needed = 1ULL << 39 | 1ULL << 38 | 1ULL << 12;
	FILE *file = fopen("/proc/self/status", "re");
	unsigned long long has = ~0ULL;
	char line[256];

	while (file && fgets(line, sizeof(line), file) && sscanf(line, "CapEff: %llx", &has) != 1)
		;
	if (file)
		fclose(file);
	return !(has & admin) && (has & needed) != needed;
}

const char *feature_forbidden(void)
{
	if (geteuid())
		return "must be run as root: it loads BPF programs into the kernel";
	if (in_user_namespace())
		return "root of a user namespace (a container, unshare -U) lacks the capabilities CAP_BPF, CAP_PERFMON and "
		       "CAP_NET_ADMIN on the host: run it outside";
	if (lacks_capabilities())
		return "this root (in a container?) lacks the capabilities CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN";
	return NULL;
}

static bool has_root(char *detail, size_t size)
{
	const char *why = feature_forbidden();

	if (!why || geteuid())
		snprintf(detail, size, "uid %u", geteuid());
	else
		snprintf(detail, size, "%s", why);
	return !why;
}

bool feature_loads_bpf(char *detail, size_t size)
{
	const struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_RAW_TRACEPOINT, "probe_load", "GPL", code, 2, NULL);

	if (fd < 0) {
		snprintf(detail, size, "a program of two instructions was refused: %s", strerror(-fd));
		return false;
	}
	close(fd);
	return true;
}

static bool has_btf(char *detail, size_t size)
{
	(void)detail;
	(void)size;
	return kbtf_is_open();
}

static bool has_module_btf(char *detail, size_t size)
{
	static const char *const modules[] = { "openvswitch",  "tun",	     "vhost_net",
					       "nf_conntrack", "virtio_net", "kvm" };
	bool any = false;

	for (size_t i = 0; i < sizeof(modules) / sizeof(modules[0]); i++) {
		char path[128];
		size_t used = strlen(detail);

		snprintf(path, sizeof(path), "/sys/kernel/btf/%s", modules[i]);
		if (access(path, R_OK))
			continue;
		snprintf(detail + used, size - used, "%s%s", any ? " " : "", modules[i]);
		any = true;
	}
	if (!any)
		snprintf(detail, size, "none of the modules that tools read is loaded with types");
	return any;
}

static bool has_reasons(char *detail, size_t size)
{
	snprintf(detail, size, "%d reasons", reason_count());
	return reason_count() > 0;
}

static bool has_tracepoint(char *detail, size_t size)
{
	int args = kbtf_tracepoint_args("kfree_skb");

	if (args > 0)
		snprintf(detail, size, "%d arguments", args);
	return args > 0;
}

static bool has_qdisc_drop(char *detail, size_t size)
{
	(void)detail;
	(void)size;
	return kbtf_tracepoint_args("qdisc_drop") > 0;
}

static bool has_fentry(char *detail, size_t size)
{
	(void)detail;
	(void)size;
	return attach_has_fentry();
}

static bool has_kprobe(char *detail, size_t size)
{
	(void)detail;
	(void)size;
	return attach_has_kprobe();
}

static bool has_no_preemption(char *detail, size_t size)
{
	(void)detail;
	(void)size;
	return !attach_preempts();
}

static bool has_kprobe_multi(char *detail, size_t size)
{
	const struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	const char *symbol = "kernel_halt";
	LIBBPF_OPTS(bpf_prog_load_opts, load, .expected_attach_type = BPF_TRACE_KPROBE_MULTI);
	LIBBPF_OPTS(bpf_link_create_opts, link, .kprobe_multi.syms = &symbol,
		    .kprobe_multi.cnt = 1);
	int program = bpf_prog_load(BPF_PROG_TYPE_KPROBE, "probe_multi", "GPL", code, 2, &load),
	    fd = -1;

	(void)detail;
	(void)size;
	if (program >= 0)
		fd = bpf_link_create(program, 0, BPF_TRACE_KPROBE_MULTI, &link);
	if (fd >= 0)
		close(fd);
	if (program >= 0)
		close(program);
	return fd >= 0;
}

static bool has_ring_buffer(char *detail, size_t size)
{
	int fd = bpf_map_create(BPF_MAP_TYPE_RINGBUF, NULL, 0, 0, sysconf(_SC_PAGESIZE), NULL);

	(void)detail;
	(void)size;
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static bool has_stats(char *detail, size_t size)
{
	int fd = bpf_enable_stats(BPF_STATS_RUN_TIME);

	(void)detail;
	(void)size;
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static bool has_symbols(char *detail, size_t size)
{
	(void)detail;
	(void)size;
	return !ksym_hidden();
}

static bool has_jit(char *detail, size_t size)
{
	char text[16] = "";

	(void)detail;
	(void)size;
	return read_line("/proc/sys/net/core/bpf_jit_enable", text, sizeof(text)) && *text != '0';
}

bool feature_locked_down(void)
{
	char text[80];

	return read_line("/sys/kernel/security/lockdown", text, sizeof(text)) &&
	       strstr(text, "[confidentiality]");
}

static bool has_no_lockdown(char *detail, size_t size)
{
	if (!read_line("/sys/kernel/security/lockdown", detail, size))
		*detail = 0;
	return !feature_locked_down();
}

static bool has_modules(char *detail, size_t size)
{
	static const char *const modules[] = { "openvswitch", "tun",	      "vhost_net",
					       "kvm",	      "nf_conntrack", "virtio_net" };
	bool any = false;

	for (size_t i = 0; i < sizeof(modules) / sizeof(modules[0]); i++) {
		size_t used = strlen(detail);

		if (!feature_module(modules[i]))
			continue;
		snprintf(detail + used, size - used, "%s%s", any ? " " : "", modules[i]);
		any = true;
	}
	if (!any)
		snprintf(detail, size,
			 "none of openvswitch tun vhost_net kvm nf_conntrack virtio_net");
	return any;
}

const struct feature features[] = {
	{ "root", "runs as root", has_root, "no tool works: run it as root of the host, with all capabilities" },
	{ "bpf", "BPF programs load", feature_loads_bpf,
	  "no tool works: CONFIG_BPF_SYSCALL, seccomp, or a security module" },
	{ "lockdown", "kernel memory may be read", has_no_lockdown,
	  "lockdown=confidentiality forbids it: no tool works; boot with lockdown=integrity" },
	{ "btf", "types of the kernel (BTF)", has_btf,
	  "no tool works without --btf FILE: a kernel with CONFIG_DEBUG_INFO_BTF, or a BTF file made for this kernel" },
	{ "module_btf", "types of modules", has_module_btf,
	  "functions of modules are seen by kprobes only; load the modules, or CONFIG_DEBUG_INFO_BTF_MODULES" },
	{ "kfree_skb", "tracepoint skb:kfree_skb", has_tracepoint,
	  "the drop tools see nothing: CONFIG_TRACEPOINTS" },
	{ "drop_reasons", "drop reasons by name", has_reasons,
	  "a drop's place and stack stand in for its reason (reasons came with 5.17)" },
	{ "qdisc_drop", "tracepoint qdisc:qdisc_drop", has_qdisc_drop,
	  "drop qdisc goes by the frees of packets instead (the tracepoint came with 7.2)" },
	{ "fentry", "fentry and fexit", has_fentry,
	  "kprobes are used instead: they cost three times as much a hit" },
	{ "kprobe", "kprobes", has_kprobe,
	  "only tracepoints and fentry can be used: CONFIG_KPROBE_EVENTS" },
	{ "kprobe_multi", "multi-kprobes", has_kprobe_multi,
	  "no tool needs them yet (CONFIG_FPROBE, since 5.18)" },
	{ "no_preemption", "tasks that keep their CPU", has_no_preemption,
	  "a task that loses it within a program keeps the program from others there: a run's end says how often" },
	{ "ring_buffer", "ring buffer", has_ring_buffer,
	  "events go through a perf buffer, a copy more each (before 5.8)" },
	{ "bpf_stats", "BPF run-time statistics", has_stats, "--cost does not work (before 5.8)" },
	{ "symbols", "kernel symbols", has_symbols,
	  "places and stacks are bare addresses: kernel.kptr_restrict=1 or 0, as root" },
	{ "jit", "BPF JIT compiler", has_jit,
	  "programs are interpreted and cost ten times as much: net.core.bpf_jit_enable=1" },
	{ "modules", "modules of the datapath", has_modules,
	  "tools show what they can of the layers that are there" },
	{ NULL, NULL, NULL, NULL },
};
