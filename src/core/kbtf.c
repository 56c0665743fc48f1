// SPDX-License-Identifier: GPL-2.0-only
/* kbtf.c: types of the running kernel. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/kbtf.h"

#define VMLINUX_BTF "/sys/kernel/btf/vmlinux"

static struct btf *vmlinux;

int kbtf_open(const char *path)
{
	if (vmlinux)
		return 0;
	if (!path && access(VMLINUX_BTF, R_OK))
		return -ENOENT;
	vmlinux = btf__parse(path ? path : VMLINUX_BTF, NULL);
	if (!vmlinux)
		return -errno;
	return 0;
}

void kbtf_close(void)
{
	btf__free(vmlinux);
	vmlinux = NULL;
}

struct btf *kbtf_vmlinux(void)
{
	return vmlinux;
}

struct btf *kbtf_module(const char *module)
{
	char path[320];

	snprintf(path, sizeof(path), "/sys/kernel/btf/%s", module);
	return btf__parse_split(path, vmlinux);
}

bool kbtf_has_function(const char *name, const char *module)
{
	struct btf *types = module ? kbtf_module(module) : vmlinux;
	bool has = types && btf__find_by_name_kind(types, name, BTF_KIND_FUNC) > 0;

	if (module)
		btf__free(types);
	return has;
}

/* asks the kernel's own types, then those of each module that is loaded, until one of them has it */
static bool some_types_have(bool (*has)(const struct btf *types, const char *name, int *answer), const char *name,
			    int *answer)
{
	struct dirent *entry;
	bool found = vmlinux && has(vmlinux, name, answer);
	DIR *folder = !found && vmlinux ? opendir("/sys/kernel/btf") : NULL;

	while (folder && !found && (entry = readdir(folder))) {
		struct btf *types = *entry->d_name != '.' && strcmp(entry->d_name, "vmlinux")
					    ? kbtf_module(entry->d_name) : NULL;

		found = types && has(types, name, answer);
		btf__free(types);
	}
	if (folder)
		closedir(folder);
	return found;
}

static bool has_either(const struct btf *types, const char *name, int *unused)
{
	(void)unused;
	return btf__find_by_name_kind(types, name, BTF_KIND_STRUCT) > 0 ||
	       btf__find_by_name_kind(types, name, BTF_KIND_VAR) > 0;
}

bool kbtf_knows(const char *name)
{
	return some_types_have(has_either, name, NULL);
}

static bool has_tracepoint(const struct btf *types, const char *name, int *args)
{
	const struct btf_type *type;
	char typedef_name[128];
	int id;

	snprintf(typedef_name, sizeof(typedef_name), "btf_trace_%s", name);
	id = btf__find_by_name_kind(types, typedef_name, BTF_KIND_TYPEDEF);
	if (id < 0)
		return false;
	/* typedef -> pointer -> function prototype, whose first argument is the tracepoint's private data */
	type = btf__type_by_id(types, btf__type_by_id(types, id)->type);
	if (!type || !btf_is_ptr(type))
		return false;
	type = btf__type_by_id(types, type->type);
	if (!type || !btf_is_func_proto(type) || !btf_vlen(type))
		return false;
	*args = btf_vlen(type) - 1;
	return true;
}

int kbtf_tracepoint_args(const char *name)
{
	int args;

	return some_types_have(has_tracepoint, name, &args) ? args : -ENOENT;
}
