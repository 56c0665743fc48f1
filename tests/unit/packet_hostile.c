// SPDX-License-Identifier: GPL-2.0-only
/*
 * packet_hostile.c: whatever bytes and offsets an skb has, the parser and the
 * filter read nothing behind its linear area (the sanitizers would say), and
 * what is printed holds no control characters. The seed is fixed, so a failure
 * repeats.
 */
#include "unit.h"
#include "core/filter.h"
#include "core/packet.h"
#include "frames.h"

#define ROUNDS 200000

static __u64 seed = 0x9e3779b97f4a7c15ULL;

static __u32 any(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed >> 16;
}

static __u32 below(__u32 limit)
{
	return any() % limit;
}

static void any_bytes(void *to, size_t size)
{
	for (size_t i = 0; i < size; i++)
		((__u8 *)to)[i] = any();
}

/* one of the frames that the other tests hold to be right, or noise */
static unsigned int base_frame(struct frame *frame)
{
	size_t ip;

	memset(frame, 0, sizeof(*frame));
	switch (below(9)) {
	case 0:
		frame_udp4(frame, any(), any());
		return 0x0800;
	case 1:
		frame_tcp6(frame, any(), any());
		return 0x86dd;
	case 2:
		frame_arp(frame);
		return 0x0806;
	case 3:
		frame_vxlan(frame, any());
		return 0x0800;
	case 4:
		put_eth(frame, 0x86dd);
		ip = put_ip6(frame, 0);
		for (unsigned int i = below(10); i; i--)
			put_extension(frame, (__u8[]){ 0, 43, 60, 44, 51 }[below(5)], below(3));
		put_udp(frame, any(), any());
		ip6_close(frame, ip);
		return 0x86dd;
	case 5:
		put_eth(frame, 0x88a8);
		for (unsigned int i = below(4); i; i--)
			put_vlan(frame, any(), 0x8100);
		put_vlan(frame, any(), 0x0800);
		ip = put_ip4(frame, (__u8[]){ 1, 6, 17, 132 }[below(4)], 0);
		put_tcp(frame, any(), any(), any() & 0xfff);
		ip4_close(frame, ip);
		frame->l3 = 14;
		return 0x88a8;
	case 6:
		put_eth(frame, 0x0800);
		ip = put_ip4(frame, 17, 0);
		put_hex(frame, "c350 17c1 0000 0000");
		put(frame, (__u8[]){ below(64), 0, 0x65, 0x58 }, 4);
		put32(frame, any());
		put_eth(frame, 0x0800);
		put_ip4(frame, below(256), any());
		put_udp(frame, any(), any());
		ip4_close(frame, ip);
		frame->l3 = 14;
		return 0x0800;
	case 7:
		put_eth(frame, 0x86dd);
		ip = put_ip6(frame, below(2) ? 58 : 132);
		put_hex(frame, "8000 0000 1234 0001 61626364 65666768");
		ip6_close(frame, ip);
		return 0x86dd;
	default:
		frame->size = below(200);
		any_bytes(frame->bytes, frame->size);
		frame->l3 = below(40);
		return any();
	}
}

static void spoil(struct box *box, size_t size)
{
	for (unsigned int i = below(6); i && size; i--) {
		__u8 *byte = box->linear + FRAME_HEADROOM + below(size);

		*byte = below(2) ? any() : *byte ^ 1U << below(8);
	}
	if (!below(4))
		box->skb.network_header = below(2) ? any() : FRAME_HEADROOM + below(60);
	if (!below(4))
		box->skb.mac_header = below(2) ? any() : FRAME_HEADROOM + below(60);
	if (!below(8))
		box->skb.data = box->linear + any();
	if (!below(8))
		box->skb.len = any();
	if (!below(8))
		box->skb.protocol = any();
	if (!below(8))
		box->dev.type = (__u16[]){ 1, 772, 65534, 0xffff, 512 }[below(5)];
	if (!below(8))
		box->skb.dev = (struct net_device *)(unsigned long)below(0x10000);
	if (!below(4))
		box_tag(box, below(2), any(), any());
	if (!below(64))
		box->skb.tail = below(FRAME_HEADROOM + size + 1);
}

static void any_filter(void)
{
	struct run run = { .filter = &flt };
	__u32 here;

	any_bytes(&flt, sizeof(flt));
	/* few tests at a time, and seldom those that never look at the bytes */
	flt.set &= any() & any();
	if (below(8))
		flt.set &= ~(FILTER_DEVICE | FILTER_NETNS);
	if (below(2))
		flt.set &= ~(FILTER_ARP | FILTER_IP4 | FILTER_IP6 | FILTER_TYPE);
	if (below(2)) {
		memset(&flt.src, 0, sizeof(flt.src));
		memset(&flt.dst, 0, sizeof(flt.dst));
		memset(&flt.host, 0, sizeof(flt.host));
	}
	flt.src_port.count %= FILTER_PORT_RANGES + 1;
	flt.dst_port.count %= FILTER_PORT_RANGES + 1;
	flt.port.count %= FILTER_PORT_RANGES + 1;
	/* what follows from the options, as far as they do not contradict each other */
	here = flt.set & (FILTER_DEVICE | FILTER_NETNS);
	flt.set &= ~here;
	flt.quick = QUICK_NONE;
	filter_finish(&run);
	flt.set |= here;
}

static void expect_printable(const char *text)
{
	for (; *text; text++) {
		if (*text < 0x20 || *text > 0x7e)
			fail_msg("character 0x%02x", (__u8)*text);
	}
}

static void expect_sane(const struct sonde_headers *h)
{
	int l3 = !!(h->has & SONDE_HAS_IP4) + !!(h->has & SONDE_HAS_IP6) +
		 !!(h->has & SONDE_HAS_ARP);
	int l4 = !!(h->has & SONDE_HAS_TCP) + !!(h->has & SONDE_HAS_UDP) +
		 !!(h->has & SONDE_HAS_SCTP) + !!(h->has & SONDE_HAS_ICMP) +
		 !!(h->has & SONDE_HAS_ICMP6);

	assert_true(h->has < SONDE_HAS_ICMP6 << 1);
	assert_true(l3 <= 1);
	assert_true(l4 <= 1);
	assert_true(!l4 || h->has & (SONDE_HAS_IP4 | SONDE_HAS_IP6));
	assert_true(!l4 || !(h->flags & (SONDE_TRUNCATED | SONDE_MALFORMED)) ||
		    h->has & SONDE_HAS_UDP);
	assert_true(!l4 || !h->fragment_offset);
	assert_true(h->vlans <= SONDE_VLANS);
}

static void random_packets(void **state)
{
	unsigned int seen[16] = { 0 }, tunnels = 0, truncated = 0, malformed = 0, passed = 0,
		     refused = 0;
	struct frame frame;
	struct box box;

	(void)state;
	for (unsigned int round = 0; round < ROUNDS; round++) {
		struct {
			struct sonde_packet packet;
			__u64 behind;
		} out;
		unsigned int protocol = base_frame(&frame);
		size_t size = below(4) ? frame.size : below(frame.size + 1);
		struct sonde_flow flow;
		char text[1024], *dump;
		json_t *json;
		bool pass;

		box_open(&box, &frame, size, protocol);
		spoil(&box, size);
		any_filter();
		pass = filter_pass(SONDE_DIRECT, &box.skb);
		passed += pass;
		/* what is decided at first sight is what the whole way would have decided */
		assert_int_equal(pass, filter_the_long_way(SONDE_DIRECT, &box.skb));
		refused += filter_refuses(SONDE_DIRECT, &box.skb);
		packet_length(SONDE_DIRECT, &box.skb);
		flow_parse(SONDE_DIRECT, &box.skb, &flow);
		memset(&out, 0xee, sizeof(out));
		packet_parse(SONDE_DIRECT, &box.skb, &out.packet);
		assert_int_equal(out.behind, 0xeeeeeeeeeeeeeeeeULL);
		expect_sane(&out.packet.outer);
		for (int bit = 0; bit < 16; bit++)
			seen[bit] += out.packet.outer.has >> bit & 1;
		truncated += !!(out.packet.outer.flags & SONDE_TRUNCATED);
		malformed += !!(out.packet.outer.flags & SONDE_MALFORMED);
		if (out.packet.tunnel) {
			tunnels++;
			expect_sane(&out.packet.inner);
		}
		box_close(&box);

		assert_in_range(packet_text(text, sizeof(text), &out.packet), 1, sizeof(text) - 1);
		expect_printable(text);
		assert_in_range(flow_text(text, sizeof(text), &flow), 1, 159);
		expect_printable(text);
		if (round % 8)
			continue;
		json = json_object();
		packet_json(json, &out.packet);
		dump = json_dumps(json, JSON_COMPACT);
		assert_non_null(dump);
		expect_printable(dump);
		free(dump);
		json_decref(json);
	}
	/* the noise was not so loud that nothing was found in it */
	for (int bit = 0; bit < 10; bit++)
		assert_true(seen[bit] > ROUNDS / 1000);
	assert_true(tunnels > ROUNDS / 100);
	assert_true(truncated > ROUNDS / 100);
	assert_true(malformed > ROUNDS / 100);
	assert_true(passed > ROUNDS / 100);
	assert_true(refused > ROUNDS / 100);
	assert_true(passed < ROUNDS);
}

/* an event that was never parsed at all, as far as printing it goes */
static void random_events(void **state)
{
	struct sonde_packet packet;
	struct sonde_flow flow;

	(void)state;
	for (unsigned int round = 0; round < 20000; round++) {
		json_t *json = json_object();
		char text[1024], *dump;

		any_bytes(&packet, sizeof(packet));
		any_bytes(&flow, sizeof(flow));
		packet_json(json, &packet);
		json_object_set_new(json, "flow", flow_json(&flow));
		dump = json_dumps(json, JSON_COMPACT);
		assert_non_null(dump);
		expect_printable(dump);
		free(dump);
		json_decref(json);
		assert_in_range(packet_text(text, sizeof(text), &packet), 1, sizeof(text) - 1);
		expect_printable(text);
		flow_text(text, sizeof(text), &flow);
		expect_printable(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_packets),
		cmocka_unit_test(random_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
