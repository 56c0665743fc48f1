// SPDX-License-Identifier: GPL-2.0-only
/* ovs actions: a packet's steps through the datapath in the words of ovs-dpctl. */
#include <bpf/bpf.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/openvswitch.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "abi/ovs_action.h"
#include "core/clock.h"
#include "core/kbtf.h"
#include "core/ledger.h"
#include "core/object.h"
#include "core/record.h"
#include "odp/odp.h"
#include "ovs_actions.skel.h"
#include "tools/ovs/datapath.h"

#define RODATA(run) ((struct ovs_actions__rodata *)(run)->rodata)

#define SWEEP "sweep"
#define QUIET_US 110000	/* a little more than actions.bpf.c takes for over */

struct state {
	uint64_t events;
	uint64_t read_at;	/* ns: when the datapaths were asked for their ports */
};

static const struct option_row options[] = {
	{ OPTION_U32, "rate", "N", "at most N events a second; the rest is counted",
	  OPT_RODATA(ovs_actions, cfg_rate), .min = 1, .max = 10000000 },
	{ OPTION_U32, "sample", "N", "one event in N, on each CPU; the rest is counted",
	  OPT_RODATA(ovs_actions, cfg_sample), .min = 1, .max = 1000000 },
	{ OPTION_END },
};

static int configure(struct run *run)
{
	const int cpus = libbpf_num_possible_cpus();

	if (!datapath_is_there(run, "actions"))
		return -ENOSYS;
	datapaths_read();
	return cpus < 0 ? cpus : bpf_map__set_max_entries(bpf_object__find_map_by_name(run->object, "walks"), cpus);
}

/* ---- what is attached ---- */

static const struct probe *probe_of(const struct run *run, const char *hook)
{
	for (unsigned int i = 0; i < run->probe_count; i++) {
		if (!strcmp(run->probes[i].hook->name, hook))
			return &run->probes[i];
	}
	return NULL;
}

/* the lookup is chosen first: where only its return is to be had, the rest goes by probes too */
static bool by_probes(const struct run *run)
{
	const struct probe *lookup = probe_of(run, "lookup");

	return lookup && !strcmp(lookup->by, "kretprobe");
}

static bool probes_wanted(const struct run *run, const struct hook_row *hook)
{
	(void)hook;
	return by_probes(run);
}

static bool list_wanted(const struct run *run, const struct hook_row *hook)
{
	(void)hook;
	return !probe_of(run, "action");
}

static bool no_types(const struct run *run, const struct hook_row *hook)
{
	(void)run;
	(void)hook;
	return !kbtf_knows("sw_flow");
}

static bool types_without_results(const struct run *run, const struct hook_row *hook)
{
	return by_probes(run) && !no_types(run, hook);
}

static bool device_is_asked(const struct run *run, const struct hook_row *hook)
{
	(void)hook;
	return run->filter->set & FILTER_DEVICE && !by_probes(run);
}

static int chosen(struct run *run)
{
	RODATA(run)->cfg_probes = by_probes(run);
	RODATA(run)->cfg_learn = probe_of(run, "port") != NULL;
	bpf_program__set_autoload(bpf_object__find_program_by_name(run->object, SWEEP), true);
	return 0;
}

static const struct hook_row hooks[] = {
	{ "lookup" },
	{ "packet", .wanted = probes_wanted },
	{ "packet_done", .wanted = probes_wanted },
	{ "action", .optional = true, .without = "which actions of a flow were done, and when: its list is shown as it begins, "
						 "those of a nested list behind those of the list that it is in" },
	{ "list", .wanted = list_wanted },
	{ "done", .wanted = probes_wanted },
	{ "upcall" },
	{ "execute", .shared_by_tasks = true },
	{ "executed", .shared_by_tasks = true },
	/* what a device's packets cost that --dev refuses: without it more */
	{ "port", .optional = true, .wanted = device_is_asked },
	{ "types", .optional = true, .wanted = no_types,
	  .without = "UFIDs, recirculation ids, how many masks were tried, and what ct actions ask for: the openvswitch "
		     "module has no types here" },
	{ "results", .optional = true, .wanted = types_without_results,
	  .without = "recirculation ids of lookups, and how many masks were tried: a kretprobe has no arguments" },
	{ NULL },
};

/* ---- walks whose end no action tells ---- */

/*
 * Each CPU looks at its own: kernels run a program of this kind where they are told to, since 5.10. Returns how many were
 * closed, or -1: there is one that goes on.
 */
static int walks_close(struct run *run)
{
	const int program = bpf_program__fd(bpf_object__find_program_by_name(run->object, SWEEP));
	LIBBPF_OPTS(bpf_test_run_opts, options, .flags = BPF_F_TEST_RUN_ON_CPU);
	int closed = 0, open = 0;

	for (int cpu = 0; cpu < libbpf_num_possible_cpus(); cpu++) {
		options.cpu = cpu;
		/* one that is offline has nothing */
		if (bpf_prog_test_run_opts(program, &options))
			continue;
		closed += options.retval == SWEPT_CLOSED;
		open += options.retval == SWEPT_OPEN;
	}
	return open ? -1 : closed;
}

static bool executors_are_there(const struct run *run)
{
	const uint32_t *executors = object_variable(run, "executors");
	const size_t count = sizeof(((struct ovs_actions__bss *)0)->executors) / sizeof(*executors);

	for (size_t i = 0; executors && i < count; i++) {
		if (__atomic_load_n(&executors[i], __ATOMIC_RELAXED))
			return true;
	}
	return false;
}

/* a counter of what is not there is wrong; if something has begun since, it is another one by now */
static void counter_heal(uint32_t *counter, uint32_t seen)
{
	if (seen)
		__atomic_compare_exchange_n(counter, &seen, 0, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

static void sweep(struct run *run)
{
	uint32_t *walking = object_variable(run, "walking"), *executing = object_variable(run, "executing"), seen;
	uint64_t *era = object_variable(run, "refusals_era");
	int closed;

	if (!walking || !executing || !era)
		return;
	/* names of devices can change, of which nothing tells */
	__atomic_fetch_add(era, 1, __ATOMIC_RELAXED);
	seen = __atomic_load_n(walking, __ATOMIC_ACQUIRE);
	closed = seen ? walks_close(run) : 0;
	if (closed >= 0)
		counter_heal(walking, seen - closed);
	seen = __atomic_load_n(executing, __ATOMIC_ACQUIRE);
	if (seen && !executors_are_there(run))
		counter_heal(executing, seen);
}

static void ending(struct run *run)
{
	const uint32_t *walking = object_variable(run, "walking");

	if (!walking || !*walking)
		return;
	usleep(QUIET_US);
	sweep(run);
}

/* ---- steps ---- */

static const char *port_name(void *data, uint32_t number)
{
	return datapath_port(*(uint32_t *)data, number);
}

/* set() of a tunnel is no attribute of netlink's: the kernel keeps a pointer there */
static bool is_set_tunnel(const struct ovs_step *step)
{
	struct nlattr key;

	if (step->action != OVS_ACTION_ATTR_SET || step->length < sizeof(key))
		return false;
	memcpy(&key, step->value, sizeof(key));
	return (key.nla_type & NLA_TYPE_MASK) == OVS_KEY_ATTR_TUNNEL ||
	       (key.nla_type & NLA_TYPE_MASK) > OVS_KEY_ATTR_MAX;
}

static void ct_text(struct odp_text *text, const struct ovs_step *step)
{
	odp_put(text, "ct");
	if (!(step->flags & STEP_KEY))
		return;
	odp_put(text, "(%s%szone=%u%s)", step->ct.commit ? "commit," : "", step->ct.force ? "force," : "",
		step->ct.zone, step->ct.nat ? ",nat" : "");
}

/* as ovs-dpctl writes it; by name alone what the kernel keeps in its own way, or what is too long */
static void action_text(struct odp_text *text, const struct ovs_step *step, uint32_t datapath)
{
	const struct odp_names names = { port_name, &datapath };
	struct {
		struct nlattr header;
		unsigned char value[STEP_BYTES];
	} attr = { { NLA_HDRLEN + step->length, step->action }, {} };
	const char *name = odp_action_name(step->action);

	switch (step->action) {
	case OVS_ACTION_ATTR_CT:
		ct_text(text, step);
		return;
	case OVS_ACTION_ATTR_SAMPLE:
	case OVS_ACTION_ATTR_CLONE:
	case OVS_ACTION_ATTR_CHECK_PKT_LEN:
	case OVS_ACTION_ATTR_DEC_TTL:
		odp_put(text, "%s", name);
		return;
	case OVS_ACTION_ATTR_OUTPUT:
		odp_put(text, "output ");
		break;
	}
	if (is_set_tunnel(step)) {
		odp_put(text, "set(tunnel)");
	} else if (!name) {
		odp_put(text, "action %u", step->action);
	} else if (step->length > STEP_BYTES) {
		odp_put(text, "%s (%u bytes)", name, step->length);
	} else {
		memcpy(attr.value, step->value, step->length);
		odp_actions_text(text, (struct odp_attrs){ (unsigned char *)&attr, NLA_HDRLEN + step->length }, &names);
	}
}

static void lookup_text(struct odp_text *text, const struct ovs_step *step)
{
	odp_put(text, "lookup");
	if (step->flags & STEP_KEY && step->words[3])
		odp_put(text, " after recirc(%#" PRIx64 ")", (uint64_t)step->words[3]);
	odp_put(text, step->kind == STEP_hit ? ": hit" : ": no flow");
	if (step->flags & STEP_UFID) {
		odp_put(text, " ");
		odp_ufid_text(text, step->value);
	}
	if (step->flags & STEP_MASKS)
		odp_put(text, ", %" PRIu64 " mask%s tried", (uint64_t)step->words[2], step->words[2] == 1 ? "" : "s");
}

/* the command of an upcall: without types unknown */
static const char *upcall_words(uint64_t command)
{
	switch (command) {
	case OVS_PACKET_CMD_MISS: return "upcall: no flow";
	case OVS_PACKET_CMD_ACTION: return "upcall: the flow's own action";
	}
	return "upcall";
}

static void step_text(struct odp_text *text, const struct ovs_step *step, uint32_t datapath)
{
	switch (step->kind) {
	case STEP_hit:
	case STEP_miss: lookup_text(text, step); break;
	case STEP_action: action_text(text, step, datapath); break;
	case STEP_upcall: odp_put(text, "%s", upcall_words(step->words[0])); break;
	default: odp_put(text, "unknown"); break;
	}
}

/* a clone was made for it, or it is done to one */
static bool is_copy(const struct ovs_step *step)
{
	return step->flags & STEP_COPY ||
	       (step->kind == STEP_action && step->action == OVS_ACTION_ATTR_OUTPUT && !(step->flags & STEP_LAST));
}

static void lookup_json(json_t *json, const struct ovs_step *step)
{
	struct odp_text ufid = {};

	if (step->flags & STEP_UFID)
		odp_ufid_text(&ufid, step->value);
	json_object_set_new(json, "hit", json_boolean(step->kind == STEP_hit));
	json_object_set_new(json, "ufid", ufid.data ? json_string(ufid.data + strlen("ufid:")) : json_null());
	json_object_set_new(json, "masks", step->flags & STEP_MASKS ? json_integer(step->words[2]) : json_null());
	json_object_set_new(json, "recirc_id", step->flags & STEP_KEY ? json_integer(step->words[3]) : json_null());
	free(ufid.data);
}

static void action_json(json_t *json, const struct ovs_step *step, uint32_t datapath)
{
	const char *name = odp_action_name(step->action), *dev;

	json_object_set_new(json, "action", name ? json_string(name) : json_null());
	if (step->action == OVS_ACTION_ATTR_OUTPUT) {
		dev = datapath_port(datapath, odp_u32(step->value));
		json_object_set_new(json, "port", json_integer(odp_u32(step->value)));
		json_object_set_new(json, "dev", dev ? json_string(dev) : json_null());
	} else if (step->action == OVS_ACTION_ATTR_RECIRC) {
		json_object_set_new(json, "recirc_id", json_integer(odp_u32(step->value)));
	} else if (step->action == OVS_ACTION_ATTR_CT && step->flags & STEP_KEY) {
		json_object_set_new(json, "zone", json_integer(step->ct.zone));
		json_object_set_new(json, "commit", json_boolean(step->ct.commit));
		json_object_set_new(json, "nat", json_boolean(step->ct.nat));
	}
}

static json_t *step_json(const struct ovs_step *step, uint32_t datapath)
{
	static const char *const kinds[] = { "lookup", "lookup", "action", "upcall" };
	struct odp_text text = {};
	json_t *json = json_object();

	step_text(&text, step, datapath);
	json_object_set_new(json, "step", json_string(step->kind < 4 ? kinds[step->kind] : "unknown"));
	json_object_set_new(json, "at_ns", json_integer(step->at));
	json_object_set_new(json, "text", json_string(text.data ? text.data : ""));
	json_object_set_new(json, "copy", json_boolean(is_copy(step)));
	if (step->kind == STEP_hit || step->kind == STEP_miss)
		lookup_json(json, step);
	if (step->kind == STEP_action)
		action_json(json, step, datapath);
	free(text.data);
	return json;
}

static const char *outcome(const struct ovs_steps *steps)
{
	if (steps->outputs)
		return "sent";
	return steps->upcalls ? "upcall" : "nowhere";
}

/* devices come and go, also from one datapath to another: asked for anew each second */
static uint32_t datapath_find(struct state *state, const struct ovs_walk *event)
{
	const uint64_t now = clock_now();

	if (event->device.ifindex && now - state->read_at > 1000000000) {
		state->read_at = now;
		datapaths_read();
	}
	return datapath_of_device(event->device.ifindex);
}

static void steps_text(const struct ovs_walk *event, uint32_t datapath, FILE *to)
{
	const struct ovs_steps *steps = &event->more;
	char span[CLOCK_SPAN];

	if (steps->from_userspace)
		fputs("    ovs-vswitchd has it executed\n", to);
	if (steps->from_key)
		fputs("    gone before it was seen: its headers as the datapath read them\n", to);
	for (uint32_t i = 0; i < steps->count && i < OVS_STEPS; i++) {
		struct odp_text text = {};

		step_text(&text, &steps->step[i], datapath);
		fprintf(to, "    +%-8s %s%s\n", clock_span(span, steps->step[i].at), text.data ? text.data : "",
			is_copy(&steps->step[i]) ? " (copy)" : "");
		free(text.data);
	}
	if (steps->lost)
		fprintf(to, "    %u more steps, for which there was no room\n", steps->lost);
	if (!steps->outputs && !steps->upcalls)
		fputs("    sent nowhere: its flow has no output, or an action kept or dropped it (netsonde ovs drops)\n", to);
}

static int event_more(struct run *run, const void *data, json_t *json, FILE *text)
{
	const struct ovs_walk *event = data;
	const struct ovs_steps *steps = &event->more;
	struct state *state = run->state;
	const uint32_t datapath = datapath_find(state, event);
	json_t *list;

	state->events++;
	if (text)
		steps_text(event, datapath, text);
	if (!json)
		return 0;
	list = json_array();
	for (uint32_t i = 0; i < steps->count && i < OVS_STEPS; i++)
		json_array_append_new(list, step_json(&steps->step[i], datapath));
	json_object_set_new(json, "from", json_string(steps->from_userspace ? "ovs-vswitchd" : "port"));
	json_object_set_new(json, "headers_of_key", json_boolean(steps->from_key));
	json_object_set_new(json, "outcome", json_string(outcome(steps)));
	json_object_set_new(json, "outputs", json_integer(steps->outputs));
	json_object_set_new(json, "steps", list);
	json_object_set_new(json, "steps_lost", json_integer(steps->lost));
	return 0;
}

/* ---- the end ---- */

static void drained(struct run *run)
{
	static const char *const names[WALK_COUNT_MAX] = { "packets", "hits", "misses", "outputs", "copies", "upcalls",
							   "nowhere" };
	static const char *const words[WALK_COUNT_MAX] = { "packets", "lookups that found a flow", "that found none",
							   "outputs", "of these copies", "upcalls",
							   "packets sent nowhere" };
	const int map = object_map(run, "walk_counts");
	json_t *record = run->json ? record_new(run, "total") : NULL;

	for (unsigned int i = 0; i < WALK_COUNT_MAX; i++) {
		const uint64_t count = ledger_sum(map, i);

		if (record)
			json_object_set_new(record, names[i], json_integer(count));
		else
			printf("%s%" PRIu64 " %s", i ? ", " : "", count, words[i]);
	}
	if (record) {
		record_print(run, record);
		return;
	}
	putchar('\n');
	record_flush(run);
}

#define STR(name, words) "\"" name "\": {\"type\": \"string\", \"description\": \"" words "\"}, "
#define INT(name, words) "\"" name "\": {\"type\": \"integer\", \"description\": \"" words "\"}, "

TOOL(ovs_actions, .area = "ovs", .name = "actions", .kind = TOOL_DETAILS,
     .summary = "what the datapath does with a packet: lookups, actions, recirculation, outputs, copies",
     .question = "what did Open vSwitch do with this packet, and where did it send it?",
     .cannot_see = "user-space datapaths; what became of a packet behind an output port",
     .was = "ovs_mcast_action_trace", .object = ovs_actions__elf_bytes, .options = options, .hooks = hooks,
     .event = "ovs_walk", .filter = true, .state_size = sizeof(struct state), .configure = configure, .chosen = chosen,
     .tick = sweep, .ending = ending, .event_more = event_more, .drained = drained,
     .records = "{\"types\": [\"total\"], \"members\": {"
		STR("from", "event: port, or ovs-vswitchd, which has the packet executed")
		"\"headers_of_key\": {\"type\": \"boolean\", \"description\": \"event: the flow has no actions, its packet was gone before it was seen: headers as the datapath read them, no device and no length\"}, "
		STR("outcome", "event: sent, upcall (and nothing sent), or nowhere")
		"\"steps\": {\"type\": \"array\", \"description\": \"event: in order\", \"items\": {\"type\": \"object\", \"properties\": {"
		STR("step", "lookup, action or upcall") INT("at_ns", "since the first step")
		STR("text", "in the words of ovs-dpctl")
		"\"copy\": {\"type\": \"boolean\", \"description\": \"done to a clone, or an output that gets one\"}, "
		"\"hit\": {\"type\": \"boolean\", \"description\": \"lookup: a flow was found\"}, "
		"\"ufid\": {\"type\": [\"string\", \"null\"], \"description\": \"lookup: of the flow\"}, "
		"\"masks\": {\"type\": [\"integer\", \"null\"], \"description\": \"lookup: masks tried\"}, "
		"\"recirc_id\": {\"type\": [\"integer\", \"null\"], \"description\": \"lookup: of the packet; action recirc: the new one\"}, "
		"\"action\": {\"type\": [\"string\", \"null\"], \"description\": \"action: its name\"}, "
		INT("port", "output: number in the datapath")
		"\"dev\": {\"type\": [\"string\", \"null\"], \"description\": \"output: name\"}, "
		INT("zone", "ct") "\"commit\": {\"type\": \"boolean\", \"description\": \"ct\"}, "
		"\"nat\": {\"type\": \"boolean\", \"description\": \"ct\"}}}}, "
		INT("steps_lost", "event: steps for which there was no room")
		INT("packets", "total: that passed the filter") INT("hits", "total: lookups that found a flow")
		INT("misses", "total: lookups that found none") INT("outputs", "event, total: outputs to ports")
		INT("copies", "total: outputs of clones") INT("upcalls", "total")
		"\"nowhere\": {\"type\": \"integer\", \"description\": \"total: packets that were neither sent nor went up\"}}}");
