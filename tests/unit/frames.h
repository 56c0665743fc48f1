/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * frames.h: frames as they stand on the wire, and skbs that hold them at the
 * places of the kernel where we meet them.
 *
 * An skb's linear area is an allocation of exactly its size, so that the
 * sanitizers see each byte read behind it.
 */
#ifndef NETSONDE_TESTS_FRAMES_H
#define NETSONDE_TESTS_FRAMES_H

#include <stdlib.h>

#define SONDE_NATIVE
#include "filter.bpf.h"

#define FRAME_HEADROOM 64

struct frame {
	__u8 bytes[4096];
	size_t size;
	size_t l3;	/* of the outermost packet */
};

static inline void put(struct frame *frame, const void *bytes, size_t size)
{
	assert_true(frame->size + size <= sizeof(frame->bytes));
	memcpy(frame->bytes + frame->size, bytes, size);
	frame->size += size;
}

/* "45 00 0014": hexadecimal digits, blanks between them as one likes */
static inline void put_hex(struct frame *frame, const char *hex)
{
	for (; *hex; hex++) {
		unsigned int value;

		if (*hex == ' ')
			continue;
		assert_int_equal(sscanf(hex, "%2x", &value), 1);
		put(frame, &(__u8){ value }, 1);
		hex++;
	}
}

static inline void put16(struct frame *frame, unsigned int value)
{
	put(frame, (__u8[]){ value >> 8, value }, 2);
}

static inline void put32(struct frame *frame, __u32 value)
{
	put(frame, (__u8[]){ value >> 24, value >> 16, value >> 8, value }, 4);
}

static inline void set16(struct frame *frame, size_t at, unsigned int value)
{
	frame->bytes[at] = value >> 8;
	frame->bytes[at + 1] = value;
}

#define MAC_A "02 00 00 00 00 0a"
#define MAC_B "02 00 00 00 00 0b"

/* from MAC_A to MAC_B */
static inline void put_eth(struct frame *frame, unsigned int type)
{
	put_hex(frame, MAC_B MAC_A);
	put16(frame, type);
	frame->l3 = frame->size;
}

static inline void put_vlan(struct frame *frame, unsigned int tci, unsigned int type)
{
	put16(frame, tci);
	put16(frame, type);
	frame->l3 = frame->size;
}

/*
 * An IPv4 header without options from 10.0.0.1 to 10.0.0.2, id 0x1234, ttl 64,
 * tos 0x10; fragment is the field as on the wire (0x4000: don't fragment).
 * Returns where it is, for ip4_close().
 */
static inline size_t put_ip4(struct frame *frame, unsigned int protocol, unsigned int fragment)
{
	size_t at = frame->size;

	put_hex(frame, "45 10 0000 1234");
	put16(frame, fragment);
	put(frame, (__u8[]){ 64, protocol, 0, 0 }, 4);
	put_hex(frame, "0a000001 0a000002");
	return at;
}

/* the header's length is that of all from it to the frame's end */
static inline void ip4_close(struct frame *frame, size_t at)
{
	set16(frame, at + 2, frame->size - at);
}

/* from fd00::1 to fd00::2, traffic class 0x20, flow label 0x12345, hop limit 63 */
static inline size_t put_ip6(struct frame *frame, unsigned int next)
{
	size_t at = frame->size;

	put_hex(frame, "62012345 0000");
	put(frame, (__u8[]){ next, 63 }, 2);
	put_hex(frame, "fd000000 00000000 00000000 00000001 fd000000 00000000 00000000 00000002");
	return at;
}

static inline void ip6_close(struct frame *frame, size_t at)
{
	set16(frame, at + 4, frame->size - at - 40);
}

/* an IPv6 options or routing header of 8 * (1 + more) bytes, padded */
static inline void put_extension(struct frame *frame, unsigned int next, unsigned int more)
{
	put(frame, (__u8[]){ next, more, 1, 4 + 8 * more, 0, 0, 0, 0 }, 8);
	for (unsigned int i = 0; i < more; i++)
		put_hex(frame, "00000000 00000000");
}

/* 5 bytes of payload, as in every put_udp() */
static inline void put_udp(struct frame *frame, unsigned int src, unsigned int dst)
{
	put16(frame, src);
	put16(frame, dst);
	put16(frame, 13);
	put16(frame, 0);
	put(frame, "hello", 5);
}

/* seq 0x01020304, ack 0xa0b0c0d0, window 29200, no options */
static inline void put_tcp(struct frame *frame, unsigned int src, unsigned int dst,
			   unsigned int flags)
{
	put16(frame, src);
	put16(frame, dst);
	put_hex(frame, "01020304 a0b0c0d0");
	put16(frame, 5 << 12 | flags);
	put16(frame, 29200);
	put_hex(frame, "0000 0000");
}

/* the UDP header and VXLAN header of a tunnel; what follows is carried */
static inline void put_vxlan(struct frame *frame, unsigned int port, __u32 vni)
{
	put16(frame, 50000);
	put16(frame, port);
	put_hex(frame, "0000 0000 08 000000");
	put32(frame, vni << 8);
}

static inline void frame_udp4(struct frame *frame, unsigned int src, unsigned int dst)
{
	size_t ip;

	frame->size = 0;
	put_eth(frame, 0x0800);
	ip = put_ip4(frame, 17, 0x4000);
	put_udp(frame, src, dst);
	ip4_close(frame, ip);
}

static inline void frame_tcp6(struct frame *frame, unsigned int src, unsigned int dst)
{
	size_t ip;

	frame->size = 0;
	put_eth(frame, 0x86dd);
	ip = put_ip6(frame, 6);
	put_tcp(frame, src, dst, 0x12);
	ip6_close(frame, ip);
}

/* request of 10.0.0.1 for 10.0.0.2 */
static inline void frame_arp(struct frame *frame)
{
	frame->size = 0;
	put_eth(frame, 0x0806);
	put_hex(frame, "0001 0800 06 04 0001" MAC_A "0a000001 000000000000 0a000002");
}

/* VXLAN from 10.0.0.1 to 10.0.0.2 that carries TCP from fd00::1 to fd00::2 */
static inline void frame_vxlan(struct frame *frame, __u32 vni)
{
	struct frame inner;
	size_t ip;

	frame_tcp6(&inner, 1111, 2222);
	frame->size = 0;
	put_eth(frame, 0x0800);
	ip = put_ip4(frame, 17, 0);
	put_vxlan(frame, 4789, vni);
	put(frame, inner.bytes, inner.size);
	ip4_close(frame, ip);
	frame->l3 = ip;
}

/** An skb and all that it points to. */
struct box {
	struct sk_buff skb;
	struct net_device dev;
	struct netdev_queue queue;
	struct net net, sock_net;
	struct sock sock;
	__u8 *linear;
};

/*
 * The frame in an skb as the IP layer receives it: the Ethernet header known,
 * data at L3, device eth7 (ifindex 7) of namespace 4026531000. The first size
 * bytes of the frame are in the linear area. Free with box_close().
 */
static inline void box_open(struct box *box, const struct frame *frame, size_t size,
			    unsigned int protocol)
{
	memset(box, 0, sizeof(*box));
	box->linear = malloc(FRAME_HEADROOM + size);
	assert_non_null(box->linear);
	memset(box->linear, 0xa5, FRAME_HEADROOM);
	memcpy(box->linear + FRAME_HEADROOM, frame->bytes, size);
	box->net.ns.inum = 4026531000U;
	box->sock_net.ns.inum = 4026532222U;
	box->sock.__sk_common.skc_net.net = &box->sock_net;
	box->queue.dev = &box->dev;
	strcpy(box->dev.name, "eth7");
	box->dev.ifindex = 7;
	box->dev.type = PACKET_ETHER;
	box->dev._tx = &box->queue;
	box->dev.nd_net.net = &box->net;
	box->skb.dev = &box->dev;
	box->skb.head = box->linear;
	box->skb.data = box->linear + FRAME_HEADROOM + frame->l3;
	box->skb.tail = FRAME_HEADROOM + size;
	box->skb.len = frame->size - frame->l3;
	box->skb.mac_header = FRAME_HEADROOM;
	box->skb.network_header = FRAME_HEADROOM + frame->l3;
	box->skb.protocol = bpf_htons(protocol);
}

static inline void box_close(struct box *box)
{
	free(box->linear);
	box->linear = NULL;
}

/* a tag held in the skb, as kernels since 6.2 or those before mark it */
static inline void box_tag(struct box *box, bool old, unsigned int tpid, unsigned int tci)
{
	sonde_native.vlan_all = !old;
	sonde_native.vlan_present = old;
	box->skb.vlan_proto = bpf_htons(tpid);
	box->skb.vlan_tci = tci;
	box->skb.vlan_present = old;
	box->skb.vlan_all = old ? 0 : tpid << 16 | tci;
}

#endif
