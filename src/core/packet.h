/* SPDX-License-Identifier: GPL-2.0-only */
/* packet.h: what the parser found in a packet, as JSON and as a line of text. */
#ifndef NETSONDE_CORE_PACKET_H
#define NETSONDE_CORE_PACKET_H

#include <jansson.h>
#include <stddef.h>

#include "abi/packet.h"

/** Adds length and a key for each header that the packet has: eth, vlan, arp, ip, tcp, ... */
void packet_json(json_t *object, const struct sonde_packet *packet);
/** One line without control characters; returns its length as snprintf() does. */
int packet_text(char *text, size_t size, const struct sonde_packet *packet);
/** {src, dst, protocol, src_port, dst_port}: no ports where there are none; null: no addresses. */
json_t *flow_json(const struct sonde_flow *flow);
int flow_text(char *text, size_t size, const struct sonde_flow *flow);
/** Lower-case name of an IP protocol number, or NULL. */
const char *protocol_name(__u8 protocol);

#endif
