// SPDX-License-Identifier: GPL-2.0-only
/* details.c: path details: thresholds into rodata, the stages of a packet onto the screen. */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/device.h"
#include "core/field.h"
#include "core/ksym.h"
#include "core/object.h"
#include "core/option.h"
#include "core/reason.h"
#include "core/run.h"
#include "engine.skel.h"
#include "path/decode.h"
#include "path/details.h"

#define RODATA(run) ((struct engine__rodata *)(run)->rodata)

static int stage_find(const char *name, size_t length)
{
	for (int stage = STAGE_none + 1; stage < STAGE_MAX; stage++) {
		if (strlen(path_stages[stage].name) == length && !strncmp(path_stages[stage].name, name, length))
			return stage;
	}
	return STAGE_none;
}

static int threshold_set(struct run *run, const char *value, uint64_t unit_ns, char *why, size_t size)
{
	struct engine__rodata *rodata = RODATA(run);

	while (*value) {
		size_t length = strcspn(value, ","), name = strcspn(value, "=");
		int stage = STAGE_none;
		uint64_t ns;
		char span[32];

		if (name < length) {
			stage = stage_find(value, name);
			if (!stage) {
				snprintf(why, size, "no stage is called %.*s", (int)name, value);
				return -EINVAL;
			}
			value += name + 1;
			length -= name + 1;
		}
		snprintf(span, sizeof(span), "%.*s", (int)length, value);
		if (length >= sizeof(span) || option_duration(span, unit_ns, &ns) || !ns) {
			snprintf(why, size, "not a duration such as 500us or 5ms, or STAGE=5ms");
			return -EINVAL;
		}
		if (stage) {
			rodata->cfg_stage_threshold[stage] = ns;
			rodata->cfg_stage_thresholds = 1;
		} else {
			rodata->cfg_threshold = ns;
		}
		rodata->cfg_slow = 1;
		value += length;
		value += *value == ',';
	}
	/* a tool that prints reports otherwise */
	run->each = 1;
	return 0;
}

int path_threshold_parse(struct run *run, const char *value, char *why, size_t size)
{
	return threshold_set(run, value, 1000, why, size);
}

/* of the older scripts, for which 0 is any */
int path_threshold_ms_parse(struct run *run, const char *value, char *why, size_t size)
{
	if (strcmp(value, "0"))
		return threshold_set(run, value, 1000000, why, size);
	run->each = 1;
	return 0;
}

static int lost_parse(struct run *run, const char *value, char *why, size_t size)
{
	(void)value;
	(void)why;
	(void)size;
	RODATA(run)->cfg_lost = 1;
	/* alone: nothing but what is lost */
	RODATA(run)->cfg_slow = 1;
	return 0;
}

const struct option_row details_option_rows[] = {
	{ OPTION_PARSED, "threshold", "TIME",
	  "only packets that take TIME in all, or STAGE=TIME from that stage to the next; a list; bare number: us",
	  "latency-threshold latency-us threshold-us", .parse = path_threshold_parse },
	{ OPTION_FLAG_PARSED, "lost", NULL,
	  "packets that do not arrive: dropped, consumed elsewhere, timed out ...", .parse = lost_parse },
	{ OPTION_FLAG, "bytes", NULL, "also the first 64 bytes from L3 on, as the packet was at its first and at its last stage",
	  OPT_RODATA(engine, cfg_bytes_twice) },
	{ OPTION_PARSED, "latency-ms", "MS", NULL, .parse = path_threshold_ms_parse },
	{ OPTION_U32, "rate", "N", "at most N events a second; the rest is counted",
	  OPT_RODATA(engine, cfg_rate), .min = 1, .max = 10000000 },
	{ OPTION_U32, "sample", "N", "one event in N, on each CPU; the rest is counted",
	  OPT_RODATA(engine, cfg_sample), .min = 1, .max = 1000000 },
	PATH_OPTIONS,
	{ OPTION_END },
};

/* a packet that timed out has no skb any more: its record is made here, of what was kept */
static void packet_lost(struct run *run, struct path_flight *flight, uint32_t index)
{
	struct path_run *state = run->state;
	static struct path_packet event;

	if (!RODATA(run)->cfg_lost)
		return;
	event.at = flight->first;
	event.took = flight->last - flight->first;
	event.more = (struct path_way){ .fate = FATE_timed_out, .flight = *flight, .trace = state->traces[index] };
	if (flight->hops > PATH_HOPS && !bpf_map_lookup_elem(object_map(run, "furthers"), &index, &event.more.further) &&
	    event.more.further.first != flight->first)
		event.more.further.first = 0;
	decode_bytes(&event.more.trace.begun, &event.packet);
	run_event(run, &event, sizeof(event));
}

/* enqueue_to_iprec_latency_*: what it holds to its threshold, of 1 ms if none is given, is the time in the backlog */
static void threshold_of_backlog(struct engine__rodata *rodata)
{
	uint64_t ns = rodata->cfg_threshold ? rodata->cfg_threshold : 1000000;

	rodata->cfg_threshold = 0;
	rodata->cfg_slow = rodata->cfg_stage_thresholds = 1;
	rodata->cfg_stage_threshold[STAGE_port_in] = rodata->cfg_stage_threshold[STAGE_nic] = ns;
}

int details_configure(struct run *run)
{
	struct path_run *state = run->state;
	int err;

	RODATA(run)->cfg_details = 1;
	if (path_called(run, "enqueue_to_iprec"))
		threshold_of_backlog(RODATA(run));
	state->lost = packet_lost;
	err = path_configure(run);
	/* where no stage ends the way, the packet is then in a guest and has no skb */
	RODATA(run)->cfg_bytes = RODATA(run)->cfg_lost || RODATA(run)->cfg_bytes_twice ||
				 (!err && !(state->path->reply ? state->path->reply : state->path)->ends);
	for (int stage = 1; !err && stage < STAGE_MAX; stage++) {
		if (!RODATA(run)->cfg_stage_threshold[stage] || state->stages & 1U << stage)
			continue;
		run_error(run, "--threshold %s=...: path %s has no such stage", path_stages[stage].name,
			  state->path->name);
		return -EINVAL;
	}
	return err;
}

int path_each_configure(struct run *run)
{
	return run->each ? details_configure(run) : path_configure(run);
}

void details_before(struct run *run, void *event)
{
	struct path_packet *packet = event;

	(void)run;
	/* what arrives in a guest has no skb any more */
	if (!packet->packet.length)
		decode_bytes(&packet->more.trace.begun, &packet->packet);
}

/* name of a task, from its thread id; it may have ended */
static const char *comm_of(uint32_t pid, char comm[17])
{
	char path[40];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%u/comm", pid);
	comm[0] = 0;
	file = fopen(path, "re");
	if (!file)
		return NULL;
	if (!fgets(comm, 17, file))
		comm[0] = 0;
	fclose(file);
	comm[strcspn(comm, "\n")] = 0;
	return comm;
}

/* how many stages are known */
static uint32_t hops_of(const struct path_way *way)
{
	uint32_t most = PATH_HOPS + (way->further.first ? PATH_HOPS_FURTHER : 0);

	return way->flight.hops < most ? way->flight.hops : most;
}

static struct path_hop hop_of(const struct path_way *way, uint32_t hop)
{
	if (hop >= PATH_HOPS)
		return way->further.hop[hop - PATH_HOPS];
	return (struct path_hop){ way->flight.at[hop], way->trace.ifindex[hop], way->trace.pid[hop], way->trace.cpu[hop],
				  way->flight.mark[hop], 0 };
}

static const struct path_stage_row *stage_of(const struct path_hop *hop)
{
	return &path_stages[hop->mark.stage < STAGE_MAX ? hop->mark.stage : STAGE_none];
}

/* wall: of the first stage, that all stages have one distance to wall time */
static void hop_json(json_t *list, const struct path_way *way, uint32_t at, uint64_t wall, uint32_t netns)
{
	const struct path_hop hop = hop_of(way, at);
	const struct sonde_device_key key = { hop.ifindex, netns };
	sonde_name name;
	char comm[17], dev[17] = "";
	json_t *entry;

	if (device_name(&key, name))
		memcpy(dev, name, sizeof(name));
	entry = json_pack("{s:s, s:I, s:i, s:i, s:i, s:s?}", "stage", stage_of(&hop)->name,
			  "at_ns", (json_int_t)(wall + hop.at - way->flight.first), "cpu", hop.cpu,
			  "pid", hop.pid, "ifindex", hop.ifindex, "dev", *dev ? dev : NULL);
	/* a name may be no UTF-8 */
	if (comm_of(hop.pid, comm))
		json_object_set_new(entry, "comm", json_string(comm));
	if (at + 1 < hops_of(way))
		json_object_set_new(entry, "to_next_ns", json_integer(hop_of(way, at + 1).at - hop.at));
	json_array_append_new(list, entry);
}

static void hop_text(const struct path_way *way, uint32_t at, uint64_t took, uint32_t netns, FILE *to)
{
	const struct path_hop hop = hop_of(way, at);
	const struct sonde_device_key key = { hop.ifindex, netns };
	char span[CLOCK_SPAN], comm[17];
	sonde_name name;
	uint64_t delta = at + 1 < hops_of(way) ? hop_of(way, at + 1).at - hop.at : 0;

	fprintf(to, "    %-28s cpu %-3u ", stage_of(&hop)->words, hop.cpu);
	if (device_name(&key, name))
		fprintf(to, "%-12.16s ", name);
	else
		fprintf(to, "%-12s ", "-");
	if (comm_of(hop.pid, comm))
		field_plain(comm, strlen(comm), to);
	fprintf(to, "/%u", hop.pid);
	if (at + 1 < hops_of(way)) {
		fprintf(to, "  then %s ", clock_span(span, delta));
		for (uint64_t i = 0; took && i < delta * 20 / took; i++)
			fputc('#', to);
	}
	fputc('\n', to);
}

/* hex, of what is at hand */
static void bytes_hex(const struct path_bytes *bytes, char hex[2 * PATH_BYTES + 1])
{
	uint32_t n = bytes->at_hand < PATH_BYTES ? bytes->at_hand : PATH_BYTES;

	hex[0] = 0;
	for (uint32_t i = 0; i < n; i++)
		snprintf(hex + 2 * i, 3, "%02x", bytes->bytes[i]);
}

static void bytes_show(const struct path_way *way, json_t *json, FILE *text)
{
	char first[2 * PATH_BYTES + 1], last[2 * PATH_BYTES + 1];

	bytes_hex(&way->trace.begun, first);
	/* what arrives in a guest has no memory of its own at the end, nor what times out */
	if (!way->ended.length)
		last[0] = 0;
	else
		bytes_hex(&way->ended, last);
	if (json)
		json_object_set_new(json, "bytes", json_pack("{s:s, s:s?}", "first", first, "last", *last ? last : NULL));
	if (text)
		fprintf(text, "    at first %s\n    at last  %s\n", first, *last ? last : "-");
}

int details_more(struct run *run, const void *event, json_t *json, FILE *text)
{
	const struct path_packet *packet = event;
	const struct path_way *way = &packet->more;
	const char *fate = way->fate ? path_fate_name(way->fate) : "arrived";
	uint32_t hops = hops_of(way), netns = RODATA(run)->path_netns;
	uint64_t wall = clock_wall(packet->at);
	char place[160];
	json_t *list = json_array();

	if (way->place)
		ksym_format(way->place, place, sizeof(place));
	if (json) {
		json_object_set_new(json, "fate", json_string(fate ? fate : "unknown"));
		if (way->fate == FATE_dropped)
			json_object_set_new(json, "drop",
					    json_pack("{s:s?, s:s}", "reason", reason_name(way->reason),
						      "place", place));
		for (uint32_t i = 0; i < hops; i++)
			hop_json(list, way, i, wall, netns);
		json_object_set(json, "stages", list);
	}
	if (text) {
		if (way->fate)
			fprintf(text, "    did not arrive: %s", path_fate_words(way->fate));
		if (way->fate == FATE_dropped)
			fprintf(text, ": %s at %s", reason_name(way->reason) ? reason_name(way->reason) : "no reason given",
				place);
		if (way->fate)
			fputc('\n', text);
		for (uint32_t i = 0; i < hops; i++)
			hop_text(way, i, packet->took, netns, text);
	}
	if (RODATA(run)->cfg_bytes_twice)
		bytes_show(way, json, text);
	json_decref(list);
	return 0;
}
