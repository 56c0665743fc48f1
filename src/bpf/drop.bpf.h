/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * drop.bpf.h: an skb freed as a drop, from the arguments of the tracepoint
 * skb:kfree_skb, and whether that free is no loss at all.
 *
 * The function behind it changed its name three times (kfree_skb, since 5.17
 * kfree_skb_reason, since 6.11 sk_skb_reason_drop), and several callers free
 * without it; the tracepoint sees them all on each kernel since 4.18.
 */
#ifndef NETSONDE_DROP_BPF_H
#define NETSONDE_DROP_BPF_H

#include <linux/netlink.h>
#include <linux/openvswitch.h>

/* frees that are no loss, resolved from the running kernel's symbols by tools/drop/meaning.c */
const volatile struct sonde_benign benign_ranges[SONDE_BENIGN_MAX] = {};
const volatile __u32 benign_count = 0;
/* bits of the pieces of text in which they are: most drops are elsewhere, and cost no look at each range */
const volatile __u64 benign_pieces[SONDE_BENIGN_PIECES / 64] = {};
/* report them all the same */
const volatile __u32 cfg_all = 0;

struct drop {
	struct sk_buff *skb;
	__u64 place;
	sonde_reason reason;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} handled_packets SEC(".maps");

static __always_inline struct drop drop_read(const __u64 *args)
{
	struct drop drop = {
		.skb = (struct sk_buff *)args[0],
		.place = args[1],
	};

	if (facts.kfree_skb_args >= 3)
		drop.reason = args[2];
	return drop;
}

/*
 * The kernel frees some packets that it has dealt with as if it dropped them,
 * with no reason of its own, from the same place as real drops. What tells
 * them apart is that the function that deals with them has just been called:
 * remember the last such packet on this CPU. By its data, because a raw socket
 * gets a clone.
 */
static __always_inline int drop_handled(enum sonde_access access, struct sk_buff *skb, enum sonde_handled kind)
{
	__u32 zero = 0;
	__u64 *last = bpf_map_lookup_elem(&handled_packets, &zero);

	if (last)
		*last = (__u64)SONDE_READ(access, skb, head) + kind;
	return 0;
}

/* tcp_timewait_state_process(tw, skb), raw_rcv(sk, skb), rawv6_rcv(sk, skb); the others: f(skb, ...) */
static __always_inline int drop_handled_tcp(void *ctx, const __u64 *args, enum sonde_access access)
{
	return drop_handled(access, (struct sk_buff *)args[1], HANDLED_TCP);
}

static __always_inline int drop_handled_raw(void *ctx, const __u64 *args, enum sonde_access access)
{
	return drop_handled(access, (struct sk_buff *)args[1], HANDLED_ICMP);
}

static __always_inline int drop_handled_icmp6(void *ctx, const __u64 *args, enum sonde_access access)
{
	return drop_handled(access, (struct sk_buff *)args[0], HANDLED_ICMP);
}

/* the programs of a tool that tells handled packets from dropped ones; their rows: DROP_HOOKS in tools/drop/meaning.h */
#define HOOKS_HANDLED                                                                              \
	HOOK_FUNCTION(timewait, tcp_timewait_state_process, drop_handled_tcp)                      \
	HOOK_FUNCTION(raw4, raw_rcv, drop_handled_raw)                                             \
	HOOK_FUNCTION(raw6, rawv6_rcv, drop_handled_raw)                                           \
	HOOK_FUNCTION(ndisc, ndisc_rcv, drop_handled_icmp6)                                        \
	HOOK_FUNCTION(icmp6_echo, icmpv6_echo_reply, drop_handled_icmp6)                           \
	HOOK_FUNCTION(icmp6_error, icmpv6_notify, drop_handled_icmp6)                              \
	HOOK_FUNCTION(mld_query, igmp6_event_query, drop_handled_icmp6)                            \
	HOOK_FUNCTION(mld_report, igmp6_event_report, drop_handled_icmp6)

static __always_inline bool drop_in_text(__u64 address, const volatile struct sonde_text *text)
{
	return address - text->start < text->size;
}

static __always_inline bool drop_was_handled(enum sonde_access access, struct sk_buff *skb, __u32 kind)
{
	__u32 zero = 0;
	__u64 *last = bpf_map_lookup_elem(&handled_packets, &zero);

	if (!last || *last != (__u64)SONDE_READ(access, skb, head) + kind)
		return false;
	*last = 0;
	return true;
}

#define AF_UNIX 1
#define AF_NETLINK 16

/* netlink and local sockets carry messages in skbs that never were packets */
static __always_inline bool drop_is_message(enum sonde_access access, struct sk_buff *skb)
{
	struct sock *sk;
	__u16 family;

	if (SONDE_READ(access, skb, protocol) || SONDE_READ(access, skb, skb_iif))
		return false;
	if (sonde_kernel_pointer(SONDE_READ(access, skb, dev)))
		return false;
	/* by helper: for a pointer of its own the verifier wants a test that the compiler finds needless */
	sk = BPF_CORE_READ(skb, sk);
	if (!sonde_kernel_pointer(sk))
		return true;
	family = BPF_CORE_READ(sk, __sk_common.skc_family);
	return family == AF_UNIX || family == AF_NETLINK;
}

static __always_inline bool drop_is_benign(enum sonde_access access, const struct drop *drop)
{
	const __u64 piece = drop->place >> SONDE_BENIGN_PIECE_BITS;
	struct sk_buff *skb = drop->skb;

	if (drop_is_message(access, skb))
		return true;
	if (!(benign_pieces[piece % SONDE_BENIGN_PIECES / 64] >> piece % 64 & 1))
		return false;
	for (__u32 i = 0; i < SONDE_BENIGN_MAX; i++) {
		if (i >= benign_count)
			break;
		if (!drop_in_text(drop->place, &benign_ranges[i].text))
			continue;
		if (!benign_ranges[i].any_reason && drop->reason != benign_ranges[i].reason)
			continue;
		if (benign_ranges[i].empty_only && SONDE_READ(access, skb, len))
			continue;
		if (benign_ranges[i].handled &&
		    !drop_was_handled(access, skb, benign_ranges[i].handled))
			continue;
		return true;
	}
	return false;
}

/**
 * drop_length: the frame's length in bytes, as packet_parse() counts it, without
 * reading the packet: from its Ethernet header where there is one, else from L3.
 */
static __always_inline __u32 drop_length(enum sonde_access access, struct sk_buff *skb)
{
	__u32 mac = SONDE_READ(access, skb, mac_header), network = SONDE_READ(access, skb, network_header);
	__u32 data = SONDE_READ(access, skb, data) - SONDE_READ(access, skb, head);
	__u32 length = SONDE_READ(access, skb, len), start = data;
	struct sonde_vlan tag;

	if (mac != PACKET_MAC_UNSET && (!network || mac <= network))
		start = mac;
	else if (network)
		start = network;
	if (packet_tag(access, skb, &tag))
		length += 4;
	/* an offset behind the packet's end is nonsense */
	return start > data + length ? length : length + data - start;
}

/* start of do_execute_actions() of a kernel whose Open vSwitch gives no reasons */
const volatile __u64 ovs_actions_place = 0;

#define OVS_ACTIONS_MAX 64

/*
 * Before 6.7 (e7bc7db9ba46) the datapath ends a list of actions that sends the
 * packet nowhere with consume_skb(), as if it had been delivered: an empty list
 * (drop), or one in which no action hands the packet on.
 */
static __always_inline bool ovs_list_loses(const char *attr, __s32 length)
{
	struct nlattr head;

	for (__u32 i = 0; i < OVS_ACTIONS_MAX; i++) {
		__s32 size;

		if (length <= 0)
			return true;
		if (bpf_probe_read_kernel(&head, sizeof(head), attr) || head.nla_len < sizeof(head))
			return false;
		/* one of these handed on the packet, or a copy of it */
		switch (head.nla_type & NLA_TYPE_MASK) {
		case OVS_ACTION_ATTR_OUTPUT:
		case OVS_ACTION_ATTR_USERSPACE:
		case OVS_ACTION_ATTR_RECIRC:
		case OVS_ACTION_ATTR_SAMPLE:
		case OVS_ACTION_ATTR_CLONE:
		case OVS_ACTION_ATTR_CHECK_PKT_LEN:
			return false;
		}
		size = (head.nla_len + NLA_ALIGNTO - 1) & ~(NLA_ALIGNTO - 1);
		attr += size;
		length -= size;
	}
	/* longer than any list that was seen: not judged */
	return false;
}

/**
 * ovs_list_sends: for do_execute_actions(dp, skb, key, attr, len): true if the
 * first action sends the packet to a port, as of nearly all that is forwarded.
 * Cost where it can be read directly: 6 instructions.
 */
static __always_inline bool ovs_list_sends(enum sonde_access access, const __u64 *args)
{
	const struct nlattr *attr = (const struct nlattr *)args[3];
	__u16 type;

	if ((__s32)args[4] <= 0)
		return false;
	if (access == SONDE_DIRECT)
		type = attr->nla_type;
	else if (bpf_probe_read_kernel(&type, sizeof(type), &attr->nla_type))
		return false;
	return (type & NLA_TYPE_MASK) == OVS_ACTION_ATTR_OUTPUT;
}

/** drop_read_ovs: for the same function; false if these actions lose nothing. */
static __always_inline bool drop_read_ovs(enum sonde_access access, const __u64 *args, struct drop *drop)
{
	*drop = (struct drop){ .skb = (struct sk_buff *)args[1], .place = ovs_actions_place };
	return !ovs_list_sends(access, args) && ovs_list_loses((const char *)args[3], args[4]);
}

#endif
