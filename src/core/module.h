/* SPDX-License-Identifier: GPL-2.0-only */
/* module.h: kernel modules that are loaded or unloaded during a run. */
#ifndef NETSONDE_CORE_MODULE_H
#define NETSONDE_CORE_MODULE_H

struct run;

/** module_watch: remembers the modules that this run's kprobes are in; needs the symbols. */
void module_watch(struct run *run);
/**
 * module_check: says once of each of them that it has gone; of a module that has come, what the run does not see of it,
 * and has symbols and drop reasons read again. Looks at most once a second.
 */
void module_check(struct run *run);

#endif
