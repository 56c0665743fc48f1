// SPDX-License-Identifier: GPL-2.0-only
/* megaflow_text.c: a command's flow in the words of ovs-dpctl. */
#include "tools/ovs/datapath.h"
#include "tools/ovs/megaflow_count.h"
#include "tools/ovs/megaflow_text.h"

const char *megaflow_port(void *data, uint32_t number)
{
	const struct datapath_id *datapath = data;

	return datapath->netns == own_netns() ? datapath_port(datapath->ifindex, number) : NULL;
}

char *megaflow_actions_text(struct odp_attrs attrs, struct datapath_id datapath)
{
	const struct odp_names names = { megaflow_port, &datapath };
	struct odp_text text = {};
	struct odp_attr attr;

	if (!odp_find(attrs, OVS_FLOW_ATTR_ACTIONS, &attr))
		return NULL;
	odp_actions_text(&text, odp_nested(&attr), &names);
	return odp_text_take(&text);
}

char *megaflow_key_text(struct odp_attrs attrs, struct datapath_id datapath, bool extension_headers)
{
	static unsigned char listed[MESSAGE_MAX + ODP_CANONICAL_MORE];
	const struct odp_names names = { megaflow_port, &datapath };
	static unsigned char bits[MESSAGE_MAX + ODP_CANONICAL_MORE];
	struct odp_attrs key = message_nested(attrs, OVS_FLOW_ATTR_KEY);
	struct odp_attrs mask = message_nested(attrs, OVS_FLOW_ATTR_MASK);
	struct odp_text text = {};

	if (key.length > MESSAGE_MAX || mask.length > MESSAGE_MAX)
		return NULL;
	mask = (struct odp_attrs){ bits, odp_canonical_mask(key, mask, bits) };
	key = (struct odp_attrs){ listed, odp_canonical(key, mask, extension_headers, listed) };
	odp_key_text(&text, key, mask, &names);
	return odp_text_take(&text);
}

char *megaflow_raw_text(struct odp_attrs attrs)
{
	static const uint16_t types[] = { OVS_FLOW_ATTR_KEY, OVS_FLOW_ATTR_MASK, OVS_FLOW_ATTR_ACTIONS };
	struct odp_text text = {};
	struct odp_attr attr;

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (i)
			odp_put(&text, " ");
		if (odp_find(attrs, types[i], &attr) && attr.length)
			odp_put_bytes(&text, attr.value, attr.length, 0);
		else
			odp_put(&text, "-");
	}
	return odp_text_take(&text);
}
