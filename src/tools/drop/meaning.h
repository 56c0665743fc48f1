/* SPDX-License-Identifier: GPL-2.0-only */
/* meaning.h: what a drop's reason or place means, and which frees are no loss. */
#ifndef NETSONDE_TOOLS_DROP_MEANING_H
#define NETSONDE_TOOLS_DROP_MEANING_H

#include "core/tool.h"

/** One sentence for an operator: what happened and what to look at; NULL if there is none. */
const char *meaning_of(uint32_t reason, uint64_t place);

/** Fills the rodata of drop.bpf.h from the running kernel's symbols and reasons. */
void drop_set(struct run *run);
/** Whether this kernel frees handled packets without a reason, so that they must be told from drops. */
bool benign_needs_handled(const struct run *run);

/** Whether Open vSwitch is loaded and drops without a word: before 6.7. */
bool ovs_drops_silently(const struct run *run);

/** Rows for the hooks that drop.bpf.h has bodies for, but the drop itself. */
#define DROP_HOOKS                                                                                 \
	{ "ovs_actions", true, ovs_drops_silently,                                                 \
	  "packets that an Open vSwitch flow drops or sends nowhere" },                            \
	{ "timewait", true, benign_needs_handled,                                                  \
	  "TCP segments that a TIME_WAIT socket took: they are not told from drops" },             \
	{ "ndisc", true, benign_needs_handled,                                                     \
	  "IPv6 neighbour discovery messages: handled ones are not told from drops" },             \
	{ "raw4", true, benign_needs_handled,                                                      \
	  "ICMP echo replies that a raw socket (ping) got: they are not told from drops" },        \
	{ "raw6", true, benign_needs_handled,                                                      \
	  "ICMPv6 echo replies that a raw socket (ping) got: they are not told from drops" },      \
	{ "icmp6_echo", true, benign_needs_handled, NULL },                                        \
	{ "icmp6_error", true, benign_needs_handled,                                               \
	  "ICMPv6 errors: handled ones are not told from drops" },                                 \
	{ "mld_query", true, benign_needs_handled, NULL },                                         \
	{ "mld_report", true, benign_needs_handled, NULL }

#endif
