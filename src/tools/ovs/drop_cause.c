// SPDX-License-Identifier: GPL-2.0-only
/* drop_cause.c: the ways in which Open vSwitch's datapath loses a packet; tables only. */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "core/ksym.h"
#include "core/reason.h"
#include "tools/drop/meaning.h"
#include "tools/ovs/drop_cause.h"

/*
 * The first row that fits. reason: the kernel's (since 6.7, e7bc7db9ba46), and
 * whose words are taken where the row has none. function: the place of the
 * free, by which older kernels tell it.
 */
static const struct {
	const char *cause;
	enum ovs_drop_what what;
	const char *reason, *function, *words_of, *words;
} causes[] = {
	{ "explicit_drop", OVS_EMPTY, .words_of = "OVS_DROP_EXPLICIT" },
	{ "no_output", OVS_NOWHERE, .words_of = "OVS_DROP_LAST_ACTION" },
	{ "meter", OVS_METERED, .words_of = "OVS_DROP_METER" },
	{ "fragmentation", OVS_FRAGMENT, "OVS_DROP_FRAG_L2_TOO_LONG" },
	{ "fragmentation", OVS_FRAGMENT, "OVS_DROP_FRAG_INVALID_PROTO" },
	{ "fragmentation", OVS_FRAGMENT,
	  .words = "it was reassembled for conntrack and could not be cut again to the output port's MTU" },
	{ "port_gone", OVS_OUTPUT_GONE,
	  .words = "its flow sends it to a port that is no longer there: flows are behind, is ovs-vswitchd "
		   "running? (ovs-dpctl show, ovs-vsctl show)" },
	{ "port_down", OVS_OUTPUT_DOWN,
	  .words = "the output port is down or has no carrier: ip link show" },
	{ "over_mtu", OVS_OUTPUT,
	  .words = "larger than the output port's MTU: ip link show; a packet for a port without Ethernet "
		   "headers ends here too" },
	{ "upcall", OVS_UPCALL },
	{ "upcall_miss", OVS_UPCALL_MISS },
	{ "upcall_action", OVS_UPCALL_ACTION },
	{ "explicit_drop", OVS_FREED, "OVS_DROP_EXPLICIT" },
	{ "explicit_error", OVS_FREED, "OVS_DROP_EXPLICIT_WITH_ERROR" },
	{ "no_output", OVS_FREED, "OVS_DROP_LAST_ACTION" },
	{ "action_error", OVS_FREED, "OVS_DROP_ACTION_ERROR" },
	{ "meter", OVS_FREED, "OVS_DROP_METER" },
	{ "recursion_limit", OVS_FREED, "OVS_DROP_RECURSION_LIMIT" },
	{ "deferred_limit", OVS_FREED, "OVS_DROP_DEFERRED_LIMIT" },
	{ "fragmentation", OVS_FREED, "OVS_DROP_FRAG_L2_TOO_LONG" },
	{ "fragmentation", OVS_FREED, "OVS_DROP_FRAG_INVALID_PROTO" },
	{ "conntrack", OVS_FREED, "OVS_DROP_CONNTRACK" },
	{ "ttl", OVS_FREED, "OVS_DROP_IP_TTL" },
	{ "recursion_limit", OVS_FREED, NULL, "ovs_execute_actions", "OVS_DROP_RECURSION_LIMIT" },
	{ "deferred_limit", OVS_FREED, NULL, "clone_execute", "OVS_DROP_DEFERRED_LIMIT" },
	{ "conntrack", OVS_FREED, NULL, "ovs_ct_execute", "OVS_DROP_CONNTRACK" },
	{ "action_error", OVS_FREED, NULL, "do_execute_actions", "OVS_DROP_ACTION_ERROR" },
	{ "fragmentation", OVS_FREED, NULL, "ovs_vport_output",
	  .words = "no memory for the headers of a fragment" },
	{ "port_down", OVS_FREED, NULL, "internal_dev_recv",
	  .words = "the bridge's own port is down: ip link set up, or no flow should send there" },
	{ "bad_packet", OVS_FREED, NULL, "ovs_vport_receive",
	  .words = "its headers cannot be read: cut short, or damaged on the way" },
	{ "execute_failed", OVS_FREED, NULL, "ovs_packet_cmd_execute",
	  .words = "ovs-vswitchd sent it back with actions that the kernel refuses; when it starts it tries out what "
		   "the kernel can do: ovs-vswitchd.log" },
	{ "no_port", OVS_FREED, NULL, "netdev_frame_hook",
	  .words = "its device is just leaving the datapath, or there was no memory" },
	{ "other", OVS_FREED },
};

#define CAUSES (sizeof(causes) / sizeof(causes[0]))

/* why an upcall was not queued; the socket is that of one of ovs-vswitchd's handler threads */
static const struct {
	int error;
	const char *words;
} upcall_errors[] = {
	{ EAGAIN, "the handler's socket is full: ovs-vswitchd's handlers are too slow or stand still "
		  "(ovs-appctl upcall/show, top -H)" },
	{ ENOBUFS, "the handler's socket is full: ovs-vswitchd's handlers are too slow or stand still "
		   "(ovs-appctl upcall/show, top -H)" },
	{ ECONNREFUSED, "the handler's socket is closed: ovs-vswitchd has ended or is being restarted" },
	{ ENOTCONN, "ovs-vswitchd has named no handler for it: it starts, ends, or runs without handlers "
		    "(other_config:n-handler-threads)" },
	{ ENOMEM, "no memory for the message to ovs-vswitchd" },
	{ EFBIG, "larger than a message to ovs-vswitchd can be" },
	{ ENODEV, "the datapath is being deleted" },
};

static bool fits(size_t row, const struct ovs_drop_facts *facts, const char *reason, const char *function)
{
	if (causes[row].what != facts->what)
		return false;
	if (causes[row].reason && (!reason || strcmp(causes[row].reason, reason)))
		return false;
	return !causes[row].function || (function && ksym_is(function, causes[row].function));
}

/* of a row; NULL: each error, or each place, has its own */
static const char *row_words(size_t row)
{
	if (causes[row].words)
		return causes[row].words;
	return meaning_of_reason(causes[row].words_of ? causes[row].words_of : causes[row].reason);
}

void cause_judge(struct ovs_drop_facts *facts, uint32_t reason)
{
	const char *name = reason_name(reason), *function = NULL;
	struct ksym symbol;

	if (facts->place && ksym_find(facts->place, &symbol))
		function = symbol.name;
	for (facts->cause = 0; facts->cause + 1U < CAUSES; facts->cause++) {
		if (fits(facts->cause, facts, name, function))
			break;
	}
	/* what a reader cannot tell apart is one */
	for (size_t i = 0; i < facts->cause; i++) {
		if (!strcmp(causes[i].cause, cause_name(facts)) && row_words(i) == row_words(facts->cause)) {
			facts->cause = i;
			break;
		}
	}
}

const char *cause_name(const struct ovs_drop_facts *facts)
{
	return causes[facts->cause].cause;
}

const char *cause_meaning(const struct ovs_drop_facts *facts, uint32_t reason)
{
	const char *words = row_words(facts->cause);

	for (size_t i = 0; i < sizeof(upcall_errors) / sizeof(upcall_errors[0]) && facts->error; i++) {
		if (upcall_errors[i].error == -facts->error)
			return upcall_errors[i].words;
	}
	return words ? words : meaning_of(reason, facts->place);
}

bool cause_is_copy(const struct ovs_drop_facts *facts)
{
	return causes[facts->cause].what == OVS_UPCALL_ACTION;
}
