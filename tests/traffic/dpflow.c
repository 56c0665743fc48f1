// SPDX-License-Identifier: GPL-2.0-only
/*
 * dpflow.c: puts a flow for UDP over IPv4 to one port into an Open vSwitch
 * datapath of the kernel, with actions that ovs-dpctl has no words for.
 *
 *	dpflow DATAPATH IN-PORT UDP-PORT[@RECIRC-ID | +MORE] drop [ERROR] | dec_ttl OUT-PORT | mpls OUT-PORT
 *
 * +MORE: so many flows more, each for the next port, and each by a task of its own.
 *
 * mpls: with five labels, whose header is too long to be kept while a packet is cut.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <linux/openvswitch.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define ACTION_DEC_TTL 23	/* OVS_ACTION_ATTR_DEC_TTL, since 5.7 */
#define DEC_TTL_ACTION 1	/* OVS_DEC_TTL_ATTR_ACTION: what is done with a packet whose TTL ends */
#define ACTION_DROP 24		/* OVS_ACTION_ATTR_DROP, since 6.7 */

static struct {
	struct nlmsghdr header;
	struct genlmsghdr generic;
	unsigned char bytes[1024];
} message;

static void *put(const void *bytes, size_t size)
{
	void *at = (char *)&message + message.header.nlmsg_len;

	if (bytes)
		memcpy(at, bytes, size);
	message.header.nlmsg_len += NLA_ALIGN(size);
	return at;
}

static void put_attr(int type, const void *value, size_t size)
{
	const struct nlattr attr = { NLA_HDRLEN + size, type };

	put(&attr, sizeof(attr));
	put(value, size);
}

static struct nlattr *nest(int type)
{
	const struct nlattr attr = { 0, type | NLA_F_NESTED };

	return put(&attr, sizeof(attr));
}

static void nest_end(struct nlattr *attr)
{
	attr->nla_len = (char *)&message + message.header.nlmsg_len - (char *)attr;
}

/* 0 or the kernel's -errno */
static int ask(int fd, void *answer, size_t size)
{
	struct nlmsghdr *header = answer;

	if (send(fd, &message, message.header.nlmsg_len, 0) < 0 || recv(fd, answer, size, 0) < 0)
		return -errno;
	return header->nlmsg_type == NLMSG_ERROR ? ((struct nlmsgerr *)NLMSG_DATA(header))->error : 0;
}

static void begin(int family, int command, int version, int flags)
{
	memset(&message, 0, sizeof(message));
	message.header.nlmsg_type = family;
	message.header.nlmsg_flags = NLM_F_REQUEST | flags;
	message.generic.cmd = command;
	message.generic.version = version;
	message.header.nlmsg_len = NLMSG_HDRLEN + GENL_HDRLEN;
}

static int flow_family(int fd)
{
	unsigned char answer[4096] = { 0 };
	const unsigned char *at = answer + NLMSG_HDRLEN + GENL_HDRLEN;

	begin(GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 1, 0);
	put_attr(CTRL_ATTR_FAMILY_NAME, OVS_FLOW_FAMILY, sizeof(OVS_FLOW_FAMILY));
	if (ask(fd, answer, sizeof(answer)))
		return -1;
	while (at < answer + sizeof(answer)) {
		const struct nlattr *attr = (const void *)at;

		if (attr->nla_len < NLA_HDRLEN)
			return -1;
		if (attr->nla_type == CTRL_ATTR_FAMILY_ID)
			return *(const __u16 *)(at + NLA_HDRLEN);
		at += NLA_ALIGN(attr->nla_len);
	}
	return -1;
}

static void put_key(int type, __u32 in_port, const char *udp_port, int after, int mask)
{
	const char *recirc = strchr(udp_port, '@');
	const __u32 recirc_id = mask ? ~0U : recirc ? (__u32)atoi(recirc + 1) : 0;
	const struct ovs_key_ethernet eth = { 0 };
	const __u32 port = mask ? ~0U : in_port;
	const __u16 ethertype = mask ? 0xffff : htons(0x0800);
	const struct ovs_key_ipv4 ip = { .ipv4_proto = mask ? 0xff : 17 };
	const struct ovs_key_udp udp = { .udp_dst = mask ? 0xffff : htons(atoi(udp_port) + after) };
	struct nlattr *key = nest(type);

	put_attr(OVS_KEY_ATTR_RECIRC_ID, &recirc_id, sizeof(recirc_id));
	put_attr(OVS_KEY_ATTR_IN_PORT, &port, sizeof(port));
	put_attr(OVS_KEY_ATTR_ETHERNET, &eth, sizeof(eth));
	put_attr(OVS_KEY_ATTR_ETHERTYPE, &ethertype, sizeof(ethertype));
	put_attr(OVS_KEY_ATTR_IPV4, &ip, sizeof(ip));
	put_attr(OVS_KEY_ATTR_UDP, &udp, sizeof(udp));
	nest_end(key);
}

static void put_actions(const char *kind, __u32 number)
{
	const struct ovs_action_push_mpls label = { htonl(1 << 12 | 64), htons(0x8847) };
	struct nlattr *actions = nest(OVS_FLOW_ATTR_ACTIONS), *dec_ttl;

	if (!strcmp(kind, "drop")) {
		put_attr(ACTION_DROP, &number, sizeof(number));
	} else if (!strcmp(kind, "mpls")) {
		for (int i = 0; i < 5; i++)
			put_attr(OVS_ACTION_ATTR_PUSH_MPLS, &label, sizeof(label));
		put_attr(OVS_ACTION_ATTR_OUTPUT, &number, sizeof(number));
	} else {
		dec_ttl = nest(ACTION_DEC_TTL);
		nest_end(nest(DEC_TTL_ACTION));
		nest_end(dec_ttl);
		put_attr(OVS_ACTION_ATTR_OUTPUT, &number, sizeof(number));
	}
	nest_end(actions);
}

/* the flow for the port that many after the first; the process's exit status */
static int flow_put(const struct ovs_header *header, int after, char **argv, __u32 number)
{
	int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_GENERIC), family = fd < 0 ? -1 : flow_family(fd), err;
	unsigned char answer[4096];

	if (!header->dp_ifindex || family < 0) {
		fprintf(stderr, "dpflow: %s: no such datapath\n", argv[1]);
		return 1;
	}
	begin(family, OVS_FLOW_CMD_NEW, OVS_FLOW_VERSION, NLM_F_CREATE | NLM_F_ACK);
	put(header, sizeof(*header));
	put_key(OVS_FLOW_ATTR_KEY, atoi(argv[2]), argv[3], after, 0);
	put_key(OVS_FLOW_ATTR_MASK, atoi(argv[2]), argv[3], after, 1);
	put_actions(argv[4], number);
	err = ask(fd, answer, sizeof(answer));
	if (err)
		fprintf(stderr, "dpflow: %s\n", strerror(-err));
	close(fd);
	return err ? 1 : 0;
}

int main(int argc, char **argv)
{
	struct ovs_header header;
	const char *more;
	int status, failed = 0;

	if (argc < 5 || (strcmp(argv[4], "drop") &&
			 ((strcmp(argv[4], "dec_ttl") && strcmp(argv[4], "mpls")) || argc < 6))) {
		fprintf(stderr, "usage: dpflow DATAPATH IN-PORT UDP-PORT[@RECIRC-ID | +MORE] "
				"drop [ERROR] | dec_ttl OUT-PORT | mpls OUT-PORT\n");
		return 2;
	}
	header.dp_ifindex = if_nametoindex(argv[1]);
	more = strchr(argv[3], '+');
	for (int after = 0; after < (more ? atoi(more + 1) : 0); after++) {
		pid_t child = fork();

		if (!child)
			return flow_put(&header, after + 1, argv, argc > 5 ? atoi(argv[5]) : 0);
		failed |= child < 0 || waitpid(child, &status, 0) != child || status;
	}
	return flow_put(&header, 0, argv, argc > 5 ? atoi(argv[5]) : 0) || failed;
}
