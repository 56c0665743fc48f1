// SPDX-License-Identifier: GPL-2.0-only
/* object.c: open the embedded object, set rodata, choose one program a hook, load, attach. */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#include "core/attach.h"
#include "core/kbtf.h"
#include "core/ksym.h"
#include "core/object.h"
#include "core/prune.h"

#define RING_BYTES (4U << 20)
#define RING_BYTES_UNSET 4096 /* as in bpf/event.bpf.h */

/* libbpf's own words: kept for the one sentence that a failed load prints, shown in full by --verbose */
static const struct run *libbpf_run;
static char libbpf_last[512];

__attribute__((format(printf, 2, 0)))
static int libbpf_words(enum libbpf_print_level level,
							      const char *format, va_list args)
{
	if (level == LIBBPF_WARN) {
		va_list copy;

		va_copy(copy, args);
		vsnprintf(libbpf_last, sizeof(libbpf_last), format, copy);
		va_end(copy);
	}
	if (libbpf_run->verbose && level != LIBBPF_DEBUG)
		return vfprintf(stderr, format, args);
	return 0;
}

/*
 * Programs that go by types are loaded with what attach_possible() found: libbpf 1.1 looks for each of them in the
 * types of vmlinux once more for each module that is loaded.
 */
static int types_fd = -1; /* of the module that was asked for last */
static char types_of[KBTF_MODULE_NAME];

/* what a program's functions and lines are, as it stands without what was pruned: libbpf reads them as it loads it */
static void *functions, *lines;

static void types_close(void)
{
	if (types_fd >= 0)
		close(types_fd);
	types_fd = -1;
	*types_of = '\0';
}

static struct bpf_map *section_map(const struct run *run, const char *section_name)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, run->object)
	{
		const char *suffix = strchr(bpf_map__name(map), '.');

		if (suffix && !strcmp(suffix, section_name))
			return map;
	}
	return NULL;
}

static const struct probe *probe_of(const struct bpf_program *program)
{
	for (unsigned int i = 0; i < libbpf_run->probe_count; i++) {
		if (libbpf_run->probes[i].program == program)
			return &libbpf_run->probes[i];
	}
	return NULL;
}

/* records of an instruction's number each, as the program now stands; the copy is kept until the next program */
static int records_prune(const struct prune *prune, void **copy, const void **records, uint32_t *count, uint32_t size)
{
	void *more;

	if (!*count)
		return 0;
	more = realloc(*copy, (size_t)*count * size);
	if (!more)
		return -ENOMEM;
	*copy = memcpy(more, *records, (size_t)*count * size);
	*records = *copy;
	*count = prune_offsets(prune, *copy, size, *count);
	return 0;
}

static void records_free(void)
{
	free(functions);
	free(lines);
	functions = NULL;
	lines = NULL;
}

/*
 * What this run's options rule out is not given to the kernel. So instructions have other numbers in the verifier's log
 * than in the object, also for libbpf, where it tells which relocation failed.
 */
static int program_prune(struct bpf_program *program, struct bpf_prog_load_opts *opts)
{
	const struct bpf_map *map = section_map(libbpf_run, ".rodata");
	const size_t count = bpf_program__insn_cnt(program);
	struct prune prune = {
		.count = count,
		.constants_fd = map ? bpf_map__fd(map) : -1,
		.constants = libbpf_run->rodata,
		.constants_size = libbpf_run->rodata_size,
		.code = malloc(count * sizeof(*prune.code)),
		.places = malloc((count + 1) * sizeof(*prune.places)),
		.kept = malloc(count),
	};
	int err = -ENOMEM;

	if (prune.code && prune.places && prune.kept) {
		memcpy(prune.code, bpf_program__insns(program), count * sizeof(*prune.code));
		err = prune_code(&prune);
	}
	if (!err)
		err = records_prune(&prune, &functions, &opts->func_info, &opts->func_info_cnt, opts->func_info_rec_size);
	if (!err)
		err = records_prune(&prune, &lines, &opts->line_info, &opts->line_info_cnt, opts->line_info_rec_size);
	if (!err)
		err = bpf_program__set_insns(program, prune.code, prune.left);
	free(prune.code);
	free(prune.places);
	free(prune.kept);
	/* one that it does not understand is loaded as it is */
	return err == -EINVAL ? 0 : err;
}

static int typed_load(const struct probe *probe, struct bpf_prog_load_opts *opts)
{
	opts->attach_btf_id = probe->where.type;
	if (!*probe->where.module)
		return 0;
	if (strcmp(types_of, probe->where.module)) {
		types_close();
		types_fd = attach_module(probe->where.module);
		if (types_fd < 0)
			return types_fd;
		snprintf(types_of, sizeof(types_of), "%s", probe->where.module);
	}
	opts->attach_btf_obj_fd = types_fd;
	return 0;
}

static int program_load(struct bpf_program *program, struct bpf_prog_load_opts *opts, long cookie)
{
	const struct probe *probe = probe_of(program);
	int err = program_prune(program, opts);

	if (err || bpf_program__type(program) != BPF_PROG_TYPE_TRACING)
		return err;
	(void)cookie;
	return probe ? typed_load(probe, opts) : -ESRCH;
}

static int program_attach(const struct bpf_program *program, long cookie, struct bpf_link **link)
{
	const struct attach_kind *kind = (const struct attach_kind *)cookie;
	const char *target = attach_target(program, kind);

	if (bpf_program__type(program) == BPF_PROG_TYPE_KPROBE)
		*link = bpf_program__attach_kprobe(program, kind->returns, target);
	else if (bpf_program__type(program) == BPF_PROG_TYPE_RAW_TRACEPOINT)
		*link = bpf_program__attach_raw_tracepoint(program, target);
	else
		*link = bpf_program__attach_trace(program);
	return libbpf_get_error(*link);
}

static int kinds_register(void)
{
	static bool done;

	for (const struct attach_kind *kind = attach_kinds; kind->suffix && !done; kind++) {
		LIBBPF_OPTS(libbpf_prog_handler_opts, opts, .cookie = (long)kind, .prog_prepare_load_fn = program_load,
			    .prog_attach_fn = program_attach);
		const int err = libbpf_register_prog_handler(kind->section, kind->program_type, kind->attach_type, &opts);

		if (err < 0)
			return err;
	}
	done = true;
	return 0;
}

/* where a variable stands in a data section of the object */
static void *variable_find(const struct run *run, const char *section_name, char *data,
			   const char *name)
{
	const struct btf *btf = bpf_object__btf(run->object);
	int id = btf__find_by_name_kind(btf, section_name, BTF_KIND_DATASEC);
	const struct btf_type *section;
	const struct btf_var_secinfo *variable;

	if (id < 0 || !data)
		return NULL;
	section = btf__type_by_id(btf, id);
	variable = btf_var_secinfos(section);
	for (int i = 0; i < btf_vlen(section); i++, variable++) {
		const struct btf_type *type = btf__type_by_id(btf, variable->type);

		if (!strcmp(btf__name_by_offset(btf, type->name_off), name))
			return data + variable->offset;
	}
	return NULL;
}

void *object_inflate(const void *bytes, size_t size, size_t *whole)
{
	uint32_t length;
	z_stream stream = { .next_in = (unsigned char *)bytes, .avail_in = size };
	void *object;

	/* the last four bytes say how large it was */
	memcpy(&length, (const char *)bytes + size - sizeof(length), sizeof(length));
	object = malloc(length);
	stream.next_out = object;
	stream.avail_out = length;
	if (!object || inflateInit2(&stream, 16 + MAX_WBITS) != Z_OK ||
	    inflate(&stream, Z_FINISH) != Z_STREAM_END) {
		free(object);
		object = NULL;
	}
	inflateEnd(&stream);
	*whole = length;
	return object;
}

int object_open(struct run *run)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts);
	struct bpf_map *map;
	size_t size;
	const void *embedded = run->tool->object(&size);
	void *bytes = object_inflate(embedded, size, &size);
	char name[32];

	libbpf_run = run;
	libbpf_set_print(libbpf_words);
	if (kinds_register())
		return -ENOMEM;
	/* libbpf names maps after the object, so the name tells our objects apart in bpftool */
	snprintf(name, sizeof(name), "sonde_%s", run->tool->name);
	opts.object_name = name;
	opts.btf_custom_path = run->btf_path;
	run->object = bytes ? bpf_object__open_mem(bytes, size, &opts) : NULL;
	free(bytes);
	if (!run->object) {
		run_error(run, "cannot open the embedded object: %s", strerror(errno));
		return -errno;
	}
	map = section_map(run, ".rodata");
	/* libbpf hands its own writable copy out as const; what stands there at the load becomes the map's contents */
	run->rodata = map ? (void *)bpf_map__initial_value(map, &run->rodata_size) : NULL;
	run->filter = object_rodata(run, "flt");
	return 0;
}

void *object_rodata(const struct run *run, const char *name)
{
	return variable_find(run, ".rodata", run->rodata, name);
}

void *object_variable(const struct run *run, const char *name)
{
	struct bpf_map *map = section_map(run, ".bss");
	static void *shared; /* one run a process */

	if (!shared && map) {
		/* libbpf maps it only for objects loaded through its skeletons */
		shared = mmap(NULL, bpf_map__value_size(map), PROT_READ | PROT_WRITE, MAP_SHARED,
			      bpf_map__fd(map), 0);
		if (shared == MAP_FAILED)
			shared = NULL;
	}
	return variable_find(run, ".bss", shared, name);
}

int object_map(const struct run *run, const char *name)
{
	struct bpf_map *map = bpf_object__find_map_by_name(run->object, name);

	return map ? bpf_map__fd(map) : -1;
}

/* the first program of this hook and kind whose target exists */
static struct bpf_program *program_find(struct run *run, const struct hook_row *hook,
					const struct attach_kind *kind, struct attach_where *where, const char **why)
{
	struct bpf_program *program;

	bpf_object__for_each_program(program, run->object)
	{
		size_t length;

		if (attach_kind(program, &length) != kind || strlen(hook->name) != length ||
		    strncmp(bpf_program__name(program), hook->name, length))
			continue;
		if (attach_possible(kind, attach_target(program, kind), where, why))
			return program;
		run_note(run, "%s by %s at %s: %s", hook->name, kind->by,
			 attach_target(program, kind), *why);
	}
	return NULL;
}

bool object_target_module(const struct run *run, const struct hook_row *hook, char module[KBTF_MODULE_NAME])
{
	const size_t wanted = strlen(hook->name);
	struct bpf_program *program;

	bpf_object__for_each_program(program, run->object)
	{
		size_t length;
		const struct attach_kind *kind = attach_kind(program, &length);
		struct ksym symbol;

		if (!kind || length != wanted || strncmp(bpf_program__name(program), hook->name, length) ||
		    !ksym_lookup(attach_target(program, kind), &symbol) || !symbol.module)
			continue;
		snprintf(module, KBTF_MODULE_NAME, "%s", symbol.module);
		return true;
	}
	return false;
}

static int hook_choose(struct run *run, const struct hook_row *hook)
{
	/* NETSONDE_ATTACH=kp: this kind where the hook has it, so that each variant can be tested */
	const char *kinds = getenv("NETSONDE_ATTACH"), *why = "no program for it";
	struct bpf_program *best = NULL;
	const struct attach_kind *by = NULL;
	struct attach_where where;

	if (hook->needs && !kbtf_knows(hook->needs)) {
		run->missing[run->missing_count++] = hook;
		return 0;
	}
	if (!kinds && hook->shared_by_tasks && attach_preempts())
		kinds = "kp,kr";
	for (int pass = kinds ? 0 : 1; pass < 2 && !best; pass++) {
		for (const struct attach_kind *kind = attach_kinds; kind->suffix && !best; kind++) {
			if (pass == 0 && !strstr(kinds, kind->suffix))
				continue;
			best = program_find(run, hook, kind, &where, &why);
			by = kind;
		}
	}
	if (best) {
		struct probe *probe = &run->probes[run->probe_count++];

		probe->hook = hook;
		probe->program = best;
		probe->by = by->by;
		probe->where = where;
		snprintf(probe->target, sizeof(probe->target), "%s", attach_target(best, by));
		bpf_program__set_autoload(best, true);
		return 0;
	}
	if (!hook->optional) {
		run_error(run, "this kernel offers nothing to see '%s' by: %s", hook->name, why);
		return -ENOSYS;
	}
	run->missing[run->missing_count++] = hook;
	return 0;
}

int object_choose(struct run *run)
{
	const char *forced = getenv("NETSONDE_ATTACH");
	struct bpf_program *program;

	if (forced && !attach_kinds_known(forced)) {
		run_error(run, "NETSONDE_ATTACH=%s: not a list of tp, rt, fe, kp, fx, kr", forced);
		return -EINVAL;
	}
	bpf_object__for_each_program(program, run->object)
		bpf_program__set_autoload(program, false);
	for (const struct hook_row *hook = run->tool->hooks; hook->name; hook++) {
		int err;

		if (hook->wanted && !hook->wanted(run, hook))
			continue;
		err = hook_choose(run, hook);
		if (err)
			return err;
	}
	return 0;
}

/* ring buffers are a kernel feature of 5.8; NETSONDE_BUFFER=perf tests the other way */
static bool ring_buffer_possible(void)
{
	const char *forced = getenv("NETSONDE_BUFFER");
	int fd;

	if (forced && !strcmp(forced, "perf"))
		return false;
	fd = bpf_map_create(BPF_MAP_TYPE_RINGBUF, NULL, 0, 0, sysconf(_SC_PAGESIZE), NULL);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static void buffers_set(struct run *run, struct sonde_facts *facts)
{
	struct bpf_map *ring = bpf_object__find_map_by_name(run->object, "events");
	struct bpf_map *perf = bpf_object__find_map_by_name(run->object, "events_perf");
	struct bpf_map *scratch = bpf_object__find_map_by_name(run->object, "event_scratches");

	if (!ring)
		return;
	facts->perf_buffer = !ring_buffer_possible();
	bpf_map__set_autocreate(ring, !facts->perf_buffer);
	bpf_map__set_autocreate(perf, facts->perf_buffer);
	bpf_map__set_autocreate(scratch, facts->perf_buffer);
	/* a tool may have set it */
	if (bpf_map__max_entries(ring) == RING_BYTES_UNSET)
		bpf_map__set_max_entries(ring, RING_BYTES);
}

int object_load(struct run *run)
{
	struct sonde_facts *facts = object_rodata(run, "facts");
	int err;

	if (facts) {
		facts->kfree_skb_args = run->kfree_skb_args;
		buffers_set(run, facts);
	}
	err = bpf_object__load(run->object);
	types_close();
	records_free();
	if (!err)
		return 0;
	if (err == -EPERM && geteuid())
		run_error(
			run,
			"not permitted to load BPF programs: run it as root, or with CAP_BPF, CAP_PERFMON "
			"and CAP_NET_ADMIN");
	else if (err == -EPERM)
		run_error(
			run,
			"the kernel refuses BPF programs that read kernel memory: lockdown or a security "
			"module forbids them (see /sys/kernel/security/lockdown)");
	else
		run_error(run, "the kernel refused the programs%s: %s: %.*s",
			  run->btf_path ? " (are the types of --btf those of this kernel?)" : "", strerror(-err),
			  (int)strcspn(libbpf_last, "\n"), libbpf_last);
	return err;
}

static int probe_attach(struct run *run, struct probe *probe)
{
	probe->link = bpf_program__attach(probe->program);
	if (probe->link)
		return 0;
	if (!probe->hook->optional) {
		int err = -errno;

		run_error(run, "cannot attach %s at %s: %s", probe->by, probe->target,
			  strerror(-err));
		return err;
	}
	run_note(run, "cannot attach %s at %s: %s", probe->by, probe->target, strerror(errno));
	run->missing[run->missing_count++] = probe->hook;
	return 0;
}

int object_attach(struct run *run)
{
	unsigned int kept = 0;

	/* what helps to judge an event must be there before the first event */
	for (int optional = 1; optional >= 0; optional--) {
		for (unsigned int i = 0; i < run->probe_count; i++) {
			int err = run->probes[i].hook->optional == optional
					  ? probe_attach(run, &run->probes[i])
					  : 0;

			if (err)
				return err;
		}
	}
	for (unsigned int i = 0; i < run->probe_count; i++) {
		if (run->probes[i].link)
			run->probes[kept++] = run->probes[i];
	}
	run->probe_count = kept;
	return 0;
}

void object_detach(struct run *run)
{
	for (int optional = 0; optional < 2; optional++) {
		for (unsigned int i = 0; i < run->probe_count; i++) {
			if (run->probes[i].hook->optional != optional)
				continue;
			bpf_link__destroy(run->probes[i].link);
			run->probes[i].link = NULL;
		}
	}
}

void object_close(struct run *run)
{
	object_detach(run);
	run->probe_count = 0;
	bpf_object__close(run->object);
	run->object = NULL;
}
