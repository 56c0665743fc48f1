// SPDX-License-Identifier: GPL-2.0-only
/* odp.c: datapath flows as text: those of the lab exactly as ovs-dpctl printed them, and bytes that are no flows. */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "odp/odp.h"
#include "odp_flows.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *port_name(void *data, uint32_t number)
{
	(void)data;
	return number < COUNT(ports) ? ports[number] : NULL;
}

static const struct odp_names names = { .port = port_name };

/* bytes of hex in memory of just that size, so that the sanitizer sees a byte read beyond */
static struct odp_attrs bytes(const char *hex)
{
	const size_t length = strlen(hex) / 2;
	unsigned char *data = malloc(length ? length : 1);

	assert_non_null(data);
	for (size_t i = 0; i < length; i++) {
		unsigned int byte;

		assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
		data[i] = byte;
	}
	return (struct odp_attrs){ data, length };
}

static void bytes_free(struct odp_attrs attrs)
{
	free((void *)attrs.data);
}

/* both texts of the parts of a flow, as a dump would show it */
static void expect_flow(const struct flow *flow)
{
	struct odp_attrs key = bytes(flow->key), mask = bytes(flow->mask), actions = bytes(flow->actions);
	unsigned char *listed = malloc(key.length + ODP_CANONICAL_MORE);
	unsigned char *bits = malloc(mask.length + ODP_CANONICAL_MORE);
	struct odp_text key_text = {}, actions_text = {};
	struct odp_attrs whole, seen;

	seen = (struct odp_attrs){ bits, odp_canonical_mask(key, mask, bits) };
	whole = (struct odp_attrs){ listed, odp_canonical(key, seen, true, listed) };
	odp_key_text(&key_text, whole, seen, &names);
	odp_actions_text(&actions_text, actions, &names);
	assert_string_equal(key_text.data, flow->key_text);
	assert_string_equal(actions_text.data, flow->actions_text);
	free(key_text.data);
	free(actions_text.data);
	free(listed);
	free(bits);
	bytes_free(key);
	bytes_free(mask);
	bytes_free(actions);
}

static void flows_of_the_lab(void **state)
{
	(void)state;
	assert_true(COUNT(flows) >= 60);
	for (size_t i = 0; i < COUNT(flows); i++)
		expect_flow(&flows[i]);
}

static void expect_actions(const char *hex, const char *wanted)
{
	struct odp_attrs actions = bytes(hex);
	struct odp_text text = {};

	odp_actions_text(&text, actions, &names);
	assert_string_equal(text.data, wanted);
	assert_int_equal(text.length, strlen(wanted));
	free(text.data);
	bytes_free(actions);
}

static void expect_key(const char *key_hex, const char *mask_hex, const char *wanted)
{
	struct odp_attrs key = bytes(key_hex), mask = bytes(mask_hex);
	struct odp_text text = {};

	odp_key_text(&text, key, mask, &names);
	assert_string_equal(text.data, wanted);
	free(text.data);
	bytes_free(key);
	bytes_free(mask);
}

static void order_and_repetition(void **state)
{
	(void)state;
	expect_actions("", "drop");
	expect_actions("0800010002000000" "0800010003000000" "0800010002000000", "vp0,nic0,vp0");
	expect_actions("0800010063000000", "99");
	expect_actions("0400050004000500", "pop_vlan,pop_vlan");
}

static void nested_flag_is_no_type(void **state)
{
	(void)state;
	/* clone and sample, with the flag for nesting in their types */
	expect_actions("0c001480" "0800010002000000", "clone(vp0)");
	expect_actions("18000680" "08000100ffffff7f" "0c000280" "0800010003000000", "sample(sample=50.0%,actions(nic0))");
	expect_key("08001480" "05000000", "", "recirc_id(0x5)");
}

static void actions_of_later_kernels(void **state)
{
	(void)state;
	expect_actions("08001800" "01000000", "drop");
	expect_actions("14001900" "0800010007000000" "08000200" "01020304", "psample(group=7,cookie=0x01020304)");
	expect_actions("0c001600" "00064140" "88470000", "add_mpls(label=100,tc=0,ttl=64,bos=1,eth_type=0x8847)");
}

/* as ovs-dpctl printed them of flows that the kernel did not take: they have no TTL */
static void tunnel_options(void **state)
{
	(void)state;
	expect_key("2c0010000c0000000000000000000007080001000a000001080002000a0000020c000b000800010032000000",
		   "300010000c000000ffffffffffffffff08000100ffffffff08000200ffffffff0c000b0008000100ff00000004000500",
		   "tunnel(tun_id=0x7,src=10.0.0.1,dst=10.0.0.2,vxlan(gbp(id=50/0xff,flags=0/0)),flags(-df+key))");
	expect_key("300010000c0000000000000000000007080001000a000001080002000a00000210000f00010000000000000500000000",
		   "380010000c000000ffffffffffffffff08000100ffffffff08000200ffffffff10000f00ffffffffffffffffffffffff"
		   "0400050004000600",
		   "tunnel(tun_id=0x7,src=10.0.0.1,dst=10.0.0.2,erspan(ver=1,idx=0x5/0xffffffff),flags(-df-csum+key))");
	expect_key("300010000c0000000000000000000007080001000a000001080002000a00000210000f00020000000000000000000078",
		   "380010000c000000ffffffffffffffff08000100ffffffff08000200ffffffff10000f00ffffffffffffffffffffffff"
		   "0400050004000600",
		   "tunnel(tun_id=0x7,src=10.0.0.1,dst=10.0.0.2,erspan(ver=2,dir=1/0x1,hwid=0x7/0xf),flags(-df-csum+key))");
}

static void service_headers(void **state)
{
	(void)state;
	expect_actions("2800110024001c000c000100003f0103001234ff1400020011223344000000000000000000000000",
		       "push_nsh(flags=0,ttl=63,mdtype=1,np=3,spi=0x1234,si=255,c1=0x11223344,c2=0x0,c3=0x0,c4=0x0)");
	expect_actions("200011001c001c000c000100003f0203001234ff0c00030010000a0412345678",
		       "push_nsh(flags=0,ttl=63,mdtype=2,np=3,spi=0x1234,si=255,md2=0x10000a0412345678)");
	expect_actions("04001200", "pop_nsh()");
}

static void unknown_in_hex(void **state)
{
	(void)state;
	expect_actions("0800632001020304", "bad length 4, expected -1 for: action8291(01 02 03 04)");
	expect_actions("04006300", "bad length 0, expected -1 for: action99");
	expect_key("06006300" "abcd0000", "", "(bad key length 2, expected -1)(ab cd)");
	/* a known one of another length */
	expect_actions("0600010001020000", "bad length 2, expected 4 for: action1(01 02)");
	expect_key("06001400" "05000000", "", "(bad key length 2, expected 4)(05 00)");
}

static void no_attributes_at_all(void **state)
{
	(void)state;
	expect_actions("01", "<empty>,***1 leftover bytes*** (01)");
	expect_actions("0800010002000000" "ffff0100", "vp0,***4 leftover bytes*** (ffff0100)");
	expect_key("", "", "<empty>");
	expect_key("0300", "", "<empty>,***2 leftover bytes*** (0300)");
	/* length less than a header's */
	expect_key("03000000", "", "<empty>,***4 leftover bytes*** (03000000)");
}

/* a list of clones, each within the one before */
static void nesting_ends(void **state)
{
	unsigned char clones[40 * 4];
	struct odp_text text = {};

	(void)state;
	for (unsigned int i = 0; i < 40; i++) {
		const struct nlattr header = { sizeof(clones) - 4 * i, 20 };

		memcpy(clones + 4 * i, &header, 4);
	}
	odp_actions_text(&text, (struct odp_attrs){ clones, sizeof(clones) }, NULL);
	assert_non_null(strstr(text.data, "nested too deep"));
	free(text.data);
}

/* every flow of the lab cut at every byte, and with each byte changed */
static void cut_and_changed(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(flows); i += 7) {
		struct odp_attrs key = bytes(flows[i].key), mask = bytes(flows[i].mask);
		unsigned char *listed = malloc(key.length + ODP_CANONICAL_MORE);
		struct odp_text text = {};

		for (size_t length = 0; length <= key.length; length++) {
			unsigned char *part = malloc(length ? length : 1);

			memcpy(part, key.data, length);
			text.length = 0;
			odp_key_text(&text, (struct odp_attrs){ part, length }, mask, &names);
			assert_true(odp_canonical((struct odp_attrs){ part, length }, mask, true, listed) <=
				    length + ODP_CANONICAL_MORE);
			if (length) {
				part[length - 1] ^= 0xff;
				odp_key_text(&text, (struct odp_attrs){ part, length }, mask, &names);
			}
			free(part);
		}
		free(text.data);
		free(listed);
		bytes_free(key);
		bytes_free(mask);
	}
}

static void identifier(void **state)
{
	const unsigned char ufid[16] = { 0x8f, 0x6d, 0x4c, 0x0a, 0xd2, 0x46, 0xc9, 0x3b,
					 0x15, 0xc0, 0xa2, 0x86, 0x68, 0x58, 0x91, 0x25 };
	struct odp_text text = {};

	(void)state;
	odp_ufid_text(&text, ufid);
	assert_string_equal(text.data, "ufid:0a4c6d8f-3bc9-46d2-86a2-c01525915868");
	free(text.data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flows_of_the_lab),	cmocka_unit_test(order_and_repetition),
		cmocka_unit_test(nested_flag_is_no_type), cmocka_unit_test(actions_of_later_kernels),
		cmocka_unit_test(unknown_in_hex),	cmocka_unit_test(no_attributes_at_all),
		cmocka_unit_test(nesting_ends),		cmocka_unit_test(cut_and_changed),
		cmocka_unit_test(identifier),		cmocka_unit_test(tunnel_options),
		cmocka_unit_test(service_headers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
