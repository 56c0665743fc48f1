/* SPDX-License-Identifier: GPL-2.0-only */
/* megaflow_text.h: a command's flow in words; the caller frees them. NULL: it is not there, or too long. */
#ifndef NETSONDE_OVS_MEGAFLOW_TEXT_H
#define NETSONDE_OVS_MEGAFLOW_TEXT_H

#include "tools/ovs/megaflow_command.h"

/** Name of a port, for struct odp_names with a struct datapath_id; of a datapath in another namespace there is none. */
const char *megaflow_port(void *datapath, uint32_t number);
/** Key and mask as ovs-dpctl dump-flows -m prints them; extension_headers: the kernel lists those of IPv6. */
char *megaflow_key_text(struct odp_attrs attrs, struct datapath_id datapath, bool extension_headers);
char *megaflow_actions_text(struct odp_attrs attrs, struct datapath_id datapath);
/** Key, mask and actions in hex; - is one that is not there. */
char *megaflow_raw_text(struct odp_attrs attrs);

#endif
