// SPDX-License-Identifier: GPL-2.0-only
/* filter.c: filter options to the filter in rodata. */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "core/filter.h"
#include "core/netns.h"

enum {
	TYPE_IP4 = 0x0800,
	TYPE_ARP = 0x0806,
	TYPE_IP6 = 0x86dd,
};

/* a whole number that ends at end, decimal or with 0x hexadecimal; -EINVAL if it is none or too large */
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

int filter_parse_prefix(const char *text, struct sonde_prefix *prefix, int *family, char *why,
			size_t size)
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

static int prefix_set(struct run *run, const char *value, uint32_t bit, struct sonde_prefix *prefix,
		      char *why, size_t size)
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

/* an address to stay away from says nothing of what else may pass */
static int not_host_parse(struct run *run, const char *value, char *why, size_t size)
{
	int family, err = filter_parse_prefix(value, &run->filter->not_host, &family, why, size);

	if (!err)
		run->filter->set |= FILTER_NOT_HOST | (family == 6 ? FILTER_NOT_HOST6 : 0);
	return err;
}

static int ports_set(struct run *run, const char *value, uint32_t bit, struct sonde_ports *ports,
		     char *why, size_t size)
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
		{ "icmp", IPPROTO_ICMP }, { "icmpv6", IPPROTO_ICMPV6 }, { "icmp6", IPPROTO_ICMPV6 },
		{ "tcp", IPPROTO_TCP },	  { "udp", IPPROTO_UDP },	{ "sctp", IPPROTO_SCTP },
		{ "gre", IPPROTO_GRE },	  { "esp", IPPROTO_ESP },
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
		snprintf(why, size,
			 "not a protocol: tcp, udp, icmp, icmpv6, sctp, arp or a number to 255");
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
		{ "ipv4", TYPE_IP4 }, { "arp", TYPE_ARP },	  { "rarp", 0x8035 },
		{ "ipv6", TYPE_IP6 }, { "flow_control", 0x8808 }, { "mpls", 0x8847 },
		{ "lldp", 0x88cc },  { "other", FILTER_TYPE_OTHER },
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
	if (number_parse(value, value + strlen(value), FILTER_TYPE_OTHER - 1, &type) || type < 0x600) {
		snprintf(
			why, size,
			"not an EtherType: ipv4, ipv6, arp, rarp, lldp, mpls, flow_control, other or 0x0600 to 0xfffe");
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

#define NO_NETNS "no such network namespace (an inode number, a path, or a name in /run/netns)"

/* an inode number can be that of nothing; only root may look at the namespaces of others */
static bool netns_is_there(uint32_t inode)
{
	const int fd = geteuid() ? -1 : netns_open(inode);

	if (fd >= 0)
		close(fd);
	return fd >= 0 || geteuid();
}

/* by the inode that the kernel shows, a path to a namespace, or a name as "ip netns" has it */
static int netns_parse(struct run *run, const char *value, char *why, size_t size)
{
	unsigned long inode;
	char path[256];

	if (number_parse(value, value + strlen(value), UINT32_MAX, &inode)) {
		snprintf(path, sizeof(path), "%s%s", strchr(value, '/') ? "" : "/run/netns/",
			 value);
		inode = netns_inode(path);
	}
	if (!inode) {
		snprintf(why, size, NO_NETNS);
		return -EINVAL;
	}
	run->filter->netns = inode;
	run->filter->set |= FILTER_NETNS;
	return 0;
}

/* the kernel's name of the device (it may be known by others) and its number; not 0: it has none */
static int device_find(void *data)
{
	struct sonde_filter *filter = data;
	char name[IF_NAMESIZE] = "";

	filter->ifindex = if_nametoindex(filter->device);
	if (!filter->ifindex || !if_indextoname(filter->ifindex, name))
		return -ENODEV;
	memset(filter->device, 0, sizeof(filter->device));
	memcpy(filter->device, name, strlen(name));
	return 0;
}

/*
 * A device's name and number mean something in one namespace only: the one
 * given, or ours. One that cannot be entered is believed to have the device.
 */
static int device_settle(struct sonde_filter *filter)
{
	int err;

	if (!(filter->set & FILTER_NETNS))
		filter->netns = netns_inode(NULL);
	filter->set |= FILTER_NETNS;
	err = netns_call(filter->netns, device_find, filter);
	return err == -ESRCH ? 0 : err;
}

const struct option_row filter_rows[] = {
	{ OPTION_PARSED, "src-ip", "ADDR[/N]", "source address or prefix, IPv4 or IPv6",
	  "ip-src", .parse = src_ip_parse },
	{ OPTION_PARSED, "dst-ip", "ADDR[/N]", "destination address or prefix",
	  "ip-dst", .parse = dst_ip_parse },
	{ OPTION_PARSED, "host", "ADDR[/N]", "source or destination address or prefix",
	  "vm-ip", .parse = host_parse },
	{ OPTION_PARSED, "not-host", "ADDR[/N]", "neither source nor destination address or prefix",
	  "expt-ip", .parse = not_host_parse },
	{ OPTION_PARSED, "src-port", "LIST", "source ports: 80,443,1000-2000",
	  "l4-src-port", .parse = src_port_parse },
	{ OPTION_PARSED, "dst-port", "LIST", "destination ports", "l4-dst-port", .parse = dst_port_parse },
	{ OPTION_PARSED, "port", "LIST", "source or destination ports", "ports", .words = true,
	  .parse = port_parse },
	{ OPTION_PARSED, "protocol", "NAME",
	  "tcp, udp, icmp (also ICMPv6 with an IPv6 address), icmpv6, sctp, arp or a number",
	  "l4-protocol ip-proto proto", .parse = protocol_parse },
	{ OPTION_PARSED, "type", "NAME",
	  "EtherType: ipv4, ipv6, arp, rarp, lldp, mpls, flow_control, other or a number", "ethertype eth-type",
	  .parse = type_parse },
	{ OPTION_PARSED, "dev", "NAME", "the packet's device", "device interface",
	  .parse = dev_parse },
	{ OPTION_PARSED, "vlan", "ID", "VLAN id, of the tag in the skb or one in the frame",
	  "vlan-id", .parse = vlan_parse },
	{ OPTION_PARSED, "netns", "NS", "network namespace: inode number, path, or name",
	  .parse = netns_parse },
	{ OPTION_PARSED, "vni", "N", "in a VXLAN or Geneve tunnel with this network identifier",
	  .parse = vni_parse },
	{ OPTION_FLAG_PARSED, "inner", NULL,
	  "addresses, ports and protocol are those inside a VXLAN or Geneve tunnel",
	  .parse = inner_parse },
	{ OPTION_END },
};

/* what no packet can pass; NULL: nothing */
static const char *contradiction(const struct sonde_filter *filter)
{
	uint32_t set = filter->set, not_of_type = 0;
	bool ports = filter->protocol == IPPROTO_TCP || filter->protocol == IPPROTO_UDP ||
		     filter->protocol == IPPROTO_SCTP;

	if (set & FILTER_PROTOCOL && filter->protocol == IPPROTO_ICMPV6 && set & FILTER_IP4)
		return "--protocol icmpv6 contradicts an IPv4 address";
	if (set & FILTER_ARP && set & (FILTER_PORTS | FILTER_IP6))
		return "--protocol arp contradicts ports and IPv6 addresses";
	if (set & FILTER_PROTOCOL && set & FILTER_PORTS && !ports)
		return "--protocol and a port contradict each other: only tcp, udp and sctp have ports";
	if (set & FILTER_INNER && !(set & FILTER_HEADERS))
		return "--inner needs an address, port, protocol or type to look for inside the tunnel";
	if (set & FILTER_TYPE) {
		switch (filter->eth_type) {
		case TYPE_IP4: not_of_type = FILTER_IP6 | FILTER_ARP; break;
		case TYPE_IP6: not_of_type = FILTER_IP4 | FILTER_ARP; break;
		case TYPE_ARP: not_of_type = FILTER_IP6 | FILTER_PROTOCOL | FILTER_PORTS; break;
		default: not_of_type = FILTER_IP;
		}
	}
	return set & not_of_type ? "--type contradicts an address, port or protocol" : NULL;
}

int filter_finish(struct run *run)
{
	struct sonde_filter *filter = run->filter;
	const char *wrong;

	if (!filter)
		return 0;
	run->filtered = filter->set != 0;
	/* one word for both, as for ping */
	if (filter->protocol == IPPROTO_ICMP &&
	    (filter->set & FILTER_IP6 ||
	     (filter->set & FILTER_TYPE && filter->eth_type == TYPE_IP6)))
		filter->protocol = IPPROTO_ICMPV6;
	wrong = contradiction(filter);
	if (wrong) {
		run_error(run, "%s", wrong);
		return -EINVAL;
	}
	if (filter->set & FILTER_NETNS && !netns_is_there(filter->netns)) {
		run_error(run, "--netns %u: " NO_NETNS, filter->netns);
		return -EINVAL;
	}
	if (filter->set & FILTER_DEVICE && device_settle(filter)) {
		run_error(run, "--dev %.16s: no such device%s", filter->device,
			  filter->netns == netns_inode(NULL)
				  ? " (one in another namespace needs --netns too)"
				  : " in that namespace");
		return -EINVAL;
	}
	filter_quick_set(filter);
	return 0;
}
