// SPDX-License-Identifier: GPL-2.0-only
/*
 * reason.c: drop reasons by name. Numbers move even within one stable series
 * (6.12.111 and 6.12.117 differ), so they are read from the running kernel:
 * enum skb_drop_reason (since 5.17) in vmlinux, and since 6.4 the enums of
 * subsystems, whose number in enum skb_drop_reason_subsys stands in the upper
 * 16 bits of a reason.
 */
#include <bpf/btf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/kbtf.h"
#include "core/reason.h"

#define SUBSYS_SHIFT 16

struct reason {
	uint32_t number;
	char name[60];
};

static struct reason *reasons;
static int count;

/* a subsystem's enum lies in its module's types; the kernel's own name for the subsystem leads there */
static const struct {
	const char *subsys, *module, *enum_name;
} subsystems[] = {
	{ "SKB_DROP_REASON_SUBSYS_OPENVSWITCH", "openvswitch", "ovs_drop_reason" },
	/* since 7.2; NULL: in vmlinux */
	{ "SKB_DROP_REASON_SUBSYS_QDISC", NULL, "qdisc_drop_reason" },
	{ "SKB_DROP_REASON_SUBSYS_MAC80211_UNUSABLE", "mac80211", "mac80211_drop_reason" },
};

static const char *name_shorten(const char *name)
{
	static const char prefix[] = "SKB_DROP_REASON_";

	return strncmp(name, prefix, sizeof(prefix) - 1) ? name : name + sizeof(prefix) - 1;
}

/* the entries of one enum whose upper half is that of the subsystem (0: core) */
static void enum_read(const char *module, const char *enum_name, uint32_t subsys)
{
	const struct btf *btf;
	const int id = kbtf_find(module, enum_name, BTF_KIND_ENUM, &btf);
	const struct btf_type *type;
	const struct btf_enum *entries;

	if (id < 0)
		return;
	type = btf__type_by_id(btf, id);
	entries = btf_enum(type);
	for (int i = 0; i < btf_vlen(type); i++) {
		uint32_t number = entries[i].val;
		const char *name = name_shorten(btf__name_by_offset(btf, entries[i].name_off));
		struct reason *more;

		/* 0 says that nothing was dropped, also where a kernel gives no reason; markers such as __OVS_DROP_REASON and ..._MAX, ..._MASK are no reasons */
		if (!number || number >> SUBSYS_SHIFT != subsys || !strncmp(name, "__", 2) ||
		    !strcmp(name, "MAX") ||
		    (strlen(name) > 4 && !strcmp(name + strlen(name) - 4, "_MAX")))
			continue;
		more = reallocarray(reasons, count + 1, sizeof(*reasons));
		if (!more)
			return;
		reasons = more;
		reasons[count].number = number;
		snprintf(reasons[count].name, sizeof(reasons[count].name), "%s", name);
		count++;
	}
}

/* -1 if this kernel has no such subsystem */
static int subsys_number(const char *name)
{
	const struct btf *btf;
	const int id = kbtf_find(NULL, "skb_drop_reason_subsys", BTF_KIND_ENUM, &btf);
	const struct btf_type *type;

	if (id < 0)
		return -1;
	type = btf__type_by_id(btf, id);
	for (int i = 0; i < btf_vlen(type); i++) {
		if (!strcmp(btf__name_by_offset(btf, btf_enum(type)[i].name_off), name))
			return btf_enum(type)[i].val;
	}
	return -1;
}

int reason_load(void)
{
	if (count)
		return count;
	enum_read(NULL, "skb_drop_reason", 0);
	for (size_t i = 0; i < sizeof(subsystems) / sizeof(subsystems[0]); i++) {
		int subsys = subsys_number(subsystems[i].subsys);

		if (subsys >= 0)
			enum_read(subsystems[i].module, subsystems[i].enum_name, subsys);
	}
	return count;
}

int reason_reload(void)
{
	count = 0;
	return reason_load();
}

void reason_each(void (*visit)(const char *name, uint32_t number, void *data), void *data)
{
	for (int i = 0; i < count; i++)
		visit(reasons[i].name, reasons[i].number, data);
}

int reason_count(void)
{
	return count;
}

const char *reason_name(uint32_t number)
{
	for (int i = 0; i < count; i++) {
		if (reasons[i].number == number)
			return reasons[i].name;
	}
	return NULL;
}

int reason_number(const char *name, uint32_t *number)
{
	static const char prefix[] = "SKB_DROP_REASON_";

	if (!strncasecmp(name, prefix, sizeof(prefix) - 1))
		name += sizeof(prefix) - 1;
	for (int i = 0; i < count; i++) {
		if (!strcasecmp(reasons[i].name, name)) {
			*number = reasons[i].number;
			return 0;
		}
	}
	return -ENOENT;
}
