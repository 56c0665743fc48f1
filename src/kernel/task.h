/* SPDX-License-Identifier: GPL-2.0-only */
/* The members of task_struct that we read, relocated by CO-RE; see skb.h. */
#ifndef NETSONDE_KERNEL_TASK_H
#define NETSONDE_KERNEL_TASK_H

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct files_struct;

struct task_struct {
	struct files_struct *files;
	unsigned long nvcsw;	/* how often it has slept, or given up the CPU otherwise */
};

#pragma clang attribute pop

#endif
