// SPDX-License-Identifier: GPL-2.0-only
/* action.c: what a flow does with its packets, in order, as text. */
#include <linux/openvswitch.h>

#include "odp/odp.h"

/* later than the header that this is built with: Linux 6.8 and 6.11 */
#define ACTION_DROP 24
#define ACTION_PSAMPLE 25
#define PSAMPLE_GROUP 1
#define PSAMPLE_COOKIE 2

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct action_kind {
	const char *name;
	int length;
} kinds[] = {
	[OVS_ACTION_ATTR_OUTPUT] = { "output", 4 },
	[OVS_ACTION_ATTR_USERSPACE] = { "userspace", ODP_ANY_LENGTH },
	[OVS_ACTION_ATTR_SET] = { "set", ODP_ANY_LENGTH },
	[OVS_ACTION_ATTR_PUSH_VLAN] = { "push_vlan", 4 },
	[OVS_ACTION_ATTR_POP_VLAN] = { "pop_vlan", 0 },
	[OVS_ACTION_ATTR_SAMPLE] = { "sample", ODP_ANY_LENGTH },
	[OVS_ACTION_ATTR_RECIRC] = { "recirc", 4 },
	[OVS_ACTION_ATTR_HASH] = { "hash", 8 },
	[OVS_ACTION_ATTR_PUSH_MPLS] = { "push_mpls", 8 },
	[OVS_ACTION_ATTR_POP_MPLS] = { "pop_mpls", 2 },
	[OVS_ACTION_ATTR_SET_MASKED] = { "set", ODP_ANY_LENGTH },
	[OVS_ACTION_ATTR_CT] = { "ct", ODP_ANY_LENGTH },
	[OVS_ACTION_ATTR_TRUNC] = { "trunc", 4 },
	[OVS_ACTION_ATTR_PUSH_ETH] = { "push_eth", 12 },
	[OVS_ACTION_ATTR_POP_ETH] = { "pop_eth", 0 },
	[OVS_ACTION_ATTR_CT_CLEAR] = { "ct_clear", 0 },
	[OVS_ACTION_ATTR_PUSH_NSH] = { "push_nsh", ODP_ANY_LENGTH },
	[OVS_ACTION_ATTR_POP_NSH] = { "pop_nsh", 0 },
	[OVS_ACTION_ATTR_METER] = { "meter", 4 },
	[OVS_ACTION_ATTR_CLONE] = { "clone", ODP_ANY_LENGTH },
	[OVS_ACTION_ATTR_CHECK_PKT_LEN] = { "check_pkt_len", ODP_ANY_LENGTH },
	[OVS_ACTION_ATTR_ADD_MPLS] = { "add_mpls", 8 },
	[OVS_ACTION_ATTR_DEC_TTL] = { "dec_ttl", ODP_ANY_LENGTH },
	[ACTION_DROP] = { "drop", 4 },
	[ACTION_PSAMPLE] = { "psample", ODP_ANY_LENGTH },
};

const char *odp_action_name(uint16_t type)
{
	return type < COUNT(kinds) ? kinds[type].name : NULL;
}

static int action_length(uint16_t type)
{
	return odp_action_name(type) ? kinds[type].length : ODP_NO_SUCH;
}

static void generic_text(struct odp_text *text, const struct odp_attr *action)
{
	odp_put(text, "action%u", action->type);
	if (!action->length)
		return;
	odp_put(text, "(");
	odp_put_bytes(text, action->value, action->length, ' ');
	odp_put(text, ")");
}

static void list_text(struct odp_text *text, struct odp_attrs actions, const struct odp_names *names, int depth);

static void sample_text(struct odp_text *text, const struct odp_attr *action, const struct odp_names *names,
			int depth)
{
	static const struct odp_policy policy[] = {
		[OVS_SAMPLE_ATTR_PROBABILITY] = { true, true, 4, 4 },
		[OVS_SAMPLE_ATTR_ACTIONS] = { true, true, 0, UINT16_MAX },
	};
	struct odp_attr found[COUNT(policy)];

	if (!odp_parse(odp_nested(action), policy, COUNT(policy), found)) {
		odp_put(text, "sample(error)");
		return;
	}
	odp_put(text, "sample(sample=%.1f%%,actions(",
		100.0 * odp_u32(found[OVS_SAMPLE_ATTR_PROBABILITY].value) / UINT32_MAX);
	list_text(text, odp_nested(&found[OVS_SAMPLE_ATTR_ACTIONS]), names, depth + 1);
	odp_put(text, "))");
}

static void check_pkt_len_text(struct odp_text *text, const struct odp_attr *action,
			       const struct odp_names *names, int depth)
{
	static const struct odp_policy policy[] = {
		[OVS_CHECK_PKT_LEN_ATTR_PKT_LEN] = { true, true, 2, 2 },
		[OVS_CHECK_PKT_LEN_ATTR_ACTIONS_IF_GREATER] = { true, true, 0, UINT16_MAX },
		[OVS_CHECK_PKT_LEN_ATTR_ACTIONS_IF_LESS_EQUAL] = { true, true, 0, UINT16_MAX },
	};
	struct odp_attr found[COUNT(policy)];

	if (!odp_parse(odp_nested(action), policy, COUNT(policy), found)) {
		odp_put(text, "check_pkt_len(error)");
		return;
	}
	odp_put(text, "check_pkt_len(size=%u,gt(", odp_u16(found[OVS_CHECK_PKT_LEN_ATTR_PKT_LEN].value));
	list_text(text, odp_nested(&found[OVS_CHECK_PKT_LEN_ATTR_ACTIONS_IF_GREATER]), names, depth + 1);
	odp_put(text, "),le(");
	list_text(text, odp_nested(&found[OVS_CHECK_PKT_LEN_ATTR_ACTIONS_IF_LESS_EQUAL]), names, depth + 1);
	odp_put(text, "))");
}

/* one nested key; masked: its value is followed by a mask of the same length */
static void set_text(struct odp_text *text, const struct odp_attr *action, bool masked)
{
	const unsigned int ip6 = sizeof(struct ovs_key_ipv6); /* the longest that takes a mask */
	struct odp_attrs rest = odp_nested(action);
	struct odp_attr key, mask;

	if (!odp_next(&rest, &key)) {
		generic_text(text, action);
		return;
	}
	if (masked && key.type == OVS_KEY_ATTR_NSH) {
		odp_set_nsh_text(text, &key);
		return;
	}
	odp_put(text, "set(");
	if (masked && key.length / 2 <= ip6) {
		key.length /= 2;
		mask = (struct odp_attr){ key.type, key.length, key.value + key.length };
		odp_key_attr_text(text, &key, &mask, NULL, true, ODP_DEEPEST);
	} else {
		odp_key_attr_text(text, &key, NULL, NULL, masked, ODP_DEEPEST);
	}
	odp_put(text, ")");
}

static void hash_text(struct odp_text *text, const unsigned char *value)
{
	static const char *const algorithms[] = { "l4", "sym_l4" };
	const uint32_t algorithm = odp_u32(value), basis = odp_u32(value + 4);

	if (algorithm < COUNT(algorithms))
		odp_put(text, "hash(%s(%u))", algorithms[algorithm], basis);
	else
		odp_put(text, "hash(Unknown hash algorithm(%u))", algorithm);
}

static void push_vlan_text(struct odp_text *text, const unsigned char *value)
{
	odp_put(text, "push_vlan(");
	if (odp_be16(value) != 0x8100)
		odp_put(text, "tpid=0x%04x,", odp_be16(value));
	odp_vlan_text(text, odp_be16(value + 2), 0xffff, true);
	odp_put(text, ")");
}

static void push_mpls_text(struct odp_text *text, const char *name, const unsigned char *value)
{
	odp_put(text, "%s(", name);
	odp_mpls_text(text, odp_be32(value));
	odp_put(text, ",eth_type=0x%x)", odp_be16(value + 4));
}

static void push_eth_text(struct odp_text *text, const unsigned char *value)
{
	odp_put(text, "push_eth(src=");
	odp_put_bytes(text, value, 6, ':');
	odp_put(text, ",dst=");
	odp_put_bytes(text, value + 6, 6, ':');
	odp_put(text, ")");
}

static void psample_text(struct odp_text *text, const struct odp_attr *action)
{
	static const struct odp_policy policy[] = {
		[PSAMPLE_GROUP] = { true, true, 4, 4 },
		[PSAMPLE_COOKIE] = { true, false, 0, UINT16_MAX },
	};
	struct odp_attr found[COUNT(policy)];

	if (!odp_parse(odp_nested(action), policy, COUNT(policy), found)) {
		odp_put(text, "psample(error)");
		return;
	}
	odp_put(text, "psample(group=%u", odp_u32(found[PSAMPLE_GROUP].value));
	if (found[PSAMPLE_COOKIE].length) {
		odp_put(text, ",cookie=0x");
		odp_put_bytes(text, found[PSAMPLE_COOKIE].value, found[PSAMPLE_COOKIE].length, 0);
	}
	odp_put(text, ")");
}

static void nested_text(struct odp_text *text, const char *name, const struct odp_attr *action,
			const struct odp_names *names, int depth)
{
	odp_put(text, "%s(", name);
	list_text(text, odp_nested(action), names, depth + 1);
	odp_put(text, ")");
}

static void dec_ttl_text(struct odp_text *text, const struct odp_attr *action, const struct odp_names *names,
			 int depth)
{
	struct odp_attr otherwise;

	odp_put(text, "dec_ttl(le_1(");
	if (odp_find(odp_nested(action), OVS_DEC_TTL_ATTR_ACTION, &otherwise))
		list_text(text, odp_nested(&otherwise), names, depth + 1);
	odp_put(text, "))");
}

static void action_text(struct odp_text *text, const struct odp_attr *action, const struct odp_names *names,
			int depth)
{
	const int expected = action_length(action->type);

	if (expected != ODP_ANY_LENGTH && expected != action->length) {
		odp_put(text, "bad length %u, expected %d for: ", action->length, expected);
		generic_text(text, action);
		return;
	}
	switch (action->type) {
	case OVS_ACTION_ATTR_OUTPUT: odp_port_text(text, odp_u32(action->value), names); break;
	case OVS_ACTION_ATTR_USERSPACE: odp_userspace_text(text, action, names); break;
	case OVS_ACTION_ATTR_SET: set_text(text, action, false); break;
	case OVS_ACTION_ATTR_SET_MASKED: set_text(text, action, true); break;
	case OVS_ACTION_ATTR_PUSH_VLAN: push_vlan_text(text, action->value); break;
	case OVS_ACTION_ATTR_SAMPLE: sample_text(text, action, names, depth); break;
	case OVS_ACTION_ATTR_RECIRC: odp_put(text, "recirc(%#x)", odp_u32(action->value)); break;
	case OVS_ACTION_ATTR_HASH: hash_text(text, action->value); break;
	case OVS_ACTION_ATTR_PUSH_MPLS:
	case OVS_ACTION_ATTR_ADD_MPLS: push_mpls_text(text, kinds[action->type].name, action->value); break;
	case OVS_ACTION_ATTR_POP_MPLS:
		odp_put(text, "pop_mpls(eth_type=0x%x)", odp_be16(action->value));
		break;
	case OVS_ACTION_ATTR_CT: odp_conntrack_text(text, action); break;
	case OVS_ACTION_ATTR_TRUNC: odp_put(text, "trunc(%u)", odp_u32(action->value)); break;
	case OVS_ACTION_ATTR_PUSH_ETH: push_eth_text(text, action->value); break;
	case OVS_ACTION_ATTR_PUSH_NSH: odp_push_nsh_text(text, action); break;
	case OVS_ACTION_ATTR_POP_NSH: odp_put(text, "pop_nsh()"); break;
	case OVS_ACTION_ATTR_METER: odp_put(text, "meter(%u)", odp_u32(action->value)); break;
	case OVS_ACTION_ATTR_CLONE: nested_text(text, "clone", action, names, depth); break;
	case OVS_ACTION_ATTR_CHECK_PKT_LEN: check_pkt_len_text(text, action, names, depth); break;
	case OVS_ACTION_ATTR_DEC_TTL: dec_ttl_text(text, action, names, depth); break;
	case ACTION_PSAMPLE: psample_text(text, action); break;
	/* those that take no argument, or none worth showing */
	default: odp_put(text, "%s", kinds[action->type].name); break;
	}
}

static void list_text(struct odp_text *text, struct odp_attrs actions, const struct odp_names *names, int depth)
{
	struct odp_attrs rest = actions;
	struct odp_attr action;
	bool first = true;

	if (depth > ODP_DEEPEST) {
		odp_put(text, "nested too deep");
		return;
	}
	if (!actions.length) {
		odp_put(text, "drop");
		return;
	}
	while (odp_next(&rest, &action)) {
		if (!first)
			odp_put(text, ",");
		first = false;
		action_text(text, &action, names, depth);
	}
	if (!rest.length)
		return;
	if (first)
		odp_put(text, "<empty>");
	odp_put(text, ",***%zu leftover bytes*** (", rest.length);
	odp_put_bytes(text, rest.data, rest.length, 0);
	odp_put(text, ")");
}

void odp_actions_text(struct odp_text *text, struct odp_attrs actions, const struct odp_names *names)
{
	list_text(text, actions, names, 0);
}
