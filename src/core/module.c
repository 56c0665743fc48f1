// SPDX-License-Identifier: GPL-2.0-only
/*
 * module.c: kernel modules that are unloaded while something is attached to
 * them. A program at a function's entry holds the module; a kprobe goes with
 * it, does not come back with the next one of that name, and nobody says so.
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/clock.h"
#include "core/ksym.h"
#include "core/module.h"
#include "core/object.h"
#include "core/run.h"

#define MODULES_MAX 16
#define CHECK_EVERY_NS 1000000000ULL

static struct module {
	char name[64];
	ino_t inode; /* of its folder in /sys/module: another one at each load */
	bool gone;
} modules[MODULES_MAX];
static unsigned int module_count;
static uint64_t checked_ns;

static ino_t module_inode(const char *name)
{
	char path[128];
	struct stat folder;

	snprintf(path, sizeof(path), "/sys/module/%s", name);
	return stat(path, &folder) ? 0 : folder.st_ino;
}

static void module_add(const char *name)
{
	struct module *module = &modules[module_count];

	for (unsigned int i = 0; i < module_count; i++) {
		if (!strcmp(modules[i].name, name))
			return;
	}
	if (module_count == MODULES_MAX)
		return;
	snprintf(module->name, sizeof(module->name), "%s", name);
	module->inode = module_inode(name);
	/* a module that is built in has no folder that can go */
	if (module->inode)
		module_count++;
}

void module_watch(const struct run *run)
{
	for (unsigned int i = 0; i < run->probe_count; i++) {
		const struct probe *probe = &run->probes[i];
		struct ksym symbol;

		if ((!strcmp(probe->by, "kprobe") || !strcmp(probe->by, "kretprobe")) &&
		    ksym_lookup(probe->target, &symbol) && symbol.module)
			module_add(symbol.module);
	}
}

void module_check(struct run *run)
{
	uint64_t now;

	if (!module_count)
		return;
	now = clock_now();
	if (now - checked_ns < CHECK_EVERY_NS)
		return;
	checked_ns = now;
	for (unsigned int i = 0; i < module_count; i++) {
		struct module *module = &modules[i];

		if (module->gone || module_inode(module->name) == module->inode)
			continue;
		module->gone = true;
		run_error(run,
			  "module %s was unloaded: what is done in it is no longer seen, also when it is loaded "
			  "again, until netsonde is started again",
			  module->name);
	}
}
