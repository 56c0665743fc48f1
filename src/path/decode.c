// SPDX-License-Identifier: GPL-2.0-only
/* decode.c: packet.bpf.h compiled for this machine, for packets of which only bytes are left. */
#include <string.h>

#define SONDE_NATIVE
#include "bpf/packet.bpf.h"

#include "path/decode.h"

/* an offset of 0 would be one that is not set */
#define L3 8

void decode_bytes(const struct path_bytes *first, struct sonde_packet *packet)
{
	unsigned char bytes[L3 + PATH_BYTES];
	struct net_device *none = NULL;
	struct sk_buff skb = {
		.dev = none,
		.head = bytes,
		.data = bytes + L3,
		.len = first->at_hand,
		.tail = L3 + first->at_hand,
		.protocol = bpf_htons(first->eth_type),
		.network_header = L3,
		.mac_header = PACKET_MAC_UNSET,
	};

	memset(packet, 0, sizeof(*packet));
	memcpy(bytes + L3, first->bytes, PATH_BYTES);
	packet_parse(SONDE_DIRECT, &skb, packet);
	packet->length = first->length;
}
