// SPDX-License-Identifier: GPL-2.0-only
/* drop packets: --reason in the running kernel's numbers, what a drop means, and the capture file. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "abi/packet.h"
#include "core/clock.h"
#include "core/ksym.h"
#include "core/pcapng.h"
#include "core/reason.h"
#include "core/schema.h"
#include "core/stack.h"
#include "drop_packets.skel.h"
#include "tools/drop/meaning.h"

struct state {
	struct pcapng *capture;
	const char *
		reasons; /* as typed: names need the kernel's types, which are read after the options */
};

#define RODATA(run) ((struct drop_packets__rodata *)(run)->rodata)

static int reason_parse(struct run *run, const char *value, char *why, size_t size)
{
	struct state *state = run->state;

	if (!*value) {
		snprintf(why, size, "name one or more drop reasons");
		return -EINVAL;
	}
	state->reasons = value;
	return 0;
}

static const struct option_row options[] = {
	{ OPTION_PARSED, "reason", "LIST",
	  "only drops for these reasons, such as NETFILTER_DROP,NO_SOCKET", .parse = reason_parse },
	{ OPTION_STRING, "output", "FILE",
	  "write the packets' bytes (the first 256 of each) to a pcapng file", OPT_RUN(output) },
	{ OPTION_U32, "rate", "N", "at most N events a second; the rest is counted",
	  OPT_RODATA(drop_packets, cfg_rate), .min = 1, .max = 10000000 },
	{ OPTION_U32, "sample", "N", "one event in N, on each CPU; the rest is counted",
	  OPT_RODATA(drop_packets, cfg_sample), .min = 1, .max = 1000000 },
	{ OPTION_FLAG, "all", NULL, "show frees that are known to be no loss too",
	  "disable-normal-filter", OPT_RODATA(drop_packets, cfg_all) },
	{ OPTION_FLAG, "no-stack", NULL, "take no kernel stacks", "no-stack-trace",
	  OPT_RODATA(drop_packets, cfg_stack), .off = true },
	{ OPTION_END },
};

static int reasons_set(struct run *run, const char *list)
{
	struct drop_packets__rodata *rodata = RODATA(run);
	const size_t room = sizeof(rodata->cfg_reason_list) / sizeof(rodata->cfg_reason_list[0]);

	if (!reason_count()) {
		run_error(
			run,
			"--reason %s: this kernel gives no drop reasons (they came with 5.17): look for the place "
			"of a drop instead",
			list);
		return -ENOSYS;
	}
	rodata->cfg_reasons = 1;
	while (*list) {
		size_t length = strcspn(list, ",");
		char name[64];
		uint32_t number;

		snprintf(name, sizeof(name), "%.*s", (int)length, list);
		if (reason_number(name, &number)) {
			run_error(run, "--reason %s: this kernel has no such drop reason", name);
			return -EINVAL;
		}
		if (number < 256) {
			rodata->cfg_reason_bits[number / 64] |= 1ULL << (number % 64);
		} else if (rodata->cfg_reason_count == room) {
			run_error(run, "--reason: at most %zu reasons of subsystems", room);
			return -EINVAL;
		} else {
			rodata->cfg_reason_list[rodata->cfg_reason_count++] = number;
		}
		list += length;
		list += *list == ',';
	}
	return 0;
}

static const void *member(const struct run *run, const void *event, const char *name)
{
	for (unsigned int i = 0; i < run->schema_of_event->count; i++) {
		if (!strcmp(run->schema_of_event->fields[i].name, name))
			return (const char *)event + run->schema_of_event->fields[i].offset;
	}
	return NULL;
}

static int configure(struct run *run)
{
	struct state *state = run->state;
	int err;

	if (state->reasons) {
		err = reasons_set(run, state->reasons);
		if (err)
			return err;
	}
	drop_set(run);
	RODATA(run)->cfg_frame = run->output != NULL;
	return 0;
}

/* not before: a run that this kernel refuses must not empty an older file */
static int loaded(struct run *run)
{
	struct state *state = run->state;

	if (!run->output)
		return 0;
	state->capture = pcapng_open(run->output);
	if (!state->capture) {
		run_error(run, "--output %s: %s", run->output, strerror(errno));
		return -EIO;
	}
	return 0;
}

/* the frame as it was on the wire: with the VLAN tag that the kernel keeps beside it */
static size_t frame_put(const struct sonde_frame *frame, const struct sonde_packet *packet,
			__u8 *to)
{
	const size_t macs = 12;
	__u16 tag[2] = { htons(packet->outer.vlan[0].tpid), htons(packet->outer.vlan[0].tci) };

	if (!packet->outer.vlan_in_tag || !frame->ethernet || frame->captured < macs) {
		memcpy(to, frame->data, frame->captured);
		return frame->captured;
	}
	memcpy(to, frame->data, macs);
	memcpy(to + macs, tag, sizeof(tag));
	memcpy(to + macs + sizeof(tag), frame->data + macs, frame->captured - macs);
	return frame->captured + sizeof(tag);
}

static void capture_write(struct run *run, const void *event)
{
	__u8 bytes[SONDE_FRAME_MAX + 4];
	struct state *state = run->state;
	const struct sonde_frame *frame = member(run, event, "frame");
	const struct sonde_device *device = member(run, event, "device");
	const struct sonde_stack *stack = member(run, event, "stack");
	uint32_t reason = *(const uint32_t *)member(run, event, "reason");
	char name[17] = "", place[160], *comment = NULL;
	struct pcapng_packet packet = {
		.wall_ns = clock_wall(*(const uint64_t *)member(run, event, "at")),
		.device = name,
		.ethernet = frame->ethernet,
		.data = bytes,
		.captured = frame_put(frame, member(run, event, "packet"), bytes),
	};
	size_t size;
	FILE *text = open_memstream(&comment, &size);
	int err;

	packet.length = frame->length > packet.captured ? frame->length : packet.captured;
	if (!text)
		return;
	memcpy(name, device->name, sizeof(device->name));
	ksym_format(*(const uint64_t *)member(run, event, "place"), place, sizeof(place));
	fprintf(text, "%s at %s", reason_name(reason) ? reason_name(reason) : "dropped", place);
	if (stack->frames) {
		fputs("\nstack: ", text);
		stack_text(stack, text);
	}
	fclose(text);
	packet.comment = comment;
	err = pcapng_write(state->capture, &packet);
	free(comment);
	if (err) {
		run_error(run, "--output %s: %s: stopped", run->output, strerror(-err));
		pcapng_close(state->capture);
		state->capture = NULL;
		run->failed = true;
		run->stop = true;
		run->stopped_by = "output";
	}
}

static void event_before(struct run *run, void *event)
{
	struct sonde_stack *stack = (void *)member(run, event, "stack");

	stack_trim(stack, *(const uint64_t *)member(run, event, "place"));
}

static int event_more(struct run *run, const void *event, json_t *json, FILE *text)
{
	struct state *state = run->state;
	const char *meaning = meaning_of(*(const uint32_t *)member(run, event, "reason"),
					 *(const uint64_t *)member(run, event, "place"));

	if (json)
		json_object_set_new(json, "meaning", meaning ? json_string(meaning) : json_null());
	if (text && meaning)
		fprintf(text, "    %s\n", meaning);
	if (state->capture)
		capture_write(run, event);
	return 0;
}

static void finish(struct run *run)
{
	struct state *state = run->state;
	int err = pcapng_close(state->capture);

	if (err) {
		run_error(run, "--output %s: %s", run->output, strerror(-err));
		run->failed = true;
	}
}

static const struct hook_row hooks[] = {
	{ "drop" },
	DROP_HOOKS,
	{ NULL },
};

TOOL(drop_packets, .area = "drop", .name = "packets", .kind = TOOL_DETAILS,
     .summary = "each dropped packet: headers, reason, kernel stack; pcapng",
     .question = "which packets exactly are dropped, and on what way through the kernel?",
     .cannot_see =
	     "losses that free no skb in the kernel: in the NIC, in its ring, in the guest, in user space; "
	     "before Linux 6.7, an Open vSwitch meter (ovs drops sees it), or a flow that only samples",
     .was = "eth_drop", .object = drop_packets__elf_bytes, .options = options, .hooks = hooks,
     .event = "drop_packet", .filter = true, .state_size = sizeof(struct state),
     .configure = configure, .loaded = loaded, .event_before = event_before,
     .event_more = event_more, .finish = finish);
