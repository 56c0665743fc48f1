// SPDX-License-Identifier: GPL-2.0-only
/* record.c: one struct, by its schema, as a JSON line or as text. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/field.h"
#include "core/record.h"

json_t *record_new(const struct run *run, const char *type)
{
	return json_pack("{s:s, s:s}", "type", type, "tool", run->command);
}

void record_time(json_t *record)
{
	uint64_t wall = clock_wall(clock_now());
	char text[CLOCK_TEXT];

	clock_format(wall, text, sizeof(text));
	json_object_set_new(record, "time", json_string(text));
	json_object_set_new(record, "time_ns", json_integer(wall));
}

void record_json(const struct schema *schema, const void *data,
		 bool (*shown)(const struct run *, const struct field *), const struct run *run,
		 json_t *record)
{
	for (unsigned int i = 0; i < schema->count; i++) {
		const struct field *field = &schema->fields[i];

		if (field->type && (!shown || shown(run, field)))
			field->type->json(field, (const char *)data + field->offset, record);
	}
}

void record_text(const struct schema *schema, const void *data,
		 bool (*shown)(const struct run *, const struct field *), const struct run *run,
		 FILE *to)
{
	const char *between = "";

	for (int block = 0; block < 2; block++) {
		for (unsigned int i = 0; i < schema->count; i++) {
			const struct field *field = &schema->fields[i];
			char *text = NULL;
			size_t size = 0;
			FILE *part;

			if (!field->type || !field->type->text || field->type->block != block ||
			    (shown && !shown(run, field)))
				continue;
			part = open_memstream(&text, &size);
			if (!part)
				continue;
			field->type->text(field, (const char *)data + field->offset, part);
			fclose(part);
			if (size)
				fprintf(to, "%s%s", block ? "\n    " : between, text);
			free(text);
			between = "  ";
		}
	}
	fputc('\n', to);
}

void record_output_failed(struct run *run, int error)
{
	run->output_error = error;
	run->stop = true;
	run->stopped_by = "output";
}

void record_flush(struct run *run)
{
	if (!run->output_error && (fflush(stdout) || ferror(stdout)))
		record_output_failed(run, errno);
}

void record_print(struct run *run, json_t *record)
{
	if (!run->output_error) {
		/* a terminal of another character set would obey some bytes of UTF-8 */
		json_dumpf(record, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
		fputc('\n', stdout);
	}
	json_decref(record);
	record_flush(run);
}

/* what the members of structs are, whichever tool has them */
static const struct {
	const char *member, *words;
} member_words[] = {
	{ "time", "when, by the wall clock" },
	{ "time_ns", "the same in ns since 1970" },
	{ "cpu", "the CPU it happened on" },
	{ "dev", "name of the device; null: there is none, or nobody knows" },
	{ "ifindex", "number of the device within its namespace" },
	{ "netns", "network namespace by its inode number, as in /proc/PID/ns/net; 0: not known" },
	{ "pid", "process that was running, which need not be to blame" },
	{ "comm", "name of its task" },
	{ "reason", "the kernel's name of the drop reason; null: it gives none" },
	{ "kernel_reason", "the kernel's name of the drop reason; null: it gives none" },
	{ "place", "where it was freed: function, offset and module, or address" },
	{ "stack", "the way that led there, innermost function first; null: not kept" },
	{ "flow", "addresses, protocol, ports" },
	{ "packet", "the headers, as far as the packet has them" },
	{ "count", "row: how many" },
	{ "bytes", "row: sum of the frames' lengths" },
	{ "queue", "number of the device's transmit queue" },
	{ "kind", "kind of the queue discipline" },
	{ "handle", "its handle, as tc prints it" },
	{ "limit", "its limit, in packets or bytes, as its kind has it; null: kept elsewhere" },
	{ "qlen", "packets that waited, in a row the mean; null: kept elsewhere" },
	{ "backlog", "bytes that waited, in a row the mean; null: kept elsewhere" },
	{ "return_code", "what enqueue() returned; null: not seen" },
	{ "took_ns", "how long the packet took" },
	{ "stages", "what it passed, and when" },
};

/* lines that every tool with programs prints */
static const char schema_of_run[] =
	"{\"time\": {\"type\": \"string\", \"format\": \"date-time\"}, \"time_ns\": {\"type\": \"integer\"},"
	" \"version\": {\"type\": \"string\", \"description\": \"start\"},"
	" \"kernel\": {\"type\": \"string\", \"description\": \"start\"},"
	" \"probes\": {\"type\": \"array\", \"description\": \"start: what is attached, and how\"},"
	" \"not_visible\": {\"type\": \"array\", \"description\": \"start: what this kernel does not let it see\"},"
	" \"notes\": {\"type\": \"array\", \"description\": \"start: options that mean nothing, or something else, today\"},"
	" \"ended_by\": {\"type\": \"string\", \"description\": \"end: duration, count, signal or output\"},"
	" \"events\": {\"type\": \"integer\", \"description\": \"end: events printed\"},"
	" \"lost\": {\"type\": \"object\", \"description\": \"end: each loss counter that is not zero\"},"
	" \"held_back\": {\"type\": \"object\", \"description\": \"end: what was left out by request\"},"
	" \"cost\": {\"type\": \"array\", \"description\": \"end, with --cost: hits, ns_per_hit, cpu_share of each probe\"},"
	" \"meaning\": {\"type\": [\"string\", \"null\"], \"description\": \"what happened and what to look at\"}}";

/* lines of reports */
static const char schema_of_reports[] =
	"{\"scope\": {\"enum\": [\"interval\", \"total\"], \"description\": \"row: what it counts\"},"
	" \"share\": {\"type\": [\"number\", \"null\"], \"description\": \"row: of the whole report; interval, total with a filter: lost of what was seen, null: not to be told\"},"
	" \"seconds\": {\"type\": \"number\", \"description\": \"interval, total: how long it was\"},"
	" \"drops\": {\"type\": \"integer\", \"description\": \"interval, total: sum of all rows\"},"
	" \"shown\": {\"type\": \"integer\", \"description\": \"interval, total: sum of the rows printed\"},"
	" \"rows\": {\"type\": \"integer\", \"description\": \"interval, total: how many rows there are\"}}";

/* two lines have a member of one name: it is either's type, and both meanings are said */
static void property_join(json_t *property, const json_t *other)
{
	json_t *type = json_object_get(property, "type"), *also = json_object_get(other, "type");
	const char *words = json_string_value(json_object_get(property, "description")),
		   *more = json_string_value(json_object_get(other, "description"));

	if (json_equal(type, also))
		return;
	if (json_is_string(type) && json_is_string(also))
		json_object_set_new(property, "type", json_pack("[O, O]", type, also));
	if (words && more)
		json_object_set_new(property, "description", json_sprintf("%s; %s", words, more));
}

static void properties_add(json_t *properties, const char *text)
{
	json_t *more = json_loads(text, 0, NULL), *property;
	const char *name;

	json_object_foreach(more, name, property) {
		json_t *known = json_object_get(properties, name);

		if (known)
			property_join(known, property);
		else
			json_object_set(properties, name, property);
	}
	json_decref(more);
}

/* a tool's own records; text is a constant of the tool, and so is known to be right */
static void records_add(json_t *properties, json_t *types, const char *text)
{
	json_t *records = json_loads(text, 0, NULL);

	json_array_extend(types, json_object_get(records, "types"));
	json_object_update(properties, json_object_get(records, "members"));
	json_decref(records);
}

/* the members of one struct of the object */
static void properties_add_struct(json_t *properties, const struct run *run, const char *name)
{
	struct schema schema;

	if (!name || schema_load(bpf_object__btf(run->object), name, &schema))
		return;
	for (unsigned int i = 0; i < schema.count; i++) {
		const struct field *field = &schema.fields[i];
		char inside[512], text[520];

		if (!field->type || !field->type->schema)
			continue;
		snprintf(inside, sizeof(inside), field->type->schema, field->name);
		snprintf(text, sizeof(text), "{%s}", inside);
		properties_add(properties, text);
	}
}

/* the meaning of each member whose declaration gives none */
static void properties_describe(json_t *properties)
{
	for (size_t i = 0; i < sizeof(member_words) / sizeof(member_words[0]); i++) {
		json_t *property = json_object_get(properties, member_words[i].member);

		if (property && !json_object_get(property, "description"))
			json_object_set_new(property, "description", json_string(member_words[i].words));
	}
}

void record_schema(const struct run *run, FILE *to)
{
	const struct tool *tool = run->tool;
	json_t *properties = json_object(), *types = json_array(), *schema;
	const bool command = tool->kind == TOOL_COMMAND;

	if (!command)
		json_array_extend(types, json_pack("[s, s]", "start", "dry_run"));

	if (tool->event)
		json_array_append_new(types, json_string("event"));
	properties_add_struct(properties, run, tool->event);
	if (tool->records)
		records_add(properties, types, tool->records);
	if (tool->row_key) {
		json_array_extend(types, json_pack("[s, s, s]", "row", "interval", "total"));
		properties_add_struct(properties, run, tool->row_key);
		properties_add_struct(properties, run, tool->row_values);
		properties_add(properties, schema_of_reports);
	}
	if (!command) {
		json_array_append_new(types, json_string("end"));
		properties_add(properties, schema_of_run);
	}
	properties_describe(properties);
	json_object_set_new(properties, "type",
			    json_pack("{s:o, s:s}", "enum", types, "description", "which of the lines it is"));
	json_object_set_new(properties, "tool",
			    json_pack("{s:s, s:s}", "const", run->command, "description", "the tool that printed it"));
	schema = json_pack("{s:s, s:s, s:s, s:[s, s], s:o}", "$schema",
			   "https://json-schema.org/draft/2020-12/schema", "title", run->command,
			   "type", "object", "required", "type", "tool", "properties", properties);
	json_dumpf(schema, to, JSON_INDENT(2));
	fputc('\n', to);
	json_decref(schema);
}
