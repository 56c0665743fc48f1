// SPDX-License-Identifier: GPL-2.0-only
/* megaflow_show.c: lives of megaflows, their changes and their ends, as JSON and as text. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/field.h"
#include "core/record.h"
#include "tools/ovs/megaflow_show.h"

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
	char *words;

	if (!life->has_ufid)
		return json_null();
	odp_ufid_text(&text, life->ufid);
	words = odp_text_take(&text);
	json = string_or_null(words);
	free(words);
	return json;
}

void life_json(const struct life *life, json_t *json)
{
	const struct ovs_megaflow *head = life->head;

	if (!life->upcalled) {
		json_object_del(json, "packet");
		json_object_del(json, "dev");
		json_object_del(json, "ifindex");
		json_object_del(json, "netns");
	}
	json_object_set_new(json, "thread", json_integer(life->thread));
	json_object_set_new(json, "datapath", json_integer(life->datapath.ifindex));
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
	json_object_set_new(json, "segments", life->upcalled ? json_integer(life->segments) : json_null());
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

void life_text(const struct life *life, FILE *to)
{
	char span[CLOCK_SPAN], put[CLOCK_SPAN], back[CLOCK_SPAN];

	clock_span(put, life->done_at - life->put_at);
	if (!life->upcalled)
		fprintf(to, "    no upcall seen; flow put: %s, took %s\n", error_name(life->result), put);
	else
		fprintf(to, "    flow put: %s, %s after the upcall (of these %s in the kernel)",
			error_name(life->result), clock_span(span, life->done_at - life->head->at), put);
	if (life->upcalled && life->executed_at)
		fprintf(to, ", packet sent on after %s",
			clock_span(back, life->executed_at - life->head->at));
	else if (life->upcalled)
		fputs(", packet not sent on", to);
	if (life->segments > 1)
		fprintf(to, ", GSO packet in %u messages", life->segments);
	if (life->others)
		fprintf(to, ", %u more upcalls of this flow", life->others);
	if (life->upcalled)
		fputc('\n', to);
	fputs("    ", to);
	ufid_print(life, to);
	fprintf(to, "%s, actions:%s\n", life->key ? life->key : "key not seen",
		life->actions ? life->actions : "not seen");
}

static void who_json(json_t *json, const struct ovs_megaflow *head)
{
	char comm[sizeof(sonde_comm) + 1] = "";

	memcpy(comm, head->comm, sizeof(head->comm));
	json_object_set_new(json, "pid", head->pid ? json_integer(head->pid) : json_null());
	json_object_set_new(json, "thread", head->pid ? json_integer(head->more.thread) : json_null());
	if (!head->pid) {
		json_object_set_new(json, "comm", json_null());
		return;
	}
	/* a name need not be UTF-8: then it is left away */
	if (json_object_set_new(json, "comm", json_string(comm)))
		json_object_set_new(json, "comm", json_null());
}

static void removal_json(struct run *run, const struct life *life, const struct removal *removal, const char *cause)
{
	const struct counters *counters = &removal->counters;
	const struct ovs_megaflow *head = &removal->head;
	json_t *record = record_new(run, "removed");

	at_json(record, "time", head->at);
	who_json(record, head);
	json_object_set_new(record, "why", json_string(cause));
	json_object_set_new(record, "datapath", json_integer(life->datapath.ifindex));
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
	if (!head->pid)
		return;
	field_plain(head->comm, sizeof(head->comm), stdout);
	printf("/%u  ", head->more.thread);
}

static void removal_text(struct run *run, const struct life *life, const struct removal *removal, const char *cause)
{
	const struct counters *counters = &removal->counters;
	const struct ovs_megaflow *head = &removal->head;
	char span[CLOCK_SPAN];

	line_begin(head);
	printf("removed: %s", cause);
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

void removal_show(struct run *run, const struct life *life, const struct removal *removal, const char *cause)
{
	if (run->json)
		removal_json(run, life, removal, cause);
	else
		removal_text(run, life, removal, cause);
}

void change_show(struct run *run, const struct life *life, const struct ovs_megaflow *head, int result)
{
	json_t *record;

	if (!run->json) {
		line_begin(head);
		printf("changed: %s\n    ", error_name(result));
		ufid_print(life, stdout);
		printf("actions:%s\n", life->actions ? life->actions : "not seen");
		record_flush(run);
		return;
	}
	record = record_new(run, "changed");
	at_json(record, "time", head->at);
	who_json(record, head);
	json_object_set_new(record, "result", json_string(error_name(result)));
	json_object_set_new(record, "datapath", json_integer(life->datapath.ifindex));
	json_object_set_new(record, "ufid", ufid_json(life));
	json_object_set_new(record, "actions", string_or_null(life->actions));
	record_print(run, record);
}
