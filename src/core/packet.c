// SPDX-License-Identifier: GPL-2.0-only
/* packet.c: struct sonde_packet for people and programs. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "core/packet.h"

const char *protocol_name(__u8 protocol)
{
	switch (protocol) {
	case IPPROTO_ICMP: return "icmp";
	case IPPROTO_IGMP: return "igmp";
	case IPPROTO_TCP: return "tcp";
	case IPPROTO_UDP: return "udp";
	case IPPROTO_GRE: return "gre";
	case IPPROTO_ESP: return "esp";
	case IPPROTO_AH: return "ah";
	case IPPROTO_ICMPV6: return "icmpv6";
	case IPPROTO_SCTP: return "sctp";
	}
	return NULL;
}

static void protocol_word(__u8 protocol, char word[8])
{
	const char *name = protocol_name(protocol);

	if (name)
		snprintf(word, 8, "%s", name);
	else
		snprintf(word, 8, "%u", protocol);
}

static void mac_text(const __u8 *mac, char text[18])
{
	snprintf(text, 18, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
		 mac[5]);
}

static void address_text(const union sonde_address *address, int family,
			 char text[INET6_ADDRSTRLEN])
{
	inet_ntop(family == 6 ? AF_INET6 : AF_INET, address->byte, text, INET6_ADDRSTRLEN);
}

/* flags of a TCP segment, lowest bit first */
static void tcp_flags_text(__u16 flags, char *text, size_t size, const char *between)
{
	static const char *const names[] = { "FIN", "SYN", "RST", "PSH", "ACK",
					     "URG", "ECE", "CWR", "NS" };
	size_t used = 0;

	*text = 0;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && used < size; i++) {
		if (flags & 1 << i)
			used += snprintf(text + used, size - used, "%s%s", used ? between : "",
					 names[i]);
	}
}

static const char *arp_op(__u16 op, char word[8])
{
	if (op == 1)
		return "request";
	if (op == 2)
		return "reply";
	snprintf(word, 8, "%u", op);
	return word;
}

static json_t *eth_json(const struct sonde_headers *h)
{
	char src[18], dst[18];

	mac_text(h->eth_src, src);
	mac_text(h->eth_dst, dst);
	return json_pack("{s:s, s:s, s:o}", "src", src, "dst", dst, "type",
			 json_sprintf("0x%04x", h->eth_type));
}

static json_t *vlans_json(const struct sonde_headers *h)
{
	json_t *tags = json_array();

	for (unsigned int i = 0; i < h->vlans && i < SONDE_VLANS; i++)
		json_array_append_new(tags, json_pack("{s:i, s:i, s:o, s:s}", "id",
						      h->vlan[i].tci & 0xfff, "priority",
						      h->vlan[i].tci >> 13, "tpid",
						      json_sprintf("0x%04x", h->vlan[i].tpid), "in",
						      !i && h->vlan_in_tag ? "tag" : "frame"));
	return tags;
}

static json_t *arp_json(const struct sonde_headers *h)
{
	char sender_mac[18], target_mac[18], sender[INET6_ADDRSTRLEN], target[INET6_ADDRSTRLEN],
		word[8];

	mac_text(h->arp.sender_mac, sender_mac);
	mac_text(h->arp.target_mac, target_mac);
	address_text(&h->src, 4, sender);
	address_text(&h->dst, 4, target);
	return json_pack("{s:s, s:s, s:s, s:s, s:s}", "op", arp_op(h->arp.op, word), "sender_mac",
			 sender_mac, "sender_ip", sender, "target_mac", target_mac, "target_ip",
			 target);
}

static json_t *ip_json(const struct sonde_headers *h)
{
	int family = h->has & SONDE_HAS_IP6 ? 6 : 4;
	bool fragment = h->has & SONDE_HAS_FRAGMENT;
	char src[INET6_ADDRSTRLEN], dst[INET6_ADDRSTRLEN], protocol[8];
	json_t *ip;

	address_text(&h->src, family, src);
	address_text(&h->dst, family, dst);
	protocol_word(h->protocol, protocol);
	ip = json_pack("{s:i, s:s, s:s, s:s, s:i, s:i, s:i, s:I}", "version", family, "src", src,
		       "dst", dst, "protocol", protocol, "protocol_number", h->protocol, "ttl",
		       h->ttl, "tos", h->tos, "length", (json_int_t)h->ip_length);
	if (family == 4 || fragment) {
		json_object_set_new(ip, "id", json_integer(h->ip_id));
		json_object_set_new(ip, "more_fragments",
				    json_boolean(h->flags & SONDE_MORE_FRAGMENTS));
		json_object_set_new(ip, "fragment_offset",
				    json_integer(fragment ? h->fragment_offset : 0));
	}
	if (family == 4)
		json_object_set_new(ip, "dont_fragment",
				    json_boolean(h->flags & SONDE_DONT_FRAGMENT));
	else
		json_object_set_new(ip, "flow_label", json_integer(h->flow_label));
	return ip;
}

/* whether the second word of an ICMP message is id and seq */
static bool icmp_has_id(const struct sonde_headers *h)
{
	if (h->has & SONDE_HAS_ICMP6)
		return h->icmp.type == 128 || h->icmp.type == 129;
	return h->icmp.type == 0 || h->icmp.type == 8 || h->icmp.type == 13 || h->icmp.type == 14;
}

static json_t *icmp_json(const struct sonde_headers *h)
{
	json_t *icmp = json_pack("{s:i, s:i}", "type", h->icmp.type, "code", h->icmp.code);

	if (icmp_has_id(h)) {
		json_object_set_new(icmp, "id", json_integer(h->icmp.id));
		json_object_set_new(icmp, "seq", json_integer(h->icmp.seq));
	}
	return icmp;
}

static void l4_json(json_t *object, const struct sonde_headers *h)
{
	char flags[48];

	if (h->has & SONDE_HAS_TCP) {
		tcp_flags_text(h->tcp.flags, flags, sizeof(flags), "|");
		json_object_set_new(object, "tcp",
				    json_pack("{s:i, s:i, s:I, s:I, s:s, s:i}", "src_port",
					      h->tcp.src_port, "dst_port", h->tcp.dst_port, "seq",
					      (json_int_t)h->tcp.seq, "ack", (json_int_t)h->tcp.ack,
					      "flags", flags, "window", h->tcp.window));
	}
	if (h->has & SONDE_HAS_UDP)
		json_object_set_new(object, "udp",
				    json_pack("{s:i, s:i, s:i}", "src_port", h->udp.src_port,
					      "dst_port", h->udp.dst_port, "length",
					      h->udp.length));
	if (h->has & SONDE_HAS_SCTP)
		json_object_set_new(object, "sctp",
				    json_pack("{s:i, s:i, s:I}", "src_port", h->sctp.src_port,
					      "dst_port", h->sctp.dst_port, "vtag",
					      (json_int_t)h->sctp.vtag));
	if (h->has & (SONDE_HAS_ICMP | SONDE_HAS_ICMP6))
		json_object_set_new(object, "icmp", icmp_json(h));
}

static void headers_json(json_t *object, const struct sonde_headers *h)
{
	if (h->has & SONDE_HAS_ETH)
		json_object_set_new(object, "eth", eth_json(h));
	if (h->vlans)
		json_object_set_new(object, "vlan", vlans_json(h));
	if (h->has & SONDE_HAS_ARP)
		json_object_set_new(object, "arp", arp_json(h));
	if (h->has & (SONDE_HAS_IP4 | SONDE_HAS_IP6))
		json_object_set_new(object, "ip", ip_json(h));
	l4_json(object, h);
	if (h->flags & SONDE_TRUNCATED)
		json_object_set_new(object, "truncated", json_true());
	if (h->flags & SONDE_MALFORMED)
		json_object_set_new(object, "malformed", json_true());
}

static const char *tunnel_name(__u8 tunnel)
{
	return tunnel == SONDE_GENEVE ? "geneve" : "vxlan";
}

void packet_json(json_t *object, const struct sonde_packet *packet)
{
	json_t *inner;

	json_object_set_new(object, "length", json_integer(packet->length));
	headers_json(object, &packet->outer);
	if (packet->tunnel == SONDE_NO_TUNNEL)
		return;
	json_object_set_new(object, "tunnel",
			    json_pack("{s:s, s:i}", "kind", tunnel_name(packet->tunnel), "vni",
				      packet->vni));
	inner = json_object();
	headers_json(inner, &packet->inner);
	json_object_set_new(object, "inner", inner);
}

/* text that grows to the end of a buffer and then only counts */
struct line {
	char *text;
	size_t size, used;
};

__attribute__((format(printf, 2, 3)))
static void add(struct line *line, const char *format, ...)
{
	size_t room = line->used < line->size ? line->size - line->used : 0;
	va_list args;

	va_start(args, format);
	line->used += vsnprintf(room ? line->text + line->used : NULL, room, format, args);
	va_end(args);
}

static void l4_text(struct line *line, const struct sonde_headers *h)
{
	char flags[48];

	if (h->has & SONDE_HAS_TCP) {
		tcp_flags_text(h->tcp.flags, flags, sizeof(flags), " ");
		add(line, "  TCP %u > %u  %s seq %u ack %u win %u", h->tcp.src_port,
		    h->tcp.dst_port, *flags ? flags : "no flags", h->tcp.seq, h->tcp.ack,
		    h->tcp.window);
	}
	if (h->has & SONDE_HAS_UDP)
		add(line, "  UDP %u > %u", h->udp.src_port, h->udp.dst_port);
	if (h->has & SONDE_HAS_SCTP)
		add(line, "  SCTP %u > %u vtag 0x%x", h->sctp.src_port, h->sctp.dst_port,
		    h->sctp.vtag);
	if (h->has & (SONDE_HAS_ICMP | SONDE_HAS_ICMP6)) {
		add(line, "  %s type %u code %u", h->has & SONDE_HAS_ICMP ? "ICMP" : "ICMPv6",
		    h->icmp.type, h->icmp.code);
		if (icmp_has_id(h))
			add(line, " id %u seq %u", h->icmp.id, h->icmp.seq);
	}
}

static void headers_text(struct line *line, const struct sonde_headers *h)
{
	int family = h->has & SONDE_HAS_IP6 ? 6 : 4;
	char src[INET6_ADDRSTRLEN], dst[INET6_ADDRSTRLEN], word[8];

	if (h->has & SONDE_HAS_ETH) {
		mac_text(h->eth_src, src);
		mac_text(h->eth_dst, dst);
		add(line, "%s > %s  ", src, dst);
	}
	for (unsigned int i = 0; i < h->vlans && i < SONDE_VLANS; i++)
		add(line, "VLAN %u%s  ", h->vlan[i].tci & 0xfff,
		    !i && h->vlan_in_tag ? "" : " (in the frame)");
	if (h->has & (SONDE_HAS_ARP | SONDE_HAS_IP4 | SONDE_HAS_IP6)) {
		address_text(&h->src, family, src);
		address_text(&h->dst, family, dst);
	}
	if (h->has & SONDE_HAS_ARP) {
		add(line, "ARP %s, %s to %s", arp_op(h->arp.op, word), src, dst);
	} else if (h->has & (SONDE_HAS_IP4 | SONDE_HAS_IP6)) {
		add(line, "%s > %s", src, dst);
		l4_text(line, h);
		if (!(h->has & (SONDE_HAS_TCP | SONDE_HAS_UDP | SONDE_HAS_SCTP | SONDE_HAS_ICMP |
				SONDE_HAS_ICMP6))) {
			protocol_word(h->protocol, word);
			add(line, "  %s", word);
		}
		if (h->has & SONDE_HAS_FRAGMENT)
			add(line, "  fragment %u at %u%s", h->ip_id, h->fragment_offset,
			    h->flags & SONDE_MORE_FRAGMENTS ? " more" : " last");
		add(line, "  ttl %u", h->ttl);
	} else if (h->eth_type) {
		add(line, "type 0x%04x", h->eth_type);
	} else {
		add(line, "type unknown");
	}
	if (h->flags & SONDE_TRUNCATED)
		add(line, "  truncated");
	if (h->flags & SONDE_MALFORMED)
		add(line, "  malformed");
}

int packet_text(char *text, size_t size, const struct sonde_packet *packet)
{
	struct line line = { text, size, 0 };

	headers_text(&line, &packet->outer);
	add(&line, "  length %u", packet->length);
	if (packet->tunnel != SONDE_NO_TUNNEL) {
		add(&line, "  | %s vni %u: ", tunnel_name(packet->tunnel), packet->vni);
		headers_text(&line, &packet->inner);
	}
	return line.used;
}

/* false for later fragments too: they carry none */
static bool flow_has_ports(const struct sonde_flow *flow)
{
	return flow->src_port || flow->dst_port;
}

json_t *flow_json(const struct sonde_flow *flow)
{
	char src[INET6_ADDRSTRLEN], dst[INET6_ADDRSTRLEN], protocol[8];
	json_t *object = json_object();

	if (!flow->family) {
		json_object_set_new(object, "src", json_null());
		json_object_set_new(object, "dst", json_null());
		json_object_set_new(object, "eth_type", json_sprintf("0x%04x", flow->eth_type));
		return object;
	}
	address_text(&flow->src, flow->family, src);
	address_text(&flow->dst, flow->family, dst);
	protocol_word(flow->protocol, protocol);
	json_object_set_new(object, "src", json_string(src));
	json_object_set_new(object, "dst", json_string(dst));
	json_object_set_new(object, "protocol",
			    json_string(flow->eth_type == 0x0806 ? "arp" : protocol));
	if (flow_has_ports(flow)) {
		json_object_set_new(object, "src_port", json_integer(flow->src_port));
		json_object_set_new(object, "dst_port", json_integer(flow->dst_port));
	}
	return object;
}

int flow_text(char *text, size_t size, const struct sonde_flow *flow)
{
	char src[INET6_ADDRSTRLEN], dst[INET6_ADDRSTRLEN], protocol[8];

	if (!flow->family)
		return snprintf(text, size, "type 0x%04x", flow->eth_type);
	address_text(&flow->src, flow->family, src);
	address_text(&flow->dst, flow->family, dst);
	protocol_word(flow->protocol, protocol);
	if (flow_has_ports(flow))
		return snprintf(text, size,
				flow->family == 6 ? "[%s]:%u > [%s]:%u %s" : "%s:%u > %s:%u %s",
				src, flow->src_port, dst, flow->dst_port, protocol);
	return snprintf(text, size, "%s > %s %s", src, dst,
			flow->eth_type == 0x0806 ? "arp" : protocol);
}
