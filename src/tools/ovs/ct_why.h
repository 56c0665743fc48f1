/* SPDX-License-Identifier: GPL-2.0-only */
/* ct_why.h: why connection tracking calls a packet invalid, or fails on it. */
#ifndef NETSONDE_OVS_CT_WHY_H
#define NETSONDE_OVS_CT_WHY_H

#include "abi/conntrack.h"

enum why {
	WHY_NOT, /* nothing is wrong with the packet */
	WHY_WINDOW,
	WHY_CHECKSUM,
	WHY_NO_CONNECTION,
	WHY_TABLE_FULL,
	WHY_ZONE_LIMIT,
	WHY_BAD_HEADER,
	WHY_BAD_STATE,
	WHY_HELPER,
	WHY_NAT,
	WHY_NOT_TAKEN,
	WHY_NO_MEMORY,
	WHY_FRAGMENT,
	WHY_OTHER,
	WHY_NOT_TOLD,
	WHY_MAX,
};

/** By what the kernel did and said; what it did not tell is not guessed. */
enum why why_of(const struct ct_facts *facts, const struct sonde_packet *packet);
/** One word; NULL: WHY_NOT. */
const char *why_name(enum why why);
/** A sentence for people, or NULL. */
const char *why_meaning(enum why why);

#endif
