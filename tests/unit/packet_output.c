// SPDX-License-Identifier: GPL-2.0-only
/* packet_output.c: a parsed packet as JSON and as text says what was parsed, and only that. */
#include "unit.h"
#include <ctype.h>
#include "core/packet.h"
#include "frames.h"

#define FROM_A_TO_B "02:00:00:00:00:0a > 02:00:00:00:00:0b  "
#define ETH(type) "'eth':{'src':'02:00:00:00:00:0a','dst':'02:00:00:00:00:0b','type':'" type "'}"
#define IP4 "'version':4,'src':'10.0.0.1','dst':'10.0.0.2',"
#define IP6 "'version':6,'src':'fd00::1','dst':'fd00::2',"

static struct sonde_packet parsed;

static void parse(struct box *box)
{
	memset(&parsed, 0xee, sizeof(parsed));
	packet_parse(SONDE_DIRECT, &box->skb, &parsed);
}

static void parse_frame(const struct frame *frame, unsigned int protocol)
{
	struct box box;

	box_open(&box, frame, frame->size, protocol);
	parse(&box);
	box_close(&box);
}

/* JSON with ' for ", which reads better in C */
static json_t *json_of(const char *text)
{
	char *quoted = strdup(text);
	json_error_t error;
	json_t *json;

	assert_non_null(quoted);
	for (char *at = quoted; *at; at++) {
		if (*at == '\'')
			*at = '"';
	}
	json = json_loads(quoted, 0, &error);
	if (!json)
		fail_msg("the test's own JSON: %s", error.text);
	free(quoted);
	return json;
}

static void expect_json(const char *expected)
{
	json_t *packet = json_object(), *wanted = json_of(expected);
	char *text;

	packet_json(packet, &parsed);
	text = json_dumps(packet, JSON_COMPACT);
	if (!json_equal(packet, wanted))
		fail_msg("got %s", text);
	free(text);
	json_decref(wanted);
	json_decref(packet);
}

static void expect_text(const char *expected)
{
	char text[512];

	assert_int_equal(packet_text(text, sizeof(text), &parsed), strlen(expected));
	assert_string_equal(text, expected);
}

static void udp(void **state)
{
	struct frame frame;

	(void)state;
	frame_udp4(&frame, 4000, 53);
	parse_frame(&frame, 0x0800);
	expect_json(
		"{'length':47," ETH("0x0800") ","
		"'ip':{" IP4 "'protocol':'udp','protocol_number':17,"
		"'ttl':64,'tos':16,'id':4660,'dont_fragment':true,'more_fragments':false,"
		"'fragment_offset':0,"
		"'length':33},'udp':{'src_port':4000,'dst_port':53,'length':13}}");
	expect_text(
		FROM_A_TO_B "10.0.0.1 > 10.0.0.2  UDP 4000 > 53  ttl 64  length 47");
}

static void tcp_with_tags(void **state)
{
	struct frame frame = { 0 };
	struct box box;
	size_t ip;

	(void)state;
	put_eth(&frame, 0x8100);
	put_vlan(&frame, 200, 0x86dd);
	ip = put_ip6(&frame, 6);
	put_tcp(&frame, 80, 1234, 0x012);
	ip6_close(&frame, ip);
	frame.l3 = 14;
	box_open(&box, &frame, frame.size, 0x8100);
	box_tag(&box, false, 0x88a8, 3 << 13 | 100);
	parse(&box);
	box_close(&box);
	expect_json(
		"{'length':82," ETH("0x86dd") ","
		"'vlan':[{'id':100,'priority':3,'tpid':'0x88a8','in':'tag'},"
		"{'id':200,'priority':0,'tpid':'0x8100','in':'frame'}],"
		"'ip':{" IP6 "'protocol':'tcp','protocol_number':6,"
		"'ttl':63,'tos':32,'flow_label':74565,'length':60},"
		"'tcp':{'src_port':80,'dst_port':1234,'seq':16909060,'ack':2695938256,"
		"'flags':'SYN|ACK',"
		"'window':29200}}");
	expect_text(
		FROM_A_TO_B "VLAN 100  VLAN 200 (in the frame)  fd00::1 > fd00::2"
		"  TCP 80 > 1234  SYN ACK seq 16909060 ack 2695938256 win 29200  ttl 63"
		"  length 82");
}

static void tcp_flags(void **state)
{
	static const char *const names[] = { "FIN", "SYN", "RST", "PSH", "ACK",
					     "URG", "ECE", "CWR", "NS" };
	struct frame frame;

	(void)state;
	frame_tcp6(&frame, 1, 2);
	for (int i = 0; i < 9; i++) {
		json_t *packet = json_object();

		set16(&frame, 66, 0x5000 | 1 << i);
		parse_frame(&frame, 0x86dd);
		packet_json(packet, &parsed);
		assert_string_equal(
			json_string_value(json_object_get(json_object_get(packet, "tcp"), "flags")),
			names[i]);
		json_decref(packet);
	}
	set16(&frame, 66, 0x51ff);
	parse_frame(&frame, 0x86dd);
	json_t *packet = json_object();

	packet_json(packet, &parsed);
	assert_string_equal(
		json_string_value(json_object_get(json_object_get(packet, "tcp"), "flags")),
		"FIN|SYN|RST|PSH|ACK|URG|ECE|CWR|NS");
	json_decref(packet);
	set16(&frame, 66, 0x5000);
	parse_frame(&frame, 0x86dd);
	expect_text(
		FROM_A_TO_B "fd00::1 > fd00::2"
		"  TCP 1 > 2  no flags seq 16909060 ack 2695938256 win 29200  ttl 63  length 74");
}

static void arp(void **state)
{
	struct frame frame;

	(void)state;
	frame_arp(&frame);
	parse_frame(&frame, 0x0806);
	expect_json(
		"{'length':42," ETH("0x0806") ","
		"'arp':{'op':'request','sender_mac':'02:00:00:00:00:0a','sender_ip':'10.0.0.1',"
		"'target_mac':'00:00:00:00:00:00','target_ip':'10.0.0.2'}}");
	expect_text(
		FROM_A_TO_B "ARP request, 10.0.0.1 to 10.0.0.2  length 42");
	frame.bytes[21] = 2;
	parse_frame(&frame, 0x0806);
	expect_text(
		FROM_A_TO_B "ARP reply, 10.0.0.1 to 10.0.0.2  length 42");
	set16(&frame, 20, 65535);
	parse_frame(&frame, 0x0806);
	expect_text(
		FROM_A_TO_B "ARP 65535, 10.0.0.1 to 10.0.0.2  length 42");
}

/* id and seq stand only in echo messages */
static void icmp(void **state)
{
	struct frame frame = { 0 };
	size_t ip;

	(void)state;
	put_eth(&frame, 0x0800);
	ip = put_ip4(&frame, 1, 0);
	put_hex(&frame, "0800 0000 0007 0009");
	ip4_close(&frame, ip);
	parse_frame(&frame, 0x0800);
	expect_text(
		FROM_A_TO_B
		"10.0.0.1 > 10.0.0.2  ICMP type 8 code 0 id 7 seq 9  ttl 64  length 42");
	frame.bytes[34] = 3;
	frame.bytes[35] = 4;
	parse_frame(&frame, 0x0800);
	expect_text(
		FROM_A_TO_B "10.0.0.1 > 10.0.0.2  ICMP type 3 code 4  ttl 64  length 42");
	expect_json(
		"{'length':42," ETH("0x0800") ","
		"'ip':{" IP4 "'protocol':'icmp','protocol_number':1,"
		"'ttl':64,'tos':16,'id':4660,'dont_fragment':false,'more_fragments':false,"
		"'fragment_offset':0,"
		"'length':28},'icmp':{'type':3,'code':4}}");

	frame.size = 0;
	put_eth(&frame, 0x86dd);
	ip = put_ip6(&frame, 58);
	put_hex(&frame, "8100 0000 0001 0002");
	ip6_close(&frame, ip);
	parse_frame(&frame, 0x86dd);
	expect_text(
		FROM_A_TO_B
		"fd00::1 > fd00::2  ICMPv6 type 129 code 0 id 1 seq 2  ttl 63  length 62");
	/* type 8 is echo for ICMP only */
	frame.bytes[54] = 8;
	parse_frame(&frame, 0x86dd);
	expect_text(
		FROM_A_TO_B "fd00::1 > fd00::2  ICMPv6 type 8 code 0  ttl 63  length 62");
}

static void fragments(void **state)
{
	struct frame frame;

	(void)state;
	frame_udp4(&frame, 1, 2);
	set16(&frame, 20, 0x2000 | 185);
	parse_frame(&frame, 0x0800);
	expect_text(
		FROM_A_TO_B
		"10.0.0.1 > 10.0.0.2  udp  fragment 4660 at 1480 more  ttl 64  length 47");
	expect_json(
		"{'length':47," ETH("0x0800") ","
		"'ip':{" IP4 "'protocol':'udp','protocol_number':17,"
		"'ttl':64,'tos':16,'id':4660,'dont_fragment':false,'more_fragments':true,"
		"'fragment_offset':1480,"
		"'length':33}}");
}

static void tunnel(void **state)
{
	struct frame frame;

	(void)state;
	frame_vxlan(&frame, 5);
	parse_frame(&frame, 0x0800);
	expect_json(
		"{'length':124," ETH("0x0800") ","
		"'ip':{" IP4 "'protocol':'udp','protocol_number':17,"
		"'ttl':64,'tos':16,'id':4660,'dont_fragment':false,'more_fragments':false,"
		"'fragment_offset':0,"
		"'length':110},'udp':{'src_port':50000,'dst_port':4789,'length':0},"
		"'tunnel':{'kind':'vxlan','vni':5},"
		"'inner':{" ETH("0x86dd") ","
		"'ip':{" IP6 "'protocol':'tcp','protocol_number':6,"
		"'ttl':63,'tos':32,'flow_label':74565,'length':60},"
		"'tcp':{'src_port':1111,'dst_port':2222,'seq':16909060,'ack':2695938256,"
		"'flags':'SYN|ACK',"
		"'window':29200}}}");
	parsed.tunnel = SONDE_GENEVE;
	json_t *packet = json_object();

	packet_json(packet, &parsed);
	assert_string_equal(
		json_string_value(json_object_get(json_object_get(packet, "tunnel"), "kind")),
		"geneve");
	json_decref(packet);
}

static void what_is_missing(void **state)
{
	struct frame frame;
	struct box box;

	(void)state;
	frame_udp4(&frame, 1, 2);
	box_open(&box, &frame, 34, 0x0800);
	parse(&box);
	box_close(&box);
	expect_text(
		FROM_A_TO_B "10.0.0.1 > 10.0.0.2  udp  ttl 64  truncated  length 47");
	frame.bytes[14] = 0x35;
	parse_frame(&frame, 0x0800);
	expect_text(FROM_A_TO_B "type 0x0800  malformed  length 47");
	expect_json(
		"{'length':47," ETH("0x0800") ","
		"'malformed':true}");
	box_open(&box, &frame, 0, 0);
	box.skb.mac_header = PACKET_MAC_UNSET;
	parse(&box);
	box_close(&box);
	expect_text("type unknown  length 33");
	expect_json("{'length':33}");
}

/* a text buffer that is too small is filled and ended, the length is that of all */
static void small_buffers(void **state)
{
	struct frame frame;
	char all[512], part[512];
	int length;

	(void)state;
	frame_vxlan(&frame, 5);
	parse_frame(&frame, 0x0800);
	length = packet_text(all, sizeof(all), &parsed);
	assert_int_equal(length, strlen(all));
	for (int size = 1; size <= length + 1; size++) {
		memset(part, 0x55, sizeof(part));
		assert_int_equal(packet_text(part, size, &parsed), length);
		assert_int_equal(strlen(part), size - 1);
		assert_memory_equal(part, all, size - 1);
		assert_int_equal(part[size], 0x55);
	}
}

static void expect_flow(const struct sonde_flow *flow, const char *json, const char *text)
{
	json_t *got = flow_json(flow), *wanted = json_of(json);
	char line[160];

	assert_true(json_equal(got, wanted));
	json_decref(got);
	json_decref(wanted);
	assert_int_equal(flow_text(line, sizeof(line), flow), strlen(text));
	assert_string_equal(line, text);
}

static void flows(void **state)
{
	struct sonde_flow flow = { .src.byte = { 10, 0, 0, 1 },
				   .dst.byte = { 10, 0, 0, 2 },
				   .protocol = 17,
				   .family = 4,
				   .src_port = 1,
				   .dst_port = 65535,
				   .eth_type = 0x0800 };

	(void)state;
	expect_flow(
		&flow,
		"{'src':'10.0.0.1','dst':'10.0.0.2','protocol':'udp',"
		"'src_port':1,'dst_port':65535}",
		"10.0.0.1:1 > 10.0.0.2:65535 udp");
	flow.src_port = 0;
	expect_flow(
		&flow,
		"{'src':'10.0.0.1','dst':'10.0.0.2','protocol':'udp',"
		"'src_port':0,'dst_port':65535}",
		"10.0.0.1:0 > 10.0.0.2:65535 udp");
	flow.src_port = flow.dst_port = 0;
	flow.protocol = 200;
	expect_flow(&flow, "{'src':'10.0.0.1','dst':'10.0.0.2','protocol':'200'}",
		    "10.0.0.1 > 10.0.0.2 200");
	flow.protocol = 0;
	flow.eth_type = 0x0806;
	expect_flow(&flow, "{'src':'10.0.0.1','dst':'10.0.0.2','protocol':'arp'}",
		    "10.0.0.1 > 10.0.0.2 arp");
	flow = (struct sonde_flow){ .src.byte = { 0xfd, [15] = 1 },
				    .dst.byte = { 0xfd, [15] = 2 },
				    .protocol = 58,
				    .family = 6,
				    .eth_type = 0x86dd };
	expect_flow(&flow, "{'src':'fd00::1','dst':'fd00::2','protocol':'icmpv6'}",
		    "fd00::1 > fd00::2 icmpv6");
	flow.protocol = 6;
	flow.src_port = 80;
	expect_flow(
		&flow,
		"{'src':'fd00::1','dst':'fd00::2','protocol':'tcp','src_port':80,'dst_port':0}",
		"[fd00::1]:80 > [fd00::2]:0 tcp");
	flow = (struct sonde_flow){ .eth_type = 0x88cc };
	expect_flow(&flow, "{'src':null,'dst':null,'eth_type':'0x88cc'}", "type 0x88cc");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(udp),
		cmocka_unit_test(tcp_with_tags),
		cmocka_unit_test(tcp_flags),
		cmocka_unit_test(arp),
		cmocka_unit_test(icmp),
		cmocka_unit_test(fragments),
		cmocka_unit_test(tunnel),
		cmocka_unit_test(what_is_missing),
		cmocka_unit_test(small_buffers),
		cmocka_unit_test(flows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
