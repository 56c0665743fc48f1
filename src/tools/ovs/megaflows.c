// SPDX-License-Identifier: GPL-2.0-only
/* megaflows.c: ovs megaflows puts the steps that its programs see together to lives, and prints those. */
#include <errno.h>
#include <inttypes.h>
#include <linux/openvswitch.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/option.h"
#include "core/record.h"
#include "core/run.h"
#include "ovs_megaflows.skel.h"
#include "tools/ovs/datapath.h"
#include "tools/ovs/megaflow_count.h"
#include "tools/ovs/megaflow_key.h"
#include "tools/ovs/megaflow_show.h"
#include "tools/ovs/megaflow_text.h"
#include "tools/ovs/megaflow_upcall.h"

#define RODATA(run) ((struct ovs_megaflows__rodata *)(run)->rodata)

/* a packet follows its flow at once */
#define EXECUTE_PATIENCE_NS 1000000000ULL
/* seconds between two looks for lives whose datapath has gone */
#define SWEEP_EACH 10

struct state {
	struct commands commands;
	struct upcalls upcalls;
	struct lives lives;
	struct flow_counts counts;
	struct removal_rules rules; /* 0: as Open vSwitch has it */
	struct life *showing;
	bool extension_headers;
	uint32_t raw;
	unsigned int seconds;
	uint64_t flows, changed, removed;
};

static const struct option_row options[] = {
	{ OPTION_FLAG, "raw", NULL,
	  "with --json: the bytes of key, mask and actions too, as ovs-vswitchd sent them, in hex", OPT_STATE(struct state, raw) },
	{ OPTION_DURATION, "max-idle", "TIME",
	  "ovs-vswitchd's other_config:max-idle, where it is not 10 s: unused for so long, a flow is removed as idle",
	  OPT_STATE(struct state, rules.max_idle_ns), .min = 1, .max = 366 * 86400 * 1000000000ULL },
	{ OPTION_U32, "flow-limit", "N",
	  "ovs-vswitchd's other_config:flow-limit, where it is not 200000: with more flows, those unused for 0.1 s go",
	  OPT_STATE(struct state, rules.flow_limit), .min = 1, .max = UINT32_MAX },
	{ OPTION_END },
};

static int event_more(struct run *run, const void *event, json_t *json, FILE *text)
{
	const struct state *state = run->state;

	(void)event;
	if (json)
		life_json(state->showing, json);
	if (text)
		life_text(state->showing, text);
	return 0;
}

/* ---- lives ---- */

/* the life is complete as far as its packet goes; one that was refused ends here */
static void life_settle(struct run *run, struct life *life)
{
	struct state *state = run->state;
	struct ovs_megaflow event = *life->head;

	event.more.step = MEGAFLOW_SHOWN;
	state->showing = life;
	run_event(run, &event, sizeof(event));
	life_waited(&state->lives, life);
	if (!life->kept)
		life_free(&state->lives, life);
}

/* the lives of a thread (0: all) that wait for their packet longer than patience */
static void lives_settle(struct run *run, uint32_t thread, uint64_t patience)
{
	struct state *state = run->state;
	struct life *life = TAILQ_FIRST(&state->lives.waiting), *next;
	const uint64_t now = clock_now();

	for (; life; life = next) {
		next = TAILQ_NEXT(life, in_wait);
		if ((!thread || life->thread == thread) && now - life->done_at >= patience)
			life_settle(run, life);
	}
}

static void removal_report(struct run *run, const struct life *life, struct removal *removal)
{
	struct state *state = run->state;

	removal->flows = flow_count_peak(&state->counts, life->datapath);
	state->removed++;
	removal_show(run, life, removal, removal_cause(removal, life, &state->rules));
}

/* of one taken out of the table */
static void life_remove(struct run *run, struct life *life, struct removal *removal)
{
	struct state *state = run->state;

	if (life->waits)
		life_settle(run, life);
	removal_report(run, life, removal);
	life_free(&state->lives, life);
}

static void ufid_read(struct life *life, struct odp_attrs attrs, struct odp_attrs key)
{
	struct odp_attr attr;
	uint64_t hash = 0xcbf29ce484222325ULL;

	if (odp_find(attrs, OVS_FLOW_ATTR_UFID, &attr) && attr.length == UFID_SIZE) {
		memcpy(life->ufid, attr.value, UFID_SIZE);
		life->has_ufid = true;
		return;
	}
	/* user space older than Open vSwitch 2.4: its key identifies the flow */
	for (size_t i = 0; i < key.length; i++)
		hash = (hash ^ key.data[i]) * 0x100000001b3ULL;
	memcpy(life->ufid, &hash, sizeof(hash));
}

/* who did it is ovs-vswitchd's thread, also where the rest is the upcall's */
static void life_fill(struct run *run, struct life *life, const struct command *command, struct odp_attrs attrs)
{
	struct state *state = run->state;

	memcpy(life->head->comm, command->head.comm, sizeof(life->head->comm));
	life->head->pid = command->head.pid;
	life->thread = command->head.more.thread;
	life->put_at = command->head.at;
	life->key = megaflow_key_text(attrs, life->datapath, state->extension_headers);
	life->actions = megaflow_actions_text(attrs, life->datapath);
	if (state->raw)
		life->raw = megaflow_raw_text(attrs);
}

static void flow_put(struct run *run, const struct command *command, uint64_t done_at, int result)
{
	struct state *state = run->state;
	struct odp_attrs attrs = message_attrs(command->bytes, command->length);
	struct odp_attrs key = message_nested(attrs, OVS_FLOW_ATTR_KEY), plain = message_key_plain(key);
	struct odp_names names = { megaflow_port, NULL };
	struct life *life, *older;
	struct odp_attr attr;

	/* ovs-vswitchd finds out by such flows what the kernel can do, and removes them at once */
	if (odp_find(attrs, OVS_FLOW_ATTR_PROBE, &attr))
		return;
	life = life_new();
	if (!life)
		return;
	life->datapath = message_datapath(&command->head, command->bytes);
	names.data = &life->datapath;
	*life->head = command->head;
	upcalls_answer(&state->upcalls, life, plain);
	if (!life->upcalled && run->filtered && !megaflow_key_passes(run->filter, key, &names)) {
		life_free(&state->lives, life);
		return;
	}
	ufid_read(life, attrs, plain);
	life_fill(run, life, command, attrs);
	life->done_at = done_at;
	life->result = result;
	state->flows++;
	older = life_find(&state->lives, life->datapath, life->ufid);
	if (!result && older && older->waits)
		life_settle(run, older);
	if (!result)
		life_add(&state->lives, life);
	life_wait(&state->lives, life);
}

static void flow_set(struct run *run, const struct command *command, int result)
{
	struct state *state = run->state;
	struct odp_attrs attrs = message_attrs(command->bytes, command->length);
	struct life unknown = { .datapath = message_datapath(&command->head, command->bytes) }, *life;
	char *actions;

	ufid_read(&unknown, attrs, message_key_plain(message_nested(attrs, OVS_FLOW_ATTR_KEY)));
	life = life_find(&state->lives, unknown.datapath, unknown.ufid);
	if (!life && run->filtered)
		return;
	if (!life)
		life = &unknown;
	actions = megaflow_actions_text(attrs, life->datapath);
	/* without actions it only clears the counters */
	if (!actions)
		return;
	if (!result) {
		free(life->actions);
		life->actions = actions;
		life->changes++;
	}
	state->changed++;
	change_show(run, life, &command->head, result);
	if (result)
		free(actions);
	free(unknown.actions);
}

/* a removal of many flows */
struct sweep {
	struct run *run;
	struct removal removal;
	struct datapath_id datapath;
};

static bool flushed(const struct life *life, const void *data)
{
	const struct sweep *sweep = data;

	return datapath_same(life->datapath, sweep->datapath);
}

static bool gone(const struct life *life, const void *data)
{
	const struct sweep *sweep = data;
	const struct state *state = sweep->run->state;

	return flow_counts_gone(&state->counts, life->datapath);
}

static void sweep_one(struct life *life, void *data)
{
	struct sweep *sweep = data;

	life_remove(sweep->run, life, &sweep->removal);
}

static void flow_delete(struct run *run, struct command *command)
{
	struct odp_attrs attrs = message_attrs(command->bytes, command->length);
	struct life unknown = { .datapath = message_datapath(&command->head, command->bytes) }, *life;
	struct sweep flush = { run, { .head = command->head, .flush = true }, unknown.datapath };
	struct removal removal = { .head = command->head };
	struct state *state = run->state;
	struct odp_attr attr;

	if (!odp_find(attrs, OVS_FLOW_ATTR_UFID, &attr) && !odp_find(attrs, OVS_FLOW_ATTR_KEY, &attr)) {
		lives_take(&state->lives, flushed, sweep_one, &flush);
		return;
	}
	counters_read(command, &removal.counters);
	ufid_read(&unknown, attrs, message_key_plain(message_nested(attrs, OVS_FLOW_ATTR_KEY)));
	life = life_find(&state->lives, unknown.datapath, unknown.ufid);
	if (life) {
		life_take(&state->lives, life);
		life_remove(run, life, &removal);
	} else if (!run->filtered && unknown.has_ufid) {
		removal_report(run, &unknown, &removal);
	}
}

/* ---- steps ---- */

/* in the kernel's count of flows, which no filter holds back */
static void count_change(struct state *state, const struct command *command)
{
	struct odp_attrs attrs = message_attrs(command->bytes, command->length);
	struct odp_attr attr;
	int by = 0;

	if (command->head.more.step == MEGAFLOW_SET)
		return;
	if (command->head.more.step == MEGAFLOW_PUT)
		by = 1;
	else if (odp_find(attrs, OVS_FLOW_ATTR_UFID, &attr) || odp_find(attrs, OVS_FLOW_ATTR_KEY, &attr))
		by = -1;
	flow_count_change(&state->counts, message_datapath(&command->head, command->bytes), by);
}

static void command_done(struct run *run, const struct ovs_megaflow *event)
{
	struct state *state = run->state;
	struct command *command = command_end(&state->commands, event->more.thread);
	const int result = event->more.result;

	/* without one: begun before the programs were attached, or its event was lost */
	if (command && command->length >= MESSAGE_HEAD) {
		switch (command->head.more.step) {
		case MEGAFLOW_PUT: flow_put(run, command, event->at, result); break;
		case MEGAFLOW_SET: flow_set(run, command, result); break;
		case MEGAFLOW_DELETE:
			if (!result)
				flow_delete(run, command);
			break;
		}
		if (!result)
			count_change(state, command);
	}
	free(command);
}

static void upcall_take(struct state *state, const struct megaflow_message *message)
{
	const struct megaflow_part *part = &message->event.more;
	struct odp_attrs attrs = message_attrs(message->bytes, part->length);

	if (part->length >= MESSAGE_HEAD)
		upcall_keep(&state->upcalls, &message->event, message_datapath(&message->event, message->bytes),
			    message_key_plain(message_nested(attrs, OVS_PACKET_ATTR_KEY)));
}

static void packet_returned(struct run *run, const struct ovs_megaflow *event)
{
	struct state *state = run->state;
	struct life *life = upcall_return(&state->upcalls, event->more.identity);

	if (!life)
		return;
	life->executed_at = event->at;
	life_settle(run, life);
}

static bool event_take(struct run *run, const void *from, size_t size)
{
	struct state *state = run->state;
	struct megaflow_message message; /* of this call: to print one comes here again */
	struct ovs_megaflow *event = &message.event;

	memset(&message, 0, sizeof(message));
	memcpy(&message, from, size < sizeof(message) ? size : sizeof(message));
	if (event->more.length > MEGAFLOW_PART)
		return true;
	if (event->more.extension_headers)
		state->extension_headers = true;
	switch (event->more.step) {
	case MEGAFLOW_SHOWN: return false;
	case MEGAFLOW_UPCALL: upcall_take(state, &message); break;
	case MEGAFLOW_LOST: upcall_lost(&state->upcalls, event); break;
	case MEGAFLOW_PUT:
	case MEGAFLOW_SET:
	case MEGAFLOW_DELETE:
		if (!event->more.offset)
			lives_settle(run, event->more.thread, 0);
		command_part(&state->commands, &message);
		break;
	case MEGAFLOW_RESULT: command_done(run, event); break;
	case MEGAFLOW_REPLY: command_reply(&state->commands, &message); break;
	case MEGAFLOW_EXECUTE: packet_returned(run, event); break;
	}
	return true;
}

static void attached(struct run *run)
{
	struct state *state = run->state;

	flow_counts_read(&state->counts);
}

static void tick(struct run *run)
{
	struct sweep sweep = { run, { .head.at = clock_now() }, {} };
	struct state *state = run->state;

	lives_settle(run, 0, EXECUTE_PATIENCE_NS);
	upcalls_expire(&state->upcalls, clock_now());
	commands_expire(&state->commands, clock_now());
	if (flow_counts_read(&state->counts) || !(++state->seconds % SWEEP_EACH))
		lives_take(&state->lives, gone, sweep_one, &sweep);
}

static void total_text(const struct state *state)
{
	const struct upcalls *upcalls = &state->upcalls;

	printf("%" PRIu64 " upcalls, %" PRIu64 " flows put, %" PRIu64 " changed, %" PRIu64 " removed; %" PRIu64
	       " upcalls answered by the same flow as another, %" PRIu64 " packets only sent on, %" PRIu64
	       " upcalls lost, %" PRIu64 " not answered, %" PRIu64 " still waiting\n",
	       upcalls->seen, state->flows, state->changed, state->removed, upcalls->shared,
	       upcalls->only_executed, upcalls->lost, upcalls->unanswered, upcalls_waiting(upcalls));
	if (state->commands.cut)
		printf("%" PRIu64 " commands were not seen whole (more than %u bytes, or events lost)\n",
		       state->commands.cut, MESSAGE_MAX);
	if (upcalls->forgotten)
		printf("%" PRIu64 " upcalls were forgotten: more than %u waited\n", upcalls->forgotten, upcalls->most);
	if (state->lives.forgotten)
		printf("%" PRIu64 " flows were forgotten before their end: there were more than %u\n",
		       state->lives.forgotten, state->lives.most);
}

static void total_print(struct run *run)
{
	const struct state *state = run->state;
	const struct upcalls *upcalls = &state->upcalls;
	json_t *record;

	if (!run->json) {
		total_text(state);
		record_flush(run);
		return;
	}
	record = record_new(run, "total");
	json_object_set_new(record, "upcalls", json_integer(upcalls->seen));
	json_object_set_new(record, "flows", json_integer(state->flows));
	json_object_set_new(record, "changed", json_integer(state->changed));
	json_object_set_new(record, "removed", json_integer(state->removed));
	json_object_set_new(record, "shared", json_integer(upcalls->shared));
	json_object_set_new(record, "only_executed", json_integer(upcalls->only_executed));
	json_object_set_new(record, "lost_upcalls", json_integer(upcalls->lost));
	json_object_set_new(record, "unanswered", json_integer(upcalls->unanswered));
	json_object_set_new(record, "waiting", json_integer(upcalls_waiting(upcalls)));
	json_object_set_new(record, "cut", json_integer(state->commands.cut));
	json_object_set_new(record, "forgotten_upcalls", json_integer(upcalls->forgotten));
	json_object_set_new(record, "forgotten_flows", json_integer(state->lives.forgotten));
	record_print(run, record);
}

/* between the last event and the ledger: what still waits for its packet is complete */
static void drained(struct run *run)
{
	lives_settle(run, 0, 0);
	total_print(run);
}

static int configure(struct run *run)
{
	struct state *state = run->state;

	upcalls_init(&state->upcalls, UPCALLS_MOST);
	lives_init(&state->lives, LIVES_MOST);
	if (!state->rules.max_idle_ns)
		state->rules.max_idle_ns = 10000000000ULL;
	if (!state->rules.flow_limit)
		state->rules.flow_limit = 200000;
	if (!datapath_is_there(run, "flows"))
		return -ENOSYS;
	RODATA(run)->cfg_packet_family = datapath_family(OVS_PACKET_FAMILY);
	RODATA(run)->cfg_flow_family = datapath_family(OVS_FLOW_FAMILY);
	return 0;
}

static void finish(struct run *run)
{
	struct state *state = run->state;

	/* a run that was not configured has nothing */
	if (!state->upcalls.most)
		return;
	lives_free(&state->lives);
	upcalls_free(&state->upcalls);
	commands_expire(&state->commands, UINT64_MAX);
}

static const struct hook_row hooks[] = {
	{ "upcall" },
	{ "upcall_done", .optional = true, .without = "upcalls that were lost on their way to ovs-vswitchd" },
	{ "segment" },
	{ "message" },
	{ "put", .shared_by_tasks = true },
	{ "put_done", .shared_by_tasks = true },
	{ "set", .shared_by_tasks = true },
	{ "set_done", .shared_by_tasks = true },
	{ "delete", .shared_by_tasks = true },
	{ "delete_done", .shared_by_tasks = true },
	{ "execute", .optional = true, .shared_by_tasks = true,
	  .without = "whether the packet of an upcall was sent on" },
	{ NULL },
};

#define STR(name, words) "\"" name "\": {\"type\": \"string\", \"description\": \"" words "\"}, "
#define INT(name, words) "\"" name "\": {\"type\": \"integer\", \"description\": \"" words "\"}, "
#define NIL(type, name, words) "\"" name "\": {\"type\": [\"" type "\", \"null\"], \"description\": \"" words "\"}, "

TOOL(ovs_megaflows, .area = "ovs", .name = "megaflows", .kind = TOOL_DETAILS,
     .summary = "the life of each megaflow: upcall, flow put, changes, removal, in ovs-dpctl's words",
     .question = "which flows does ovs-vswitchd install, for which packet, how fast, and who removes them?",
     .cannot_see = "flows of user-space datapaths; of flows installed before the run anything but their end",
     .was = "ovs_userspace_megaflow", .object = ovs_megaflows__elf_bytes, .options = options, .hooks = hooks,
     .event = "ovs_megaflow", .filter = true, .state_size = sizeof(struct state), .configure = configure,
     .attached = attached, .event_take = event_take, .event_more = event_more, .tick = tick, .drained = drained, .finish = finish,
     .records = "{\"types\": [\"changed\", \"removed\", \"total\"], \"members\": {"
		NIL("integer", "thread", "of ovs-vswitchd, by its thread id; null: nobody, the datapath has gone")
		INT("datapath", "ifindex of the datapath's own port, ovs-system")
		"\"upcall\": {\"type\": \"boolean\", \"description\": \"event: whether the upcall was seen that the flow answers\"}, "
		STR("result", "event, changed: ok, or the kernel's error, such as EEXIST")
		STR("installed", "event: when the kernel had it") INT("installed_ns", "event: the same in ns since 1970")
		INT("put_ns", "event: time in the kernel's command")
		NIL("integer", "latency_ns", "event: from the upcall until the flow was installed")
		NIL("integer", "queued_ns", "event: from the upcall until its message was queued for ovs-vswitchd")
		"\"executed\": {\"type\": \"boolean\", \"description\": \"event: whether the packet came back to be sent on\"}, "
		NIL("integer", "executed_ns", "event: from the upcall until then")
		INT("other_upcalls", "event: upcalls with the same key that waited too")
		NIL("integer", "segments", "event: messages that the packet went up in: more than 1 of a GSO packet")
		NIL("string", "ufid", "as ovs-dpctl prints it")
		NIL("string", "key", "event, removed: as ovs-dpctl dump-flows -m prints it")
		NIL("string", "actions", "as ovs-dpctl dump-flows -m prints them")
		STR("raw", "event, with --raw: key, mask and actions in hex; -: not there")
		STR("why", "removed: idle, limit, revalidated, deleted, flush, datapath, unknown")
		NIL("integer", "age_ns", "removed: since it was installed")
		NIL("integer", "packets", "removed: that hit it; null: nobody asked the kernel for them")
		NIL("integer", "bytes", "removed")
		NIL("integer", "idle_ns", "removed: since the last packet")
		INT("changes", "removed: times that its actions changed") INT("upcalls", "total: misses that passed the filter")
		INT("flows", "total: flow puts") INT("changed", "total") INT("removed", "total")
		INT("shared", "total: upcalls answered by the flow that another one began: the sum of other_upcalls")
		INT("only_executed", "total: upcalls whose packet came back without a flow")
		INT("lost_upcalls", "total: upcalls that the kernel could not hand over to ovs-vswitchd")
		INT("unanswered", "total: upcalls with neither for 30 s") INT("waiting", "total: upcalls with neither at the end")
		INT("cut", "total: commands not seen whole: too long, or events were lost")
		INT("forgotten_upcalls", "total: upcalls forgotten because too many waited")
		"\"forgotten_flows\": {\"type\": \"integer\", \"description\": \"total: flows forgotten before their end: too many\"}}}");
