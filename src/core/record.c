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

void record_json(const struct schema *schema, const void *data, bool (*shown)(const struct run *, const struct field *),
		 const struct run *run, json_t *record)
{
	for (unsigned int i = 0; i < schema->count; i++) {
		const struct field *field = &schema->fields[i];

		if (field->type && (!shown || shown(run, field)))
			field->type->json(field, (const char *)data + field->offset, record);
	}
}

void record_text(const struct schema *schema, const void *data, bool (*shown)(const struct run *, const struct field *),
		 const struct run *run, FILE *to)
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

void record_flush(struct run *run)
{
	if (run->output_failed || (!fflush(stdout) && !ferror(stdout)))
		return;
	run->output_failed = true;
	run->stop = true;
	run->stopped_by = "output";
}

void record_print(struct run *run, json_t *record)
{
	if (!run->output_failed) {
		json_dumpf(record, stdout, JSON_COMPACT);
		fputc('\n', stdout);
	}
	json_decref(record);
	record_flush(run);
}

void record_schema(const struct run *run, FILE *to)
{
	const struct schema *schema = run->schema_of_event;
	const char *between = "";

	fprintf(to, "{\"$schema\": \"https://json-schema.org/draft/2020-12/schema\", \"title\": \"netsonde %s\", "
		    "\"type\": \"object\", \"required\": [\"type\", \"tool\"], \"properties\": {\"type\": {\"enum\": "
		    "[\"start\", \"event\", \"row\", \"interval\", \"total\", \"end\"]}, \"tool\": {\"const\": \"%s\"}",
		run->command, run->command);
	for (unsigned int i = 0; schema && i < schema->count; i++) {
		const struct field *field = &schema->fields[i];

		if (!field->type || !field->type->schema)
			continue;
		fputs(", ", to);
		fprintf(to, field->type->schema, field->name);
	}
	fprintf(to, "%s}}\n", between);
}
