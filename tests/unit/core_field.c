// SPDX-License-Identifier: GPL-2.0-only
/* core_field.c: each field type as text and as JSON, for known values and those that say: unknown. */
#include "unit.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "abi/packet.h"
#include "core/clock.h"
#include "core/field.h"
#include "core/reason.h"

static char text[512], json[512];

/* formats size bytes at value as a member "it" of this type would be */
static void format(const char *type_name, const void *value, uint32_t size)
{
	struct field field = { .name = "it", .type_name = type_name, .size = size };
	const struct field_type *type = field_type(type_name);
	json_t *object = json_object();
	char *dump;
	FILE *to;

	if (!type)
		fail_msg("no row for %s", type_name);
	field.type = type;
	type->json(&field, value, object);
	dump = json_dumps(object, JSON_COMPACT);
	snprintf(json, sizeof(json), "%s", dump);
	free(dump);
	json_decref(object);
	memset(text, 0, sizeof(text));
	to = fmemopen(text, sizeof(text) - 1, "w");
	if (type->text)
		type->text(&field, value, to);
	fclose(to);
}

struct number {
	const char *type;
	uint64_t value;
	uint32_t size;
	const char *text, *json;
};

static void numbers(void **state)
{
	static const struct number cases[] = {
		{ "sonde_count", 0, 8, "it 0", "{\"it\":0}" },
		{ "sonde_count", 1ULL << 40, 8, "it 1099511627776", "{\"it\":1099511627776}" },
		{ "sonde_bytes", 1514, 8, "it 1514", "{\"it\":1514}" },
		{ "sonde_cpu", 255, 4, "it 255", "{\"it\":255}" },
		{ "sonde_pid", 4194304, 4, "it 4194304", "{\"it\":4194304}" },
		{ "sonde_netns_id", 4026531840, 4, "it 4026531840", "{\"it\":4026531840}" },
		{ "sonde_queue", 3, 4, "it 3", "{\"it\":3}" },
		/* what follows a member of 4 bytes is not part of it */
		{ "sonde_queue", 0x100000003, 4, "it 3", "{\"it\":3}" },
		/* as tc prints them: hexadecimal, no minor number for a qdisc */
		{ "sonde_handle", 0, 4, "it 0:", "{\"it\":\"0:\"}" },
		{ "sonde_handle", 0x80010000, 4, "it 8001:", "{\"it\":\"8001:\"}" },
		{ "sonde_handle", 0x00010010, 4, "it 1:10", "{\"it\":\"1:10\"}" },
		{ "sonde_handle", 0xffff0000, 4, "it ffff:", "{\"it\":\"ffff:\"}" },
		{ "sonde_handle", 0xfffffff1, 4, "it ffff:fff1", "{\"it\":\"ffff:fff1\"}" },
		{ "sonde_limit", 1000, 4, "it 1000", "{\"it\":1000}" },
		{ "sonde_limit", 0, 4, "", "{\"it\":null}" },
		{ "sonde_gauge", 0, 4, "it 0", "{\"it\":0}" },
		{ "sonde_gauge", 10240, 4, "it 10240", "{\"it\":10240}" },
		{ "sonde_gauge", SONDE_GAUGE_UNKNOWN, 4, "", "{\"it\":null}" },
		{ "sonde_level", 7, 8, "it 7", "{\"it\":7}" },
		{ "sonde_level", SONDE_GAUGE_UNKNOWN, 8, "", "{\"it\":null}" },
		{ "sonde_level", 0x1ffffffff, 8, "it 8589934591", "{\"it\":8589934591}" },
		{ "sonde_xmit", 0, 4, "NET_XMIT_SUCCESS", "{\"it\":\"NET_XMIT_SUCCESS\"}" },
		{ "sonde_xmit", 1, 4, "NET_XMIT_DROP", "{\"it\":\"NET_XMIT_DROP\"}" },
		{ "sonde_xmit", 2, 4, "NET_XMIT_CN", "{\"it\":\"NET_XMIT_CN\"}" },
		{ "sonde_xmit", SONDE_XMIT_UNKNOWN, 4, "return code not seen", "{\"it\":null}" },
		/* no address of kernel text */
		{ "sonde_place", 0x10, 8, "at 0x10",
		  "{\"it\":{\"function\":null,\"address\":\"0x10\"}}" },
		/* printed by the tool itself */
		{ "sonde_stack_id", 42, 8, "", "{}" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		format(cases[i].type, &cases[i].value, cases[i].size);
		if (strcmp(text, cases[i].text) || strcmp(json, cases[i].json))
			fail_msg("%s %llx: '%s' %s", cases[i].type,
				 (unsigned long long)cases[i].value, text, json);
	}
	assert_null(field_type("int"));
	assert_null(field_type(""));
	assert_null(field_type("sonde_"));
}

/* no kernel's enums are loaded here: a number keeps its two halves, 0 is no reason */
static void reasons(void **state)
{
	const uint32_t none = 0, core = 70, subsystem = 0x30002;

	(void)state;
	assert_int_equal(reason_count(), 0);
	format("sonde_reason", &none, 4);
	assert_string_equal(text, "no reason given");
	assert_string_equal(json, "{\"it\":null}");
	format("sonde_reason", &core, 4);
	assert_string_equal(text, "UNKNOWN_70_OF_SUBSYSTEM_0");
	assert_string_equal(json, "{\"it\":\"UNKNOWN_70_OF_SUBSYSTEM_0\"}");
	format("sonde_reason", &subsystem, 4);
	assert_string_equal(text, "UNKNOWN_2_OF_SUBSYSTEM_3");
	assert_string_equal(json, "{\"it\":\"UNKNOWN_2_OF_SUBSYSTEM_3\"}");
}

static void times(void **state)
{
	uint64_t now = clock_now(), wall = clock_wall(now);
	char expected[CLOCK_TEXT];
	long long ns;

	(void)state;
	format("sonde_time", &now, 8);
	assert_int_equal(sscanf(json, "{\"time\":\"%*[^\"]\",\"time_ns\":%lld}", &ns), 1);
	/* both clocks are read anew, and wall time may be stepped: to a second */
	assert_in_range(ns, wall - 1000000000, wall + 1000000000);
	clock_format(ns, expected, sizeof(expected));
	assert_memory_equal(json + 9, expected, strlen(expected));
	assert_int_equal(strlen(text), 30);
	assert_int_equal(text[29], 'Z');
}

static __u32 own_netns(void)
{
	struct stat own;

	assert_int_equal(stat("/proc/self/ns/net", &own), 0);
	return own.st_ino;
}

static void expect_device(const char *words, const char *keys, ...)
{
	char expected[256];
	va_list args;

	va_start(args, keys);
	vsnprintf(expected, sizeof(expected), keys, args);
	va_end(args);
	assert_string_equal(text, words);
	assert_string_equal(json, expected);
}

static void device_keys(void **state)
{
	const __u32 netns = own_netns();
	struct sonde_device_key key = { 0, 77 };
	char words[64];

	(void)state;
	format("sonde_device_key", &key, sizeof(key));
	expect_device("no device netns 77", "{\"dev\":null,\"ifindex\":0,\"netns\":77}");
	/* rows by namespace only have no device to show */
	key.ifindex = SONDE_ANY_DEVICE;
	format("sonde_device_key", &key, sizeof(key));
	expect_device("netns 77", "{\"netns\":77}");
	key = (struct sonde_device_key){ 1, netns };
	format("sonde_device_key", &key, sizeof(key));
	snprintf(words, sizeof(words), "dev lo netns %u", netns);
	expect_device(words, "{\"dev\":\"lo\",\"ifindex\":1,\"netns\":%u}", netns);
	key.ifindex = 2000000000;
	for (int twice = 0; twice < 2; twice++) {
		format("sonde_device_key", &key, sizeof(key));
		snprintf(words, sizeof(words), "dev #2000000000 netns %u", netns);
		expect_device(words, "{\"dev\":null,\"ifindex\":2000000000,\"netns\":%u}", netns);
	}
	/* of an unknown namespace: not the device of ours with that number */
	key = (struct sonde_device_key){ 1, 0 };
	format("sonde_device_key", &key, sizeof(key));
	expect_device("dev #1 netns 0", "{\"dev\":null,\"ifindex\":1,\"netns\":0}");
	/* a namespace that is gone */
	key = (struct sonde_device_key){ 1, 7 };
	format("sonde_device_key", &key, sizeof(key));
	expect_device("dev #1 netns 7", "{\"dev\":null,\"ifindex\":1,\"netns\":7}");
}

static void event_devices(void **state)
{
	const __u32 netns = own_netns();
	struct sonde_device device = { 3, 77, "vp1" };
	char words[64];

	(void)state;
	format("sonde_device", &device, sizeof(device));
	expect_device("dev vp1 netns 77", "{\"dev\":\"vp1\",\"ifindex\":3,\"netns\":77}");
	/* a name has at most 15 letters and a NUL; 16 are printed all the same */
	memcpy(device.name, "abcdefghijklmnop", 16);
	format("sonde_device", &device, sizeof(device));
	expect_device("dev abcdefghijklmnop netns 77",
		      "{\"dev\":\"abcdefghijklmnop\",\"ifindex\":3,\"netns\":77}");
	device = (struct sonde_device){ 0, 0, "" };
	format("sonde_device", &device, sizeof(device));
	expect_device("no device netns 0", "{\"dev\":null,\"ifindex\":0,\"netns\":0}");
	/* the skb lost its device, not the number */
	device = (struct sonde_device){ 1, netns, "" };
	format("sonde_device", &device, sizeof(device));
	snprintf(words, sizeof(words), "dev lo netns %u", netns);
	expect_device(words, "{\"dev\":\"lo\",\"ifindex\":1,\"netns\":%u}", netns);
	device = (struct sonde_device){ 4, 77, "a\x1b[2J\xc3" };
	format("sonde_device", &device, sizeof(device));
	/* neither obeyed by a terminal nor refused as no UTF-8 */
	expect_device("dev a?[2J? netns 77",
		      "{\"dev\":\"a?[2J?\",\"ifindex\":4,\"netns\":77}");
}

static void strings(void **state)
{
	sonde_comm comm = "ksoftirqd/0";

	(void)state;
	format("sonde_comm", comm, sizeof(comm));
	assert_string_equal(text, "it ksoftirqd/0");
	assert_string_equal(json, "{\"it\":\"ksoftirqd/0\"}");
	memset(comm, 0, sizeof(comm));
	format("sonde_comm", comm, sizeof(comm));
	assert_string_equal(text, "it ");
	assert_string_equal(json, "{\"it\":\"\"}");
	/* full: no NUL at the end */
	memcpy(comm, "0123456789abcdef", 16);
	format("sonde_comm", comm, sizeof(comm));
	assert_string_equal(text, "it 0123456789abcdef");
	assert_string_equal(json, "{\"it\":\"0123456789abcdef\"}");
	/* nothing that a terminal would obey, nothing that is no UTF-8 */
	memcpy(comm, "\x1b]0;x\x07\n\t\x7f\x80\xff\"\\ ~", 16);
	format("sonde_comm", comm, sizeof(comm));
	assert_string_equal(text, "it ?]0;x??????\"\\ ~");
	assert_string_equal(json, "{\"it\":\"?]0;x??????\\\"\\\\ ~\"}");
	format("sonde_name", "fq_codel\0junk..", 16);
	assert_string_equal(text, "it fq_codel");
	assert_string_equal(json, "{\"it\":\"fq_codel\"}");
}

static void stacks_and_flows(void **state)
{
	struct sonde_stack stack = { .frames = 0, .ip = { 0x10, 0x20 } };
	struct sonde_flow flow = { .src.byte = { 10, 0, 0, 1 },
				   .dst.byte = { 10, 0, 0, 2 },
				   .src_port = 1000,
				   .dst_port = 53,
				   .protocol = 17,
				   .family = 4,
				   .eth_type = 0x0800 };

	(void)state;
	format("sonde_stack", &stack, sizeof(stack));
	assert_string_equal(text, "");
	assert_string_equal(json, "{\"it\":[]}");
	stack.frames = 2;
	format("sonde_stack", &stack, sizeof(stack));
	assert_string_equal(text, "it: 0x10 < 0x20");
	assert_string_equal(json, "{\"it\":[\"0x10\",\"0x20\"]}");
	format("sonde_flow", &flow, sizeof(flow));
	assert_string_equal(text, "10.0.0.1:1000 > 10.0.0.2:53 udp");
	assert_string_equal(
		json, "{\"it\":{\"src\":\"10.0.0.1\",\"dst\":\"10.0.0.2\",\"protocol\":\"udp\","
		      "\"src_port\":1000,\"dst_port\":53}}");
	flow = (struct sonde_flow){ .eth_type = 0x88cc };
	format("sonde_flow", &flow, sizeof(flow));
	assert_string_equal(text, "type 0x88cc");
	assert_string_equal(json, "{\"it\":{\"src\":null,\"dst\":null,\"eth_type\":\"0x88cc\"}}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers),
		cmocka_unit_test(reasons),
		cmocka_unit_test(times),
		cmocka_unit_test(device_keys),
		cmocka_unit_test(event_devices),
		cmocka_unit_test(strings),
		cmocka_unit_test(stacks_and_flows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
