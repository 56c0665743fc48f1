// SPDX-License-Identifier: GPL-2.0-only
/* packet_parse.c: each header is found where the kernel left it, and nothing that is not there. */
#include "unit.h"
#include "frames.h"

#define IP4_A 0x0a000001
#define IP4_B 0x0a000002

static struct sonde_packet parsed;

/* parses into memory full of something else, as an event's is */
static const struct sonde_headers *parse_box(struct box *box)
{
	memset(&parsed, 0xee, sizeof(parsed));
	packet_parse(SONDE_DIRECT, &box->skb, &parsed);
	return &parsed.outer;
}

static const struct sonde_headers *parse(const struct frame *frame, unsigned int protocol)
{
	struct box box;

	box_open(&box, frame, frame->size, protocol);
	parse_box(&box);
	assert_int_equal(packet_length(SONDE_DIRECT, &box.skb), parsed.length);
	box_close(&box);
	return &parsed.outer;
}

static void expect_ip4(const struct sonde_headers *h)
{
	const __u8 a[16] = { 10, 0, 0, 1 }, b[16] = { 10, 0, 0, 2 };

	assert_int_equal(h->has & (SONDE_HAS_IP4 | SONDE_HAS_IP6), SONDE_HAS_IP4);
	assert_memory_equal(h->src.byte, a, 16);
	assert_memory_equal(h->dst.byte, b, 16);
	assert_int_equal(h->eth_type, 0x0800);
	assert_int_equal(h->ttl, 64);
	assert_int_equal(h->tos, 0x10);
	assert_int_equal(h->ip_id, 0x1234);
}

static void expect_ip6(const struct sonde_headers *h)
{
	const __u8 a[16] = { 0xfd, [15] = 1 }, b[16] = { 0xfd, [15] = 2 };

	assert_int_equal(h->has & (SONDE_HAS_IP4 | SONDE_HAS_IP6), SONDE_HAS_IP6);
	assert_memory_equal(h->src.byte, a, 16);
	assert_memory_equal(h->dst.byte, b, 16);
	assert_int_equal(h->eth_type, 0x86dd);
	assert_int_equal(h->ttl, 63);
	assert_int_equal(h->tos, 0x20);
	assert_int_equal(h->flow_label, 0x12345);
}

static void expect_eth(const struct sonde_headers *h)
{
	const __u8 a[6] = { 2, [5] = 10 }, b[6] = { 2, [5] = 11 };

	assert_true(h->has & SONDE_HAS_ETH);
	assert_memory_equal(h->eth_src, a, 6);
	assert_memory_equal(h->eth_dst, b, 6);
}

static void expect_udp(const struct sonde_headers *h, unsigned int src, unsigned int dst)
{
	assert_true(h->has & SONDE_HAS_UDP);
	assert_int_equal(h->protocol, 17);
	assert_int_equal(h->udp.src_port, src);
	assert_int_equal(h->udp.dst_port, dst);
	assert_int_equal(h->udp.length, 13);
}

static void expect_tcp(const struct sonde_headers *h, unsigned int src, unsigned int dst,
		       unsigned int flags)
{
	assert_true(h->has & SONDE_HAS_TCP);
	assert_int_equal(h->protocol, 6);
	assert_int_equal(h->tcp.src_port, src);
	assert_int_equal(h->tcp.dst_port, dst);
	assert_int_equal(h->tcp.seq, 0x01020304);
	assert_int_equal(h->tcp.ack, 0xa0b0c0d0);
	assert_int_equal(h->tcp.window, 29200);
	assert_int_equal(h->tcp.flags, flags);
}

static void expect_vlan(const struct sonde_headers *h, unsigned int i, unsigned int tpid,
			unsigned int tci)
{
	assert_true(i < h->vlans);
	assert_int_equal(h->vlan[i].tpid, tpid);
	assert_int_equal(h->vlan[i].tci, tci);
}

static void udp_over_ip4(void **state)
{
	struct frame frame;
	const struct sonde_headers *h;

	(void)state;
	frame_udp4(&frame, 4000, 53);
	h = parse(&frame, 0x0800);
	assert_int_equal(h->has, SONDE_HAS_ETH | SONDE_HAS_IP4 | SONDE_HAS_UDP);
	assert_int_equal(h->flags, SONDE_DONT_FRAGMENT);
	assert_int_equal(h->vlans, 0);
	assert_int_equal(h->fragment_offset, 0);
	assert_int_equal(h->ip_length, 33);
	expect_eth(h);
	expect_ip4(h);
	expect_udp(h, 4000, 53);
	assert_int_equal(parsed.length, 47);
	assert_int_equal(parsed.linear, 47);
	assert_int_equal(parsed.start, FRAME_HEADROOM);
	assert_int_equal(parsed.tunnel, SONDE_NO_TUNNEL);
	assert_int_equal(parsed.unused, 0);
}

/* a SYN as tcpdump -xx shows it: real addresses, checksums and options */
static void captured_syn(void **state)
{
	struct frame frame = { .l3 = 14 };
	const __u8 src[16] = { 192, 168, 122, 76 }, dst[16] = { 93, 184, 216, 34 };
	const struct sonde_headers *h;

	(void)state;
	put_hex(&frame, "5254 0012 3502 5254 00ab cdef 0800"
			"4500 003c 8d4e 4000 4006 f8c2 c0a8 7a4c 5db8 d822"
			"c8a2 01bb 5b1d 2c3f 0000 0000 a002 faf0 0b5d 0000"
			"0204 05b4 0402 080a 3f5e 6a1b 0000 0000 0103 0307");
	h = parse(&frame, 0x0800);
	assert_int_equal(h->has, SONDE_HAS_ETH | SONDE_HAS_IP4 | SONDE_HAS_TCP);
	assert_memory_equal(h->src.byte, src, 16);
	assert_memory_equal(h->dst.byte, dst, 16);
	assert_int_equal(h->ip_length, 60);
	assert_int_equal(h->ip_id, 0x8d4e);
	assert_int_equal(h->tcp.src_port, 51362);
	assert_int_equal(h->tcp.dst_port, 443);
	assert_int_equal(h->tcp.seq, 0x5b1d2c3f);
	assert_int_equal(h->tcp.ack, 0);
	assert_int_equal(h->tcp.flags, 0x002);
	assert_int_equal(h->tcp.window, 64240);
	assert_int_equal(parsed.length, 74);
}

static void tcp_behind_ip4_options(void **state)
{
	struct frame frame = { 0 };
	const struct sonde_headers *h;
	size_t ip;

	(void)state;
	put_eth(&frame, 0x0800);
	ip = put_ip4(&frame, 6, 0);
	frame.bytes[ip] = 0x47;
	put_hex(&frame, "94040000 01010100");	/* router alert, padding */
	put_tcp(&frame, 80, 40000, 0x112);
	ip4_close(&frame, ip);
	h = parse(&frame, 0x0800);
	assert_int_equal(h->has, SONDE_HAS_ETH | SONDE_HAS_IP4 | SONDE_HAS_TCP);
	assert_int_equal(h->flags, 0);
	expect_ip4(h);
	expect_tcp(h, 80, 40000, 0x112);
}

static void tcp_over_ip6(void **state)
{
	struct frame frame;
	const struct sonde_headers *h;

	(void)state;
	frame_tcp6(&frame, 443, 50123);
	h = parse(&frame, 0x86dd);
	assert_int_equal(h->has, SONDE_HAS_ETH | SONDE_HAS_IP6 | SONDE_HAS_TCP);
	assert_int_equal(h->flags, 0);
	assert_int_equal(h->ip_length, 60);
	expect_ip6(h);
	expect_tcp(h, 443, 50123, 0x12);
	assert_int_equal(parsed.length, 74);
}

static void icmp_and_sctp(void **state)
{
	struct frame frame = { 0 };
	const struct sonde_headers *h;
	size_t ip;

	(void)state;
	put_eth(&frame, 0x0800);
	ip = put_ip4(&frame, 1, 0);
	put_hex(&frame, "08 00 f7ff 1a2b 0003 61626364");
	ip4_close(&frame, ip);
	h = parse(&frame, 0x0800);
	assert_int_equal(h->has, SONDE_HAS_ETH | SONDE_HAS_IP4 | SONDE_HAS_ICMP);
	assert_int_equal(h->icmp.type, 8);
	assert_int_equal(h->icmp.code, 0);
	assert_int_equal(h->icmp.id, 0x1a2b);
	assert_int_equal(h->icmp.seq, 3);

	frame.size = 0;
	put_eth(&frame, 0x0800);
	ip = put_ip4(&frame, 132, 0);
	put_hex(&frame, "0b59 0b5a deadbeef 00000000 01000014");
	ip4_close(&frame, ip);
	h = parse(&frame, 0x0800);
	assert_int_equal(h->has, SONDE_HAS_ETH | SONDE_HAS_IP4 | SONDE_HAS_SCTP);
	assert_int_equal(h->sctp.src_port, 2905);
	assert_int_equal(h->sctp.dst_port, 2906);
	assert_int_equal(h->sctp.vtag, 0xdeadbeef);
}

/* neighbour solicitation */
static void icmp6(void **state)
{
	struct frame frame = { 0 };
	const struct sonde_headers *h;
	size_t ip;

	(void)state;
	put_eth(&frame, 0x86dd);
	ip = put_ip6(&frame, 58);
	put_hex(&frame, "87 00 1234 00000000 fd000000 00000000 00000000 00000002 0101" MAC_A);
	ip6_close(&frame, ip);
	h = parse(&frame, 0x86dd);
	assert_int_equal(h->has, SONDE_HAS_ETH | SONDE_HAS_IP6 | SONDE_HAS_ICMP6);
	assert_int_equal(h->protocol, 58);
	assert_int_equal(h->icmp.type, 135);
	assert_int_equal(h->icmp.code, 0);
}

static void arp(void **state)
{
	const __u8 mac[6] = { 2, [5] = 10 }, none[6] = { 0 }, a[16] = { 10, 0, 0, 1 },
		   b[16] = { 10, 0, 0, 2 };
	struct frame frame;
	const struct sonde_headers *h;

	(void)state;
	frame_arp(&frame);
	h = parse(&frame, 0x0806);
	assert_int_equal(h->has, SONDE_HAS_ETH | SONDE_HAS_ARP);
	assert_int_equal(h->flags, 0);
	assert_int_equal(h->eth_type, 0x0806);
	assert_int_equal(h->arp.op, 1);
	assert_memory_equal(h->arp.sender_mac, mac, 6);
	assert_memory_equal(h->arp.target_mac, none, 6);
	assert_memory_equal(h->src.byte, a, 16);
	assert_memory_equal(h->dst.byte, b, 16);

	/* of a network with other hardware addresses */
	frame.bytes[18] = 8;
	h = parse(&frame, 0x0806);
	assert_int_equal(h->has, SONDE_HAS_ETH);
	assert_int_equal(h->flags, SONDE_MALFORMED);
}

static void fragments_of_ip4(void **state)
{
	struct frame frame = { 0 };
	const struct sonde_headers *h;
	size_t ip;

	(void)state;
	put_eth(&frame, 0x0800);
	ip = put_ip4(&frame, 17, 0x2000);
	put_udp(&frame, 7, 9);
	ip4_close(&frame, ip);
	h = parse(&frame, 0x0800);
	assert_int_equal(h->has,
			 SONDE_HAS_ETH | SONDE_HAS_IP4 | SONDE_HAS_FRAGMENT | SONDE_HAS_UDP);
	assert_int_equal(h->flags, SONDE_MORE_FRAGMENTS);
	assert_int_equal(h->fragment_offset, 0);
	expect_udp(h, 7, 9);

	/* later ones: in the middle, and the last */
	set16(&frame, ip + 6, 0x2000 | 185);
	h = parse(&frame, 0x0800);
	assert_int_equal(h->has, SONDE_HAS_ETH | SONDE_HAS_IP4 | SONDE_HAS_FRAGMENT);
	assert_int_equal(h->flags, SONDE_MORE_FRAGMENTS);
	assert_int_equal(h->fragment_offset, 1480);
	assert_int_equal(h->protocol, 17);
	set16(&frame, ip + 6, 8191);
	h = parse(&frame, 0x0800);
	assert_int_equal(h->has, SONDE_HAS_ETH | SONDE_HAS_IP4 | SONDE_HAS_FRAGMENT);
	assert_int_equal(h->flags, 0);
	assert_int_equal(h->fragment_offset, 65528);
	assert_int_equal(h->ip_id, 0x1234);
}

static void extension_headers(void **state)
{
	struct frame frame = { 0 };
	const struct sonde_headers *h;
	size_t ip;

	(void)state;
	put_eth(&frame, 0x86dd);
	ip = put_ip6(&frame, 0);
	put_extension(&frame, 43, 0);		/* hop-by-hop options */
	put_extension(&frame, 60, 2);		/* routing, 24 bytes */
	put_extension(&frame, 51, 1);		/* destination options */
	/* AH, 24 bytes */
	put_hex(&frame, "11 04 0000 00000001 00000002 000102030405060708090a0b");
	put_udp(&frame, 500, 501);
	ip6_close(&frame, ip);
	h = parse(&frame, 0x86dd);
	assert_int_equal(h->has, SONDE_HAS_ETH | SONDE_HAS_IP6 | SONDE_HAS_UDP);
	assert_int_equal(h->flags, 0);
	expect_ip6(h);
	expect_udp(h, 500, 501);
}

static void too_many_extension_headers(void **state)
{
	struct frame frame = { 0 };
	const struct sonde_headers *h;
	size_t ip;

	(void)state;
	put_eth(&frame, 0x86dd);
	ip = put_ip6(&frame, 60);
	for (int i = 0; i < PACKET_EXTENSIONS; i++)
		put_extension(&frame, i + 1 < PACKET_EXTENSIONS ? 60 : 17, 0);
	put_udp(&frame, 1, 2);
	ip6_close(&frame, ip);
	h = parse(&frame, 0x86dd);
	assert_int_equal(h->flags, 0);
	expect_udp(h, 1, 2);

	frame.size = 0;
	put_eth(&frame, 0x86dd);
	ip = put_ip6(&frame, 60);
	for (int i = 0; i <= PACKET_EXTENSIONS; i++)
		put_extension(&frame, i < PACKET_EXTENSIONS ? 60 : 17, 0);
	put_udp(&frame, 1, 2);
	ip6_close(&frame, ip);
	h = parse(&frame, 0x86dd);
	assert_int_equal(h->has, SONDE_HAS_ETH | SONDE_HAS_IP6);
	assert_int_equal(h->flags, SONDE_MALFORMED);
	assert_int_equal(h->protocol, 60);
}

static void fragments_of_ip6(void **state)
{
	struct frame frame = { 0 };
	const struct sonde_headers *h;
	size_t ip, at;

	(void)state;
	put_eth(&frame, 0x86dd);
	ip = put_ip6(&frame, 60);
	put_extension(&frame, 44, 0);
	at = frame.size;
	put_hex(&frame, "11 00 0001 cafe0001");
	put_udp(&frame, 33, 44);
	ip6_close(&frame, ip);
	h = parse(&frame, 0x86dd);
	assert_int_equal(h->has,
			 SONDE_HAS_ETH | SONDE_HAS_IP6 | SONDE_HAS_FRAGMENT | SONDE_HAS_UDP);
	assert_int_equal(h->flags, SONDE_MORE_FRAGMENTS);
	assert_int_equal(h->ip_id, 0xcafe0001);
	expect_udp(h, 33, 44);

	set16(&frame, at + 2, 1448);
	h = parse(&frame, 0x86dd);
	assert_int_equal(h->has, SONDE_HAS_ETH | SONDE_HAS_IP6 | SONDE_HAS_FRAGMENT);
	assert_int_equal(h->flags, 0);
	assert_int_equal(h->fragment_offset, 1448);
	assert_int_equal(h->protocol, 17);

	/* what a later fragment carries is data, even if its type looks like an extension header */
	frame.bytes[at] = 60;
	h = parse(&frame, 0x86dd);
	assert_int_equal(h->has, SONDE_HAS_ETH | SONDE_HAS_IP6 | SONDE_HAS_FRAGMENT);
	assert_int_equal(h->flags, 0);
	assert_int_equal(h->protocol, 60);
}

/* the tag is in the skb: the field that says so changed with 6.2 */
static void tag_in_skb(void **state)
{
	struct frame frame;
	struct box box;
	const struct sonde_headers *h;

	(void)state;
	frame_udp4(&frame, 1, 2);
	for (int old = 0; old < 2; old++) {
		box_open(&box, &frame, frame.size, 0x0800);
		box_tag(&box, old, 0x8100, 5 << 13 | 100);
		h = parse_box(&box);
		assert_int_equal(h->vlans, 1);
		assert_int_equal(h->vlan_in_tag, 1);
		expect_vlan(h, 0, 0x8100, 5 << 13 | 100);
		expect_udp(h, 1, 2);
		expect_eth(h);
		assert_int_equal(parsed.length, 51);
		assert_int_equal(parsed.linear, 47);
		assert_int_equal(packet_length(SONDE_DIRECT, &box.skb), 51);

		/* what is left of a tag that was taken off */
		box.skb.vlan_all = 0;
		box.skb.vlan_present = 0;
		h = parse_box(&box);
		assert_int_equal(h->vlans, 0);
		assert_int_equal(h->vlan_in_tag, 0);
		assert_int_equal(parsed.length, 47);
		box_close(&box);
	}
	sonde_native.vlan_present = false;
	sonde_native.vlan_all = true;
}

static void tags_in_frame(void **state)
{
	struct frame frame = { 0 };
	struct box box;
	const struct sonde_headers *h;
	size_t ip;

	(void)state;
	put_eth(&frame, 0x88a8);
	put_vlan(&frame, 200, 0x8100);
	put_vlan(&frame, 3 << 13 | 300, 0x0800);
	ip = put_ip4(&frame, 17, 0);
	put_udp(&frame, 1, 2);
	ip4_close(&frame, ip);
	for (int where = 0; where < 4; where++) {
		box_open(&box, &frame, frame.size, 0x88a8);
		/* received: at the first tag; sent: behind one or both; not set yet */
		if (where < 3)
			box.skb.network_header = FRAME_HEADROOM + 14 + 4 * where;
		else
			box.skb.network_header = 0;
		h = parse_box(&box);
		assert_int_equal(h->has, SONDE_HAS_ETH | SONDE_HAS_IP4 | SONDE_HAS_UDP);
		assert_int_equal(h->vlans, 2);
		assert_int_equal(h->vlan_in_tag, 0);
		expect_vlan(h, 0, 0x88a8, 200);
		expect_vlan(h, 1, 0x8100, 3 << 13 | 300);
		assert_int_equal(h->eth_type, 0x0800);
		expect_udp(h, 1, 2);
		assert_int_equal(parsed.length, 55);
		assert_int_equal(packet_length(SONDE_DIRECT, &box.skb), 55);
		box_close(&box);
	}

	/* no Ethernet header to ask: network_header is at the tag */
	box_open(&box, &frame, frame.size, 0x88a8);
	box.skb.mac_header = PACKET_MAC_UNSET;
	box.skb.network_header = FRAME_HEADROOM + 14;
	h = parse_box(&box);
	assert_int_equal(h->has, SONDE_HAS_IP4 | SONDE_HAS_UDP);
	assert_int_equal(h->vlans, 2);
	expect_vlan(h, 1, 0x8100, 3 << 13 | 300);
	box_close(&box);

	/* the kernel's protocol is that behind the tags: the frame still shows them */
	box_open(&box, &frame, frame.size, 0x0800);
	h = parse_box(&box);
	assert_int_equal(h->vlans, 2);
	expect_udp(h, 1, 2);
	assert_int_equal(parsed.length, 55);

	/* a third one, in the skb */
	box_tag(&box, false, 0x88a8, 100);
	h = parse_box(&box);
	assert_int_equal(h->vlans, 3);
	assert_int_equal(h->vlan_in_tag, 1);
	expect_vlan(h, 0, 0x88a8, 100);
	expect_vlan(h, 1, 0x88a8, 200);
	expect_vlan(h, 2, 0x8100, 3 << 13 | 300);
	assert_int_equal(parsed.length, 59);
	box_close(&box);
}

static void three_tags_in_frame(void **state)
{
	struct frame frame = { 0 };
	const struct sonde_headers *h;

	(void)state;
	put_eth(&frame, 0x8100);
	put_vlan(&frame, 1, 0x8100);
	put_vlan(&frame, 2, 0x8100);
	put_vlan(&frame, 3, 0x0800);
	put_udp(&frame, 1, 2);
	frame.l3 = 14;
	h = parse(&frame, 0x8100);
	assert_int_equal(h->has, SONDE_HAS_ETH);
	assert_int_equal(h->vlans, 2);
	assert_int_equal(h->eth_type, 0x8100);
}

/* spanning tree: a length stands where others have a type */
static void llc(void **state)
{
	struct frame frame = { 0 };
	const struct sonde_headers *h;

	(void)state;
	put_hex(&frame, "0180c2000000" MAC_A "0026 42 42 03 0000 00 00 00 8000 020000000001");
	frame.l3 = 14;
	h = parse(&frame, 0x0004);
	assert_int_equal(h->has, SONDE_HAS_ETH);
	assert_int_equal(h->eth_type, 0x26);
	assert_int_equal(h->flags, 0);
	assert_int_equal(parsed.length, frame.size);
}

/* between eth_type_trans() and the network layer */
static void no_network_header(void **state)
{
	struct frame frame;
	struct box box;
	const struct sonde_headers *h;

	(void)state;
	frame_udp4(&frame, 1, 2);
	box_open(&box, &frame, frame.size, 0x0800);
	box.skb.network_header = 0;
	h = parse_box(&box);
	assert_int_equal(h->has, SONDE_HAS_ETH | SONDE_HAS_IP4 | SONDE_HAS_UDP);
	assert_int_equal(parsed.length, 47);
	assert_int_equal(packet_length(SONDE_DIRECT, &box.skb), 47);

	/* left over from another buffer */
	box.skb.network_header = FRAME_HEADROOM + frame.size;
	h = parse_box(&box);
	assert_int_equal(h->has, SONDE_HAS_ETH | SONDE_HAS_IP4 | SONDE_HAS_UDP);
	assert_int_equal(packet_length(SONDE_DIRECT, &box.skb), 47);
	box.skb.network_header = 0;

	/* on a device without Ethernet: data is all there is */
	box.dev.type = 65534;
	box.skb.mac_header = FRAME_HEADROOM + 14;
	h = parse_box(&box);
	assert_int_equal(h->has, SONDE_HAS_IP4 | SONDE_HAS_UDP);
	assert_int_equal(parsed.start, FRAME_HEADROOM + 14);
	assert_int_equal(parsed.length, 33);
	box_close(&box);
}

/* a packet that this host sends, before it has a device */
static void no_mac_header(void **state)
{
	struct frame frame;
	struct box box;
	const struct sonde_headers *h;

	(void)state;
	frame_udp4(&frame, 1, 2);
	box_open(&box, &frame, frame.size, 0x0800);
	box.skb.mac_header = PACKET_MAC_UNSET;
	box.skb.dev = NULL;
	h = parse_box(&box);
	assert_int_equal(h->has, SONDE_HAS_IP4 | SONDE_HAS_UDP);
	assert_int_equal(parsed.start, FRAME_HEADROOM + 14);
	assert_int_equal(parsed.length, 33);
	assert_int_equal(parsed.linear, 33);
	assert_int_equal(packet_length(SONDE_DIRECT, &box.skb), 33);

	/* and before skb->protocol says what it is */
	box.skb.protocol = 0;
	h = parse_box(&box);
	assert_int_equal(h->has, SONDE_HAS_IP4 | SONDE_HAS_UDP);
	assert_int_equal(h->eth_type, 0x0800);
	box.linear[FRAME_HEADROOM + 14] = 0x4a;
	h = parse_box(&box);
	assert_true(h->has & SONDE_HAS_IP4);
	box.linear[FRAME_HEADROOM + 14] = 0x44;
	h = parse_box(&box);
	assert_int_equal(h->has, 0);
	assert_int_equal(h->eth_type, 0);
	box_close(&box);

	frame_tcp6(&frame, 1, 2);
	box_open(&box, &frame, frame.size, 0);
	box.skb.mac_header = PACKET_MAC_UNSET;
	h = parse_box(&box);
	assert_int_equal(h->has, SONDE_HAS_IP6 | SONDE_HAS_TCP);

	/* what only skb->data shows may be anything */
	box.skb.network_header = 0;
	h = parse_box(&box);
	assert_int_equal(h->has, 0);
	box_close(&box);
}

/* the application's data is at skb->data by then */
static void data_behind_the_headers(void **state)
{
	struct frame frame;
	struct box box;

	(void)state;
	frame_udp4(&frame, 1, 2);
	box_open(&box, &frame, frame.size, 0x0800);
	box.skb.data += 28;
	box.skb.len -= 28;
	parse_box(&box);
	assert_int_equal(parsed.length, 47);
	assert_int_equal(packet_length(SONDE_DIRECT, &box.skb), 47);

	box.skb.mac_header = PACKET_MAC_UNSET;
	parse_box(&box);
	assert_int_equal(parsed.length, 33);
	assert_int_equal(packet_length(SONDE_DIRECT, &box.skb), 33);
	box.skb.mac_header = FRAME_HEADROOM;

	/* and at the frame's start when it is sent */
	box.skb.data = box.linear + FRAME_HEADROOM;
	box.skb.len = frame.size;
	parse_box(&box);
	assert_int_equal(parsed.length, 47);
	assert_int_equal(packet_length(SONDE_DIRECT, &box.skb), 47);

	/* the rest in fragments of the skb */
	box.skb.len += 1400;
	parse_box(&box);
	assert_int_equal(parsed.length, 1447);
	assert_int_equal(parsed.linear, 47);
	box_close(&box);
}

/* from a packet socket: network_header is where the frame begins */
static void network_header_at_the_frame(void **state)
{
	struct frame frame;
	struct box box;
	const struct sonde_headers *h;

	(void)state;
	frame_arp(&frame);
	box_open(&box, &frame, frame.size, 0x0806);
	box.skb.network_header = box.skb.mac_header;
	h = parse_box(&box);
	assert_int_equal(h->has, SONDE_HAS_ETH | SONDE_HAS_ARP);
	assert_int_equal(parsed.length, 42);
	assert_int_equal(packet_length(SONDE_DIRECT, &box.skb), 42);
	box_close(&box);

	/* an IP packet whose mac_header has moved along is none, whatever the device */
	frame_udp4(&frame, 1, 2);
	box_open(&box, &frame, frame.size, 0x0800);
	box.skb.mac_header = box.skb.network_header;
	h = parse_box(&box);
	assert_int_equal(h->has, SONDE_HAS_IP4 | SONDE_HAS_UDP);
	assert_int_equal(parsed.length, 33);
	box_close(&box);

	/* but on a device without link layer it is L3 */
	frame_udp4(&frame, 1, 2);
	box_open(&box, &frame, frame.size, 0x0800);
	box.dev.type = 65534;
	box.skb.mac_header = box.skb.network_header;
	h = parse_box(&box);
	assert_int_equal(h->has, SONDE_HAS_IP4 | SONDE_HAS_UDP);
	assert_int_equal(parsed.length, 33);
	assert_int_equal(packet_length(SONDE_DIRECT, &box.skb), 33);
	box_close(&box);
}

/* before 5.18, through a VLAN device: skb->protocol is not set, and network_header not where L3 is */
static void packet_socket_without_protocol(void **state)
{
	struct frame frame;
	struct box box;
	const struct sonde_headers *h;

	(void)state;
	frame_udp4(&frame, 1, 2);
	box_open(&box, &frame, frame.size, 0);
	for (int offset = 0; offset < 24; offset += 4) {
		box.skb.network_header = FRAME_HEADROOM + offset;
		h = parse_box(&box);
		assert_int_equal(h->has, SONDE_HAS_ETH | SONDE_HAS_IP4 | SONDE_HAS_UDP);
		assert_int_equal(parsed.length, 47);
		assert_int_equal(packet_length(SONDE_DIRECT, &box.skb), 47);
	}
	box_close(&box);
}

/* left over from another buffer, behind the end of this one: no length is ever below zero */
static void offsets_behind_the_end(void **state)
{
	struct frame frame;
	struct box box;

	(void)state;
	frame_udp4(&frame, 1, 2);
	box_open(&box, &frame, frame.size, 0x0800);
	box.skb.mac_header = PACKET_MAC_UNSET;
	box.skb.data = box.linear + 10;
	box.skb.len = 20;
	box.skb.network_header = FRAME_HEADROOM;
	parse_box(&box);
	assert_int_equal(parsed.length, 20);
	assert_int_equal(packet_length(SONDE_DIRECT, &box.skb), 20);
	box_close(&box);
}

/* encapsulated and not sent yet: mac_header is that of the carried frame */
static void stale_mac_header(void **state)
{
	struct frame frame;
	struct box box;
	const struct sonde_headers *h;

	(void)state;
	frame_vxlan(&frame, 1);
	box_open(&box, &frame, frame.size, 0x0800);
	box.skb.mac_header = FRAME_HEADROOM + 14 + 20 + 16;
	h = parse_box(&box);
	assert_int_equal(h->has, SONDE_HAS_IP4 | SONDE_HAS_UDP);
	expect_ip4(h);
	assert_int_equal(parsed.length, frame.size - 14);
	assert_int_equal(packet_length(SONDE_DIRECT, &box.skb), frame.size - 14);
	box_close(&box);
}

/* skb->dev has another meaning in some queues */
static void device_is_checked(void **state)
{
	struct frame frame;
	struct box box, other;
	const struct sonde_headers *h;

	(void)state;
	frame_udp4(&frame, 1, 2);
	box_open(&box, &frame, frame.size, 0x0800);
	box_open(&other, &frame, frame.size, 0x0800);
	assert_ptr_equal(sonde_dev(SONDE_DIRECT, &box.skb), &box.dev);
	assert_int_equal(sonde_netns(SONDE_DIRECT, &box.skb, &box.dev), 4026531000U);

	/* UDP's receive queue: two lengths */
	box.skb.dev = (struct net_device *)0x1f;
	assert_null(sonde_dev(SONDE_DIRECT, &box.skb));
	/* a tree: another structure, whose bytes mean something else */
	box.skb.dev = &other.dev;
	other.dev._tx = NULL;
	assert_null(sonde_dev(SONDE_DIRECT, &box.skb));
	other.dev._tx = (struct netdev_queue *)0x77;
	assert_null(sonde_dev(SONDE_DIRECT, &box.skb));
	other.dev._tx = &box.queue;
	assert_null(sonde_dev(SONDE_DIRECT, &box.skb));

	/* without a device an Ethernet header must agree with skb->protocol */
	h = parse_box(&box);
	assert_true(h->has & SONDE_HAS_ETH);
	box.linear[FRAME_HEADROOM + 13] = 6;
	h = parse_box(&box);
	assert_int_equal(h->has, SONDE_HAS_IP4 | SONDE_HAS_UDP);

	/* the socket knows the namespace; the place is shared with ip_defrag_offset */
	assert_int_equal(sonde_netns(SONDE_DIRECT, &box.skb, NULL), 0);
	box.skb.sk = &box.sock;
	assert_int_equal(sonde_netns(SONDE_DIRECT, &box.skb, NULL), 4026532222U);
	box.skb.sk = (struct sock *)1480;
	assert_int_equal(sonde_netns(SONDE_DIRECT, &box.skb, NULL), 0);
	box_close(&box);
	box_close(&other);
}

static void loopback_has_ethernet(void **state)
{
	struct frame frame;
	struct box box;

	(void)state;
	frame_udp4(&frame, 1, 2);
	box_open(&box, &frame, frame.size, 0x0800);
	box.dev.type = PACKET_LOOPBACK;
	assert_true(parse_box(&box)->has & SONDE_HAS_ETH);
	box.dev.type = 512;	/* PPP */
	assert_false(parse_box(&box)->has & SONDE_HAS_ETH);
	box_close(&box);
}

static void vxlan(void **state)
{
	struct frame frame;
	const struct sonde_headers *h;

	(void)state;
	frame_vxlan(&frame, 0xabcdef);
	h = parse(&frame, 0x0800);
	assert_int_equal(h->has, SONDE_HAS_ETH | SONDE_HAS_IP4 | SONDE_HAS_UDP);
	assert_int_equal(h->udp.dst_port, 4789);
	assert_int_equal(parsed.tunnel, SONDE_VXLAN);
	assert_int_equal(parsed.vni, 0xabcdef);
	assert_int_equal(parsed.inner.has, SONDE_HAS_ETH | SONDE_HAS_IP6 | SONDE_HAS_TCP);
	assert_int_equal(parsed.inner.vlans, 0);
	assert_int_equal(parsed.inner.flags, 0);
	expect_eth(&parsed.inner);
	expect_ip6(&parsed.inner);
	expect_tcp(&parsed.inner, 1111, 2222, 0x12);

	/* Linux's own port */
	set16(&frame, 36, 8472);
	parse(&frame, 0x0800);
	assert_int_equal(parsed.tunnel, SONDE_VXLAN);
	set16(&frame, 36, 8473);
	parse(&frame, 0x0800);
	assert_int_equal(parsed.tunnel, SONDE_NO_TUNNEL);

	/* no VNI */
	set16(&frame, 36, 4789);
	frame.bytes[42] = 0xf7;
	h = parse(&frame, 0x0800);
	assert_int_equal(parsed.tunnel, SONDE_NO_TUNNEL);
	assert_int_equal(h->flags, 0);
}

static void vxlan_with_tag_inside(void **state)
{
	struct frame frame = { 0 };
	size_t outer, inner;

	(void)state;
	put_eth(&frame, 0x86dd);
	outer = put_ip6(&frame, 17);
	put_vxlan(&frame, 8472, 7);
	put_eth(&frame, 0x8100);
	put_vlan(&frame, 42, 0x0800);
	inner = put_ip4(&frame, 17, 0x4000);
	put_udp(&frame, 67, 68);
	ip4_close(&frame, inner);
	ip6_close(&frame, outer);
	frame.l3 = outer;
	parse(&frame, 0x86dd);
	assert_int_equal(parsed.tunnel, SONDE_VXLAN);
	assert_int_equal(parsed.vni, 7);
	assert_int_equal(parsed.inner.has, SONDE_HAS_ETH | SONDE_HAS_IP4 | SONDE_HAS_UDP);
	assert_int_equal(parsed.inner.vlans, 1);
	assert_int_equal(parsed.inner.vlan_in_tag, 0);
	expect_vlan(&parsed.inner, 0, 0x8100, 42);
	expect_ip4(&parsed.inner);
	expect_udp(&parsed.inner, 67, 68);
	assert_int_equal(parsed.inner.flags, SONDE_DONT_FRAGMENT);
}

static void geneve(void **state)
{
	struct frame frame = { 0 };
	size_t outer, inner, geneve;

	(void)state;
	put_eth(&frame, 0x0800);
	outer = put_ip4(&frame, 17, 0);
	put_hex(&frame, "c350 17c1 0000 0000");
	geneve = frame.size;
	put_hex(&frame, "02 00 6558 00000a 00 0102 80 01 cafebabe");	/* an option of 8 bytes */
	put_eth(&frame, 0x0806);
	put_hex(&frame, "0001 0800 06 04 0002" MAC_A "0a000001" MAC_B "0a000002");
	ip4_close(&frame, outer);
	frame.l3 = outer;
	parse(&frame, 0x0800);
	assert_int_equal(parsed.tunnel, SONDE_GENEVE);
	assert_int_equal(parsed.vni, 10);
	assert_int_equal(parsed.inner.has, SONDE_HAS_ETH | SONDE_HAS_ARP);
	assert_int_equal(parsed.inner.arp.op, 2);

	/* a version that we do not know */
	frame.bytes[geneve] = 0x42;
	parse(&frame, 0x0800);
	assert_int_equal(parsed.tunnel, SONDE_NO_TUNNEL);

	/* an IP packet without Ethernet */
	frame.size = geneve;
	put_hex(&frame, "00 00 0800 000063 00");
	inner = put_ip4(&frame, 17, 0);
	put_udp(&frame, 5, 6);
	ip4_close(&frame, inner);
	ip4_close(&frame, outer);
	parse(&frame, 0x0800);
	assert_int_equal(parsed.tunnel, SONDE_GENEVE);
	assert_int_equal(parsed.vni, 0x63);
	assert_int_equal(parsed.inner.has, SONDE_HAS_IP4 | SONDE_HAS_UDP);
	expect_udp(&parsed.inner, 5, 6);
}

/* later fragments have no ports, whatever their bytes look like */
static void no_tunnel_in_a_later_fragment(void **state)
{
	struct frame frame;

	(void)state;
	frame_vxlan(&frame, 1);
	set16(&frame, 20, 1);
	parse(&frame, 0x0800);
	assert_int_equal(parsed.outer.has, SONDE_HAS_ETH | SONDE_HAS_IP4 | SONDE_HAS_FRAGMENT);
	assert_int_equal(parsed.tunnel, SONDE_NO_TUNNEL);
}

static void lengths_that_lie(void **state)
{
	struct frame frame;
	const struct sonde_headers *h;

	(void)state;
	/* the IP packet ends inside the UDP header: what follows is padding of the frame */
	frame_udp4(&frame, 1, 2);
	set16(&frame, 16, 27);
	h = parse(&frame, 0x0800);
	assert_int_equal(h->has, SONDE_HAS_ETH | SONDE_HAS_IP4);
	assert_int_equal(h->flags, SONDE_DONT_FRAGMENT | SONDE_TRUNCATED);
	set16(&frame, 16, 28);
	h = parse(&frame, 0x0800);
	assert_int_equal(h->has, SONDE_HAS_ETH | SONDE_HAS_IP4 | SONDE_HAS_UDP);

	/* shorter than its own header */
	set16(&frame, 16, 19);
	h = parse(&frame, 0x0800);
	assert_int_equal(h->has, SONDE_HAS_ETH | SONDE_HAS_IP4);
	assert_int_equal(h->flags, SONDE_DONT_FRAGMENT | SONDE_MALFORMED);
	expect_ip4(h);

	/* a GSO packet of more than 65,535 bytes */
	set16(&frame, 16, 0);
	h = parse(&frame, 0x0800);
	assert_int_equal(h->has, SONDE_HAS_ETH | SONDE_HAS_IP4 | SONDE_HAS_UDP);
	assert_int_equal(h->ip_length, 0);

	/* longer than what there is: not our concern */
	set16(&frame, 16, 65535);
	h = parse(&frame, 0x0800);
	expect_udp(h, 1, 2);

	/* header length below 5 words: addresses stand where they always do, the rest is unknown */
	frame_udp4(&frame, 1, 2);
	frame.bytes[14] = 0x44;
	h = parse(&frame, 0x0800);
	assert_int_equal(h->has, SONDE_HAS_ETH | SONDE_HAS_IP4);
	assert_int_equal(h->flags, SONDE_DONT_FRAGMENT | SONDE_MALFORMED);
	expect_ip4(h);

	/* not IP at all */
	frame.bytes[14] = 0x65;
	h = parse(&frame, 0x0800);
	assert_int_equal(h->has, SONDE_HAS_ETH);
	assert_int_equal(h->flags, SONDE_MALFORMED);

	frame_tcp6(&frame, 1, 2);
	frame.bytes[14] = 0x45;
	h = parse(&frame, 0x86dd);
	assert_int_equal(h->has, SONDE_HAS_ETH);
	assert_int_equal(h->flags, SONDE_MALFORMED);
	frame.bytes[14] = 0x62;
	set16(&frame, 18, 19);
	h = parse(&frame, 0x86dd);
	assert_int_equal(h->has, SONDE_HAS_ETH | SONDE_HAS_IP6);
	assert_int_equal(h->flags, SONDE_TRUNCATED);
	set16(&frame, 18, 0);
	h = parse(&frame, 0x86dd);
	expect_tcp(h, 1, 2, 0x12);
	assert_int_equal(h->ip_length, 0);
}

/* a header and where it ends in the frame */
struct layer {
	__u16 has;
	size_t end;
};

/* with each number of bytes at hand: headers that fit are there, the next is said to be missing */
static void cut(const struct frame *frame, unsigned int protocol, const struct layer *layers,
		const struct layer *inner)
{
	for (size_t size = 0; size <= frame->size; size++) {
		__u16 has = 0, inner_has = 0, missing = 0;
		const struct sonde_headers *h;
		struct box box;

		for (const struct layer *layer = layers; layer->end; layer++) {
			if (layer->end <= size)
				has |= layer->has;
			else
				missing = SONDE_TRUNCATED;
		}
		for (const struct layer *layer = inner; layer && layer->end; layer++) {
			if (layer->end <= size)
				inner_has |= layer->has;
		}
		box_open(&box, frame, size, protocol);
		h = parse_box(&box);
		assert_int_equal(h->has, has);
		assert_int_equal(h->flags & (SONDE_TRUNCATED | SONDE_MALFORMED), missing);
		assert_int_equal(parsed.length,
				 has & SONDE_HAS_ETH ? frame->size : frame->size - frame->l3);
		assert_int_equal(parsed.linear, has & SONDE_HAS_ETH ? size : 0);
		if (inner && !missing) {
			assert_int_equal(parsed.tunnel, SONDE_VXLAN);
			assert_int_equal(parsed.inner.has, inner_has);
		} else {
			assert_int_equal(parsed.tunnel, SONDE_NO_TUNNEL);
		}
		box_close(&box);
	}
}

static void cut_at_every_length(void **state)
{
	struct frame frame;
	size_t ip;

	(void)state;
	frame_udp4(&frame, 1, 2);
	cut(&frame, 0x0800,
	    (struct layer[]){
		    { SONDE_HAS_ETH, 14 }, { SONDE_HAS_IP4, 34 }, { SONDE_HAS_UDP, 42 }, {} },
	    NULL);
	frame_tcp6(&frame, 1, 2);
	cut(&frame, 0x86dd,
	    (struct layer[]){
		    { SONDE_HAS_ETH, 14 }, { SONDE_HAS_IP6, 54 }, { SONDE_HAS_TCP, 74 }, {} },
	    NULL);
	frame_arp(&frame);
	cut(&frame, 0x0806, (struct layer[]){ { SONDE_HAS_ETH, 14 }, { SONDE_HAS_ARP, 42 }, {} },
	    NULL);
	frame_vxlan(&frame, 1);
	cut(&frame, 0x0800,
	    (struct layer[]){ { SONDE_HAS_ETH, 14 },
			      { SONDE_HAS_IP4, 34 },
			      { SONDE_HAS_UDP, 42 },
			      { 0, 50 },
			      {} },
	    (struct layer[]){
		    { SONDE_HAS_ETH, 64 }, { SONDE_HAS_IP6, 104 }, { SONDE_HAS_TCP, 124 }, {} });
	frame.size = 0;
	put_eth(&frame, 0x86dd);
	ip = put_ip6(&frame, 0);
	put_extension(&frame, 44, 1);
	put_hex(&frame, "84 00 0001 00000009");
	put_hex(&frame, "0001 0002 00000003 00000000");
	ip6_close(&frame, ip);
	cut(&frame, 0x86dd,
	    (struct layer[]){ { SONDE_HAS_ETH, 14 },
			      { SONDE_HAS_IP6, 54 },
			      { SONDE_HAS_FRAGMENT, 78 },
			      { SONDE_HAS_SCTP, 86 },
			      {} },
	    NULL);
}

static void cut_inside_tags(void **state)
{
	struct frame frame = { 0 };
	size_t ip;

	(void)state;
	put_eth(&frame, 0x8100);
	put_vlan(&frame, 1, 0x8100);
	put_vlan(&frame, 2, 0x0800);
	ip = put_ip4(&frame, 17, 0);
	put_udp(&frame, 1, 2);
	ip4_close(&frame, ip);
	for (size_t size = 14; size <= frame.size; size++) {
		const struct sonde_headers *h;
		struct box box;

		frame.l3 = 14;
		box_open(&box, &frame, size, 0x8100);
		h = parse_box(&box);
		assert_true(h->has & SONDE_HAS_ETH);
		assert_int_equal(h->vlans, size < 18 ? 0 : size < 22 ? 1 : 2);
		assert_int_equal(!!(h->flags & SONDE_TRUNCATED), size < 50);
		assert_int_equal(!!(h->has & SONDE_HAS_IP4), size >= 42);
		assert_int_equal(!!(h->has & SONDE_HAS_UDP), size >= 50);
		box_close(&box);
	}
}

/* what a frame on the wire that ends early says of what it carries */
static void cut_inside_tunnel(void **state)
{
	struct frame frame;

	(void)state;
	frame_vxlan(&frame, 1);
	for (unsigned int length = 36; length <= 110; length++) {
		unsigned int inner = length - 36;	/* bytes carried */

		set16(&frame, 16, length);
		parse(&frame, 0x0800);
		assert_int_equal(parsed.tunnel, SONDE_VXLAN);
		assert_int_equal(parsed.inner.has, (inner >= 14 ? SONDE_HAS_ETH : 0) |
							   (inner >= 54 ? SONDE_HAS_IP6 : 0) |
							   (inner >= 74 ? SONDE_HAS_TCP : 0));
		assert_int_equal(parsed.inner.flags, inner >= 74 ? 0 : SONDE_TRUNCATED);
		assert_int_equal(parsed.inner.eth_type, inner >= 14 ? 0x86dd : 0);
	}
}

static void expect_flow(const struct sonde_flow *flow, const struct sonde_headers *h,
			unsigned int src, unsigned int dst)
{
	struct sonde_flow expected;

	memset(&expected, 0, sizeof(expected));
	if (h->has & (SONDE_HAS_IP4 | SONDE_HAS_IP6 | SONDE_HAS_ARP)) {
		expected.src = h->src;
		expected.dst = h->dst;
		expected.family = h->has & SONDE_HAS_IP6 ? 6 : 4;
	}
	if (h->has & (SONDE_HAS_IP4 | SONDE_HAS_IP6))
		expected.protocol = h->protocol;
	expected.src_port = src;
	expected.dst_port = dst;
	expected.eth_type = h->eth_type;
	assert_memory_equal(flow, &expected, sizeof(expected));
}

static void flows(void **state)
{
	struct sonde_flow flow;
	struct frame frame;
	struct box box;

	(void)state;
	frame_udp4(&frame, 4000, 53);
	box_open(&box, &frame, frame.size, 0x0800);
	memset(&flow, 0xee, sizeof(flow));
	packet_flow(SONDE_DIRECT, &box.skb, false, &flow);
	expect_flow(&flow, parse_box(&box), 4000, 53);
	assert_int_equal(flow.protocol, 17);
	assert_int_equal(flow.family, 4);
	/* a later fragment */
	box.linear[FRAME_HEADROOM + 21] = 1;
	packet_flow(SONDE_DIRECT, &box.skb, false, &flow);
	expect_flow(&flow, parse_box(&box), 0, 0);
	box_close(&box);

	frame_tcp6(&frame, 1, 2);
	box_open(&box, &frame, frame.size, 0x86dd);
	memset(&flow, 0xee, sizeof(flow));
	packet_flow(SONDE_DIRECT, &box.skb, true, &flow);
	expect_flow(&flow, parse_box(&box), 1, 2);
	assert_int_equal(flow.family, 6);
	box_close(&box);

	frame_arp(&frame);
	box_open(&box, &frame, frame.size, 0x0806);
	memset(&flow, 0xee, sizeof(flow));
	packet_flow(SONDE_DIRECT, &box.skb, false, &flow);
	expect_flow(&flow, parse_box(&box), 0, 0);
	assert_int_equal(flow.family, 4);
	box_close(&box);

	frame.bytes[12] = 0x88;
	frame.bytes[13] = 0xcc;
	box_open(&box, &frame, frame.size, 0x88cc);
	memset(&flow, 0xee, sizeof(flow));
	packet_flow(SONDE_DIRECT, &box.skb, false, &flow);
	expect_flow(&flow, parse_box(&box), 0, 0);
	assert_int_equal(flow.eth_type, 0x88cc);
	assert_int_equal(flow.family, 0);
	box_close(&box);

	frame_vxlan(&frame, 5);
	box_open(&box, &frame, frame.size, 0x0800);
	memset(&flow, 0xee, sizeof(flow));
	packet_flow(SONDE_DIRECT, &box.skb, false, &flow);
	expect_flow(&flow, parse_box(&box), 50000, 4789);
	memset(&flow, 0xee, sizeof(flow));
	packet_flow(SONDE_DIRECT, &box.skb, true, &flow);
	parse_box(&box);
	expect_flow(&flow, &parsed.inner, 1111, 2222);
	box_close(&box);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(udp_over_ip4),
		cmocka_unit_test(captured_syn),
		cmocka_unit_test(tcp_behind_ip4_options),
		cmocka_unit_test(tcp_over_ip6),
		cmocka_unit_test(icmp_and_sctp),
		cmocka_unit_test(icmp6),
		cmocka_unit_test(arp),
		cmocka_unit_test(fragments_of_ip4),
		cmocka_unit_test(extension_headers),
		cmocka_unit_test(too_many_extension_headers),
		cmocka_unit_test(fragments_of_ip6),
		cmocka_unit_test(tag_in_skb),
		cmocka_unit_test(tags_in_frame),
		cmocka_unit_test(three_tags_in_frame),
		cmocka_unit_test(llc),
		cmocka_unit_test(no_network_header),
		cmocka_unit_test(no_mac_header),
		cmocka_unit_test(data_behind_the_headers),
		cmocka_unit_test(network_header_at_the_frame),
		cmocka_unit_test(packet_socket_without_protocol),
		cmocka_unit_test(offsets_behind_the_end),
		cmocka_unit_test(stale_mac_header),
		cmocka_unit_test(device_is_checked),
		cmocka_unit_test(loopback_has_ethernet),
		cmocka_unit_test(vxlan),
		cmocka_unit_test(vxlan_with_tag_inside),
		cmocka_unit_test(geneve),
		cmocka_unit_test(no_tunnel_in_a_later_fragment),
		cmocka_unit_test(lengths_that_lie),
		cmocka_unit_test(cut_at_every_length),
		cmocka_unit_test(cut_inside_tags),
		cmocka_unit_test(cut_inside_tunnel),
		cmocka_unit_test(flows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
