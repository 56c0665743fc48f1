// SPDX-License-Identifier: GPL-2.0-only
/* ovs_megaflow.c: upcalls that share a key, segments, caps of what is kept, commands, causes of removals. */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "tools/ovs/megaflow_command.c"
#include "tools/ovs/megaflow_life.c"
#include "tools/ovs/megaflow_removal.c"
#include "tools/ovs/megaflow_upcall.c"

#define SECOND 1000000000ULL

static struct upcalls upcalls;
static struct lives lives;

static const struct datapath_id datapath = { 4026531840, 5 };

static int begin(void **state)
{
	(void)state;
	memset(&upcalls, 0, sizeof(upcalls));
	memset(&lives, 0, sizeof(lives));
	upcalls_init(&upcalls, 8);
	lives_init(&lives, 4);
	return 0;
}

static int end(void **state)
{
	(void)state;
	lives_free(&lives);
	upcalls_free(&upcalls);
	assert_int_equal(upcalls.count, 0);
	assert_int_equal(lives.count, 0);
	return 0;
}

static struct odp_attrs key_of(const char *words)
{
	return (struct odp_attrs){ (const unsigned char *)words, strlen(words) };
}

static struct ovs_megaflow upcall_of(uint64_t at, uint64_t identity, uint32_t segment)
{
	struct ovs_megaflow event = { .at = at, .cpu = 1 };

	event.more.identity = identity;
	event.more.segment = segment;
	return event;
}

static void keep(uint64_t at, uint64_t identity, uint32_t segment, const char *key)
{
	const struct ovs_megaflow event = upcall_of(at, identity, segment);

	upcall_keep(&upcalls, &event, datapath, key_of(key));
}

/* a flow with this key, which is in the kernel 5 ns after at */
static struct life *put(uint64_t at, const char *key, unsigned char ufid)
{
	struct life *life = life_new();

	assert_non_null(life);
	life->datapath = datapath;
	life->ufid[0] = ufid;
	upcalls_answer(&upcalls, life, key_of(key));
	life->put_at = at;
	life->done_at = at + 5;
	life_add(&lives, life);
	life_wait(&lives, life);
	return life;
}

/* three packets of a flow that drops: none comes back. The next flow of the key is not theirs */
static void answered_once(void **state)
{
	struct life *life;

	(void)state;
	keep(100, 1, 0, "key");
	keep(110, 2, 0, "key");
	keep(120, 3, 0, "key");
	keep(130, 4, 0, "another");
	life = put(200, "key", 1);
	assert_true(life->upcalled);
	assert_int_equal(life->head->at, 100);
	assert_int_equal(life->others, 2);
	assert_int_equal(upcalls_waiting(&upcalls), 1);
	life_waited(&lives, life);

	keep(5 * SECOND, 5, 0, "key");
	life = put(5 * SECOND + 10, "key", 2);
	assert_int_equal(life->head->at, 5 * SECOND);
	assert_int_equal(life->others, 0);

	life = put(6 * SECOND, "key", 3);
	assert_false(life->upcalled);
	upcalls_expire(&upcalls, 40 * SECOND);
	assert_int_equal(upcalls.unanswered, 1);
	assert_int_equal(upcalls.seen, 5);
	assert_int_equal(upcalls.shared, 2);
	assert_int_equal(upcalls.count, 0);
}

static void packets_return(void **state)
{
	struct life *life;

	(void)state;
	keep(100, 1, 0, "key");
	keep(110, 2, 0, "key");
	keep(120, 3, 0, "other");
	life = put(200, "key", 1);
	assert_ptr_equal(upcall_return(&upcalls, 1), life);
	life_waited(&lives, life);
	assert_null(upcall_return(&upcalls, 1));
	/* that flow's, but not its packet; and one without a flow */
	assert_null(upcall_return(&upcalls, 2));
	assert_int_equal(upcalls.only_executed, 0);
	assert_null(upcall_return(&upcalls, 3));
	assert_int_equal(upcalls.only_executed, 1);
	upcalls_expire(&upcalls, 3 * SECOND);
	assert_int_equal(upcalls.count, 0);
	assert_int_equal(upcalls.unanswered, 0);
}

static void packets_lost(void **state)
{
	const struct ovs_megaflow lost = upcall_of(100, 1, 0);
	struct life *life;

	(void)state;
	keep(100, 1, 0, "key");
	upcall_lost(&upcalls, &lost);
	upcall_lost(&upcalls, &lost);
	assert_int_equal(upcalls.lost, 1);
	keep(5 * SECOND, 1, 0, "key");
	life = put(5 * SECOND + 10, "key", 1);
	assert_int_equal(life->head->at, 5 * SECOND);
}

/* one packet in three messages, the last of which comes after the flow */
static void segments(void **state)
{
	struct life *life;

	(void)state;
	keep(100, 1, 0, "key");
	keep(100, 2, 1, "key");
	life = put(200, "key", 1);
	assert_int_equal(life->segments, 2);
	assert_int_equal(life->others, 0);
	keep(100, 3, 2, "key");
	assert_int_equal(life->segments, 3);
	assert_int_equal(upcalls.seen, 1);
	assert_ptr_equal(upcall_return(&upcalls, 1), life);
	life_waited(&lives, life);
	keep(100, 4, 3, "key");
	/* these are no later packets of the key */
	keep(5 * SECOND, 5, 0, "key");
	life = put(5 * SECOND + 10, "key", 2);
	assert_int_equal(life->head->at, 5 * SECOND);
	assert_int_equal(life->segments, 1);
	assert_null(upcall_return(&upcalls, 2));
	assert_int_equal(upcalls.only_executed, 0);
	assert_int_equal(upcalls_waiting(&upcalls), 0);
}

static void no_more_than_so_many(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < 20; i++)
		keep(100 + i, i, 0, "key");
	assert_int_equal(upcalls.count, 8);
	assert_int_equal(upcalls.forgotten, 12);
	for (unsigned char i = 0; i < 10; i++)
		put(200, "no such key", i);
	assert_int_equal(lives.count, 4);
	assert_int_equal(lives.forgotten, 6);
	assert_null(life_find(&lives, datapath, (unsigned char[UFID_SIZE]){ 5 }));
	assert_non_null(life_find(&lives, datapath, (unsigned char[UFID_SIZE]){ 6 }));
	/* the same interface number in another namespace */
	assert_null(life_find(&lives, (struct datapath_id){ 1, 5 }, (unsigned char[UFID_SIZE]){ 6 }));
}

static struct megaflow_message part_of(uint32_t thread, uint32_t offset, uint32_t length, uint32_t total)
{
	struct megaflow_message message = {};

	message.event.at = SECOND;
	message.event.more.thread = thread;
	message.event.more.offset = offset;
	message.event.more.length = length;
	message.event.more.total = total;
	memset(message.bytes, thread, length);
	return message;
}

static void part(struct commands *commands, uint32_t thread, uint32_t offset, uint32_t length, uint32_t total)
{
	const struct megaflow_message message = part_of(thread, offset, length, total);

	command_part(commands, &message);
}

static void commands_in_parts(void **state)
{
	struct commands commands = {};
	struct command *command;

	(void)state;
	part(&commands, 1, 0, 1024, 1500);
	part(&commands, 2, 0, 100, 100);
	part(&commands, 1, 1024, 476, 1500);
	command = command_end(&commands, 1);
	assert_int_equal(command->length, 1500);
	assert_true(odp_all(command->bytes, 1500, 1));
	free(command);
	assert_null(command_end(&commands, 1));
	free(command_end(&commands, 2));
	assert_null(commands.first);
	assert_int_equal(commands.cut, 0);

	/* a part that was lost, one beyond the total, and one without its begin */
	part(&commands, 3, 0, 1024, 3000);
	part(&commands, 3, 2048, 952, 3000);
	command = command_end(&commands, 3);
	assert_int_equal(command->length, 1024);
	free(command);
	part(&commands, 4, 0, 10, 10);
	part(&commands, 4, 10, 1024, 10);
	command = command_end(&commands, 4);
	assert_int_equal(command->length, 10);
	free(command);
	part(&commands, 5, 1024, 10, 2000);
	assert_null(command_end(&commands, 5));
	assert_int_equal(commands.cut, 1);

	/* ends that were lost */
	for (uint32_t thread = 100; thread < 200; thread++)
		part(&commands, thread, 0, 100, 100);
	part(&commands, 100, 0, 100, 100);
	commands_expire(&commands, 2 * SECOND);
	assert_non_null(commands.first);
	commands_expire(&commands, 62 * SECOND);
	assert_null(commands.first);
	assert_int_equal(commands.cut, 102);
}

static const char *cause(const char *comm, uint64_t idle, bool used, uint64_t flows)
{
	static const struct removal_rules rules = { 10 * SECOND, 1000 };
	const uint64_t now = 1000 * SECOND;
	struct removal removal = { .head = { .at = now, .pid = 7 }, .flows = flows };
	struct life life = { .put_at = used ? now - 500 * SECOND : now - idle };

	if (used)
		removal.counters = (struct counters){ true, 5, 500, true, now - idle };
	memcpy(removal.head.comm, comm, strlen(comm));
	return removal_cause(&removal, &life, &rules);
}

static void causes(void **state)
{
	struct removal removal = { .head = { .at = SECOND, .pid = 7, .comm = "ovs-dpctl" }, .flush = true };
	struct removal_rules rules = { 500000000, 200000 };
	struct life life = { .put_at = 1 };

	(void)state;
	assert_string_equal(cause("ovs-dpctl", 20 * SECOND, true, 5), "deleted");
	assert_string_equal(cause("revalidator5", 10 * SECOND, true, 5), "idle");
	assert_string_equal(cause("revalidator5", 10 * SECOND, false, 5), "idle");
	assert_string_equal(cause("revalidator5", 8 * SECOND, true, 5), "revalidated");
	assert_string_equal(cause("revalidator5", 8 * SECOND, false, 1000), "revalidated");
	assert_string_equal(cause("revalidator5", 8 * SECOND, false, 1001), "limit");
	assert_string_equal(cause("revalidator5", SECOND / 10, true, 1001), "limit");
	assert_string_equal(cause("revalidator5", SECOND / 20, true, 1001), "revalidated");
	assert_string_equal(cause("revalidator5", SECOND / 20, true, 2000), "revalidated");
	assert_string_equal(cause("revalidator5", SECOND / 20, true, 2001), "limit");
	assert_string_equal(cause("revalidator5", 11 * SECOND, true, 2001), "idle");
	assert_string_equal(removal_cause(&removal, &life, &rules), "flush");
	removal.flush = false;
	memcpy(removal.head.comm, "revalidator9", 13);
	assert_string_equal(removal_cause(&removal, &life, &rules), "idle");
	life.put_at = 0;
	assert_string_equal(removal_cause(&removal, &life, &rules), "unknown");
	removal.head.pid = 0;
	assert_string_equal(removal_cause(&removal, &life, &rules), "datapath");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(answered_once, begin, end),
		cmocka_unit_test_setup_teardown(packets_return, begin, end),
		cmocka_unit_test_setup_teardown(packets_lost, begin, end),
		cmocka_unit_test_setup_teardown(segments, begin, end),
		cmocka_unit_test_setup_teardown(no_more_than_so_many, begin, end),
		cmocka_unit_test(commands_in_parts),
		cmocka_unit_test(causes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
