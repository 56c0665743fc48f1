// SPDX-License-Identifier: GPL-2.0-only
/* conntrack.c: the actions ct, with its address translation, and userspace, with its cookie, as text. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <linux/openvswitch.h>

#include "odp/odp.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct odp_policy nat_policy[] = {
	[OVS_NAT_ATTR_SRC] = { true, false, 0, 0 },
	[OVS_NAT_ATTR_DST] = { true, false, 0, 0 },
	[OVS_NAT_ATTR_IP_MIN] = { true, false, 4, 16 },
	[OVS_NAT_ATTR_IP_MAX] = { true, false, 4, 16 },
	[OVS_NAT_ATTR_PROTO_MIN] = { true, false, 2, 2 },
	[OVS_NAT_ATTR_PROTO_MAX] = { true, false, 2, 2 },
	[OVS_NAT_ATTR_PERSISTENT] = { true, false, 0, 0 },
	[OVS_NAT_ATTR_PROTO_HASH] = { true, false, 0, 0 },
	[OVS_NAT_ATTR_PROTO_RANDOM] = { true, false, 0, 0 },
};

/* what is wrong with the attributes of an address translation, or NULL */
static const char *nat_error(const struct odp_attr *a)
{
	const bool way = a[OVS_NAT_ATTR_SRC].value || a[OVS_NAT_ATTR_DST].value;
	const struct odp_attr *min = &a[OVS_NAT_ATTR_IP_MIN], *max = &a[OVS_NAT_ATTR_IP_MAX];

	for (unsigned int i = OVS_NAT_ATTR_IP_MIN; !way && i < COUNT(nat_policy); i++) {
		if (a[i].value)
			return "nat(error: options allowed only with \"src\" or \"dst\")";
	}
	if (a[OVS_NAT_ATTR_SRC].value && a[OVS_NAT_ATTR_DST].value)
		return "nat(error: Only one of \"src\" or \"dst\" may be present.)";
	if (!min->value && a[OVS_NAT_ATTR_PROTO_MIN].value)
		return "nat(error: proto but no IP.)";
	if ((!min->value && max->value) || (!a[OVS_NAT_ATTR_PROTO_MIN].value && a[OVS_NAT_ATTR_PROTO_MAX].value))
		return "nat(error: range max without min.)";
	if (min->value && ((min->length != 4 && min->length != 16) || (max->value && max->length != min->length)))
		return "nat(error: IP address sizes do not match)";
	return NULL;
}

static void nat_address(struct odp_text *text, const struct odp_attr *address, bool port)
{
	char words[INET6_ADDRSTRLEN];
	const bool six = address->length == 16;

	inet_ntop(six ? AF_INET6 : AF_INET, address->value, words, sizeof(words));
	odp_put(text, six && port ? "[%s]" : "%s", words);
}

static void nat_range(struct odp_text *text, const struct odp_attr *a, uint16_t port, uint16_t port_max)
{
	const struct odp_attr *min = &a[OVS_NAT_ATTR_IP_MIN], *max = &a[OVS_NAT_ATTR_IP_MAX];

	odp_put(text, "=");
	nat_address(text, min, port);
	if (max->value && !odp_all(max->value, max->length, 0) && memcmp(min->value, max->value, min->length)) {
		odp_put(text, "-");
		nat_address(text, max, port);
	}
	if (!port)
		return;
	odp_put(text, ":%u", port);
	if (port_max && port_max != port)
		odp_put(text, "-%u", port_max);
}

static void nat_text(struct odp_text *text, const struct odp_attr *attr)
{
	struct odp_attr a[COUNT(nat_policy)];
	const struct odp_attr *min = &a[OVS_NAT_ATTR_IP_MIN], *max = &a[OVS_NAT_ATTR_IP_MAX];
	const char *wrong;
	uint16_t port, port_max;

	if (!odp_parse(odp_nested(attr), nat_policy, COUNT(nat_policy), a)) {
		odp_put(text, "nat(error: nl_parse_nested() failed.)");
		return;
	}
	wrong = nat_error(a);
	if (wrong) {
		odp_put(text, "%s", wrong);
		return;
	}
	port = a[OVS_NAT_ATTR_PROTO_MIN].value ? odp_u16(a[OVS_NAT_ATTR_PROTO_MIN].value) : 0;
	port_max = a[OVS_NAT_ATTR_PROTO_MAX].value ? odp_u16(a[OVS_NAT_ATTR_PROTO_MAX].value) : 0;
	/* both are as on the wire, so bytes compare as numbers do */
	if ((max->value && !odp_all(max->value, max->length, 0) &&
	     memcmp(min->value, max->value, min->length) > 0) ||
	    (port_max && port > port_max)) {
		odp_put(text, "nat(range error)");
		return;
	}
	odp_put(text, "nat");
	if (!a[OVS_NAT_ATTR_SRC].value && !a[OVS_NAT_ATTR_DST].value)
		return;
	odp_put(text, a[OVS_NAT_ATTR_SRC].value ? "(src" : "(dst");
	if (min->value)
		nat_range(text, a, port, port_max);
	odp_put(text, ",");
	if (a[OVS_NAT_ATTR_PERSISTENT].value)
		odp_put(text, "persistent,");
	if (a[OVS_NAT_ATTR_PROTO_HASH].value)
		odp_put(text, "hash,");
	if (a[OVS_NAT_ATTR_PROTO_RANDOM].value)
		odp_put(text, "random,");
	odp_chomp(text, ',');
	odp_put(text, ")");
}

/* a string within an attribute, which must end there and nowhere before */
static bool is_string(const struct odp_attr *attr)
{
	return !attr->value || memchr(attr->value, 0, attr->length) == attr->value + attr->length - 1;
}

void odp_conntrack_text(struct odp_text *text, const struct odp_attr *attr)
{
	static const struct odp_policy policy[] = {
		[OVS_CT_ATTR_COMMIT] = { true, false, 0, 0 },
		[OVS_CT_ATTR_ZONE] = { true, false, 2, 2 },
		[OVS_CT_ATTR_MARK] = { true, false, 8, UINT16_MAX },
		[OVS_CT_ATTR_LABELS] = { true, false, 32, UINT16_MAX },
		[OVS_CT_ATTR_HELPER] = { true, false, 1, 16 },
		[OVS_CT_ATTR_NAT] = { true, false, 0, UINT16_MAX },
		[OVS_CT_ATTR_FORCE_COMMIT] = { true, false, 0, 0 },
		[OVS_CT_ATTR_TIMEOUT] = { true, false, 1, 32 },
	};
	struct odp_attr a[COUNT(policy)];
	size_t before;

	if (!odp_parse(odp_nested(attr), policy, COUNT(policy), a) || !is_string(&a[OVS_CT_ATTR_HELPER]) ||
	    !is_string(&a[OVS_CT_ATTR_TIMEOUT])) {
		odp_put(text, "ct(error)");
		return;
	}
	odp_put(text, "ct(");
	before = text->length;
	if (a[OVS_CT_ATTR_COMMIT].value)
		odp_put(text, "commit,");
	if (a[OVS_CT_ATTR_FORCE_COMMIT].value)
		odp_put(text, "force_commit,");
	if (a[OVS_CT_ATTR_ZONE].value && odp_u16(a[OVS_CT_ATTR_ZONE].value))
		odp_put(text, "zone=%u,", odp_u16(a[OVS_CT_ATTR_ZONE].value));
	if (a[OVS_CT_ATTR_MARK].value)
		odp_put(text, "mark=%#x/%#x,", odp_u32(a[OVS_CT_ATTR_MARK].value),
			odp_u32(a[OVS_CT_ATTR_MARK].value + 4));
	if (a[OVS_CT_ATTR_LABELS].value) {
		odp_put(text, "label=");
		odp_u128_text(text, a[OVS_CT_ATTR_LABELS].value, a[OVS_CT_ATTR_LABELS].value + 16);
		odp_put(text, ",");
	}
	if (a[OVS_CT_ATTR_HELPER].value)
		odp_put(text, "helper=%s,", (const char *)a[OVS_CT_ATTR_HELPER].value);
	if (a[OVS_CT_ATTR_TIMEOUT].value)
		odp_put(text, "timeout=%s,", (const char *)a[OVS_CT_ATTR_TIMEOUT].value);
	if (a[OVS_CT_ATTR_NAT].value)
		nat_text(text, &a[OVS_CT_ATTR_NAT]);
	if (text->length == before) {
		odp_chomp(text, '(');
		return;
	}
	odp_chomp(text, ',');
	odp_put(text, ")");
}

/* ---- packets for ovs-vswitchd ---- */

/*
 * The cookie that ovs-vswitchd since 2.10 gives itself along (struct user_action_cookie, 48 bytes): type 2
 * bytes, port, 16 bytes of the bridge, then what the type says. The machine's byte order.
 */
enum cookie {
	COOKIE_TYPE = 0,
	COOKIE_MORE = 24,
	COOKIE_SIZE = 48,
};

enum cookie_type {
	COOKIE_SFLOW = 1,
	COOKIE_SLOW_PATH,
	COOKIE_FLOW_SAMPLE,
	COOKIE_IPFIX,
	COOKIE_CONTROLLER,
};

static void flow_sample_text(struct odp_text *text, const unsigned char *more, const struct odp_names *names)
{
	const uint32_t direction = odp_u32(more + 20);

	odp_put(text,
		",flow_sample(probability=%u,collector_set_id=%u,obs_domain_id=%u,obs_point_id=%u,output_port=",
		odp_u16(more), odp_u32(more + 4), odp_u32(more + 8), odp_u32(more + 12));
	odp_port_text(text, odp_u32(more + 16), names);
	odp_put(text, "%s)", direction == 1 ? ",ingress" : direction == 2 ? ",egress" : "");
}

static void controller_text(struct odp_text *text, const unsigned char *more)
{
	const uint64_t cookie = (uint64_t)odp_be32(more + 8) << 32 | odp_be32(more + 12);

	odp_put(text,
		",controller(reason=%u,dont_send=%d,continuation=%d,recirc_id=%u,rule_cookie=%#" PRIx64
		",controller_id=%u,max_len=%u)",
		odp_u16(more + 2), !!more[0], !!more[1], odp_u32(more + 4), cookie, odp_u16(more + 16),
		odp_u16(more + 18));
}

static bool cookie_text(struct odp_text *text, const unsigned char *cookie, const struct odp_names *names)
{
	static const char *const reasons[] = { "cfm", "bfd", "lacp", "stp", "lldp", "action", "match" };
	const unsigned char *more = cookie + COOKIE_MORE;

	switch (odp_u16(cookie + COOKIE_TYPE)) {
	case COOKIE_SFLOW:
		odp_put(text, ",sFlow(vid=%u,pcp=%u,output=%u)", odp_be16(more) & 0xfff, odp_be16(more) >> 13,
			odp_u32(more + 4));
		return true;
	case COOKIE_SLOW_PATH:
		odp_put(text, ",slow_path(");
		odp_flags_text(text, reasons, COUNT(reasons), odp_u32(more + 4), ',');
		odp_put(text, ")");
		return true;
	case COOKIE_FLOW_SAMPLE: flow_sample_text(text, more, names); return true;
	case COOKIE_IPFIX:
		odp_put(text, ",ipfix(output_port=");
		odp_port_text(text, odp_u32(more), names);
		odp_put(text, ")");
		return true;
	case COOKIE_CONTROLLER: controller_text(text, more); return true;
	}
	return false;
}

void odp_userspace_text(struct odp_text *text, const struct odp_attr *attr, const struct odp_names *names)
{
	static const struct odp_policy policy[] = {
		[OVS_USERSPACE_ATTR_PID] = { true, true, 4, 4 },
		[OVS_USERSPACE_ATTR_USERDATA] = { true, false, 0, UINT16_MAX },
		[OVS_USERSPACE_ATTR_EGRESS_TUN_PORT] = { true, false, 4, 4 },
		[OVS_USERSPACE_ATTR_ACTIONS] = { true, false, 0, UINT16_MAX },
	};
	struct odp_attr a[COUNT(policy)];
	const struct odp_attr *data = &a[OVS_USERSPACE_ATTR_USERDATA];

	if (!odp_parse(odp_nested(attr), policy, COUNT(policy), a)) {
		odp_put(text, "userspace(error)");
		return;
	}
	odp_put(text, "userspace(pid=%u", odp_u32(a[OVS_USERSPACE_ATTR_PID].value));
	if (data->value && (data->length != COOKIE_SIZE || !cookie_text(text, data->value, names))) {
		odp_put(text, ",userdata(");
		odp_put_bytes(text, data->value, data->length, 0);
		odp_put(text, ")");
	}
	if (a[OVS_USERSPACE_ATTR_ACTIONS].value)
		odp_put(text, ",actions");
	if (a[OVS_USERSPACE_ATTR_EGRESS_TUN_PORT].value) {
		odp_put(text, ",tunnel_out_port=");
		odp_port_text(text, odp_u32(a[OVS_USERSPACE_ATTR_EGRESS_TUN_PORT].value), names);
	}
	odp_put(text, ")");
}
