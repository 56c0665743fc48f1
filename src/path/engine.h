/* SPDX-License-Identifier: GPL-2.0-only */
/* engine.h: what the files of the engine share. Includers that use PATH_RODATA include engine.skel.h. */
#ifndef NETSONDE_PATH_ENGINE_H
#define NETSONDE_PATH_ENGINE_H

#include "path/path.h"

/* vhost threads: one a queue pair of a guest */
#define PATH_WORKERS 1024

#define PATH_RODATA(run) ((struct engine__rodata *)(run)->rodata)

/** devices_configure: which path, and its devices into the rodata. Returns 0 or -EINVAL, said. */
int devices_configure(struct run *run);
/** devices_loaded: their numbers to where the programs look for them. As tool.loaded. */
int devices_loaded(struct run *run);

/** devices_tick: says which devices are gone, and takes up those that are there again. */
void devices_tick(struct run *run);

/** What a CPU has counted, as the kernel has it. */
static inline struct path_cpu *cpu_counts(const struct path_run *state, int cpu)
{
	return (struct path_cpu *)(state->cpus + cpu * state->cpu_size);
}

/** How many cells further on the times of packets that had an upcall are: from CELL_other on each cell is there twice. */
static inline uint32_t upcall_cells(const struct path_run *state)
{
	return state->edge_cells - CELL_other;
}

#endif
