// SPDX-License-Identifier: GPL-2.0-only
/* meaning.c: what reasons and places mean to an operator, and which frees are no loss; tables only. */
#include <string.h>

#include "core/ksym.h"
#include "core/object.h"
#include "core/reason.h"
#include "tools/drop/meaning.h"

/* a reason that means another thing at one place: looked up first */
static const struct {
	const char *reason, *function, *words;
} reasons_at[] = {
	{ "IP_INHDR", "ip_forward", "TTL ran out while it was forwarded: a routing loop, or a traceroute" },
	{ "IP_INHDR", "ip6_forward", "hop limit ran out while it was forwarded: a routing loop, or a traceroute" },
};

#define CODEL_WORDS \
	"active queue management (CoDel) dropped it to keep delay low: the link is slower than what is sent; tc -s qdisc"

/* a reason tells more than a place, so it is looked up before it */
static const struct {
	const char *reason, *words;
} reasons[] = {
	{ "NO_SOCKET",
	  "no socket listens on that address and port: is the service running, bound to this address? (ss -lntu)" },
	{ "NETFILTER_DROP",
	  "a netfilter rule dropped it: nft list ruleset, iptables -L -v -n (look for its counter)" },
	{ "SOCKET_RCVBUFF",
	  "the socket's receive buffer is full: the application reads too slowly (ss -unm), or net.core.rmem_max is small" },
	{ "PROTO_MEM", "the protocol's memory limit is reached: net.ipv4.udp_mem or tcp_mem" },
	{ "SOCKET_BACKLOG",
	  "the socket's backlog is full while the application holds the socket: receiver too slow" },
	{ "SOCKET_FILTER",
	  "a filter that the socket's owner set (SO_ATTACH_FILTER) refused it: often intended" },
	{ "PKT_TOO_SMALL", "shorter than its headers say: a broken sender, or damage on the way" },
	{ "HDR_TRUNC", "shorter than its headers say: a broken sender, or damage on the way" },
	{ "TCP_CSUM",
	  "bad TCP checksum: damage on the way, or checksum offload misconfigured (ethtool -k)" },
	{ "UDP_CSUM",
	  "bad UDP checksum: damage on the way, or checksum offload misconfigured (ethtool -k)" },
	{ "ICMP_CSUM", "bad ICMP checksum: damage on the way" },
	{ "IP_CSUM", "bad IP header checksum: damage on the way, or a broken sender" },
	{ "IP_INHDR", "bad IP header: version, length or checksum is wrong" },
	{ "IP_INADDRERRORS", "destination address is not valid for this host" },
	{ "IP_INNOROUTES",
	  "no route to the destination, and this host is asked to forward: ip route get" },
	{ "IP_OUTNOROUTES", "no route to the destination: ip route get" },
	{ "IP_RPFILTER",
	  "reverse-path filter: the source address would be answered through another device (net.ipv4.conf.*.rp_filter)" },
	{ "IP_LOCALNET", "a loopback address came in from the network" },
	{ "IP_INVALID_SOURCE",
	  "the source address is not valid (martian): net.ipv4.conf.*.log_martians shows them" },
	{ "IP_INVALID_DEST", "the destination address is not valid here (martian)" },
	{ "IP_LOCAL_SOURCE",
	  "the source address is this host's own: a loop or a duplicate address" },
	{ "IP_NOPROTO", "no handler for this IP protocol" },
	{ "OTHERHOST",
	  "the frame's destination MAC is another host's: promiscuous device, flooding, or a stale ARP or FDB entry" },
	{ "UNICAST_IN_L2_MULTICAST", "a unicast IP packet in a multicast or broadcast frame" },
	{ "XFRM_POLICY", "an IPsec policy refuses it: ip xfrm policy" },
	{ "TCP_MD5NOTFOUND", "TCP MD5 signature expected but absent" },
	{ "TCP_MD5FAILURE", "TCP MD5 signature does not match" },
	{ "TCP_FLAGS", "TCP flags not allowed in this state" },
	{ "TCP_ZEROWINDOW", "the receiver announced a zero window: the application does not read" },
	{ "TCP_OLD_DATA", "data that had arrived already: a retransmission that was not needed" },
	{ "TCP_OVERWINDOW", "beyond the receive window" },
	{ "TCP_OFOMERGE", "out-of-order data that was held already" },
	{ "TCP_OFO_QUEUE_PRUNE",
	  "out-of-order queue pruned for lack of memory: receive buffer or tcp_mem" },
	{ "TCP_RFC7323_PAWS", "TCP time stamp older than expected" },
	{ "TCP_INVALID_SEQUENCE", "sequence number outside the window" },
	{ "TCP_LISTEN_OVERFLOW",
	  "the accept queue is full: the application accepts too slowly (ss -lnt, Recv-Q)" },
	{ "TCP_REQQFULLDROP",
	  "the SYN queue is full: net.ipv4.tcp_max_syn_backlog, or a SYN flood" },
	{ "TCP_RESET", "a valid reset ended the connection" },
	{ "TCP_CLOSE", "data for a socket that is closed" },
	{ "NEIGH_FAILED", "the next hop answers no ARP or ND request: ip neigh, is the host up?" },
	{ "NEIGH_QUEUEFULL", "too many packets wait for the next hop's ARP or ND answer" },
	{ "NEIGH_CREATEFAIL",
	  "no neighbour entry could be made: table full? (net.ipv4.neigh.default.gc_thresh3)" },
	{ "QDISC_DROP",
	  "the queue discipline refused it: netsonde drop qdisc names queue and limit; tc -s qdisc" },
	{ "QDISC_OVERLIMIT", "the queue is at its limit: netsonde drop qdisc; tc -s qdisc" },
	{ "QDISC_CONGESTED", CODEL_WORDS },
	/* since 7.2 queue disciplines have reasons of their own */
	{ "QDISC_DROP_GENERIC",
	  "the queue discipline refused it: netsonde drop qdisc names queue and limit; tc -s qdisc" },
	{ "QDISC_DROP_OVERLIMIT", "the queue is at its limit: netsonde drop qdisc; tc -s qdisc" },
	{ "QDISC_DROP_CONGESTED", CODEL_WORDS },
	{ "QDISC_BURST_DROP", "too many packets of one burst for the device's queue: netsonde drop qdisc" },
	{ "TC_EGRESS", "a tc egress program or filter dropped it: tc filter show dev DEV egress" },
	{ "TC_INGRESS",
	  "a tc ingress program or filter dropped it: tc filter show dev DEV ingress" },
	{ "TC_RECLASSIFY_LOOP", "tc actions reclassify in a loop" },
	{ "CPU_BACKLOG",
	  "the CPU's backlog is full: net.core.netdev_max_backlog, and is that CPU overloaded? (/proc/net/softnet_stat)" },
	{ "XDP", "an XDP program dropped it: ip link shows it, bpftool net" },
	{ "UNHANDLED_PROTO",
	  "nobody on this device takes this EtherType: unwanted traffic, or a missing port or VLAN" },
	{ "FULL_RING",
	  "the ring to the guest or reader is full: guest or vhost too slow, see netsonde path summary --path vm-rx" },
	{ "TAP_FILTER", "the tap's filter refused it" },
	{ "TAP_TXFILTER", "the tap's own MAC filter refused it (TUNSETTXFILTER)" },
	{ "DEV_READY", "the device is down or being taken away" },
	{ "DEV_HDR", "the device could not build its header" },
	{ "SKB_CSUM", "the checksum could not be computed" },
	{ "SKB_GSO_SEG", "a large packet could not be split for the device" },
	{ "NOMEM", "out of memory in the network stack" },
	{ "BPF_CGROUP_EGRESS", "a BPF program of the cgroup refused it" },
	{ "IPV6DISABLED", "IPv6 is disabled on this device (net.ipv6.conf.*.disable_ipv6)" },
	{ "PKT_TOO_BIG", "larger than the next hop's MTU and must not be fragmented: path MTU" },
	{ "DUP_FRAG", "a fragment that was held already" },
	{ "FRAG_REASM_TIMEOUT", "fragments of the packet never came: loss on the way" },
	{ "FRAG_TOO_FAR", "fragments from too far apart" },
	{ "IP_INVALID_TTL", "TTL ran out: a routing loop, or a traceroute" },
	{ "ICMPV6_HOPLIMIT", "hop limit ran out: a routing loop, or a traceroute" },
	{ "VLAN_FILTER", "the bridge's VLAN filter refused it: bridge vlan show" },
	{ "OVS_DROP_LAST_ACTION",
	  "an Open vSwitch flow ended without sending it anywhere: ovs-appctl ofproto/trace" },
	{ "OVS_DROP_ACTION_ERROR",
	  "an action of an Open vSwitch flow could not be carried out on it (a header missing or cut short, no memory): ovs-dpctl dump-flows" },
	{ "OVS_DROP_EXPLICIT",
	  "an Open vSwitch flow says drop: ovs-dpctl dump-flows, ovs-appctl ofproto/trace" },
	{ "OVS_DROP_EXPLICIT_WITH_ERROR",
	  "an Open vSwitch flow says drop because of an error: ovs-vswitchd.log" },
	{ "OVS_DROP_IP_TTL", "TTL ran out in an Open vSwitch dec_ttl action" },
	{ "OVS_DROP_METER",
	  "an Open vSwitch meter dropped it: ovs-ofctl -O OpenFlow13 meter-stats" },
	{ "OVS_DROP_RECURSION_LIMIT",
	  "Open vSwitch actions recirculate too deep: a loop in the flow tables" },
	{ "OVS_DROP_DEFERRED_LIMIT", "too many deferred Open vSwitch actions for one packet" },
	{ "OVS_DROP_FRAG_L2_TOO_LONG",
	  "Open vSwitch cannot fragment it: its L2 header is too long" },
	{ "OVS_DROP_FRAG_INVALID_PROTO", "Open vSwitch cannot fragment this protocol" },
	{ "OVS_DROP_CONNTRACK", "Open vSwitch conntrack refused it: netsonde ovs conntrack" },
};

static const struct {
	const char *function, *words;
} places[] = {
	{ "nf_hook_slow",
	  "a netfilter rule dropped it: nft list ruleset, iptables -L -v -n (look for its counter)" },
	{ "nft_do_chain", "a netfilter rule dropped it: nft list ruleset" },
	{ "__udp4_lib_rcv",
	  "UDP to a port without a socket, or with a bad checksum (nstat UdpNoPorts, UdpInCsumErrors)" },
	{ "udp_rcv",
	  "UDP to a port without a socket, or with a bad checksum (nstat UdpNoPorts, UdpInCsumErrors)" },
	{ "__udp6_lib_rcv",
	  "UDP to a port without a socket, or with a bad checksum (nstat Udp6NoPorts, Udp6InCsumErrors)" },
	{ "udpv6_rcv",
	  "UDP to a port without a socket, or with a bad checksum (nstat Udp6NoPorts, Udp6InCsumErrors)" },
	{ "udp_destruct_common",
	  "datagrams that nobody had read when their socket was closed: the application ended, or gave up" },
	{ "udp_queue_rcv_one_skb",
	  "the UDP socket's receive buffer is full, or its filter refused it (nstat UdpRcvbufErrors, ss -unm)" },
	{ "udpv6_queue_rcv_one_skb",
	  "the UDP socket's receive buffer is full, or its filter refused it (nstat Udp6RcvbufErrors)" },
	{ "tcp_v4_rcv",
	  "TCP to a port without a socket, or refused by its socket (nstat, ss -lnt)" },
	{ "tcp_v6_rcv",
	  "TCP to a port without a socket, or refused by its socket (nstat, ss -lnt)" },
	{ "ip_rcv_core",
	  "bad IP header, or a frame for another host's MAC (nstat IpInHdrErrors; ip -s -s link)" },
	{ "ip6_rcv_core", "bad IPv6 header, or a frame for another host's MAC" },
	{ "ip_rcv_finish_core",
	  "no route, invalid source, or reverse-path filter (net.ipv4.conf.*.rp_filter, ip route get)" },
	{ "ip_error", "no route to the destination while forwarding: ip route get" },
	{ "ip6_pkt_discard", "no IPv6 route to the destination: ip -6 route get" },
	{ "ip6_pkt_drop", "no IPv6 route to the destination: ip -6 route get" },
	{ "ip_forward",
	  "not forwarded: TTL ran out, larger than the MTU with DF set, or forwarding is not allowed" },
	{ "ip6_forward",
	  "not forwarded: hop limit ran out, larger than the MTU, or forwarding is not allowed" },
	{ "ip_fragment", "larger than the MTU and must not be fragmented" },
	{ "ip6_fragment", "larger than the MTU and could not be fragmented" },
	{ "neigh_event_send", "the next hop has not answered ARP or ND yet" },
	{ "__neigh_event_send",
	  "the next hop has not answered ARP or ND yet, and too many packets wait" },
	{ "arp_error_report", "the next hop does not answer ARP: ip neigh" },
	{ "ndisc_error_report", "the next hop does not answer ND: ip neigh" },
	/* what a queue discipline refuses is freed as a list */
	{ "__dev_queue_xmit",
	  "a tc egress program or filter dropped it (tc filter show dev DEV egress), or the device is down" },
	{ "__fq_codel_dequeue", CODEL_WORDS },
	{ "fq_codel_dequeue", CODEL_WORDS },
	{ "codel_qdisc_dequeue", CODEL_WORDS },
	{ "cake_dequeue", CODEL_WORDS },
	{ "kfree_skb_list",
	  "a list of packets was freed, mostly by a queue discipline: netsonde drop qdisc" },
	{ "kfree_skb_list_reason",
	  "a list of packets was freed, mostly by a queue discipline: netsonde drop qdisc" },
	{ "skb_release_data",
	  "a fragment, freed with the packet that it was put together to: what became of that counts" },
	{ "enqueue_to_backlog",
	  "the CPU's backlog is full: net.core.netdev_max_backlog, and is that CPU overloaded?" },
	{ "tun_net_xmit",
	  "the ring to the guest is full, or the tap has no reader: netsonde path summary --path vm-rx" },
	{ "veth_xmit", "the far end of the veth pair is down or full" },
	{ "ovs_dp_process_packet", "Open vSwitch: upcall failed or no flow: netsonde ovs drops" },
	{ "do_execute_actions",
	  "Open vSwitch: a flow drops it or sends it nowhere: ovs-dpctl dump-flows" },
	{ "ovs_execute_actions",
	  "Open vSwitch: a flow drops it, or its actions recirculate too deep" },
	{ "ovs_vport_send", "Open vSwitch: larger than the port's MTU, or the port is down" },
	{ "__netif_receive_skb_core",
	  "nobody on this device takes this packet (EtherType without handler, VLAN without device), or a tc ingress program or filter dropped it" },
	{ "icmp_rcv", "an ICMP message that nobody takes, or with a bad checksum" },
	{ "unix_dgram_sendmsg", "a local socket's message, no network packet" },
};

const char *meaning_of_reason(const char *name)
{
	for (size_t i = 0; name && i < sizeof(reasons) / sizeof(reasons[0]); i++) {
		if (!strcmp(reasons[i].reason, name))
			return reasons[i].words;
	}
	return NULL;
}

static const char *meaning_of_reason_at(const char *name, const char *function)
{
	for (size_t i = 0; i < sizeof(reasons_at) / sizeof(reasons_at[0]); i++) {
		if (!strcmp(reasons_at[i].reason, name) && ksym_is(function, reasons_at[i].function))
			return reasons_at[i].words;
	}
	return NULL;
}

static const char *meaning_of_place(const char *function)
{
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (ksym_is(function, places[i].function))
			return places[i].words;
	}
	return NULL;
}

const char *meaning_of(uint32_t reason, uint64_t place)
{
	const char *name = reason_name(reason), *words = NULL;
	struct ksym symbol;
	bool known = place && ksym_find(place, &symbol);

	if (known && name)
		words = meaning_of_reason_at(name, symbol.name);
	if (!words)
		words = meaning_of_reason(name);
	if (!words && known)
		words = meaning_of_place(symbol.name);
	return words;
}

/*
 * Frees by the drop function that lose nothing. reason NULL: on a kernel
 * without reasons, or where it gives the unspecific one; "*": any. handled:
 * only if a function of HOOKS_HANDLED has just had the packet, because real
 * drops are freed from the same place. empty: only if no payload is left.
 */
static const struct {
	const char *function, *reason;
	enum sonde_handled handled;
	bool empty;
} benign[] = {
	/* a TIME_WAIT socket has taken note of the segment: the end of every connection */
	{ "tcp_v4_rcv", NULL, HANDLED_TCP },
	{ "tcp_v6_rcv", NULL, HANDLED_TCP },
	/* an echo reply that a raw socket got its clone of: nobody else wants it */
	{ "icmp_rcv", "NO_SOCKET", HANDLED_ICMP },
	{ "icmp_rcv", NULL, HANDLED_ICMP },
	{ "ping_rcv", "NO_SOCKET", HANDLED_ICMP },
	{ "icmpv6_rcv", "NO_SOCKET", HANDLED_ICMP },
	/* of ICMPv6 nothing counted as a success: neighbour discovery, echo and errors were freed as drops */
	{ "icmpv6_rcv", NULL, HANDLED_ICMP },
	/* the peer's FIN, still in the queue of a socket that is destroyed; with data it is loss */
	{ "sk_stream_kill_queues", "*", HANDLED_NOT, true },
	/*
	 * fragments in the list of the packet that they made (GRO has such lists too): that packet was delivered, or
	 * counted where it was dropped. Before 6.3 a delivered one frees them as dropped.
	 */
	{ "skb_release_data", "*" },
};

bool frees_icmp6_as_dropped(const struct run *run, const struct hook_row *hook)
{
	(void)hook;
	uint32_t reason;

	(void)run;
	return reason_number("SKB_CONSUMED", &reason) != 0;
}

bool ovs_drops_silently(const struct run *run, const struct hook_row *hook)
{
	(void)hook;
	struct ksym symbol;
	uint32_t reason;

	(void)run;
	return reason_number("OVS_DROP_LAST_ACTION", &reason) &&
	       ksym_lookup("do_execute_actions", &symbol);
}

/* NOT_SPECIFIED moved from 1 to 2 in 6.2; before 5.17 there are no reasons and the tracepoint's is taken as 0 */
static uint32_t unspecific_reason(void)
{
	uint32_t reason = 0;

	reason_number("NOT_SPECIFIED", &reason);
	return reason;
}

void drop_set(struct run *run)
{
	uint64_t *ovs_actions_place = object_rodata(run, "ovs_actions_place");
	struct sonde_benign *ranges = object_rodata(run, "benign_ranges");
	uint32_t *count = object_rodata(run, "benign_count");
	uint64_t *pieces = object_rodata(run, "benign_pieces");
	struct ksym symbol;

	if (ksym_lookup("do_execute_actions", &symbol))
		*ovs_actions_place = symbol.address;
	*count = 0;
	_Static_assert(sizeof(benign) / sizeof(benign[0]) <= SONDE_BENIGN_MAX, "room for a range a row");
	for (size_t i = 0; i < sizeof(benign) / sizeof(benign[0]); i++) {
		uint32_t reason = unspecific_reason();
		bool any = benign[i].reason && !strcmp(benign[i].reason, "*");

		if (benign[i].reason && !any && reason_number(benign[i].reason, &reason))
			continue;
		if (!ksym_lookup(benign[i].function, &symbol))
			continue;
		ranges[(*count)++] = (struct sonde_benign){
			.text = { symbol.address, symbol.size },
			.reason = reason,
			.any_reason = any,
			.handled = benign[i].handled,
			.empty_only = benign[i].empty,
		};
		for (uint64_t piece = symbol.address >> SONDE_BENIGN_PIECE_BITS;
		     piece <= (symbol.address + symbol.size - 1) >> SONDE_BENIGN_PIECE_BITS; piece++)
			pieces[piece % SONDE_BENIGN_PIECES / 64] |= 1ULL << piece % 64;
	}
}
