/* SPDX-License-Identifier: GPL-2.0-only */
/* meaning.h: what a drop's reason or place means, and which frees are no loss. */
#ifndef NETSONDE_TOOLS_DROP_MEANING_H
#define NETSONDE_TOOLS_DROP_MEANING_H

#include "core/tool.h"

/** One sentence for an operator: what happened and what to look at; NULL if there is none. */
const char *meaning_of(uint32_t reason, uint64_t place);
/** The same for a reason by its name, also on a kernel that has no such reason. */
const char *meaning_of_reason(const char *name);

/** Fills the rodata of drop.bpf.h from the running kernel's symbols and reasons. */
void drop_set(struct run *run);
/** Whether this kernel frees every ICMPv6 message as dropped: before 6.2, which has a reason for consumed skbs. */
bool frees_icmp6_as_dropped(const struct run *run, const struct hook_row *hook);

/** Whether Open vSwitch is loaded and drops without a word: before 6.7. */
bool ovs_drops_silently(const struct run *run, const struct hook_row *hook);

/** Rows for the hooks that drop.bpf.h has bodies for, but the drop itself. */
#define DROP_HOOKS                                                                                 \
	{ "ovs_actions", true, ovs_drops_silently,                                                 \
	  "packets that an Open vSwitch flow drops or sends nowhere" },                            \
	{ "timewait", true, NULL,                                                                  \
	  "TCP segments that a TIME_WAIT socket took: they are not told from drops" },             \
	{ "raw4", true, NULL,                                                                      \
	  "ICMP echo replies that a raw socket (ping) got: they are not told from drops" },        \
	{ "raw6", true, NULL,                                                                      \
	  "ICMPv6 echo replies that a raw socket (ping) got: they are not told from drops" },      \
	{ "ndisc", true, frees_icmp6_as_dropped,                                                   \
	  "IPv6 neighbour discovery, echo, errors: handled ones are not told from drops" },        \
	{ "icmp6_echo", true, frees_icmp6_as_dropped, NULL },                                      \
	{ "icmp6_error", true, frees_icmp6_as_dropped, NULL },                                     \
	{ "mld_query", true, frees_icmp6_as_dropped, NULL },                                       \
	{ "mld_report", true, frees_icmp6_as_dropped, NULL }

#endif
