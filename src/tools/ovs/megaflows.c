// SPDX-License-Identifier: GPL-2.0-only
/* ovs megaflows: puts the steps that its programs see together to lives, and prints those. */
#include <errno.h>
#include <inttypes.h>
#include <linux/genetlink.h>
#include <linux/openvswitch.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/field.h"
#include "core/record.h"
#include "core/run.h"
#include "ovs_megaflows.skel.h"
#include "tools/ovs/datapath.h"
#include "tools/ovs/megaflow_key.h"
#include "tools/ovs/megaflow_life.h"

#define RODATA(run) ((struct ovs_megaflows__rodata *)(run)->rodata)

/* an upcall that ovs-vswitchd has not answered then gets no flow any more */
#define UPCALL_PATIENCE_NS 30000000000ULL
/* a packet follows its flow at once */
#define EXECUTE_PATIENCE_NS 1000000000ULL
/* ovs-vswitchd's other_config:max-idle, as it comes, less the time between two looks at the flows */
#define IDLE_NS 9000000000ULL
#define MESSAGE_HEAD (NLMSG_HDRLEN + GENL_HDRLEN + sizeof(struct ovs_header))
#define MESSAGE_MAX (MEGAFLOW_PART * MEGAFLOW_PARTS)

/** A thread's command that has begun. */
struct command {
	struct command *next;
	struct ovs_megaflow head;
	uint32_t length;
	unsigned char bytes[MESSAGE_MAX];
	/* the kernel's answer to a deletion */
	uint32_t reply_length;
	unsigned char reply[MEGAFLOW_PART];
};

struct state {
	struct command *commands; /* a thread has one; they are few */
	struct upcall *upcalls, **upcalls_end; /* oldest first */
	struct life *unshown; /* installed, and the packet may still come back */
	struct life *showing;
	bool extension_headers, raw;
	uint64_t seen, flows, executed_only, unanswered, cut, changed, removed;
};

static int raw_parse(struct run *run, const char *value, char *why, size_t size)
{
	struct state *state = run->state;

	(void)value;
	(void)why;
	(void)size;
	state->raw = true;
	return 0;
}

static const struct option_row options[] = {
	{ OPTION_FLAG_PARSED, "raw", NULL,
	  "with --json: the bytes of key, mask and actions too, as ovs-vswitchd sent them, in hex", .parse = raw_parse },
	{ OPTION_END },
};

static const char *port_name(void *data, uint32_t number)
{
	return datapath_port(*(const uint32_t *)data, number);
}

static char *text_take(struct odp_text *text)
{
	return text->failed || !text->data ? NULL : text->data;
}

/* ---- messages ---- */

static uint32_t datapath_of(const unsigned char *bytes)
{
	return odp_u32(bytes + NLMSG_HDRLEN + GENL_HDRLEN);
}

static struct odp_attrs attrs_of(const unsigned char *bytes, uint32_t length)
{
	if (length < MESSAGE_HEAD)
		return (struct odp_attrs){};
	return (struct odp_attrs){ bytes + MESSAGE_HEAD, length - MESSAGE_HEAD };
}

/* what is nested in an attribute of a message; of none, nothing */
static struct odp_attrs nested_in(struct odp_attrs attrs, uint16_t type)
{
	struct odp_attr attr;

	return odp_find(attrs, type, &attr) ? odp_nested(&attr) : (struct odp_attrs){};
}

/* a key whole, in the kernel's order: the same for what the kernel sent and what comes back */
static struct odp_attrs key_plain(struct odp_attrs key)
{
	static unsigned char plain[MESSAGE_MAX + ODP_CANONICAL_MORE];

	if (key.length > MESSAGE_MAX)
		return (struct odp_attrs){};
	return (struct odp_attrs){ plain, odp_canonical(key, (struct odp_attrs){}, false, plain) };
}

/* ---- printing ---- */

static const char *error_name(int result)
{
	const char *name = result ? strerrorname_np(-result) : "ok";

	return name ? name : "unknown";
}

static void at_json(json_t *json, const char *name, uint64_t at)
{
	char text[CLOCK_TEXT], key[32];
	uint64_t wall = clock_wall(at);

	clock_format(wall, text, sizeof(text));
	json_object_set_new(json, name, json_string(text));
	snprintf(key, sizeof(key), "%s_ns", name);
	json_object_set_new(json, key, json_integer(wall));
}

static json_t *string_or_null(const char *text)
{
	return text ? json_string(text) : json_null();
}

static json_t *ufid_json(const struct life *life)
{
	struct odp_text text = {};
	json_t *json;

	if (!life->has_ufid)
		return json_null();
	odp_ufid_text(&text, life->ufid);
	json = string_or_null(text_take(&text));
	free(text.data);
	return json;
}

static void life_json(const struct life *life, json_t *json)
{
	const struct ovs_megaflow *head = &life->head;

	if (!life->upcalled) {
		json_object_del(json, "packet");
		json_object_del(json, "dev");
		json_object_del(json, "ifindex");
		json_object_del(json, "netns");
	}
	json_object_set_new(json, "thread", json_integer(life->thread));
	json_object_set_new(json, "datapath", json_integer(life->datapath));
	json_object_set_new(json, "upcall", json_boolean(life->upcalled));
	json_object_set_new(json, "result", json_string(error_name(life->result)));
	at_json(json, "installed", life->done_at);
	json_object_set_new(json, "put_ns", json_integer(life->done_at - life->put_at));
	json_object_set_new(json, "latency_ns",
			    life->upcalled ? json_integer(life->done_at - head->at) : json_null());
	json_object_set_new(json, "queued_ns", life->upcalled ? json_integer(head->more.queued) : json_null());
	json_object_set_new(json, "executed", json_boolean(life->executed_at));
	json_object_set_new(json, "executed_ns",
			    life->executed_at && life->upcalled ? json_integer(life->executed_at - head->at) :
								  json_null());
	json_object_set_new(json, "other_upcalls", json_integer(life->others));
	json_object_set_new(json, "ufid", ufid_json(life));
	json_object_set_new(json, "key", string_or_null(life->key));
	json_object_set_new(json, "actions", string_or_null(life->actions));
	if (life->raw)
		json_object_set_new(json, "raw", json_string(life->raw));
}

static void ufid_print(const struct life *life, FILE *to)
{
	struct odp_text text = {};

	if (!life->has_ufid)
		return;
	odp_ufid_text(&text, life->ufid);
	if (text.data)
		fprintf(to, "%s, ", text.data);
	free(text.data);
}

static void life_text(const struct life *life, FILE *to)
{
	char span[CLOCK_SPAN], put[CLOCK_SPAN], back[CLOCK_SPAN];

	clock_span(put, life->done_at - life->put_at);
	if (!life->upcalled)
		fprintf(to, "    no upcall seen; flow put: %s, took %s\n", error_name(life->result), put);
	else
		fprintf(to, "    flow put: %s, %s after the upcall (of these %s in the kernel)",
			error_name(life->result), clock_span(span, life->done_at - life->head.at), put);
	if (life->upcalled && life->executed_at)
		fprintf(to, ", packet sent on after %s",
			clock_span(back, life->executed_at - life->head.at));
	else if (life->upcalled)
		fputs(", packet not sent on", to);
	if (life->others)
		fprintf(to, ", %u more upcalls of this flow", life->others);
	if (life->upcalled)
		fputc('\n', to);
	fputs("    ", to);
	ufid_print(life, to);
	fprintf(to, "%s, actions:%s\n", life->key ? life->key : "key not seen",
		life->actions ? life->actions : "not seen");
}

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

static void life_show(struct run *run, struct life *life)
{
	struct state *state = run->state;
	struct ovs_megaflow event = life->head;

	event.more.step = MEGAFLOW_SHOWN;
	state->showing = life;
	run_event(run, &event, sizeof(event));
}

static void who_json(json_t *json, const struct ovs_megaflow *head)
{
	char comm[sizeof(sonde_comm) + 1] = "";

	memcpy(comm, head->comm, sizeof(head->comm));
	json_object_set_new(json, "pid", json_integer(head->pid));
	json_object_set_new(json, "thread", json_integer(head->more.thread));
	/* a name need not be UTF-8: then it is left away */
	if (json_object_set_new(json, "comm", json_string(comm)))
		json_object_set_new(json, "comm", json_null());
}

/* counters of a flow at its end, as far as the kernel said them */
struct counters {
	bool known;
	uint64_t packets, bytes;
	bool used;
	uint64_t used_at; /* monotonic ns */
};

static const char *removal_cause(const struct life *life, const struct ovs_megaflow *head,
				 const struct counters *counters, bool flush)
{
	const uint64_t since = counters->used ? counters->used_at : life->done_at;

	if (flush)
		return "flush";
	if (strncmp(head->comm, "revalidator", 11))
		return "deleted";
	/* never used, and older than this run */
	if (!since)
		return "unknown";
	return head->at > since && head->at - since >= IDLE_NS ? "idle" : "revalidated";
}

static void removal_json(struct run *run, const struct life *life, const struct ovs_megaflow *head,
			 const struct counters *counters, const char *cause)
{
	json_t *record = record_new(run, "removed");

	at_json(record, "time", head->at);
	who_json(record, head);
	json_object_set_new(record, "why", json_string(cause));
	json_object_set_new(record, "datapath", json_integer(life->datapath));
	json_object_set_new(record, "ufid", ufid_json(life));
	json_object_set_new(record, "age_ns", life->done_at ? json_integer(head->at - life->done_at) : json_null());
	json_object_set_new(record, "packets", counters->known ? json_integer(counters->packets) : json_null());
	json_object_set_new(record, "bytes", counters->known ? json_integer(counters->bytes) : json_null());
	json_object_set_new(record, "idle_ns",
			    counters->used && head->at > counters->used_at ?
				    json_integer(head->at - counters->used_at) : json_null());
	json_object_set_new(record, "changes", json_integer(life->changes));
	json_object_set_new(record, "key", string_or_null(life->key));
	json_object_set_new(record, "actions", string_or_null(life->actions));
	record_print(run, record);
}

static void line_begin(const struct ovs_megaflow *head)
{
	char time[CLOCK_TEXT];

	clock_format(clock_wall(head->at), time, sizeof(time));
	printf("%s  ", time);
	field_plain(head->comm, sizeof(head->comm), stdout);
	printf("/%u", head->more.thread);
}

static void removal_text(struct run *run, const struct life *life, const struct ovs_megaflow *head,
			 const struct counters *counters, const char *cause)
{
	char span[CLOCK_SPAN];

	line_begin(head);
	printf("  removed: %s", cause);
	if (life->done_at)
		printf(", %s old", clock_span(span, head->at - life->done_at));
	if (counters->known)
		printf(", %" PRIu64 " packets, %" PRIu64 " bytes", counters->packets, counters->bytes);
	if (counters->used && head->at > counters->used_at)
		printf(", unused for %s", clock_span(span, head->at - counters->used_at));
	printf("\n    ");
	ufid_print(life, stdout);
	printf("%s, actions:%s\n", life->key ? life->key : "installed before this run",
	       life->actions ? life->actions : "not seen");
	record_flush(run);
}

static void removal_show(struct run *run, const struct life *life, const struct ovs_megaflow *head,
			 const struct counters *counters, bool flush)
{
	const char *cause = removal_cause(life, head, counters, flush);
	struct state *state = run->state;

	state->removed++;
	if (run->json)
		removal_json(run, life, head, counters, cause);
	else
		removal_text(run, life, head, counters, cause);
}

static void change_show(struct run *run, const struct life *life, const struct command *command, int result)
{
	json_t *record;

	if (!run->json) {
		line_begin(&command->head);
		printf("  changed: %s\n    ", error_name(result));
		ufid_print(life, stdout);
		printf("actions:%s\n", life->actions ? life->actions : "not seen");
		record_flush(run);
		return;
	}
	record = record_new(run, "changed");
	at_json(record, "time", command->head.at);
	who_json(record, &command->head);
	json_object_set_new(record, "result", json_string(error_name(result)));
	json_object_set_new(record, "datapath", json_integer(life->datapath));
	json_object_set_new(record, "ufid", ufid_json(life));
	json_object_set_new(record, "actions", string_or_null(life->actions));
	record_print(run, record);
}

/* ---- lives ---- */

static void unshown_take(struct state *state, struct life *life)
{
	struct life **place = &state->unshown;

	while (*place && *place != life)
		place = &(*place)->next_unshown;
	if (*place)
		*place = life->next_unshown;
	life->unshown = false;
}

/* the life is complete as far as its packet goes; one that was refused ends here */
static void life_settle(struct run *run, struct life *life)
{
	struct state *state = run->state;

	unshown_take(state, life);
	life_show(run, life);
	if (life->result)
		life_free(life);
}

/* the lives of a thread (0: all) that wait for their packet longer than patience */
static void lives_settle(struct run *run, uint32_t thread, uint64_t patience)
{
	struct state *state = run->state;
	const uint64_t now = clock_now();
	struct life *life = state->unshown, *next;

	for (; life; life = next) {
		next = life->next_unshown;
		if ((!thread || life->thread == thread) && now - life->done_at >= patience)
			life_settle(run, life);
	}
}

static void upcall_drop(struct state *state, struct upcall **place)
{
	struct upcall *upcall = *place;

	*place = upcall->next;
	if (state->upcalls_end == &upcall->next)
		state->upcalls_end = place;
	free(upcall);
}

static void upcall_keep(struct run *run, const struct ovs_megaflow *event)
{
	struct state *state = run->state;
	const struct megaflow_part *part = &event->more;
	struct odp_attrs key = key_plain(nested_in(attrs_of(part->bytes, part->length), OVS_PACKET_ATTR_KEY));
	struct upcall *upcall;

	state->seen++;
	if (!key.length)
		return;
	upcall = malloc(sizeof(*upcall) + key.length);
	if (!upcall)
		return;
	upcall->next = NULL;
	upcall->head = *event;
	upcall->datapath = datapath_of(part->bytes);
	upcall->key_length = key.length;
	memcpy(upcall->key, key.data, key.length);
	*state->upcalls_end = upcall;
	state->upcalls_end = &upcall->next;
}

/* the oldest upcall with this key becomes the life's begin; counts those behind it */
static void upcall_join(struct state *state, struct life *life, struct odp_attrs key)
{
	struct upcall **place = &state->upcalls;

	while (*place) {
		struct upcall *upcall = *place;

		if (upcall->datapath != life->datapath || upcall->key_length != key.length ||
		    memcmp(upcall->key, key.data, key.length)) {
			place = &upcall->next;
			continue;
		}
		if (life->upcalled) {
			life->others++;
			place = &upcall->next;
			continue;
		}
		life->upcalled = true;
		life->head = upcall->head;
		upcall_drop(state, place);
	}
}

static void upcalls_expire(struct state *state)
{
	const uint64_t now = clock_now();

	while (state->upcalls && now - state->upcalls->head.at > UPCALL_PATIENCE_NS) {
		state->unanswered++;
		upcall_drop(state, &state->upcalls);
	}
}

static void packet_returned(struct run *run, const struct ovs_megaflow *event)
{
	struct state *state = run->state;

	for (struct life *life = state->unshown; life; life = life->next_unshown) {
		if (!life->upcalled || life->head.more.identity != event->more.identity)
			continue;
		life->executed_at = event->at;
		life_settle(run, life);
		return;
	}
	for (struct upcall **place = &state->upcalls; *place; place = &(*place)->next) {
		if ((*place)->head.more.identity != event->more.identity)
			continue;
		state->executed_only++;
		upcall_drop(state, place);
		return;
	}
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

static char *actions_text(struct odp_attrs attrs, uint32_t datapath)
{
	const struct odp_names names = { port_name, &datapath };
	struct odp_text text = {};
	struct odp_attr attr;

	if (!odp_find(attrs, OVS_FLOW_ATTR_ACTIONS, &attr))
		return NULL;
	odp_actions_text(&text, odp_nested(&attr), &names);
	return text_take(&text);
}

static char *key_text(const struct state *state, struct odp_attrs key, struct odp_attrs mask, uint32_t datapath)
{
	static unsigned char listed[MESSAGE_MAX + ODP_CANONICAL_MORE];
	const struct odp_names names = { port_name, &datapath };
	static unsigned char bits[MESSAGE_MAX + ODP_CANONICAL_MORE];
	struct odp_text text = {};

	if (key.length > MESSAGE_MAX || mask.length > MESSAGE_MAX)
		return NULL;
	mask = (struct odp_attrs){ bits, odp_canonical_mask(key, mask, bits) };
	key = (struct odp_attrs){ listed, odp_canonical(key, mask, state->extension_headers, listed) };
	odp_key_text(&text, key, mask, &names);
	return text_take(&text);
}

/* three words: key, mask, actions; - is one that is not there */
static char *raw_text(struct odp_attrs attrs)
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
	return text_take(&text);
}

static void flow_put(struct run *run, const struct command *command, uint64_t done_at, int result)
{
	struct state *state = run->state;
	struct odp_attrs attrs = attrs_of(command->bytes, command->length);
	struct odp_attrs key = nested_in(attrs, OVS_FLOW_ATTR_KEY), plain = key_plain(key);
	struct odp_names names = { port_name, NULL };
	struct life *life, *older;
	struct odp_attr attr;

	/* ovs-vswitchd finds out by such flows what the kernel can do, and removes them at once */
	if (odp_find(attrs, OVS_FLOW_ATTR_PROBE, &attr))
		return;
	life = calloc(1, sizeof(*life));
	if (!life)
		return;
	life->datapath = datapath_of(command->bytes);
	names.data = &life->datapath;
	life->head = command->head;
	upcall_join(state, life, plain);
	if (!life->upcalled && run->filtered && !megaflow_key_passes(run->filter, key, &names)) {
		life_free(life);
		return;
	}
	ufid_read(life, attrs, plain);
	/* who did it is ovs-vswitchd's thread, also where the rest is the upcall's */
	memcpy(life->head.comm, command->head.comm, sizeof(life->head.comm));
	life->head.pid = command->head.pid;
	life->thread = command->head.more.thread;
	life->put_at = command->head.at;
	life->done_at = done_at;
	life->result = result;
	life->key = key_text(state, key, nested_in(attrs, OVS_FLOW_ATTR_MASK), life->datapath);
	life->actions = actions_text(attrs, life->datapath);
	if (state->raw)
		life->raw = raw_text(attrs);
	state->flows++;
	older = life_find(life->datapath, life->ufid);
	if (!result && older && older->unshown)
		life_settle(run, older);
	if (!result)
		life_add(life);
	life->unshown = true;
	life->next_unshown = state->unshown;
	state->unshown = life;
}

static void flow_set(struct run *run, const struct command *command, int result)
{
	struct state *state = run->state;
	struct odp_attrs attrs = attrs_of(command->bytes, command->length);
	struct life unknown = { .datapath = datapath_of(command->bytes) }, *life;
	char *actions;

	ufid_read(&unknown, attrs, key_plain(nested_in(attrs, OVS_FLOW_ATTR_KEY)));
	life = life_find(unknown.datapath, unknown.ufid);
	if (!life && run->filtered)
		return;
	if (!life)
		life = &unknown;
	actions = actions_text(attrs, life->datapath);
	/* without actions it only clears the counters */
	if (!actions)
		return;
	if (!result) {
		free(life->actions);
		life->actions = actions;
		life->changes++;
	}
	state->changed++;
	change_show(run, life, command, result);
	if (result)
		free(actions);
	free(unknown.actions);
}

static void counters_read(const struct command *command, struct counters *counters)
{
	struct odp_attrs attrs = attrs_of(command->reply, command->reply_length);
	struct odp_attr attr;

	if (odp_find(attrs, OVS_FLOW_ATTR_STATS, &attr) && attr.length >= sizeof(struct ovs_flow_stats)) {
		counters->packets = odp_u64(attr.value);
		counters->bytes = odp_u64(attr.value + 8);
	}
	if (odp_find(attrs, OVS_FLOW_ATTR_USED, &attr) && attr.length == 8) {
		counters->used = true;
		counters->used_at = odp_u64(attr.value) * 1000000;
	}
	/* the kernel lists no counters of a flow that was never hit */
	counters->known = command->reply_length != 0;
}

struct flush {
	struct run *run;
	const struct command *command;
};

static void flush_one(struct life *life, void *data)
{
	const struct flush *flush = data;
	struct counters none = {};

	if (life->unshown)
		life_settle(flush->run, life);
	removal_show(flush->run, life, &flush->command->head, &none, true);
	life_free(life);
}

static void flow_delete(struct run *run, struct command *command, int result)
{
	struct odp_attrs attrs = attrs_of(command->bytes, command->length);
	struct life unknown = { .datapath = datapath_of(command->bytes) }, *life;
	struct flush flush = { run, command };
	struct counters counters = {};
	struct odp_attr attr;

	if (result)
		return;
	if (!odp_find(attrs, OVS_FLOW_ATTR_UFID, &attr) && !odp_find(attrs, OVS_FLOW_ATTR_KEY, &attr)) {
		life_take_all(unknown.datapath, flush_one, &flush);
		return;
	}
	counters_read(command, &counters);
	ufid_read(&unknown, attrs, key_plain(nested_in(attrs, OVS_FLOW_ATTR_KEY)));
	life = life_find(unknown.datapath, unknown.ufid);
	if (!life) {
		if (!run->filtered && unknown.has_ufid)
			removal_show(run, &unknown, &command->head, &counters, false);
		return;
	}
	if (life->unshown)
		life_settle(run, life);
	life_take(life);
	removal_show(run, life, &command->head, &counters, false);
	life_free(life);
}

/* ---- steps ---- */

static struct command *command_of(struct state *state, uint32_t thread)
{
	struct command *command = state->commands;

	while (command && command->head.more.thread != thread)
		command = command->next;
	return command;
}

static struct command *command_new(struct state *state)
{
	struct command *command = calloc(1, sizeof(*command));

	if (command) {
		command->next = state->commands;
		state->commands = command;
	}
	return command;
}

/* the first part begins it anew */
static void command_part(struct run *run, const struct ovs_megaflow *event)
{
	struct state *state = run->state;
	const struct megaflow_part *part = &event->more;
	struct command *command = command_of(state, part->thread);

	if (!command)
		command = command_new(state);
	if (!command)
		return;
	if (!part->offset) {
		lives_settle(run, part->thread, 0);
		command->head = *event;
		command->length = 0;
		command->reply_length = 0;
	}
	/* a part that was lost leaves the others without sense */
	if (part->offset != command->length || part->length > MESSAGE_MAX - part->offset)
		return;
	memcpy(command->bytes + part->offset, part->bytes, part->length);
	command->length += part->length;
}

static void command_ends(struct run *run, const struct ovs_megaflow *event)
{
	struct state *state = run->state;
	struct command *command = command_of(state, event->more.thread);
	const int result = event->more.result;

	/* begun before the programs were attached, or its event was lost */
	if (!command || !command->length)
		return;
	if (command->length >= MESSAGE_HEAD) {
		/* too long for us, or a part was lost: attributes that are not whole are not seen */
		if (command->length < command->head.more.total)
			state->cut++;
		switch (command->head.more.step) {
		case MEGAFLOW_PUT: flow_put(run, command, event->at, result); break;
		case MEGAFLOW_SET: flow_set(run, command, result); break;
		case MEGAFLOW_DELETE: flow_delete(run, command, result); break;
		}
	}
	command->length = 0;
}

static bool event_take(struct run *run, const void *from, size_t size)
{
	struct state *state = run->state;
	struct ovs_megaflow event; /* of this call: to print one comes here again */
	struct command *command;

	memset(&event, 0, sizeof(event));
	memcpy(&event, from, size < sizeof(event) ? size : sizeof(event));
	if (event.more.length > MEGAFLOW_PART)
		return true;
	if (event.more.extension_headers)
		state->extension_headers = true;
	switch (event.more.step) {
	case MEGAFLOW_SHOWN: return false;
	case MEGAFLOW_UPCALL: upcall_keep(run, &event); break;
	case MEGAFLOW_PUT:
	case MEGAFLOW_SET:
	case MEGAFLOW_DELETE: command_part(run, &event); break;
	case MEGAFLOW_RESULT: command_ends(run, &event); break;
	case MEGAFLOW_REPLY:
		command = command_of(state, event.more.thread);
		if (!command || event.more.offset)
			break;
		command->reply_length = event.more.length;
		memcpy(command->reply, event.more.bytes, event.more.length);
		break;
	case MEGAFLOW_EXECUTE: packet_returned(run, &event); break;
	}
	return true;
}

static void tick(struct run *run)
{
	lives_settle(run, 0, EXECUTE_PATIENCE_NS);
	upcalls_expire(run->state);
}

static void total_print(struct run *run)
{
	struct state *state = run->state;
	uint64_t waiting = 0;
	json_t *record;

	for (struct upcall *upcall = state->upcalls; upcall; upcall = upcall->next)
		waiting++;
	if (!run->json) {
		printf("%" PRIu64 " upcalls, %" PRIu64 " flows put, %" PRIu64 " changed, %" PRIu64 " removed; %" PRIu64
		       " packets only sent on, %" PRIu64 " upcalls not answered, %" PRIu64 " still waiting\n",
		       state->seen, state->flows, state->changed, state->removed, state->executed_only,
		       state->unanswered, waiting);
		if (state->cut)
			printf("%" PRIu64 " commands longer than %u bytes were cut\n", state->cut, MESSAGE_MAX);
		record_flush(run);
		return;
	}
	record = record_new(run, "total");
	json_object_set_new(record, "upcalls", json_integer(state->seen));
	json_object_set_new(record, "flows", json_integer(state->flows));
	json_object_set_new(record, "changed", json_integer(state->changed));
	json_object_set_new(record, "removed", json_integer(state->removed));
	json_object_set_new(record, "only_executed", json_integer(state->executed_only));
	json_object_set_new(record, "unanswered", json_integer(state->unanswered));
	json_object_set_new(record, "waiting", json_integer(waiting));
	json_object_set_new(record, "cut", json_integer(state->cut));
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

	state->upcalls_end = &state->upcalls;
	if (!datapath_is_there(run, "flows"))
		return -ENOSYS;
	RODATA(run)->cfg_packet_family = datapath_family(OVS_PACKET_FAMILY);
	RODATA(run)->cfg_flow_family = datapath_family(OVS_FLOW_FAMILY);
	return 0;
}

static void finish(struct run *run)
{
	struct state *state = run->state;

	while (state->unshown) {
		struct life *life = state->unshown;

		unshown_take(state, life);
		if (life->result)
			life_free(life);
	}
	while (state->upcalls)
		upcall_drop(state, &state->upcalls);
	while (state->commands) {
		struct command *command = state->commands;

		state->commands = command->next;
		free(command);
	}
	life_forget();
}

static const struct hook_row hooks[] = {
	{ "upcall" },
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
     .event_take = event_take, .event_more = event_more, .tick = tick, .drained = drained, .finish = finish,
     .records = "{\"types\": [\"changed\", \"removed\", \"total\"], \"members\": {"
		INT("thread", "of ovs-vswitchd, by its thread id")
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
		NIL("string", "ufid", "as ovs-dpctl prints it")
		NIL("string", "key", "event, removed: as ovs-dpctl dump-flows -m prints it")
		NIL("string", "actions", "as ovs-dpctl dump-flows -m prints them")
		STR("raw", "event, with --raw: key, mask and actions in hex; -: not there")
		STR("why", "removed: idle, revalidated, deleted, flush, unknown")
		NIL("integer", "age_ns", "removed: since it was installed")
		NIL("integer", "packets", "removed: that hit it; null: nobody asked the kernel for them")
		NIL("integer", "bytes", "removed")
		NIL("integer", "idle_ns", "removed: since the last packet")
		INT("changes", "removed: times that its actions changed") INT("upcalls", "total: misses that passed the filter")
		INT("flows", "total: flow puts") INT("changed", "total") INT("removed", "total")
		INT("only_executed", "total: upcalls whose packet came back without a flow")
		INT("unanswered", "total: upcalls with neither for 30 s") INT("waiting", "total: upcalls with neither at the end")
		"\"cut\": {\"type\": \"integer\", \"description\": \"total: commands too long to be seen whole\"}}}");
