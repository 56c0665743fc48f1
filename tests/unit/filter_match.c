// SPDX-License-Identifier: GPL-2.0-only
/* filter_match.c: the filter lets through what its options say, and nothing else. */
#include "unit.h"
#include <arpa/inet.h>
#include "core/filter.h"
#include "frames.h"

/* at first sight or not, the answer is the same */
static bool passes(struct box *box)
{
	bool pass = filter_pass(SONDE_DIRECT, &box->skb);

	assert_int_equal(pass, filter_the_long_way(SONDE_DIRECT, &box->skb));
	return pass;
}

/* a frame as it is received */
static bool passes_frame(const struct frame *frame, unsigned int protocol)
{
	struct box box;
	bool pass;

	box_open(&box, frame, frame->size, protocol);
	pass = passes(&box);
	box_close(&box);
	return pass;
}

/* what follows from all options, but not whether this machine has the device */
static bool settle(void)
{
	__u32 here = flt.set & (FILTER_DEVICE | FILTER_NETNS);
	struct run run = { .filter = &flt };
	int err;

	flt.set &= ~here;
	flt.quick = QUICK_NONE;
	err = filter_finish(&run);
	flt.set |= here;
	return !err;
}

/* sets one more option as a user types it; false: it contradicts another */
static bool option_try(const char *name, const char *value)
{
	struct run run = { .filter = &flt };
	char why[160] = "";

	for (const struct option_row *row = filter_rows; row->kind != OPTION_END; row++) {
		if (strcmp(row->name, name))
			continue;
		if (row->parse(&run, value, why, sizeof(why)))
			return false;
		return settle();
	}
	fail_msg("no option --%s", name);
	return false;
}

static void option(const char *name, const char *value)
{
	if (!option_try(name, value))
		fail_msg("--%s %s", name, value);
}

static void only(const char *name, const char *value)
{
	memset(&flt, 0, sizeof(flt));
	option(name, value);
}

static void nothing_set(void **state)
{
	struct frame frame;

	(void)state;
	memset(&flt, 0, sizeof(flt));
	frame_udp4(&frame, 1, 2);
	assert_true(passes_frame(&frame, 0x0800));
	assert_true(passes_frame(&frame, 0));
}

static void addresses(void **state)
{
	struct frame udp4, tcp6, arp;

	(void)state;
	frame_udp4(&udp4, 1, 2);
	frame_tcp6(&tcp6, 1, 2);
	frame_arp(&arp);

	only("src-ip", "10.0.0.1");
	assert_true(passes_frame(&udp4, 0x0800));
	assert_true(passes_frame(&arp, 0x0806));
	assert_false(passes_frame(&tcp6, 0x86dd));
	only("src-ip", "10.0.0.2");
	assert_false(passes_frame(&udp4, 0x0800));
	assert_false(passes_frame(&arp, 0x0806));
	only("dst-ip", "10.0.0.2");
	assert_true(passes_frame(&udp4, 0x0800));
	assert_true(passes_frame(&arp, 0x0806));
	only("dst-ip", "10.0.0.1");
	assert_false(passes_frame(&udp4, 0x0800));

	/* either direction */
	only("host", "10.0.0.1");
	assert_true(passes_frame(&udp4, 0x0800));
	only("host", "10.0.0.2");
	assert_true(passes_frame(&udp4, 0x0800));
	only("host", "10.0.0.3");
	assert_false(passes_frame(&udp4, 0x0800));

	/* all of them */
	only("src-ip", "10.0.0.1");
	option("dst-ip", "10.0.0.2");
	option("host", "10.0.0.0/30");
	assert_true(passes_frame(&udp4, 0x0800));
	only("src-ip", "10.0.0.1");
	option("dst-ip", "10.0.0.3");
	assert_false(passes_frame(&udp4, 0x0800));

	only("src-ip", "fd00::1");
	assert_true(passes_frame(&tcp6, 0x86dd));
	assert_false(passes_frame(&udp4, 0x0800));
	assert_false(passes_frame(&arp, 0x0806));
	only("src-ip", "fd00::2");
	assert_false(passes_frame(&tcp6, 0x86dd));
	only("dst-ip", "fd00::1");
	assert_false(passes_frame(&tcp6, 0x86dd));
	only("host", "fd00::2");
	assert_true(passes_frame(&tcp6, 0x86dd));

	/* any address of a family is still one of that family */
	only("src-ip", "0.0.0.0/0");
	assert_true(passes_frame(&udp4, 0x0800));
	assert_false(passes_frame(&tcp6, 0x86dd));
	only("dst-ip", "::/0");
	assert_false(passes_frame(&udp4, 0x0800));
	assert_true(passes_frame(&tcp6, 0x86dd));
}

/* each prefix length, against an address that differs in each bit */
static void prefixes(void **state)
{
	struct frame udp4, tcp6;
	char text[INET6_ADDRSTRLEN], value[64];

	(void)state;
	for (int bits = 0; bits <= 32; bits++) {
		for (int bit = 0; bit < 32; bit++) {
			frame_udp4(&udp4, 1, 2);
			udp4.bytes[26 + bit / 8] ^= 0x80 >> bit % 8;
			snprintf(value, sizeof(value), "10.0.0.1/%d", bits);
			only("src-ip", value);
			assert_int_equal(passes_frame(&udp4, 0x0800), bit >= bits);
		}
	}
	frame_tcp6(&tcp6, 1, 2);
	for (int bits = 0; bits <= 128; bits++) {
		for (int bit = 0; bit < 128; bit++) {
			struct frame frame = tcp6;

			frame.bytes[38 + bit / 8] ^= 0x80 >> bit % 8;
			inet_ntop(AF_INET6, tcp6.bytes + 38, text, sizeof(text));
			snprintf(value, sizeof(value), "%s/%d", text, bits);
			only("dst-ip", value);
			assert_int_equal(passes_frame(&frame, 0x86dd), bit >= bits);
		}
	}
}

static void not_host(void **state)
{
	struct frame udp4, tcp6, arp;

	(void)state;
	frame_udp4(&udp4, 1, 2);
	frame_tcp6(&tcp6, 1, 2);
	frame_arp(&arp);
	only("not-host", "10.0.0.2");
	assert_false(passes_frame(&udp4, 0x0800));
	assert_false(passes_frame(&arp, 0x0806));
	assert_true(passes_frame(&tcp6, 0x86dd));
	only("not-host", "10.0.0.1");
	assert_false(passes_frame(&udp4, 0x0800));
	only("not-host", "10.0.0.3");
	assert_true(passes_frame(&udp4, 0x0800));
	assert_true(passes_frame(&arp, 0x0806));
	/* the same bytes as 10.0.0.1, in the other family */
	only("not-host", "a00:1::/32");
	assert_true(passes_frame(&udp4, 0x0800));
	only("not-host", "fd00::/16");
	assert_true(passes_frame(&udp4, 0x0800));
	assert_false(passes_frame(&tcp6, 0x86dd));
	/* what has no addresses has not that one */
	arp.bytes[12] = 0x88;
	arp.bytes[13] = 0xcc;
	assert_true(passes_frame(&arp, 0x88cc));
}

/* each port against the ranges, by another way of counting */
static void port_ranges(void **state)
{
	static const struct sonde_port_range ranges[FILTER_PORT_RANGES] = {
		{ 0, 0 },	 { 80, 80 },	   { 443, 444 },     { 1000, 2000 },
		{ 2000, 2010 },	 { 2012, 2012 },   { 3000, 3001 },   { 4000, 4000 },
		{ 5000, 6000 },	 { 5500, 5600 },   { 7000, 7001 },   { 8080, 8090 },
		{ 9999, 10001 }, { 32767, 32769 }, { 50000, 60000 }, { 65535, 65535 },
	};

	(void)state;
	for (unsigned int count = 0; count <= FILTER_PORT_RANGES; count++) {
		struct sonde_ports ports = { .count = count };

		memcpy(ports.range, ranges, sizeof(ranges));
		for (unsigned int port = 0; port < 65536; port++) {
			bool in = false;

			for (unsigned int i = 0; i < count; i++)
				in = in || (port >= ranges[i].first && port <= ranges[i].last);
			if (filter_port(&ports, port) != in)
				fail_msg("port %u, %u ranges: expected %d", port, count, in);
		}
	}
}

static void ports(void **state)
{
	struct frame frame = { 0 };
	size_t ip;

	(void)state;
	frame_udp4(&frame, 4000, 53);
	only("src-port", "4000");
	assert_true(passes_frame(&frame, 0x0800));
	only("src-port", "53");
	assert_false(passes_frame(&frame, 0x0800));
	only("dst-port", "1-52,54-60000");
	assert_false(passes_frame(&frame, 0x0800));
	option("src-port", "4000");
	assert_false(passes_frame(&frame, 0x0800));
	only("dst-port", "50-53");
	assert_true(passes_frame(&frame, 0x0800));
	only("port", "4000");
	assert_true(passes_frame(&frame, 0x0800));
	only("port", "53");
	assert_true(passes_frame(&frame, 0x0800));
	only("port", "54");
	assert_false(passes_frame(&frame, 0x0800));

	/* a first fragment has ports, a later one cannot be told */
	only("port", "53");
	set16(&frame, 20, 0x2000);
	assert_true(passes_frame(&frame, 0x0800));
	set16(&frame, 20, 0x2001);
	assert_false(passes_frame(&frame, 0x0800));

	/* protocols without ports, whatever stands there */
	frame_udp4(&frame, 4000, 53);
	frame.bytes[23] = 1;
	assert_false(passes_frame(&frame, 0x0800));
	frame.bytes[23] = 132;
	assert_true(passes_frame(&frame, 0x0800));
	frame_arp(&frame);
	assert_false(passes_frame(&frame, 0x0806));

	/* behind IPv4 options and IPv6 extension headers */
	frame.size = 0;
	put_eth(&frame, 0x0800);
	ip = put_ip4(&frame, 6, 0);
	frame.bytes[ip] = 0x46;
	put_hex(&frame, "01010101");
	put_tcp(&frame, 1, 53, 0x10);
	ip4_close(&frame, ip);
	assert_true(passes_frame(&frame, 0x0800));
	frame.size = 0;
	put_eth(&frame, 0x86dd);
	ip = put_ip6(&frame, 0);
	put_extension(&frame, 6, 3);
	put_tcp(&frame, 53, 1, 0x10);
	ip6_close(&frame, ip);
	assert_true(passes_frame(&frame, 0x86dd));
	only("port", "1280");
	assert_false(passes_frame(&frame, 0x86dd));
}

static void protocols(void **state)
{
	struct frame udp4, tcp6, arp;
	size_t ip;

	(void)state;
	frame_udp4(&udp4, 1, 2);
	frame_tcp6(&tcp6, 1, 2);
	frame_arp(&arp);
	only("protocol", "udp");
	assert_true(passes_frame(&udp4, 0x0800));
	assert_false(passes_frame(&tcp6, 0x86dd));
	assert_false(passes_frame(&arp, 0x0806));
	only("protocol", "6");
	assert_false(passes_frame(&udp4, 0x0800));
	assert_true(passes_frame(&tcp6, 0x86dd));
	only("protocol", "arp");
	assert_false(passes_frame(&udp4, 0x0800));
	assert_false(passes_frame(&tcp6, 0x86dd));
	assert_true(passes_frame(&arp, 0x0806));
	only("protocol", "all");
	assert_true(passes_frame(&arp, 0x0806));

	/* a later fragment still says its protocol */
	only("protocol", "udp");
	set16(&udp4, 20, 0x0010);
	assert_true(passes_frame(&udp4, 0x0800));

	/* L4 is behind the extension headers, not the first of them */
	tcp6.size = 0;
	put_eth(&tcp6, 0x86dd);
	ip = put_ip6(&tcp6, 60);
	put_extension(&tcp6, 17, 0);
	put_udp(&tcp6, 1, 2);
	ip6_close(&tcp6, ip);
	assert_true(passes_frame(&tcp6, 0x86dd));
	only("protocol", "60");
	assert_false(passes_frame(&tcp6, 0x86dd));
}

/* what fails is not looked at twice: the filter's cost is that of its refusals */
static void refused_at_first_sight(void **state)
{
	static const struct {
		const char *name, *value;
	} rows[] = {
		{ "src-ip", "10.0.0.2" }, { "dst-ip", "10.0.0.1" }, { "host", "10.0.1.0/24" },
		{ "src-port", "53" },	  { "dst-port", "4000" },   { "port", "54-3999,4001" },
		{ "protocol", "145" },	  { "src-ip", "fd00::1" },  { "dst-port", "54-60" },
		{ "src-ip", "::/0" },	  { "port", "52,54" },	    { "dst-port", "52,54" },
		{ "protocol", "arp" },	  { "type", "ipv6" },	    { "src-port", "3999,4001-5000" },
	};
	struct frame frame;
	struct box box;

	(void)state;
	frame_udp4(&frame, 4000, 53);
	box_open(&box, &frame, frame.size, 0x0800);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		only(rows[i].name, rows[i].value);
		if (!filter_refuses(SONDE_DIRECT, &box.skb))
			fail_msg("--%s %s", rows[i].name, rows[i].value);
		assert_false(passes(&box));
	}
	box.linear[FRAME_HEADROOM + 23] = 145;
	only("protocol", "17");
	assert_true(filter_refuses(SONDE_DIRECT, &box.skb));
	box_close(&box);

	/* ports are elsewhere behind options: that is not for the first sight to say */
	frame.bytes[14] = 0x46;
	memmove(frame.bytes + 38, frame.bytes + 34, frame.size - 34);
	memset(frame.bytes + 34, 1, 4);
	frame.size += 4;
	set16(&frame, 16, 37);
	only("dst-port", "53");
	assert_true(passes_frame(&frame, 0x0800));
	only("dst-port", "257");
	assert_false(passes_frame(&frame, 0x0800));
}

/* what a filter asks for and plain IPv4 has is let through without a second look */
static void passed_at_first_sight(void **state)
{
	static const struct {
		const char *name, *value;
	} rows[] = {
		{ "src-ip", "10.0.0.1" }, { "dst-ip", "10.0.0.0/30" }, { "host", "10.0.0.2" },
		{ "src-port", "4000" },	  { "dst-port", "53" },	       { "port", "80,53" },
		{ "protocol", "udp" },	  { "dst-port", "50-60,80" },  { "src-ip", "0.0.0.0/0" },
		{ "type", "ipv4" },
	};
	struct frame frame;
	struct box box;

	(void)state;
	frame_udp4(&frame, 4000, 53);
	box_open(&box, &frame, frame.size, 0x0800);
	memset(&flt, 0, sizeof(flt));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		/* each with all before it */
		option(rows[i].name, rows[i].value);
		assert_true(passes(&box));
		if (filter_refuses(SONDE_DIRECT, &box.skb) ||
		    !filter_settles(SONDE_DIRECT, &box.skb))
			fail_msg("--%s %s", rows[i].name, rows[i].value);
	}
	/* what is not in the header is not for the first sight to say */
	option("dev", "eth7");
	assert_false(filter_settles(SONDE_DIRECT, &box.skb));
	assert_true(passes(&box));
	only("src-port", "4000");
	option("not-host", "10.0.0.1");
	assert_false(filter_settles(SONDE_DIRECT, &box.skb));
	assert_false(passes(&box));
	only("src-port", "4000");
	option("vlan", "7");
	assert_false(filter_settles(SONDE_DIRECT, &box.skb));
	assert_false(passes(&box));
	box_close(&box);
}

static unsigned int random_state = 1;

static unsigned int below(unsigned int limit)
{
	random_state = random_state * 1664525 + 1013904223;
	return (random_state >> 8) % limit;
}

static const char *any_port_list(char *text, size_t size)
{
	unsigned int count = 1 + below(3);
	size_t used = 0;

	for (unsigned int i = 0; i < count; i++) {
		unsigned int first = 1 + below(4);

		used += snprintf(text + used, size - used, "%s%u", i ? "," : "", first);
		if (!below(4))
			used += snprintf(text + used, size - used, "-%u", first + below(2));
	}
	return text;
}

/* one more option, of a value that one packet in a few has */
static bool any_option(void)
{
	static const char *const rows[][5] = {
		{ "src-ip", "10.0.0.1", "10.0.0.2/31", "0.0.0.0/0", "10.0.1.0/24" },
		{ "dst-ip", "10.0.0.2", "10.0.0.0/31", "10.0.0.0/8", "10.0.0.3" },
		{ "host", "10.0.0.1", "10.0.0.3", "10.0.0.2/31", "0.0.0.0/0" },
		{ "not-host", "10.0.0.3", "10.0.0.1", "fd00::/8", "10.0.0.3" },
		{ "type", "ipv4", "ipv4", "arp", "ipv6" },
		{ "dev", "eth7", "eth7", "eth8", "eth7" },
		{ "vlan", "1", "1", "1", "1" },
		{ "netns", "4026531000", "4026531000", "4026531001", "4026531000" },
		{ "vni", "5", "5", "5", "5" },
		{ "protocol", "arp", "arp", "arp", "arp" },
		{ "src-ip", "fd00::1", "fd00::/8", "::/0", "fd00::1" },
	};
	static const char *const ports[] = { "src-port", "dst-port", "port" };
	static const char *const protocols[] = { "tcp", "udp", "icmp", "sctp" };
	char text[64];
	unsigned int which = below(16);

	/* the rare ones rarely */
	if (which > 2 && which < 11 && below(4))
		which = below(3);
	if (which < 11)
		return option_try(rows[which][0], rows[which][1 + below(4)]);
	if (which < 14)
		return option_try(ports[which - 11], any_port_list(text, sizeof(text)));
	return option_try("protocol", protocols[below(4)]);
}

/* at first sight or by the long way: one answer, for whatever stands in an IPv4 header */
static void one_answer(void **state)
{
	static const __u8 protocols[] = { 6, 17, 17, 132, 1 };
	unsigned int refused = 0, settled = 0, passed = 0;

	(void)state;
	for (unsigned int filters = 0; filters < 4000; filters++) {
		bool right = true;

		memset(&flt, 0, sizeof(flt));
		for (unsigned int i = 0, count = 1 + below(3); i < count; i++)
			right = any_option() && right;
		if (!right)
			continue;
		for (unsigned int i = 0; i < 50; i++) {
			bool refuse;
			struct frame frame;
			struct box box;
			size_t size, ip;

			frame.size = 0;
			put_eth(&frame, 0x0800);
			ip = put_ip4(&frame, protocols[below(5)], below(4) ? 0 : 1 << below(16));
			frame.bytes[ip + 15] = below(4);
			frame.bytes[ip + 19] = below(4);
			if (!below(8))
				frame.bytes[ip] = below(256);
			put_udp(&frame, 1 + below(4), 1 + below(4));
			ip4_close(&frame, ip);
			if (!below(8))
				set16(&frame, ip + 2, below(32));
			size = below(8) ? frame.size : below(frame.size + 1);
			box_open(&box, &frame, size, below(16) ? 0x0800 : 0);
			if (!below(16))
				box.skb.network_header = below(2) ? 0 : box.skb.mac_header;
			refuse = filter_refuses(SONDE_DIRECT, &box.skb);
			refused += refuse;
			settled += !refuse && filter_settles(SONDE_DIRECT, &box.skb);
			passed += passes(&box);
			box_close(&box);
		}
	}
	assert_true(refused > 50000);
	assert_true(settled > 10000);
	assert_true(passed > settled);
}

/* one word for ping of both kinds */
static void icmp_follows_the_address(void **state)
{
	struct run run = { .filter = &flt };

	(void)state;
	only("protocol", "icmp");
	assert_int_equal(filter_finish(&run), 0);
	assert_int_equal(flt.protocol, 1);
	option("src-ip", "fd00::1");
	assert_int_equal(filter_finish(&run), 0);
	assert_int_equal(flt.protocol, 58);
	only("type", "ipv6");
	option("protocol", "icmp");
	assert_int_equal(filter_finish(&run), 0);
	assert_int_equal(flt.protocol, 58);
}

static void types(void **state)
{
	struct frame frame;

	(void)state;
	frame_arp(&frame);
	only("type", "arp");
	assert_true(passes_frame(&frame, 0x0806));
	only("type", "0x0806");
	assert_true(passes_frame(&frame, 0x0806));
	option("src-ip", "10.0.0.1");
	assert_true(passes_frame(&frame, 0x0806));
	only("type", "ipv4");
	assert_false(passes_frame(&frame, 0x0806));
	only("type", "lldp");
	assert_false(passes_frame(&frame, 0x0806));
	set16(&frame, 12, 0x88cc);
	assert_true(passes_frame(&frame, 0x88cc));
	/* none of those that have a name */
	only("type", "other");
	assert_false(passes_frame(&frame, 0x88cc));
	set16(&frame, 12, 0x8847);
	assert_true(passes_frame(&frame, 0x8847));
	set16(&frame, 12, 0x88cc);
	only("host", "10.0.0.1");
	assert_false(passes_frame(&frame, 0x88cc));

	/* behind the tags */
	only("type", "ipv4");
	frame.size = 0;
	put_eth(&frame, 0x8100);
	put_vlan(&frame, 1, 0x0800);
	put_ip4(&frame, 1, 0);
	assert_true(passes_frame(&frame, 0x8100));
}

static void vlans(void **state)
{
	struct frame frame;
	struct box box;
	size_t ip;

	(void)state;
	only("vlan", "100");
	frame_udp4(&frame, 1, 2);
	assert_false(passes_frame(&frame, 0x0800));

	/* in the skb */
	for (int old = 0; old < 2; old++) {
		box_open(&box, &frame, frame.size, 0x0800);
		box_tag(&box, old, 0x8100, 7 << 13 | 100);
		assert_true(passes(&box));
		box_tag(&box, old, 0x8100, 7 << 13 | 101);
		assert_false(passes(&box));
		box_close(&box);
	}
	sonde_native.vlan_present = false;
	sonde_native.vlan_all = true;

	/* in the frame, the outer or the inner, met where it is received, sent or passed */
	frame.size = 0;
	put_eth(&frame, 0x88a8);
	put_vlan(&frame, 1 << 13 | 200, 0x8100);
	put_vlan(&frame, 100, 0x0800);
	ip = put_ip4(&frame, 17, 0);
	put_udp(&frame, 1, 2);
	ip4_close(&frame, ip);
	for (int where = 0; where < 3; where++) {
		box_open(&box, &frame, frame.size, where < 2 ? 0x88a8 : 0x0800);
		box.skb.network_header = FRAME_HEADROOM + (where ? 22 : 14);
		only("vlan", "100");
		assert_true(passes(&box));
		only("vlan", "200");
		assert_true(passes(&box));
		only("vlan", "101");
		assert_false(passes(&box));
		/* what is behind the tags can be asked as well */
		only("vlan", "200");
		option("src-ip", "10.0.0.1");
		option("dst-port", "2");
		assert_true(passes(&box));
		option("src-port", "2");
		assert_false(passes(&box));
		/* a tag in the skb beside them */
		box_tag(&box, false, 0x8100, 300);
		only("vlan", "300");
		assert_true(passes(&box));
		only("vlan", "100");
		assert_true(passes(&box));
		box_close(&box);
	}
}

static void devices(void **state)
{
	struct frame frame;
	struct box box;

	(void)state;
	frame_udp4(&frame, 1, 2);
	box_open(&box, &frame, frame.size, 0x0800);
	only("dev", "eth7");
	assert_true(passes(&box));
	only("dev", "eth");
	assert_false(passes(&box));
	only("dev", "eth70");
	assert_false(passes(&box));
	strcpy(box.dev.name, "abcdefghijklmno");
	only("dev", "abcdefghijklmno");
	assert_true(passes(&box));
	box.dev.name[14] = 'x';
	assert_false(passes(&box));

	/* the skb has lost its device: it came in on number 7 */
	only("dev", "eth7");
	flt.ifindex = 7;
	box.skb.dev = (struct net_device *)0x40;
	assert_false(passes(&box));
	box.skb.skb_iif = 7;
	assert_true(passes(&box));
	box.skb.skb_iif = 8;
	assert_false(passes(&box));
	/* and if nobody knows our device's number, 0 is not it */
	flt.ifindex = 0;
	box.skb.skb_iif = 0;
	assert_false(passes(&box));
	box_close(&box);
}

static void namespaces(void **state)
{
	struct frame frame;
	struct box box;

	(void)state;
	frame_udp4(&frame, 1, 2);
	box_open(&box, &frame, frame.size, 0x0800);
	only("netns", "4026531000");
	assert_true(passes(&box));
	only("netns", "4026531001");
	assert_false(passes(&box));

	/* no device: the socket's */
	box.skb.dev = NULL;
	assert_false(passes(&box));
	box.skb.sk = &box.sock;
	assert_false(passes(&box));
	only("netns", "4026532222");
	assert_true(passes(&box));

	/* no one to ask, but it came in on the device that is looked for */
	box.skb.sk = NULL;
	assert_false(passes(&box));
	option("dev", "eth7");
	flt.ifindex = 7;
	box.skb.skb_iif = 7;
	assert_true(passes(&box));
	/* the same name elsewhere is another device */
	box.skb.dev = &box.dev;
	assert_false(passes(&box));
	box.net.ns.inum = 4026532222U;
	assert_true(passes(&box));
	box_close(&box);
}

static void tunnels(void **state)
{
	struct frame tunnel, plain;

	(void)state;
	frame_vxlan(&tunnel, 77);
	frame_tcp6(&plain, 1111, 2222);

	only("vni", "77");
	assert_true(passes_frame(&tunnel, 0x0800));
	assert_false(passes_frame(&plain, 0x86dd));
	only("vni", "78");
	assert_false(passes_frame(&tunnel, 0x0800));
	/* without --inner, addresses are those of the tunnel */
	only("vni", "77");
	option("src-ip", "10.0.0.1");
	assert_true(passes_frame(&tunnel, 0x0800));
	only("src-ip", "fd00::1");
	assert_false(passes_frame(&tunnel, 0x0800));
	assert_true(passes_frame(&plain, 0x86dd));

	option("inner", NULL);
	assert_true(passes_frame(&tunnel, 0x0800));
	assert_false(passes_frame(&plain, 0x86dd));
	option("dst-port", "2222");
	option("protocol", "tcp");
	option("vni", "77");
	assert_true(passes_frame(&tunnel, 0x0800));
	flt.dst_port.range[0].last = flt.dst_port.range[0].first = 4789;
	settle();
	assert_false(passes_frame(&tunnel, 0x0800));
	only("src-ip", "10.0.0.1");
	option("inner", NULL);
	assert_false(passes_frame(&tunnel, 0x0800));
	only("type", "ipv6");
	option("inner", NULL);
	assert_true(passes_frame(&tunnel, 0x0800));

	/* a later fragment carries no tunnel header */
	set16(&tunnel, 20, 9);
	assert_false(passes_frame(&tunnel, 0x0800));
}

/* where network_header is no guide, what stands at the place that it names is no answer */
static void misleading_offsets(void **state)
{
	struct frame udp4, tcp6;
	struct box box;

	(void)state;
	/* not set, and at offset 0 the header of a packet that was there before */
	frame_udp4(&udp4, 1, 2);
	box_open(&box, &udp4, udp4.size, 0x0800);
	box.skb.network_header = 0;
	memcpy(box.linear, udp4.bytes + udp4.l3, 28);
	box.linear[15] = 99;
	only("src-ip", "10.0.0.1");
	assert_true(passes(&box));
	only("src-ip", "10.0.0.99");
	assert_false(passes(&box));
	box_close(&box);

	/* at the frame's start, as packet sockets leave it for short frames */
	box_open(&box, &udp4, udp4.size, 0x0800);
	box.skb.network_header = box.skb.mac_header;
	only("src-ip", "10.0.0.1");
	assert_true(passes(&box));
	box_close(&box);
	/* at the frame's start, whose first byte looks like IPv6 */
	frame_tcp6(&tcp6, 1, 2);
	tcp6.bytes[0] = 0x60;
	box_open(&box, &tcp6, tcp6.size, 0x86dd);
	box.skb.network_header = box.skb.mac_header;
	only("src-ip", "fd00::1");
	assert_true(passes(&box));
	only("src-ip", "fd00::3");
	assert_false(passes(&box));
	box_close(&box);
}

/* headers that break off are no match for what stands in them */
static void cut_packets(void **state)
{
	struct frame frame;
	struct box box;

	(void)state;
	frame_udp4(&frame, 4000, 53);
	for (size_t size = 0; size <= frame.size; size++) {
		box_open(&box, &frame, size, 0x0800);
		only("src-ip", "10.0.0.1");
		assert_int_equal(passes(&box), size >= 34);
		only("port", "53");
		assert_int_equal(passes(&box), size >= 38);
		only("type", "ipv4");
		assert_true(passes(&box));
		box_close(&box);
	}
	frame_vxlan(&frame, 5);
	for (size_t size = 0; size <= frame.size; size++) {
		box_open(&box, &frame, size, 0x0800);
		only("vni", "5");
		assert_int_equal(passes(&box), size >= 50);
		option("src-ip", "fd00::1");
		option("inner", NULL);
		assert_int_equal(passes(&box), size >= 104);
		option("src-port", "1111");
		assert_int_equal(passes(&box), size >= 108);
		box_close(&box);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_set),
		cmocka_unit_test(addresses),
		cmocka_unit_test(prefixes),
		cmocka_unit_test(not_host),
		cmocka_unit_test(port_ranges),
		cmocka_unit_test(ports),
		cmocka_unit_test(protocols),
		cmocka_unit_test(refused_at_first_sight),
		cmocka_unit_test(passed_at_first_sight),
		cmocka_unit_test(one_answer),
		cmocka_unit_test(icmp_follows_the_address),
		cmocka_unit_test(types),
		cmocka_unit_test(vlans),
		cmocka_unit_test(devices),
		cmocka_unit_test(namespaces),
		cmocka_unit_test(tunnels),
		cmocka_unit_test(misleading_offsets),
		cmocka_unit_test(cut_packets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
