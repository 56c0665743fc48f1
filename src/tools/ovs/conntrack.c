// SPDX-License-Identifier: GPL-2.0-only
/* ovs conntrack: states and zones in Open vSwitch's words, and from the kernel's facts why a packet is invalid. */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/openvswitch.h>
#include <stdlib.h>
#include <string.h>

#include "abi/conntrack.h"
#include "core/clock.h"
#include "core/kbtf.h"
#include "core/ledger.h"
#include "core/object.h"
#include "core/record.h"
#include "core/words.h"
#include "odp/odp.h"
#include "ovs_conntrack.skel.h"
#include "tools/ovs/ct_why.h"
#include "tools/ovs/datapath.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define RODATA(run) ((struct ovs_conntrack__rodata *)(run)->rodata)

/* ---- options ---- */

struct state {
	uint64_t events, why[WHY_MAX];
	uint64_t kernel_before[8], kernel_after[8];
};

static int zone_parse(struct run *run, const char *value, char *why, size_t size)
{
	char *end;
	unsigned long zone = strtoul(value, &end, 10);

	if (*value < '0' || *value > '9' || *end || zone > UINT16_MAX) {
		snprintf(why, size, "not a number from 0 to 65535");
		return -EINVAL;
	}
	RODATA(run)->cfg_zone = zone;
	RODATA(run)->cfg_zone_wanted = 1;
	return 0;
}

static int state_parse(struct run *run, const char *value, char *why, size_t size)
{
	const char *name;

	while (*value) {
		const size_t length = strcspn(value, "|,+");
		unsigned int bit = 0;

		while ((name = odp_ct_state(bit)) && (strlen(name) != length || strncmp(name, value, length)))
			bit++;
		if (!name) {
			snprintf(why, size, "states are new, est, rel, rpl, inv, trk, snat, dnat, joined by |");
			return -EINVAL;
		}
		RODATA(run)->cfg_state |= 1U << bit;
		value += length;
		value += *value != 0;
	}
	return 0;
}

static const struct option_row options[] = {
	{ OPTION_PARSED, "zone", "N", "only packets in ct actions of this zone", .parse = zone_parse },
	{ OPTION_PARSED, "state", "LIST", "only packets that have all of these states afterwards, such as inv or est|rpl",
	  .parse = state_parse },
	{ OPTION_FLAG, "invalid", NULL, "only packets that are invalid afterwards, or that ct() failed on",
	  OPT_RODATA(ovs_conntrack, cfg_invalid) },
	{ OPTION_U32, "rate", "N", "at most N events a second; the rest is counted",
	  OPT_RODATA(ovs_conntrack, cfg_rate), .min = 1, .max = 10000000 },
	{ OPTION_U32, "sample", "N", "one event in N, on each CPU; the rest is counted",
	  OPT_RODATA(ovs_conntrack, cfg_sample), .min = 1, .max = 1000000 },
	{ OPTION_END },
};

static bool has_types(void)
{
	return kbtf_knows("ovs_conntrack_info");
}

static int configure(struct run *run)
{
	struct ovs_conntrack__rodata *rodata = RODATA(run);

	if (!datapath_is_there(run, "ct actions"))
		return -ENOSYS;
	if (rodata->cfg_state & (OVS_CS_F_SRC_NAT | OVS_CS_F_DST_NAT) && !has_types()) {
		run_error(run, "--state with snat or dnat: the openvswitch module has no types here");
		return -ENOSYS;
	}
	/* the script of that name showed nothing else */
	if (words_contain("trace-ovs-ct-invalid", run->called) || words_contain("trace-ovs-ct-invalid.bt", run->called))
		rodata->cfg_invalid = 1;
	return 0;
}

/* ---- the kernel's own counters ---- */

static const char *const kernel_counters[] = { "invalid", "insert_failed", "drop", "early_drop", "icmp_error", "clashres" };

/* one line a CPU, in hex, under a line of names */
static void kernel_read(uint64_t values[COUNT(kernel_counters)])
{
	FILE *file = fopen("/proc/net/stat/nf_conntrack", "re");
	int column[COUNT(kernel_counters)];
	char line[512], *at, *word;
	bool head = true;

	memset(values, 0, sizeof(*values) * COUNT(kernel_counters));
	memset(column, -1, sizeof(column));
	while (file && fgets(line, sizeof(line), file)) {
		int number = 0;

		for (at = line; (word = strtok_r(at, " \n", &at)); number++) {
			for (size_t i = 0; i < COUNT(kernel_counters); i++) {
				if (head && !strcmp(word, kernel_counters[i]))
					column[i] = number;
				else if (!head && column[i] == number)
					values[i] += strtoul(word, NULL, 16);
			}
		}
		head = false;
	}
	if (file)
		fclose(file);
}

static void attached(struct run *run)
{
	kernel_read(((struct state *)run->state)->kernel_before);
}

static void ending(struct run *run)
{
	kernel_read(((struct state *)run->state)->kernel_after);
}

/* ---- events ---- */

static const char *const status_names[] = {
	"expected", "seen_reply", "assured", "confirmed", "src_nat", "dst_nat", "seq_adjust", "src_nat_done",
	"dst_nat_done", "dying", "fixed_timeout", "template", "clash", "helper", "offload", "hw_offload",
};

static const char *tcp_state_name(uint8_t state)
{
	static const char *const names[] = { "NONE", "SYN_SENT", "SYN_RECV", "ESTABLISHED", "FIN_WAIT", "CLOSE_WAIT",
					     "LAST_ACK", "TIME_WAIT", "CLOSE", "SYN_SENT2" };

	return state < COUNT(names) ? names[state] : NULL;
}

static const char *state_text(uint8_t state, char text[48])
{
	const char *name;

	text[0] = 0;
	for (unsigned int bit = 0; (name = odp_ct_state(bit)); bit++) {
		if (state & 1U << bit)
			sprintf(text + strlen(text), "%s%s", text[0] ? "|" : "", name);
	}
	return text[0] ? text : "0";
}

/* what a translation made of the packet's addresses */
struct translation {
	bool src, dst;
	struct sonde_flow before;
};

static void ports_of(const struct sonde_headers *headers, struct sonde_flow *flow)
{
	if (headers->has & (SONDE_HAS_TCP | SONDE_HAS_UDP | SONDE_HAS_SCTP)) {
		/* the first two members of each */
		flow->src_port = headers->udp.src_port;
		flow->dst_port = headers->udp.dst_port;
	}
}

static struct translation translation_of(const struct ct_packet *event)
{
	const struct sonde_headers *headers = &event->packet.outer;
	const struct sonde_flow *after = &event->more.flow;
	struct translation result = { .before = *after };

	if (!(event->more.seen & CT_SEEN_FLOW) || !(headers->has & (SONDE_HAS_IP4 | SONDE_HAS_IP6)))
		return result;
	result.before.src = headers->src;
	result.before.dst = headers->dst;
	ports_of(headers, &result.before);
	result.src = memcmp(&result.before.src, &after->src, headers->has & SONDE_HAS_IP6 ? 16 : 4) ||
		     result.before.src_port != after->src_port;
	result.dst = memcmp(&result.before.dst, &after->dst, headers->has & SONDE_HAS_IP6 ? 16 : 4) ||
		     result.before.dst_port != after->dst_port;
	return result;
}

/* states as the datapath's flows have them; without its types the translation is that of this packet */
static uint8_t state_after(const struct ct_facts *facts, const struct translation *nat)
{
	if (facts->seen & CT_SEEN_TYPES)
		return facts->after;
	return facts->after | (nat->src ? OVS_CS_F_SRC_NAT : 0) | (nat->dst ? OVS_CS_F_DST_NAT : 0);
}

static const char *address_text(const union sonde_address *address, uint8_t family, char text[INET6_ADDRSTRLEN])
{
	return inet_ntop(family == 6 ? AF_INET6 : AF_INET, address->byte, text, INET6_ADDRSTRLEN);
}

static json_t *end_json(const union sonde_address *from, const union sonde_address *to, uint16_t from_port,
			uint16_t to_port, uint8_t family)
{
	char old[INET6_ADDRSTRLEN], new[INET6_ADDRSTRLEN];
	json_t *end = json_pack("{s:s, s:s}", "old", address_text(from, family, old), "new",
				address_text(to, family, new));

	if (from_port || to_port) {
		json_object_set_new(end, "old_port", json_integer(from_port));
		json_object_set_new(end, "new_port", json_integer(to_port));
	}
	return end;
}

static json_t *translation_json(const struct translation *nat, const struct sonde_flow *after)
{
	const struct sonde_flow *before = &nat->before;
	json_t *json;

	if (!nat->src && !nat->dst)
		return json_null();
	json = json_object();
	if (nat->src)
		json_object_set_new(json, "src", end_json(&before->src, &after->src, before->src_port,
							  after->src_port, after->family));
	if (nat->dst)
		json_object_set_new(json, "dst", end_json(&before->dst, &after->dst, before->dst_port,
							  after->dst_port, after->family));
	return json;
}

static json_t *labels_json(const uint8_t labels[16])
{
	struct odp_text text = {};
	json_t *json;

	odp_u128_text(&text, labels, NULL);
	json = text.data ? json_string(text.data) : json_null();
	free(text.data);
	return json;
}

static json_t *connection_json(const struct ct_packet *event)
{
	const struct ct_facts *facts = &event->more;
	const char *tcp = event->packet.outer.has & SONDE_HAS_TCP ? tcp_state_name(facts->tcp_state) : NULL;
	json_t *json, *status = json_array();

	for (unsigned int bit = 0; bit < COUNT(status_names); bit++) {
		if (facts->status & 1U << bit)
			json_array_append_new(status, json_string(status_names[bit]));
	}
	json = json_pack("{s:i, s:o, s:o}", "mark", facts->mark, "labels", labels_json(facts->labels), "status", status);
	if (tcp)
		json_object_set_new(json, "tcp_state", json_string(tcp));
	return json;
}

static json_t *asked_json(uint32_t seen, uint32_t bit)
{
	return seen & CT_SEEN_TYPES ? json_boolean(seen & bit) : json_null();
}

static const char *result_name(int result)
{
	const char *name = result ? strerrorname_np(-result) : "ok";

	return name ? name : "unknown";
}

static void event_json(const struct ct_packet *event, const struct translation *nat, enum why why, json_t *json)
{
	const struct ct_facts *facts = &event->more;
	char text[48];

	json_object_set_new(json, "zone", facts->seen & CT_SEEN_ZONE ? json_integer(facts->zone) : json_null());
	json_object_set_new(json, "before", facts->seen & CT_SEEN_TYPES ?
						    json_string(state_text(facts->before, text)) : json_null());
	json_object_set_new(json, "state", facts->result && !(facts->seen & CT_SEEN_TYPES) ?
						   json_null() : json_string(state_text(state_after(facts, nat), text)));
	json_object_set_new(json, "result", json_string(result_name(facts->result)));
	json_object_set_new(json, "took_ns", json_integer(facts->took));
	json_object_set_new(json, "commit", asked_json(facts->seen, CT_SEEN_COMMIT));
	json_object_set_new(json, "force", asked_json(facts->seen, CT_SEEN_FORCE));
	json_object_set_new(json, "nat_asked", asked_json(facts->seen, CT_SEEN_NAT));
	json_object_set_new(json, "confirmed", json_boolean(facts->seen & CT_SEEN_CONFIRMED));
	json_object_set_new(json, "clash", json_boolean(facts->seen & CT_SEEN_CLASH));
	json_object_set_new(json, "nat", translation_json(nat, &facts->flow));
	json_object_set_new(json, "connection", facts->seen & CT_SEEN_CONNECTION ? connection_json(event) : json_null());
	json_object_set_new(json, "why", why_name(why) ? json_string(why_name(why)) : json_null());
	json_object_set_new(json, "kernel_says", why != WHY_NOT && facts->says[0] ? json_string(facts->says) : json_null());
	json_object_set_new(json, "meaning", why_meaning(why) ? json_string(why_meaning(why)) : json_null());
}

static void end_text(const char *name, const union sonde_address *from, const union sonde_address *to,
		     uint16_t from_port, uint16_t to_port, uint8_t family, FILE *text)
{
	const char *left = family == 6 && (from_port || to_port) ? "[" : "", *right = *left ? "]" : "";
	char old[INET6_ADDRSTRLEN], new[INET6_ADDRSTRLEN];

	fprintf(text, "  %s %s%s%s", name, left, address_text(from, family, old), right);
	if (from_port || to_port)
		fprintf(text, ":%u", from_port);
	fprintf(text, " -> %s%s%s", left, address_text(to, family, new), right);
	if (from_port || to_port)
		fprintf(text, ":%u", to_port);
}

static void connection_text(const struct ct_packet *event, FILE *text)
{
	const struct ct_facts *facts = &event->more;
	struct odp_text labels = {};

	if (event->packet.outer.has & SONDE_HAS_TCP && tcp_state_name(facts->tcp_state))
		fprintf(text, "  tcp %s", tcp_state_name(facts->tcp_state));
	if (facts->mark)
		fprintf(text, "  mark %#x", facts->mark);
	odp_u128_text(&labels, facts->labels, NULL);
	if (labels.data && strcmp(labels.data, "0"))
		fprintf(text, "  labels %s", labels.data);
	free(labels.data);
}

static void event_text(const struct ct_packet *event, const struct translation *nat, enum why why, FILE *text)
{
	const struct ct_facts *facts = &event->more;
	const struct sonde_flow *before = &nat->before, *after = &facts->flow;
	char words[48], span[CLOCK_SPAN];

	fputs("    ct(", text);
	if (facts->seen & CT_SEEN_FORCE)
		fputs("force,", text);
	if (facts->seen & CT_SEEN_COMMIT)
		fputs("commit,", text);
	if (facts->seen & CT_SEEN_NAT)
		fputs("nat,", text);
	if (facts->seen & CT_SEEN_ZONE)
		fprintf(text, "zone=%u): ", facts->zone);
	else
		fputs("zone not seen): ", text);
	if (facts->seen & CT_SEEN_TYPES)
		fprintf(text, "%s -> ", state_text(facts->before, words));
	if (facts->result)
		fputs(result_name(facts->result), text);
	else
		fputs(state_text(state_after(facts, nat), words), text);
	if (facts->seen & CT_SEEN_CONFIRMED)
		fputs(", committed", text);
	if (facts->seen & CT_SEEN_CLASH)
		fputs(", clash", text);
	fprintf(text, ", %s", clock_span(span, facts->took));
	if (facts->seen & CT_SEEN_CONNECTION)
		connection_text(event, text);
	if (nat->src)
		end_text("snat", &before->src, &after->src, before->src_port, after->src_port, after->family, text);
	if (nat->dst)
		end_text("dnat", &before->dst, &after->dst, before->dst_port, after->dst_port, after->family, text);
	fputc('\n', text);
	if (why == WHY_NOT)
		return;
	fprintf(text, "    %s", why_name(why));
	if (why_meaning(why))
		fprintf(text, ": %s", why_meaning(why));
	fputc('\n', text);
	if (facts->says[0])
		fprintf(text, "    the kernel says: %s\n", facts->says);
}

static int event_more(struct run *run, const void *data, json_t *json, FILE *text)
{
	const struct ct_packet *event = data;
	const struct translation nat = translation_of(event);
	const enum why why = why_of(&event->more, &event->packet);
	struct state *state = run->state;

	state->events++;
	state->why[why]++;
	if (json)
		event_json(event, &nat, why, json);
	if (text)
		event_text(event, &nat, why, text);
	return 0;
}

/* ---- the end ---- */

static void total_json(struct run *run, const uint64_t counts[CT_COUNT_MAX])
{
	const struct state *state = run->state;
	json_t *record = record_new(run, "total"), *why = json_object(), *kernel = json_object();

	for (size_t i = 0; i < WHY_MAX; i++) {
		if (state->why[i] && why_name(i))
			json_object_set_new(why, why_name(i), json_integer(state->why[i]));
	}
	for (size_t i = 0; i < COUNT(kernel_counters); i++)
		json_object_set_new(kernel, kernel_counters[i],
				    json_integer(state->kernel_after[i] - state->kernel_before[i]));
	json_object_set_new(record, "packets", json_integer(counts[CT_COUNT_packets]));
	json_object_set_new(record, "invalid", json_integer(counts[CT_COUNT_invalid]));
	json_object_set_new(record, "failed", json_integer(counts[CT_COUNT_failed]));
	json_object_set_new(record, "whys", why);
	json_object_set_new(record, "kernel_counters", kernel);
	record_print(run, record);
}

static void total_text(struct run *run, const uint64_t counts[CT_COUNT_MAX])
{
	const struct state *state = run->state;

	printf("%" PRIu64 " packets in ct actions: %" PRIu64 " invalid, on %" PRIu64 " ct() failed; %" PRIu64 " shown",
	       counts[CT_COUNT_packets], counts[CT_COUNT_invalid], counts[CT_COUNT_failed], state->events);
	for (size_t i = 0; i < WHY_MAX; i++) {
		if (state->why[i] && why_name(i))
			printf(", %" PRIu64 " %s", state->why[i], why_name(i));
	}
	fputs("\nthe kernel's counters meanwhile, of all packets in this namespace:", stdout);
	for (size_t i = 0; i < COUNT(kernel_counters); i++)
		printf("%s %s %" PRIu64, i ? "," : "", kernel_counters[i],
		       state->kernel_after[i] - state->kernel_before[i]);
	fputc('\n', stdout);
	record_flush(run);
}

static void drained(struct run *run)
{
	const int map = object_map(run, "ct_counts");
	uint64_t counts[CT_COUNT_MAX];

	for (unsigned int i = 0; i < CT_COUNT_MAX; i++)
		counts[i] = ledger_sum(map, i);
	if (run->json)
		total_json(run, counts);
	else
		total_text(run, counts);
}

static bool no_types(const struct run *run, const struct hook_row *hook)
{
	(void)run;
	(void)hook;
	return !has_types();
}

static const struct hook_row hooks[] = {
	{ "ct" },
	{ "ct_done" },
	{ "says", .optional = true, .without = "why a packet is invalid, where the kernel would log it" },
	{ "says_early", .optional = true, .without = "which packets have a wrong checksum or a bad header" },
	{ "says_helper", .optional = true, .without = "what a helper says of a packet that it drops" },
	{ "alloc", .optional = true, .without = "whether a packet had no connection, and whether the table was full" },
	{ "complaint", .optional = true, .without = "whether the table or a zone was full" },
	{ "error", .optional = true, .without = "whether an ICMP error had no connection" },
	{ "find", .optional = true }, /* of no use without the one before */
	{ "confirm", .optional = true, .without = "whether a connection went into the table" },
	{ "nat", .optional = true, .without = "whether an address translation could not be set up" },
	{ "tracking", .optional = true, .wanted = no_types },
	{ "types", .optional = true, .wanted = no_types,
	  .without = "the state before, and whether the action asks for commit and nat; the states snat and dnat but of "
		     "packets whose addresses changed; the state of packets that ct() failed on; the zone of fragments that "
		     "wait: the openvswitch module has no types here" },
	{ NULL },
};

#define STR(name, words) "\"" name "\": {\"type\": \"string\", \"description\": \"" words "\"}, "
#define INT(name, words) "\"" name "\": {\"type\": \"integer\", \"description\": \"" words "\"}, "
#define NIL(type, name, words) "\"" name "\": {\"type\": [\"" type "\", \"null\"], \"description\": \"" words "\"}, "

TOOL(ovs_conntrack, .area = "ovs", .name = "conntrack", .kind = TOOL_DETAILS,
     .summary = "each packet in a ct action: zone, state before and after, NAT, and why it is invalid",
     .question = "which packets does connection tracking call invalid or lose, in which zone, and why?",
     .cannot_see = "connection tracking of user-space datapaths, and that of the host's own nftables and iptables rules",
     .was = "trace-ovs-ct-invalid", .object = ovs_conntrack__elf_bytes, .options = options, .hooks = hooks,
     .event = "ct_packet", .filter = true, .state_size = sizeof(struct state), .configure = configure,
     .attached = attached, .ending = ending, .event_more = event_more, .drained = drained,
     .records = "{\"types\": [\"total\"], \"members\": {"
		NIL("integer", "zone", "event") NIL("string", "before", "event: ct_state when the action began")
		NIL("string", "state", "event: ct_state when it ended, as new|est|rel|rpl|inv|trk|snat|dnat; 0: none")
		STR("result", "event: ok, or the error of ct(), whose packet is dropped; EINPROGRESS: a fragment that waits")
		INT("took_ns", "event: time in ct()")
		NIL("boolean", "commit", "event: whether the action asks for it") NIL("boolean", "force", "event: the same")
		NIL("boolean", "nat_asked", "event: the same")
		"\"confirmed\": {\"type\": \"boolean\", \"description\": \"event: the connection went into the table\"}, "
		"\"clash\": {\"type\": \"boolean\", \"description\": \"event: another packet's connection of the same "
		"addresses was in the table first\"}, "
		NIL("object", "nat", "event: src and dst that were translated, each with old, new, old_port, new_port")
		NIL("object", "connection", "event: of the packet afterwards: mark, labels, status, tcp_state")
		NIL("string", "why", "event: why invalid or lost; null: neither")
		NIL("string", "kernel_says", "event: the format of the kernel's own message")
		INT("packets", "total: in ct actions, that passed the filter") INT("invalid", "total: invalid afterwards")
		INT("failed", "total: ct() failed")
		"\"whys\": {\"type\": \"object\", \"description\": \"total: events by why\"}, "
		"\"kernel_counters\": {\"type\": \"object\", \"description\": \"total: how far /proc/net/stat/nf_conntrack "
		"went meanwhile\"}}}");
