/* SPDX-License-Identifier: GPL-2.0-only */
/* echo.bpf.h: path rtt: an echo reply goes on with the flight of its request. */
#ifndef NETSONDE_PATH_ECHO_BPF_H
#define NETSONDE_PATH_ECHO_BPF_H

#include "identity.bpf.h"
#include "path/ledger.bpf.h"
#include "path/trace.bpf.h"

#define ECHO_IN_TUNNEL 1

/* returns ECHO_IN_TUNNEL or 0 */
static __always_inline int echo_key(enum sonde_access access, struct sk_buff *skb, bool request, __u64 *key)
{
	struct packet_place place;
	struct packet_tags tags;

	struct packet_tunnel tunnel;

	packet_locate(access, skb, &place, &tags);
	*key = identity_echo(&place, request);
	if (*key || !packet_descend(&place, &tunnel))
		return 0;
	*key = identity_echo(&place, request);
	return *key ? ECHO_IN_TUNNEL : 0;
}

static __noinline int echo_key_direct(struct sk_buff *skb, bool request, __u64 *key)
{
	return echo_key(SONDE_DIRECT, skb, request, key);
}

static __noinline int echo_key_probe(struct sk_buff *skb, bool request, __u64 *key)
{
	return echo_key(SONDE_PROBE, skb, request, key);
}

static __always_inline __u64 path_echo(enum sonde_access access, struct sk_buff *skb, bool request)
{
	__u64 key = 0;

	if (access == SONDE_DIRECT)
		echo_key_direct(skb, request, &key);
	else
		echo_key_probe(skb, request, &key);
	return key;
}

/* path rtt: an echo request has left; its flight waits for the reply under the key that the reply will have */
static __always_inline void path_await(enum sonde_access access, struct sk_buff *skb, struct path_slot *slot)
{
	__u64 key = path_echo(access, skb, true);
	struct path_slot waiting;

	if (!key || !flight_claim(&waiting, key)) {
		flight_end(slot, FATE_unreadable);
		return;
	}
	flight_copy(&waiting, slot);
	waiting.flight->skb = 0;
	waiting.flight->marks |= MARK_reply;
	waiting.flight->seen = 0;
	flight_free(slot);
}

/* path rtt: an echo reply comes in: the flight of its request goes on with this skb */
static __always_inline bool path_reply(enum sonde_access access, struct sk_buff *skb, __u64 head)
{
	struct path_slot waiting, slot;
	__u64 key = 0;
	int where;

	where = access == SONDE_DIRECT ? echo_key_direct(skb, false, &key) : echo_key_probe(skb, false, &key);
	if (!key || !flight_find(&waiting, key) || !flight_claim(&slot, head))
		return false;
	flight_copy(&slot, &waiting);
	slot.flight->skb = (__u64)skb;
	if (where == ECHO_IN_TUNNEL)
		slot.flight->marks |= MARK_tunnel;
	flight_free(&waiting);
	return true;
}

#endif
