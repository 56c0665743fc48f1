/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The packet filter as it stands in an object's rodata: filled by
 * core/filter.c before the load, tested by bpf/filter.bpf.h. All tests that are
 * set must hold.
 */
#ifndef NETSONDE_ABI_FILTER_H
#define NETSONDE_ABI_FILTER_H

#include "abi/packet.h"

/**
 * Bits of sonde_filter.set. One word, so that a program reads it once and the
 * verifier removes each test whose bit is clear.
 */
enum sonde_filter_set {
	FILTER_DEVICE = 1 << 0,
	FILTER_NETNS = 1 << 1,
	FILTER_VLAN = 1 << 2,
	FILTER_SRC = 1 << 3,
	FILTER_DST = 1 << 4,
	FILTER_HOST = 1 << 5,		/* source or destination */
	FILTER_SRC_PORT = 1 << 6,
	FILTER_DST_PORT = 1 << 7,
	FILTER_PORT = 1 << 8,		/* source or destination */
	FILTER_PROTOCOL = 1 << 9,	/* the L4 protocol number */
	FILTER_ARP = 1 << 10,		/* ARP, instead of a protocol number */
	FILTER_IP4 = 1 << 11,		/* an IPv6 packet cannot match: follows from an address */
	FILTER_IP6 = 1 << 12,		/* an IPv4 packet cannot match */
	FILTER_INNER = 1 << 13,		/* type, addresses, ports, protocol are a tunnel's inner */
	FILTER_VNI = 1 << 14,		/* in a tunnel with this network identifier */
	FILTER_TYPE = 1 << 15,		/* the EtherType behind VLAN tags */
	FILTER_NOT_HOST = 1 << 16,	/* not_host is neither source nor destination */
	FILTER_NOT_HOST6 = 1 << 17,	/* not_host is an IPv6 address */
};

#define FILTER_ADDRESSES (FILTER_SRC | FILTER_DST | FILTER_HOST)
#define FILTER_PORTS (FILTER_SRC_PORT | FILTER_DST_PORT | FILTER_PORT)
/* those that only a packet with an IP header, or ARP, can pass */
#define FILTER_IP \
	(FILTER_ADDRESSES | FILTER_PORTS | FILTER_PROTOCOL | FILTER_ARP | FILTER_IP4 | FILTER_IP6)
#define FILTER_HEADERS (FILTER_IP | FILTER_TYPE | FILTER_NOT_HOST)
#define FILTER_TUNNEL (FILTER_INNER | FILTER_VNI)
/* those that first sight compares */
#define FILTER_COMPARED (FILTER_ADDRESSES | FILTER_PORTS | FILTER_PROTOCOL)

/** As sonde_filter.eth_type: none of the types that --type has a name for since the older tools. */
#define FILTER_TYPE_OTHER 0xffff

/** Whether a frame of this EtherType is one of those wanted. */
static inline int filter_type_fits(unsigned int wanted, unsigned int type)
{
	if (wanted != FILTER_TYPE_OTHER)
		return type == wanted;
	/* IPv4, ARP, RARP, IPv6, LLDP, flow control */
	return type != 0x0800 && type != 0x0806 && type != 0x8035 && type != 0x86dd && type != 0x88cc &&
	       type != 0x8808;
}

/** Address bits outside the mask are zero. */
struct sonde_prefix {
	union sonde_address address, mask;
};

struct sonde_port_range {
	__u16 first, last;
};

#define FILTER_PORT_RANGES 16

struct sonde_ports {
	__u32 count;
	struct sonde_port_range range[FILTER_PORT_RANGES];
};

/**
 * What first sight (filter_refuses()) can say of a plain IPv4 packet. An enum, and not bits: of a
 * test of a bit the verifier leaves two instructions, of a comparison with a constant none.
 */
enum filter_quick {
	QUICK_NONE,		/* nothing */
	QUICK_WORDS,		/* quick_mask and quick_value say all: protocol and addresses */
	QUICK_HOST,		/* and host */
	QUICK_PORTS,		/* from here on, ports too; in quick_mask and quick_value */
	QUICK_PAIR,		/* either port is one of quick_pair */
	QUICK_PAIR_SRC,		/* the source port is */
	QUICK_PAIR_DST,
	QUICK_ALL,		/* host and the lists of ports */
};

struct sonde_filter {
	__u32 set;		/* enum sonde_filter_set */
	__u32 ifindex;		/* of the device, for an skb whose device pointer is gone */
	union {
		char device[16];	/* the kernel's name of the device, padded with zeros */
		__u64 device_quad[2];
	};
	__u32 netns;		/* inode number */
	__u32 vni;
	__u16 vlan;		/* id */
	__u16 eth_type;
	__u8 protocol;
	__u8 unused[3];
	struct sonde_prefix src, dst, host, not_host;
	struct sonde_ports src_port, dst_port, port;
	/* bytes 8 to 23 of an IPv4 packet without options: TTL, protocol, checksum, addresses, ports */
	__u64 quick_mask[2], quick_value[2];
	__u32 quick;		/* enum filter_quick */
	__u32 quick_pair[2];	/* as on the wire; one port stands there twice */
};

#endif
