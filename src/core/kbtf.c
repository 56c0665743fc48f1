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

static bool has_either(const struct btf *types, const char *name)
{
	return btf__find_by_name_kind(types, name, BTF_KIND_STRUCT) > 0 ||
	       btf__find_by_name_kind(types, name, BTF_KIND_VAR) > 0;
}

bool kbtf_knows(const char *name)
{
	struct dirent *entry;
	bool has = vmlinux && has_either(vmlinux, name);
	DIR *folder = !has && vmlinux ? opendir("/sys/kernel/btf") : NULL;

	while (folder && !has && (entry = readdir(folder))) {
		struct btf *types = *entry->d_name != '.' && strcmp(entry->d_name, "vmlinux")
					    ? kbtf_module(entry->d_name) : NULL;

		has = types && has_either(types, name);
		btf__free(types);
	}
	if (folder)
		closedir(folder);
	return has;
}

int kbtf_tracepoint_args(const char *name)
{
	const struct btf_type *type;
	char typedef_name[128];
	int id;

	snprintf(typedef_name, sizeof(typedef_name), "btf_trace_%s", name);
	id = vmlinux ? btf__find_by_name_kind(vmlinux, typedef_name, BTF_KIND_TYPEDEF) : -ENOENT;
	if (id < 0)
		return -ENOENT;
	/* typedef -> pointer -> function prototype, whose first argument is the tracepoint's private data */
	type = btf__type_by_id(vmlinux, btf__type_by_id(vmlinux, id)->type);
	if (!type || !btf_is_ptr(type))
		return -ENOENT;
	type = btf__type_by_id(vmlinux, type->type);
	if (!type || !btf_is_func_proto(type) || !btf_vlen(type))
		return -ENOENT;
	return btf_vlen(type) - 1;
}
