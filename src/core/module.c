// SPDX-License-Identifier: GPL-2.0-only
/*
 * module.c: kernel modules that come or go during a run. A program at a
 * function's entry holds its module; a kprobe goes with it, does not come back
 * with the next one of that name, and nobody says so. What lies in a module that
 * is loaded after the start is not watched either; but its functions and drop
 * reasons get their names.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/clock.h"
#include "core/kbtf.h"
#include "core/ksym.h"
#include "core/module.h"
#include "core/object.h"
#include "core/reason.h"
#include "core/run.h"

#define CHECK_EVERY_NS 1000000000ULL

static struct module {
	char name[64];
	ino_t inode; /* of its folder in /sys/module: another one at each load */
	bool gone;
} *modules;
static unsigned int module_count;
static nlink_t loaded_count, loaded_before; /* folders in /sys/module: of what is known here, and at the last look */
static uint64_t checked_ns;
static uint64_t missing_told; /* bits: hooks of the tool that are known to be missing, in modules that are loaded */

static ino_t module_inode(const char *name)
{
	char path[128];
	struct stat folder;

	snprintf(path, sizeof(path), "/sys/module/%s", name);
	return stat(path, &folder) ? 0 : folder.st_ino;
}

static nlink_t modules_loaded(void)
{
	struct stat folder;

	return stat("/sys/module", &folder) ? 0 : folder.st_nlink;
}

static void module_add(struct run *run, const char *name)
{
	const ino_t inode = module_inode(name);
	struct module *more;

	for (unsigned int i = 0; i < module_count; i++) {
		if (!strcmp(modules[i].name, name))
			return;
	}
	/* a module that is built in has no folder that can go */
	if (!inode)
		return;
	more = reallocarray(modules, module_count + 1, sizeof(*modules));
	if (!more) {
		run_error(run, "cannot watch module %s: %s", name, strerror(errno));
		return;
	}
	modules = more;
	modules[module_count] = (struct module){ .inode = inode };
	snprintf(modules[module_count++].name, sizeof(modules->name), "%s", name);
}

static bool hook_is_attached(const struct run *run, const struct hook_row *hook)
{
	for (unsigned int i = 0; i < run->probe_count; i++) {
		if (run->probes[i].hook == hook)
			return true;
	}
	return false;
}

/* visits each hook that this run would want, has not, and could have in a module that is loaded */
static void missing_each(struct run *run, void (*visit)(struct run *run, const struct hook_row *hook, const char *module))
{
	const struct hook_row *hooks = run->tool->hooks;
	char module[KBTF_MODULE_NAME];

	for (unsigned int i = 0; hooks[i].name && i < 64; i++) {
		if (missing_told & 1ULL << i || !hooks[i].without || hook_is_attached(run, &hooks[i]) ||
		    (hooks[i].wanted && !hooks[i].wanted(run, &hooks[i])) ||
		    !object_target_module(run, &hooks[i], module))
			continue;
		missing_told |= 1ULL << i;
		if (visit)
			visit(run, &hooks[i], module);
	}
}

void module_watch(struct run *run)
{
	loaded_count = modules_loaded();
	/* the start line says those */
	missing_each(run, NULL);
	for (unsigned int i = 0; i < run->probe_count; i++) {
		const struct probe *probe = &run->probes[i];
		struct ksym symbol;

		if ((!strcmp(probe->by, "kprobe") || !strcmp(probe->by, "kretprobe")) &&
		    ksym_lookup(probe->target, &symbol) && symbol.module)
			module_add(run, symbol.module);
	}
}

static void missing_say(struct run *run, const struct hook_row *hook, const char *module)
{
	run_error(run, "module %s is loaded now: not visible until netsonde is started again: %s", module, hook->without);
}

/* a module came: names are read again, and what it has that is not watched is said */
static void module_came(struct run *run)
{
	/* before the reasons: what is not there yet when these are read must not be found then */
	ksym_close();
	ksym_hidden();
	if (reason_count() && !kbtf_open(run->btf_path)) {
		reason_reload();
		kbtf_close();
	}
	missing_each(run, missing_say);
}

void module_check(struct run *run)
{
	uint64_t now = clock_now();
	nlink_t loaded;

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
	/* modules come in groups, each bit by bit: symbols first, then types. All is there when none has come for a second. */
	loaded = modules_loaded();
	if (loaded == loaded_before) {
		if (loaded > loaded_count)
			module_came(run);
		loaded_count = loaded;
	}
	loaded_before = loaded;
}
