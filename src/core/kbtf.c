// SPDX-License-Identifier: GPL-2.0-only
/* kbtf.c: types of the running kernel. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/kbtf.h"
#include "core/names.h"

#define VMLINUX_BTF "/sys/kernel/btf/vmlinux"

/* a start asks for dozens of names, and libbpf goes through all of some 130,000 types for each */
struct types {
	struct btf *all;
	struct names names;
};

/* the running kernel's, by whose numbers programs are attached, and those of --btf, which describe it */
static struct types own, given;

/* modules whose types were asked for; types NULL: it has none */
static struct module {
	char name[64];
	struct btf *types;
} *modules;
static unsigned int module_count;

/* the kinds that are ever asked for */
static bool kind_wanted(uint32_t kind)
{
	return kind == BTF_KIND_FUNC || kind == BTF_KIND_STRUCT || kind == BTF_KIND_VAR || kind == BTF_KIND_TYPEDEF ||
	       kind == BTF_KIND_ENUM;
}

static int names_index(struct types *types)
{
	const uint32_t count = btf__type_cnt(types->all);
	int err = names_make(&types->names, count);

	for (uint32_t id = 1; !err && id < count; id++) {
		const struct btf_type *type = btf__type_by_id(types->all, id);

		if (kind_wanted(btf_kind(type)))
			names_add(&types->names, btf__name_by_offset(types->all, type->name_off), id);
	}
	return err;
}

static bool type_is(const struct btf *types, uint32_t id, const char *name, uint32_t kind)
{
	const struct btf_type *type = btf__type_by_id(types, id);

	return btf_kind(type) == kind && !strcmp(btf__name_by_offset(types, type->name_off), name);
}

static int types_find(const struct types *types, const char *name, uint32_t kind)
{
	uint32_t id, slot;

	if (!types->all)
		return -ENOENT;
	for (id = names_first(&types->names, name, &slot); id; id = names_next(&types->names, &slot)) {
		if (type_is(types->all, id, name, kind))
			return id;
	}
	return -ENOENT;
}

static int types_read(struct types *types, const char *path)
{
	types->all = btf__parse(path, NULL);
	return types->all ? names_index(types) : -errno;
}

int kbtf_open(const char *path)
{
	int err = 0;

	if (kbtf_is_open())
		return 0;
	if (path)
		err = types_read(&given, path);
	/* what this kernel's own types hold must not make up for a file of something else */
	if (path && !err && types_find(&given, "btf_trace_kfree_skb", BTF_KIND_TYPEDEF) < 0)
		err = -ENODATA;
	if (!err && !access(VMLINUX_BTF, R_OK))
		err = types_read(&own, VMLINUX_BTF);
	if (err)
		kbtf_close();
	return err || kbtf_is_open() ? err : -ENOENT;
}

static void types_free(struct types *types)
{
	names_free(&types->names);
	btf__free(types->all);
	types->all = NULL;
}

void kbtf_close(void)
{
	for (unsigned int i = 0; i < module_count; i++)
		btf__free(modules[i].types);
	free(modules);
	modules = NULL;
	module_count = 0;
	types_free(&given);
	types_free(&own);
}

bool kbtf_is_open(void)
{
	return own.all || given.all;
}

static struct btf *module_types(const char *name)
{
	struct module *more;
	char path[320];

	for (unsigned int i = 0; i < module_count; i++) {
		if (!strcmp(modules[i].name, name))
			return modules[i].types;
	}
	more = reallocarray(modules, module_count + 1, sizeof(*modules));
	if (!more)
		return NULL;
	modules = more;
	more = &modules[module_count++];
	snprintf(more->name, sizeof(more->name), "%s", name);
	snprintf(path, sizeof(path), "/sys/kernel/btf/%s", name);
	more->types = own.all ? btf__parse_split(path, own.all) : NULL;
	return more->types;
}

/* a module's own types come after all of vmlinux's */
static int module_find(const struct btf *types, const char *name, uint32_t kind)
{
	if (!types)
		return -ENOENT;
	for (uint32_t id = btf__type_cnt(own.all); id < btf__type_cnt(types); id++) {
		if (type_is(types, id, name, kind))
			return id;
	}
	return -ENOENT;
}

/* those of --btf may have a module's beside vmlinux's */
static int given_find(const char *name, uint32_t kind, const struct btf **types)
{
	if (types)
		*types = given.all;
	return types_find(&given, name, kind);
}

static int own_find(const char *module, const char *name, uint32_t kind, const struct btf **types)
{
	const struct btf *where = module ? module_types(module) : own.all;

	if (types)
		*types = where;
	return module ? module_find(where, name, kind) : types_find(&own, name, kind);
}

int kbtf_attach_function(const char *module, const char *name)
{
	return own_find(module, name, BTF_KIND_FUNC, NULL);
}

int kbtf_find(const char *module, const char *name, uint32_t kind, const struct btf **types)
{
	int id = given_find(name, kind, types);

	return id > 0 ? id : own_find(module, name, kind, types);
}

/* of the running kernel: in vmlinux and then in each loaded module */
static int own_find_anywhere(const char *name, uint32_t kind, const struct btf **types, char module[KBTF_MODULE_NAME])
{
	int id = own_find(NULL, name, kind, types);
	struct dirent *entry;
	DIR *folder;

	*module = '\0';
	if (id > 0 || !own.all)
		return id;
	folder = opendir("/sys/kernel/btf");
	while (folder && id < 0 && (entry = readdir(folder))) {
		if (*entry->d_name == '.' || !strcmp(entry->d_name, "vmlinux"))
			continue;
		id = own_find(entry->d_name, name, kind, types);
		if (id > 0)
			snprintf(module, KBTF_MODULE_NAME, "%.*s", KBTF_MODULE_NAME - 1, entry->d_name);
	}
	if (folder)
		closedir(folder);
	return id;
}

int kbtf_find_anywhere(const char *name, uint32_t kind, const struct btf **types, char module[KBTF_MODULE_NAME])
{
	int id = given_find(name, kind, types);

	*module = '\0';
	return id > 0 ? id : own_find_anywhere(name, kind, types, module);
}

bool kbtf_knows(const char *name)
{
	char module[KBTF_MODULE_NAME];

	return kbtf_find_anywhere(name, BTF_KIND_STRUCT, NULL, module) > 0 ||
	       kbtf_find_anywhere(name, BTF_KIND_VAR, NULL, module) > 0;
}

/* the typedef that a BTF-typed tracepoint is attached by */
static const char *tracepoint_typedef(const char *name, char text[128])
{
	snprintf(text, 128, "btf_trace_%s", name);
	return text;
}

int kbtf_attach_tracepoint(const char *name, char module[KBTF_MODULE_NAME])
{
	char text[128];

	return own_find_anywhere(tracepoint_typedef(name, text), BTF_KIND_TYPEDEF, NULL, module);
}

bool kbtf_has_tracepoint(const char *name)
{
	char text[128], module[KBTF_MODULE_NAME];

	return kbtf_find_anywhere(tracepoint_typedef(name, text), BTF_KIND_TYPEDEF, NULL, module) > 0;
}

int kbtf_tracepoint_args(const char *name)
{
	char text[128], module[KBTF_MODULE_NAME];
	const struct btf_type *type;
	const struct btf *types;
	int id = kbtf_find_anywhere(tracepoint_typedef(name, text), BTF_KIND_TYPEDEF, &types, module);

	if (id < 0)
		return id;
	/* typedef -> pointer -> function prototype, whose first argument is the tracepoint's private data */
	type = btf__type_by_id(types, btf__type_by_id(types, id)->type);
	if (!type || !btf_is_ptr(type))
		return -ENOENT;
	type = btf__type_by_id(types, type->type);
	if (!type || !btf_is_func_proto(type) || !btf_vlen(type))
		return -ENOENT;
	return btf_vlen(type) - 1;
}
