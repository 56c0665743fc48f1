// SPDX-License-Identifier: GPL-2.0-only
/* datapath.c: questions to Open vSwitch's kernel module, by generic netlink. */
#include <errno.h>
#include <linux/genetlink.h>
#include <linux/openvswitch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/feature.h"
#include "core/tool.h"
#include "odp/attr.h"
#include "tools/ovs/datapath.h"

#define ASK_AGAIN_NS 100000000ULL
#define STALE_NS 1000000000ULL

/* a port, or a datapath itself as its port with the number OWN_PORT; one that was asked for in vain has no name */
struct port {
	struct port *next;
	uint32_t datapath, number;
	uint32_t ifindex; /* in this namespace; 0: unknown, or in another */
	bool there; /* at the last reading */
	uint64_t asked; /* when it was asked for in vain; of a datapath: when its ports were */
	char name[32];
};

#define OWN_PORT UINT32_MAX

static struct port *ports;

struct question {
	struct nlmsghdr header;
	struct genlmsghdr generic;
	unsigned char more[64];
};

/* sends it and hands each answer's bytes behind the generic header to take(); 0 or -errno */
static int ask(struct question *question, size_t more,
	       void (*take)(const unsigned char *bytes, size_t length, void *data), void *data)
{
	static unsigned char answer[65536];
	const size_t head = NLMSG_HDRLEN + GENL_HDRLEN;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC), err = 0;
	struct timeval patience = { .tv_sec = 2 };
	bool more_to_come = question->header.nlmsg_flags & NLM_F_DUMP;
	ssize_t got;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	question->header.nlmsg_len = head + more;
	question->header.nlmsg_flags |= NLM_F_REQUEST;
	if (send(fd, question, head + more, 0) < 0)
		err = -errno;
	while (!err) {
		got = recv(fd, answer, sizeof(answer), 0);
		if (got < 0) {
			err = -errno;
			break;
		}
		for (struct nlmsghdr *message = (void *)answer; NLMSG_OK(message, (size_t)got);
		     message = NLMSG_NEXT(message, got)) {
			if (message->nlmsg_type == NLMSG_DONE)
				more_to_come = false;
			else if (message->nlmsg_type == NLMSG_ERROR)
				err = ((struct nlmsgerr *)NLMSG_DATA(message))->error;
			else if (message->nlmsg_len > head)
				take((unsigned char *)message + head, message->nlmsg_len - head, data);
		}
		if (!more_to_come)
			break;
	}
	close(fd);
	return err;
}

static void family_take(const unsigned char *bytes, size_t length, void *data)
{
	struct odp_attr attr;

	if (odp_find((struct odp_attrs){ bytes, length }, CTRL_ATTR_FAMILY_ID, &attr) && attr.length == 2)
		*(int *)data = odp_u16(attr.value);
}

int datapath_family(const char *name)
{
	struct question question = {
		.header = { .nlmsg_type = GENL_ID_CTRL },
		.generic = { .cmd = CTRL_CMD_GETFAMILY, .version = 1 },
	};
	const struct nlattr attr = { NLA_HDRLEN + strlen(name) + 1, CTRL_ATTR_FAMILY_NAME };
	int family = -ENOENT, err;

	/* to ask for a family that is not there would load its module */
	if (!feature_module("openvswitch"))
		return -ENOENT;
	memcpy(question.more, &attr, sizeof(attr));
	memcpy(question.more + NLA_HDRLEN, name, strlen(name) + 1);
	err = ask(&question, NLA_ALIGN(attr.nla_len), family_take, &family);
	return err ? err : family;
}

bool datapath_is_there(struct run *run, const char *unseen)
{
	if (datapath_family(OVS_DATAPATH_FAMILY) >= 0)
		return true;
	run_error(run, "Open vSwitch's kernel module is not loaded: there are no %s to see", unseen);
	return false;
}

static struct port *port_find(uint32_t datapath, uint32_t number)
{
	struct port *port;

	for (port = ports; port; port = port->next) {
		if (port->datapath == datapath && port->number == number)
			return port;
	}
	return NULL;
}

static struct port *port_new(uint32_t datapath, uint32_t number)
{
	struct port *port = port_find(datapath, number);

	if (port)
		return port;
	port = calloc(1, sizeof(*port));
	if (!port)
		return NULL;
	port->datapath = datapath;
	port->number = number;
	port->next = ports;
	ports = port;
	return port;
}

static struct port *port_keep(uint32_t datapath, uint32_t number, const struct odp_attr *name)
{
	struct port *port;

	if (name->length > sizeof(port->name) || !memchr(name->value, 0, name->length))
		return NULL;
	port = port_new(datapath, number);
	if (!port)
		return NULL;
	memcpy(port->name, name->value, name->length);
	port->there = true;
	return port;
}

static void port_take(const unsigned char *bytes, size_t length, void *data)
{
	const uint32_t datapath = *(uint32_t *)data;
	struct odp_attrs attrs = { bytes + sizeof(struct ovs_header), length - sizeof(struct ovs_header) };
	struct odp_attr number, name, attr;
	struct port *port;

	if (length < sizeof(struct ovs_header) || !odp_find(attrs, OVS_VPORT_ATTR_PORT_NO, &number) ||
	    !odp_find(attrs, OVS_VPORT_ATTR_NAME, &name) || number.length != 4)
		return;
	port = port_keep(datapath, odp_u32(number.value), &name);
	if (!port)
		return;
	/* a device in another namespace has its number there */
	port->ifindex = 0;
	if (!odp_find(attrs, OVS_VPORT_ATTR_NETNSID, &attr) &&
	    odp_find(attrs, OVS_VPORT_ATTR_IFINDEX, &attr) && attr.length == 4)
		port->ifindex = odp_u32(attr.value);
}

static void ports_read(uint32_t datapath)
{
	struct question question = { .generic = { .cmd = OVS_VPORT_CMD_GET, .version = OVS_VPORT_VERSION } };
	const struct ovs_header header = { .dp_ifindex = datapath };
	int family = datapath_family(OVS_VPORT_FAMILY);

	struct port *own = port_new(datapath, OWN_PORT);

	if (own)
		own->asked = clock_now();
	if (family < 0)
		return;
	for (struct port *port = ports; port; port = port->next)
		port->there &= port->datapath != datapath || port == own;
	question.header.nlmsg_type = family;
	question.header.nlmsg_flags = NLM_F_DUMP;
	memcpy(question.more, &header, sizeof(header));
	ask(&question, sizeof(header), port_take, &datapath);
}

const char *datapath_port(uint32_t datapath, uint32_t number)
{
	const struct port *own = port_find(datapath, OWN_PORT);
	struct port *port = port_find(datapath, number);
	const uint64_t now = clock_now(), since = now - (own ? own->asked : 0);

	if (since > STALE_NS || !port || (!*port->name && now - port->asked > ASK_AGAIN_NS)) {
		ports_read(datapath);
		port = port_new(datapath, number);
		if (port && !*port->name)
			port->asked = now;
	}
	return port && *port->name ? port->name : NULL;
}

static void datapath_take(const unsigned char *bytes, size_t length, void *data)
{
	struct odp_attrs attrs = { bytes + sizeof(struct ovs_header), length - sizeof(struct ovs_header) };
	struct odp_attr name;

	(void)data;
	if (length >= sizeof(struct ovs_header) && odp_find(attrs, OVS_DP_ATTR_NAME, &name))
		port_keep(odp_u32(bytes), OWN_PORT, &name);
}

unsigned int datapaths_read(void)
{
	struct question question = { .generic = { .cmd = OVS_DP_CMD_GET, .version = OVS_DATAPATH_VERSION } };
	int family = datapath_family(OVS_DATAPATH_FAMILY);
	unsigned int count = 0;

	for (struct port *port = ports; port; port = port->next)
		port->there = false;
	if (family < 0)
		return 0;
	question.header.nlmsg_type = family;
	question.header.nlmsg_flags = NLM_F_DUMP;
	ask(&question, sizeof(struct ovs_header), datapath_take, NULL);
	for (struct port *port = ports; port; port = port->next) {
		if (port->number != OWN_PORT || !port->there)
			continue;
		count++;
		ports_read(port->datapath);
	}
	return count;
}

uint32_t datapath_of_device(uint32_t ifindex)
{
	uint32_t datapath = 0;

	for (const struct port *port = ports; port; port = port->next) {
		if (!ifindex || port->ifindex != ifindex || (datapath && !port->there))
			continue;
		datapath = port->datapath;
	}
	return datapath;
}

const char *datapath_name(uint32_t datapath)
{
	const struct port *port = port_find(datapath, OWN_PORT);

	return port && *port->name ? port->name : NULL;
}

bool datapath_has_port(uint32_t datapath, uint32_t number)
{
	const struct port *port = port_find(datapath, number);

	return port && port->there;
}

struct stats_answer {
	struct datapath_stats *all;
	size_t room, count;
};

static void stats_take(const unsigned char *bytes, size_t length, void *data)
{
	struct odp_attrs attrs = { bytes + sizeof(struct ovs_header), length - sizeof(struct ovs_header) };
	struct ovs_dp_megaflow_stats masks = {};
	struct stats_answer *answer = data;
	struct datapath_stats *stats;
	struct odp_attr attr;
	struct ovs_dp_stats flows;
	struct ovs_header header;

	if (length < sizeof(header) || !odp_find(attrs, OVS_DP_ATTR_STATS, &attr) || attr.length < sizeof(flows))
		return;
	if (answer->count++ >= answer->room)
		return;
	memcpy(&flows, attr.value, sizeof(flows));
	if (odp_find(attrs, OVS_DP_ATTR_MEGAFLOW_STATS, &attr))
		memcpy(&masks, attr.value, attr.length < sizeof(masks) ? attr.length : sizeof(masks));
	memcpy(&header, bytes, sizeof(header));
	stats = &answer->all[answer->count - 1];
	*stats = (struct datapath_stats){
		.ifindex = header.dp_ifindex,
		.hit = flows.n_hit,
		.missed = flows.n_missed,
		.lost = flows.n_lost,
		.flows = flows.n_flows,
		.mask_hit = masks.n_mask_hit,
		.masks = masks.n_masks,
		.cache_hit = masks.n_cache_hit,
	};
	if (odp_find(attrs, OVS_DP_ATTR_NAME, &attr) && attr.length && attr.length <= sizeof(stats->name))
		memcpy(stats->name, attr.value, attr.length - 1);
}

int datapath_stats(struct datapath_stats *all, size_t room)
{
	struct question question = { .generic = { .cmd = OVS_DP_CMD_GET, .version = OVS_DATAPATH_VERSION } };
	const struct ovs_header header = {};
	struct stats_answer answer = { all, room, 0 };
	int family = datapath_family(OVS_DATAPATH_FAMILY), err;

	if (family < 0)
		return family;
	question.header.nlmsg_type = family;
	question.header.nlmsg_flags = NLM_F_DUMP;
	memcpy(question.more, &header, sizeof(header));
	err = ask(&question, sizeof(header), stats_take, &answer);
	return err ? err : (int)answer.count;
}
