// SPDX-License-Identifier: GPL-2.0-only
/* filter.c: filter options to the filter in rodata. */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "core/filter.h"

/* a whole number in decimal or, with 0x, hexadecimal, that ends at end; -EINVAL if there is none or it is too large */
static int number_parse(const char *text, const char *end, unsigned long max, unsigned long *number)
{
	bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
	char *stop;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	*number = strtoul(text, &stop, hex ? 16 : 10);
	return errno || stop != end || *number > max ? -EINVAL : 0;
}

int filter_parse_prefix(const char *text, struct sonde_prefix *prefix, int *family, char *why, size_t size)
{
	const char *slash = strchr(text, '/');
	char address[INET6_ADDRSTRLEN + 1];
	unsigned long bits, most;
	size_t length = slash ? (size_t)(slash - text) : strlen(text);

	memset(prefix, 0, sizeof(*prefix));
	snprintf(why, size, "not an IPv4 or IPv6 address");
	if (length >= sizeof(address))
		return -EINVAL;
	memcpy(address, text, length);
	address[length] = 0;
	if (inet_pton(AF_INET, address, prefix->address.byte) == 1)
		*family = 4;
	else if (inet_pton(AF_INET6, address, prefix->address.byte) == 1)
		*family = 6;
	else
		return -EINVAL;
	bits = most = *family == 4 ? 32 : 128;
	if (slash && number_parse(slash + 1, slash + 1 + strlen(slash + 1), most, &bits)) {
		snprintf(why, size, "the prefix length must be 0 to %lu", most);
		return -EINVAL;
	}
	for (unsigned long i = 0; i < bits; i++)
		prefix->mask.byte[i / 8] |= 0x80 >> i % 8;
	for (size_t i = 0; i < sizeof(prefix->mask.byte); i++)
		prefix->address.byte[i] &= prefix->mask.byte[i];
	return 0;
}

int filter_parse_ports(const char *text, struct sonde_ports *ports, char *why, size_t size)
{
	memset(ports, 0, sizeof(*ports));
	snprintf(why, size, "not a list of ports such as 80,443,1000-2000 (0 to 65535)");
	for (;;) {
		const char *end = text + strcspn(text, ","), *dash = memchr(text, '-', end - text);
		unsigned long first, last;

		if (number_parse(text, dash ? dash : end, 65535, &first))
			return -EINVAL;
		last = first;
		if (dash && number_parse(dash + 1, end, 65535, &last))
			return -EINVAL;
		if (last < first) {
			snprintf(why, size, "the range %lu-%lu runs backwards", first, last);
			return -EINVAL;
		}
		if (ports->count == FILTER_PORT_RANGES) {
			snprintf(why, size, "more than %d ports and ranges", FILTER_PORT_RANGES);
			return -EINVAL;
		}
		ports->range[ports->count++] = (struct sonde_port_range){ first, last };
		if (!*end)
			return 0;
		text = end + 1;
	}
}

static int family_set(struct run *run, int family, char *why, size_t size)
{
	uint32_t wanted = family == 4 ? FILTER_IP4 : FILTER_IP6;

	if (run->filter->set & (FILTER_IP4 | FILTER_IP6) & ~wanted) {
		snprintf(why, size, "no packet is both IPv4 and IPv6: contradicts another option");
		return -EINVAL;
	}
	run->filter->set |= wanted;
	return 0;
}

static int prefix_set(struct run *run, const char *value, uint32_t bit, struct sonde_prefix *prefix, char *why, size_t size)
{
	int family, err = filter_parse_prefix(value, prefix, &family, why, size);

	if (!err)
		err = family_set(run, family, why, size);
	if (!err)
		run->filter->set |= bit;
	return err;
}

static int src_ip_parse(struct run *run, const char *value, char *why, size_t size)
{
	return prefix_set(run, value, FILTER_SRC, &run->filter->src, why, size);
}

static int dst_ip_parse(struct run *run, const char *value, char *why, size_t size)
{
	return prefix_set(run, value, FILTER_DST, &run->filter->dst, why, size);
}

static int host_parse(struct run *run, const char *value, char *why, size_t size)
{
	return prefix_set(run, value, FILTER_HOST, &run->filter->host, why, size);
}

static int ports_set(struct run *run, const char *value, uint32_t bit, struct sonde_ports *ports, char *why, size_t size)
{
	int err = filter_parse_ports(value, ports, why, size);

	if (!err)
		run->filter->set |= bit;
	return err;
}

static int src_port_parse(struct run *run, const char *value, char *why, size_t size)
{
	return ports_set(run, value, FILTER_SRC_PORT, &run->filter->src_port, why, size);
}

static int dst_port_parse(struct run *run, const char *value, char *why, size_t size)
{
	return ports_set(run, value, FILTER_DST_PORT, &run->filter->dst_port, why, size);
}

static int port_parse(struct run *run, const char *value, char *why, size_t size)
{
	return ports_set(run, value, FILTER_PORT, &run->filter->port, why, size);
}

static int protocol_parse(struct run *run, const char *value, char *why, size_t size)
{
	static const struct {
		const char *name;
		unsigned char number;
	} names[] = {
		{ "icmp", IPPROTO_ICMP }, { "icmpv6", IPPROTO_ICMPV6 }, { "icmp6", IPPROTO_ICMPV6 }, { "tcp", IPPROTO_TCP },
		{ "udp", IPPROTO_UDP },	  { "sctp", IPPROTO_SCTP },	{ "gre", IPPROTO_GRE },	     { "esp", IPPROTO_ESP },
	};
	unsigned long number;

	/* what the older tools call "no filter" */
	if (!strcasecmp(value, "all"))
		return 0;
	if (!strcasecmp(value, "arp")) {
		run->filter->set |= FILTER_ARP;
		return 0;
	}
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!strcasecmp(names[i].name, value)) {
			run->filter->protocol = names[i].number;
			run->filter->set |= FILTER_PROTOCOL;
			return 0;
		}
	}
	if (number_parse(value, value + strlen(value), 255, &number)) {
		snprintf(why, size, "not a protocol: tcp, udp, icmp, icmpv6, sctp, arp or a number to 255");
		return -EINVAL;
	}
	run->filter->protocol = number;
	run->filter->set |= FILTER_PROTOCOL;
	return 0;
}

static int type_parse(struct run *run, const char *value, char *why, size_t size)
{
	static const struct {
		const char *name;
		unsigned short type;
	} names[] = {
		{ "ipv4", 0x0800 }, { "arp", 0x0806 }, { "rarp", 0x8035 }, { "ipv6", 0x86dd },
		{ "flow_control", 0x8808 }, { "mpls", 0x8847 }, { "lldp", 0x88cc },
	};
	unsigned long type;

	if (!strcasecmp(value, "all"))
		return 0;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcasecmp(names[i].name, value))
			continue;
		run->filter->eth_type = names[i].type;
		run->filter->set |= FILTER_TYPE;
		return 0;
	}
	if (number_parse(value, value + strlen(value), 0xffff, &type) || type < 0x600) {
		snprintf(why, size, "not an EtherType: ipv4, ipv6, arp, rarp, lldp, mpls, flow_control or 0x0600 to 0xffff");
		return -EINVAL;
	}
	run->filter->eth_type = type;
	run->filter->set |= FILTER_TYPE;
	return 0;
}

static int dev_parse(struct run *run, const char *value, char *why, size_t size)
{
	if (!*value || strlen(value) >= sizeof(run->filter->device)) {
		snprintf(why, size, "no device name: 1 to 15 characters");
		return -EINVAL;
	}
	memset(run->filter->device, 0, sizeof(run->filter->device));
	memcpy(run->filter->device, value, strlen(value));
	run->filter->set |= FILTER_DEVICE;
	return 0;
}

static int vlan_parse(struct run *run, const char *value, char *why, size_t size)
{
	unsigned long id;

	if (number_parse(value, value + strlen(value), 4094, &id)) {
		snprintf(why, size, "not a VLAN id from 0 to 4094");
		return -EINVAL;
	}
	run->filter->vlan = id;
	run->filter->set |= FILTER_VLAN;
	return 0;
}

static int vni_parse(struct run *run, const char *value, char *why, size_t size)
{
	unsigned long vni;

	if (number_parse(value, value + strlen(value), 0xffffff, &vni)) {
		snprintf(why, size, "not a tunnel network identifier from 0 to 16777215");
		return -EINVAL;
	}
	run->filter->vni = vni;
	run->filter->set |= FILTER_VNI;
	return 0;
}

static int inner_parse(struct run *run, const char *value, char *why, size_t size)
{
	(void)value;
	(void)why;
	(void)size;
	run->filter->set |= FILTER_INNER;
	return 0;
}

/* by the inode that the kernel shows, a path to a namespace, or a name as "ip netns" has it */
static int netns_parse(struct run *run, const char *value, char *why, size_t size)
{
	unsigned long inode;
	struct stat info;
	char path[256];

	if (number_parse(value, value + strlen(value), UINT32_MAX, &inode)) {
		snprintf(path, sizeof(path), "%s%s", strchr(value, '/') ? "" : "/run/netns/", value);
		if (stat(path, &info)) {
			snprintf(why, size, "no such network namespace (an inode number, a path, or a name in /run/netns)");
			return -EINVAL;
		}
		inode = info.st_ino;
	}
	run->filter->netns = inode;
	run->filter->set |= FILTER_NETNS;
	return 0;
}

const struct option_row filter_rows[] = {
	{ OPTION_PARSED, "src-ip", "ADDR[/N]", "source address or prefix, IPv4 or IPv6", .parse = src_ip_parse },
	{ OPTION_PARSED, "dst-ip", "ADDR[/N]", "destination address or prefix", .parse = dst_ip_parse },
	{ OPTION_PARSED, "host", "ADDR[/N]", "source or destination address or prefix", .parse = host_parse },
	{ OPTION_PARSED, "src-port", "LIST", "source ports: 80,443,1000-2000", .parse = src_port_parse },
	{ OPTION_PARSED, "dst-port", "LIST", "destination ports", .parse = dst_port_parse },
	{ OPTION_PARSED, "port", "LIST", "source or destination ports", .parse = port_parse },
	{ OPTION_PARSED, "protocol", "NAME", "tcp, udp, icmp (also ICMPv6 with an IPv6 address), icmpv6, sctp, arp or a number",
	  "l4-protocol", .parse = protocol_parse },
	{ OPTION_PARSED, "type", "NAME", "EtherType: ipv4, ipv6, arp, rarp, lldp, mpls, flow_control or a number",
	  "ethertype", .parse = type_parse },
	{ OPTION_PARSED, "dev", "NAME", "the packet's device", "device interface", .parse = dev_parse },
	{ OPTION_PARSED, "vlan", "ID", "VLAN id, of the tag in the skb or one in the frame", "vlan-id", .parse = vlan_parse },
	{ OPTION_PARSED, "netns", "NS", "network namespace: inode number, path, or name", .parse = netns_parse },
	{ OPTION_PARSED, "vni", "N", "in a VXLAN or Geneve tunnel with this network identifier", .parse = vni_parse },
	{ OPTION_FLAG_PARSED, "inner", NULL, "addresses, ports and protocol are those inside a VXLAN or Geneve tunnel",
	  .parse = inner_parse },
	{ OPTION_END },
};

int filter_finish(struct run *run)
{
	struct sonde_filter *filter = run->filter;

	if (!filter)
		return 0;
	run->filtered = filter->set != 0;
	/* one word for both, as for ping */
	if (filter->set & FILTER_PROTOCOL && filter->protocol == IPPROTO_ICMP && filter->set & FILTER_IP6)
		filter->protocol = IPPROTO_ICMPV6;
	if (filter->set & FILTER_PROTOCOL && filter->protocol == IPPROTO_ICMPV6 && filter->set & FILTER_IP4) {
		run_error(run, "--protocol icmpv6 contradicts an IPv4 address");
		return -EINVAL;
	}
	if (filter->set & FILTER_ARP && filter->set & (FILTER_PROTOCOL | FILTER_PORTS | FILTER_IP6)) {
		run_error(run, "--protocol arp contradicts ports, IPv6 addresses and other protocols");
		return -EINVAL;
	}
	/* ARP carries IPv4 addresses and is no IPv4 packet */
	if (filter->set & FILTER_ARP)
		filter->set &= ~FILTER_IP4;
	if (filter->set & FILTER_PORTS && filter->set & FILTER_PROTOCOL && filter->protocol != IPPROTO_TCP &&
	    filter->protocol != IPPROTO_UDP && filter->protocol != IPPROTO_SCTP) {
		run_error(run, "--protocol and a port contradict each other: only tcp, udp and sctp have ports");
		return -EINVAL;
	}
	if (!(filter->set & FILTER_DEVICE))
		return 0;
	filter->ifindex = if_nametoindex(filter->device);
	if (!filter->ifindex && !(filter->set & FILTER_NETNS)) {
		run_error(run, "--dev %.16s: no such device (one in another namespace needs --netns too)", filter->device);
		return -EINVAL;
	}
	/* of our namespace: the number means another device elsewhere */
	if (filter->set & FILTER_NETNS)
		filter->ifindex = 0;
	return 0;
}
