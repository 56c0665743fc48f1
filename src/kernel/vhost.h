/* SPDX-License-Identifier: GPL-2.0-only */
/* The members of vhost's structs that we read, relocated by CO-RE from the module's BTF; see skb.h. */
#ifndef NETSONDE_KERNEL_VHOST_H
#define NETSONDE_KERNEL_VHOST_H

#include <linux/types.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct wait_queue_entry {
	unsigned int flags;
};

struct vhost_work {
	unsigned long flags;
};

/* kernels without BTF of modules (before 5.11) know nothing of it: ask bpf_core_type_exists() */
struct vhost_poll {
	struct wait_queue_entry wait;
	struct vhost_work work;
};

#pragma clang attribute pop

#endif
