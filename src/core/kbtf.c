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

static struct btf *vmlinux;

/* types of vmlinux: a start asks for dozens of names, and libbpf goes through all of some 130,000 types for each */
static struct names names;

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

static int names_index(void)
{
	const uint32_t types = btf__type_cnt(vmlinux);
	int err = names_make(&names, types);

	for (uint32_t id = 1; !err && id < types; id++) {
		const struct btf_type *type = btf__type_by_id(vmlinux, id);

		if (kind_wanted(btf_kind(type)))
			names_add(&names, btf__name_by_offset(vmlinux, type->name_off), id);
	}
	return err;
}

static bool type_is(const struct btf *types, uint32_t id, const char *name, uint32_t kind)
{
	const struct btf_type *type = btf__type_by_id(types, id);

	return btf_kind(type) == kind && !strcmp(btf__name_by_offset(types, type->name_off), name);
}

static int vmlinux_find(const char *name, uint32_t kind)
{
	uint32_t id, slot;

	for (id = names_first(&names, name, &slot); id; id = names_next(&names, &slot)) {
		if (type_is(vmlinux, id, name, kind))
			return id;
	}
	return -ENOENT;
}

int kbtf_open(const char *path)
{
	if (vmlinux)
		return 0;
	if (!path && access(VMLINUX_BTF, R_OK))
		return -ENOENT;
	vmlinux = btf__parse(path ? path : VMLINUX_BTF, NULL);
	if (!vmlinux)
		return -errno;
	if (names_index()) {
		kbtf_close();
		return -ENOMEM;
	}
	return 0;
}

void kbtf_close(void)
{
	for (unsigned int i = 0; i < module_count; i++)
		btf__free(modules[i].types);
	free(modules);
	modules = NULL;
	module_count = 0;
	names_free(&names);
	btf__free(vmlinux);
	vmlinux = NULL;
}

bool kbtf_is_open(void)
{
	return vmlinux != NULL;
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
	more->types = btf__parse_split(path, vmlinux);
	return more->types;
}

/* a module's own types come after all of vmlinux's */
static int module_find(const struct btf *types, const char *name, uint32_t kind)
{
	for (uint32_t id = btf__type_cnt(vmlinux); id < btf__type_cnt(types); id++) {
		if (type_is(types, id, name, kind))
			return id;
	}
	return -ENOENT;
}

int kbtf_find(const char *module, const char *name, uint32_t kind, const struct btf **types)
{
	const struct btf *where;
	int id;

	if (!vmlinux)
		return -ENOENT;
	where = module ? module_types(module) : vmlinux;
	if (!where)
		return -ENOENT;
	id = module ? module_find(where, name, kind) : vmlinux_find(name, kind);
	if (types)
		*types = where;
	return id;
}

int kbtf_find_anywhere(const char *name, uint32_t kind, const struct btf **types, char module[KBTF_MODULE_NAME])
{
	int id = kbtf_find(NULL, name, kind, types);
	struct dirent *entry;
	DIR *folder;

	*module = '\0';
	if (id > 0 || !vmlinux)
		return id;
	folder = opendir("/sys/kernel/btf");
	while (folder && id < 0 && (entry = readdir(folder))) {
		if (*entry->d_name == '.' || !strcmp(entry->d_name, "vmlinux"))
			continue;
		id = kbtf_find(entry->d_name, name, kind, types);
		if (id > 0)
			snprintf(module, KBTF_MODULE_NAME, "%.*s", KBTF_MODULE_NAME - 1, entry->d_name);
	}
	if (folder)
		closedir(folder);
	return id;
}

bool kbtf_knows(const char *name)
{
	char module[KBTF_MODULE_NAME];

	return kbtf_find_anywhere(name, BTF_KIND_STRUCT, NULL, module) > 0 ||
	       kbtf_find_anywhere(name, BTF_KIND_VAR, NULL, module) > 0;
}

int kbtf_find_tracepoint(const char *name, const struct btf **types, char module[KBTF_MODULE_NAME])
{
	char typedef_name[128];

	snprintf(typedef_name, sizeof(typedef_name), "btf_trace_%s", name);
	return kbtf_find_anywhere(typedef_name, BTF_KIND_TYPEDEF, types, module);
}

int kbtf_tracepoint_args(const char *name)
{
	char module[KBTF_MODULE_NAME];
	const struct btf_type *type;
	const struct btf *types;
	int id = kbtf_find_tracepoint(name, &types, module);

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
