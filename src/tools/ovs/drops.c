// SPDX-License-Identifier: GPL-2.0-only
/* ovs drops: where this kernel's datapath frees what it loses, and the rows in words. */
#include <errno.h>
#include <inttypes.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/device.h"
#include "core/field.h"
#include "core/kbtf.h"
#include "core/ksym.h"
#include "core/object.h"
#include "core/reason.h"
#include "core/view.h"
#include "ovs_drops.skel.h"
#include "tools/drop/meaning.h"
#include "tools/ovs/datapath.h"
#include "tools/ovs/drop_cause.h"

#define MODULE "openvswitch"
#define RODATA(run) ((struct ovs_drops__rodata *)(run)->rodata)

struct state {
	struct schema key_schema, row_schema;
	struct table interval, total;
	unsigned int datapaths; /* at the last look */
};

static const struct option_row options[] = {
	{ OPTION_FLAG, "each", NULL, "print each lost packet, instead of counts", OPT_RUN(each) },
	{ OPTION_U32, "top", "N", "print the N largest rows (default 100)", OPT_RUN(top), .min = 1, .max = 8192 },
	{ OPTION_U32, "rate", "N", "with --each: at most N events a second; the rest is counted",
	  OPT_RODATA(ovs_drops, cfg_rate), .min = 1, .max = 10000000 },
	{ OPTION_U32, "sample", "N", "with --each: one event in N, on each CPU; the rest is counted",
	  OPT_RODATA(ovs_drops, cfg_sample), .min = 1, .max = 1000000 },
	{ OPTION_END },
};

/* ---- before the load: places and reasons of this kernel ---- */

/* what these free are messages, and copies of packets whose loss their caller tells */
static bool frees_no_packet(const char *name)
{
	if (ksym_is(name, "ovs_packet_cmd_execute"))
		return false;
	return strstr(name, "_cmd_") || !strncmp(name, "queue_", 6) || ksym_is(name, "ovs_dp_process_packet") ||
	       ksym_is(name, "ovs_dp_notify_wq");
}

/* symbols come by address: neighbours become one range */
static void place_add(const struct ksym *symbol, void *data)
{
	struct ovs_drops__rodata *rodata = data;
	const size_t room = sizeof(rodata->ovs_places) / sizeof(rodata->ovs_places[0]);
	struct sonde_text *last = rodata->ovs_place_count ? &rodata->ovs_places[rodata->ovs_place_count - 1] : NULL;

	if (!symbol->module || strcmp(symbol->module, MODULE) || frees_no_packet(symbol->name))
		return;
	if (last && symbol->address <= last->start + last->size) {
		last->size = symbol->address + symbol->size - last->start;
		return;
	}
	if (rodata->ovs_place_count < room)
		rodata->ovs_places[rodata->ovs_place_count++] = (struct sonde_text){ symbol->address, symbol->size };
}

static void places_set(struct ovs_drops__rodata *rodata)
{
	static const char *const outputs[] = { "do_execute_actions", "do_output", "ovs_vport_send",
					       "internal_dev_recv" };

	rodata->ovs_place_count = 0;
	ksym_each(place_add, rodata);
	for (size_t i = 0; i < sizeof(outputs) / sizeof(outputs[0]); i++)
		ksym_text(outputs[i], &rodata->output_places[i]);
	ksym_text("do_execute_actions", &rodata->action_places[0]);
	rodata->ovs_actions_place = rodata->action_places[0].start;
	ksym_text("ovs_ct_execute", &rodata->action_places[1]);
	ksym_text("ip_do_fragment", &rodata->fragment_places[0]);
	ksym_text("ip6_fragment", &rodata->fragment_places[1]);
	ksym_text("internal_dev_recv", &rodata->internal_place);
	ksym_text("ovs_packet_cmd_execute", &rodata->execute_place);
}

static void reasons_set(struct ovs_drops__rodata *rodata)
{
	uint32_t number;

	if (!reason_number("OVS_DROP_LAST_ACTION", &number))
		rodata->last_action_reason = number;
	if (!reason_number("OVS_DROP_FRAG_L2_TOO_LONG", &number))
		rodata->fragment_reasons[0] = number;
	if (!reason_number("OVS_DROP_FRAG_INVALID_PROTO", &number))
		rodata->fragment_reasons[1] = number;
}

static int configure(struct run *run)
{
	const size_t sums = sizeof(struct ovs_drop_row) / sizeof(uint64_t);
	struct ovs_drops__rodata *rodata = RODATA(run);
	struct state *state = run->state;

	if (!datapath_is_there(run, "drops"))
		return -ENOSYS;
	if (!run->top)
		run->top = 100;
	if (!run->each && (rodata->cfg_rate || rodata->cfg_sample)) {
		run_error(run, "--rate and --sample need --each: counts are not sampled");
		return -EINVAL;
	}
	rodata->cfg_each = run->each;
	schema_load(bpf_object__btf(run->object), run->tool->row_key, &state->key_schema);
	schema_load(bpf_object__btf(run->object), run->tool->row_values, &state->row_schema);
	table_init(&state->interval, sizeof(struct ovs_drop_key), sums);
	table_init(&state->total, sizeof(struct ovs_drop_key), sums);
	places_set(rodata);
	reasons_set(rodata);
	if (rodata->ovs_place_count < sizeof(rodata->ovs_places) / sizeof(rodata->ovs_places[0]))
		return 0;
	run_error(run, "the functions of module " MODULE " lie in more pieces than can be told apart");
	return -ENOSYS;
}

/* names of ports that go while the run lasts */
static void attached(struct run *run)
{
	struct state *state = run->state;

	state->datapaths = datapaths_read();
}

/* ---- words ---- */

static bool is_up(const char *name)
{
	struct ifreq request = {};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), err;

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	err = ioctl(fd, SIOCGIFFLAGS, &request);
	close(fd);
	return err || (request.ifr_flags & IFF_UP && request.ifr_flags & IFF_RUNNING);
}

/* what the kernel's types do not tell: as the port is now, so it will have been */
static enum ovs_drop_what output_now(uint32_t datapath, uint32_t port)
{
	const char *name = datapath_port(datapath, port);

	if (!name || !datapath_has_port(datapath, port))
		return OVS_OUTPUT_GONE;
	return is_up(name) ? OVS_OUTPUT : OVS_OUTPUT_DOWN;
}

static void facts_judge(struct ovs_drop_facts *facts, const struct sonde_device_key *device, uint32_t reason)
{
	facts->datapath = datapath_of_device(device->ifindex);
	if (facts->what == OVS_OUTPUT_ANY)
		facts->what = output_now(facts->datapath, facts->port);
	cause_judge(facts, reason);
}

/* the device's name, or the one that the datapath had for the port's number; NULL: nobody knows it */
static const char *output_name(const struct ovs_drop_facts *facts, char name[17])
{
	memset(name, 0, 17);
	if (facts->output.ifindex && device_name(&facts->output, name))
		return name;
	return facts->port == OVS_NO_PORT ? NULL : datapath_port(facts->datapath, facts->port);
}

static json_t *string_or_null(const char *text)
{
	return text ? json_string(text) : json_null();
}

static void facts_json(const struct ovs_drop_facts *facts, uint32_t reason, json_t *json)
{
	char name[17];

	json_object_set_new(json, "reason", json_string(cause_name(facts)));
	json_object_set_new(json, "error", facts->error ? string_or_null(strerrorname_np(-facts->error)) : json_null());
	json_object_set_new(json, "output", string_or_null(output_name(facts, name)));
	json_object_set_new(json, "output_port",
			    facts->port == OVS_NO_PORT ? json_null() : json_integer(facts->port));
	json_object_set_new(json, "datapath", string_or_null(datapath_name(facts->datapath)));
	json_object_set_new(json, "meaning", string_or_null(cause_meaning(facts, reason)));
}

static void facts_text(const struct state *state, const struct ovs_drop_facts *facts, uint32_t reason,
		       const char *indent, FILE *to)
{
	const char *words = cause_meaning(facts, reason), *error = NULL, *output;
	char name[17], place[160];

	if (facts->error)
		error = strerrorname_np(-facts->error);
	fprintf(to, "%s%s", indent, cause_name(facts));
	if (error)
		fprintf(to, " (%s)", error);
	output = output_name(facts, name);
	if (output) {
		fputs(", to ", to);
		field_plain(output, strlen(output), to);
	}
	if (facts->port != OVS_NO_PORT)
		fprintf(to, " (port %u)", facts->port);
	if (state->datapaths > 1 && datapath_name(facts->datapath))
		fprintf(to, ", datapath %s", datapath_name(facts->datapath));
	if (facts->place && !words) {
		ksym_format(facts->place, place, sizeof(place));
		fprintf(to, " at %s", place);
	}
	fprintf(to, "%s%s%s\n", words ? ": " : "", words ? words : "",
		cause_is_copy(facts) ? "; the packet itself goes on" : "");
}

/* ---- rows ---- */

static bool key_shown(const struct run *run, const struct field *field)
{
	(void)run;
	return field->offset == offsetof(struct ovs_drop_key, device);
}

static void row_more(struct run *run, const void *key, json_t *json, FILE *text)
{
	const struct ovs_drop_key *row = key;

	if (json)
		facts_json(&row->more, row->kernel_reason, json);
	if (text)
		facts_text(run->state, &row->more, row->kernel_reason, "            ", text);
}

static bool is_other(const struct ovs_drop_facts *facts)
{
	return !strcmp(cause_name(facts), "other");
}

/* of what was seen only what the row says is kept: the same cause is one row */
static void rows_judge(struct state *state)
{
	if (state->interval.count)
		state->datapaths = datapaths_read();
	for (size_t i = 0; i < state->interval.count; i++) {
		struct ovs_drop_key *key = (void *)table_key(&state->interval, i);

		facts_judge(&key->more, &key->device, key->kernel_reason);
		key->more.what = 0;
		if (is_other(&key->more))
			continue;
		key->more.place = 0;
		key->kernel_reason = 0;
	}
}

static int take(struct run *run)
{
	struct state *state = run->state;
	uint32_t *epoch = object_variable(run, "epoch");
	int err;

	table_clear(&state->interval);
	err = table_drain(&state->interval, object_map(run, "drops"), epoch_flip(epoch));
	if (err)
		return err;
	rows_judge(state);
	table_merge(&state->interval);
	err = table_append(&state->total, &state->interval);
	table_merge(&state->total);
	return err;
}

static int report(struct run *run, enum scope scope)
{
	struct state *state = run->state;
	const struct view_rows view = { &state->key_schema, &state->row_schema, key_shown, row_more };
	int err = scope == SCOPE_INTERVAL ? take(run) : 0;

	if (!err)
		view_report(run, &view, scope == SCOPE_TOTAL ? &state->total : &state->interval, scope);
	return err;
}

static int event_more(struct run *run, const void *data, json_t *json, FILE *text)
{
	const struct ovs_drop *event = data;
	const struct sonde_device_key device = { event->device.ifindex, event->device.netns };
	struct ovs_drop_facts facts = event->more;

	facts_judge(&facts, &device, event->kernel_reason);
	if (json)
		facts_json(&facts, event->kernel_reason, json);
	if (text)
		facts_text(run->state, &facts, event->kernel_reason, "    ", text);
	return 0;
}

static void finish(struct run *run)
{
	struct state *state = run->state;

	table_free(&state->interval);
	table_free(&state->total);
}

/* ---- hooks ---- */

/* of the hook before: a kretprobe does not know the arguments of the call that it ends */
static bool needs_entry(const struct run *run, const struct hook_row *hook)
{
	const struct probe *last = &run->probes[run->probe_count - 1];

	return !strcmp(last->by, "kretprobe") && !strncmp(hook->name, last->hook->name, strlen(last->hook->name));
}

static bool no_types(const struct run *run, const struct hook_row *hook)
{
	(void)run;
	(void)hook;
	return !kbtf_knows("ovs_skb_cb");
}

/* rows without a program say what this kernel does not let us see */
static const struct hook_row hooks[] = {
	{ "drop" },
	{ "upcall" },
	{ "upcall_entered", false, needs_entry },
	{ "output" },
	{ "fragment", true, NULL, "which packets could not be cut to the MTU of their output port" },
	{ "actions", true, ovs_drops_silently, "packets that a flow drops or sends nowhere" },
	{ "meter", true, ovs_drops_silently, "packets that a meter drops" },
	{ "meter_entered", true, needs_entry, NULL },
	{ "silent", true, ovs_drops_silently,
	  "packets whose TTL ends in a dec_ttl action of the datapath (ovs-vswitchd sets the TTL instead), and those "
	  "that a flow only samples: before 6.7 the datapath frees them as if they were delivered" },
	{ "types", true, no_types,
	  "whether an upcall was for a packet without flow or for a copy that an action sends (reason: upcall); "
	  "whether an output port was gone, down or too small is judged by how it is when the report is made: the "
	  "openvswitch module has no types here" },
	{ NULL },
};

#define NIL(type, name, words) "\"" name "\": {\"type\": [\"" type "\", \"null\"], \"description\": \"" words "\"}"

TOOL(ovs_drops, .area = "ovs", .name = "drops", .kind = TOOL_SUMMARY,
     .summary = "what the datapath loses, by reason, input port and output port; failed upcalls by errno",
     .question = "which packets does Open vSwitch's datapath lose, at which port, and why?",
     .cannot_see =
	     "losses in ovs-vswitchd, of user-space datapaths, and behind the output port (drop stacks, drop qdisc)",
     .was = "ovs-kernel-module-drop-monitor", .object = ovs_drops__elf_bytes, .options = options, .hooks = hooks,
     .event = "ovs_drop", .row_key = "ovs_drop_key", .row_values = "ovs_drop_row", .filter = true,
     .state_size = sizeof(struct state), .configure = configure, .attached = attached, .report = report,
     .event_more = event_more, .finish = finish,
     .records = "{\"types\": [], \"members\": {"
		"\"reason\": {\"type\": \"string\", \"description\": \"the same word on each kernel\"}, "
		NIL("string", "error", "of an upcall that failed: EAGAIN, ECONNREFUSED ...") ", "
		NIL("string", "output", "the port that it was to leave by") ", "
		NIL("integer", "output_port", "its number in the datapath") ", "
		NIL("string", "datapath", "of the input port") "}}");
