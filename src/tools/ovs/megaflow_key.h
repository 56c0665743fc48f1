/* SPDX-License-Identifier: GPL-2.0-only */
/* megaflow_key.h: what can be asked of a flow's key: the run's filter, and whether an upcall had the same. */
#ifndef NETSONDE_OVS_MEGAFLOW_KEY_H
#define NETSONDE_OVS_MEGAFLOW_KEY_H

#include "abi/filter.h"
#include "odp/odp.h"

/**
 * True if packets with this key pass the filter; names: of ports, for --dev. A test of what a key does not have, such as
 * a namespace or what is inside a tunnel, is not passed.
 */
bool megaflow_key_passes(const struct sonde_filter *filter, struct odp_attrs key, const struct odp_names *names);

#endif
