// SPDX-License-Identifier: GPL-2.0-only
/* view.c: rows of a table, each with its sums, its share and its key. */
#include <inttypes.h>
#include <string.h>

#include "core/clock.h"
#include "core/field.h"
#include "core/record.h"
#include "core/view.h"

const char *view_scope(enum scope scope)
{
	return scope == SCOPE_TOTAL ? "total" : "interval";
}

static void row_json(struct run *run, const struct view_rows *view, const void *key,
		     const uint64_t *values, enum scope scope, double share)
{
	json_t *record = record_new(run, "row");

	json_object_set_new(record, "scope", json_string(view_scope(scope)));
	record_json(view->values, values, NULL, run, record);
	json_object_set_new(record, "share", json_real(share));
	record_json(view->key, key, view->shown, run, record);
	if (view->more)
		view->more(run, key, record, NULL);
	record_print(run, record);
}

static void row_text(struct run *run, const struct view_rows *view, const void *key,
		     const uint64_t *values, double share)
{
	printf("%10" PRIu64 "  %5.1f %%  ", values[0], 100 * share);
	/* the sums behind the first, each with its name */
	for (unsigned int i = 1; i < view->values->count; i++) {
		const struct field *field = &view->values->fields[i];

		field->type->text(field, (const char *)values + field->offset, stdout);
		fputs("  ", stdout);
	}
	record_text(view->key, key, view->shown, run, stdout);
	if (view->more)
		view->more(run, key, NULL, stdout);
	record_flush(run);
}

uint64_t view_rows(struct run *run, const struct view_rows *view, const struct table *table,
		   enum scope scope, uint64_t whole)
{
	uint64_t shown = 0;

	for (size_t i = 0; i < table->count && i < run->top; i++) {
		const void *key = table_key(table, i);
		const uint64_t *values = table_values(table, i);
		double share = whole ? (double)values[0] / whole : 0;

		if (run->json)
			row_json(run, view, key, values, scope, share);
		else
			row_text(run, view, key, values, share);
		shown += values[0];
	}
	return shown;
}

double view_seconds(const struct run *run, enum scope scope)
{
	return (clock_now() - (scope == SCOPE_TOTAL ? run->started_ns : run->interval_started_ns)) /
	       1e9;
}

void view_head(const struct run *run, enum scope scope, uint64_t drops, size_t rows,
	       const char *more)
{
	char time[CLOCK_TEXT];

	if (run->json)
		return;
	clock_format(clock_wall(clock_now()), time, sizeof(time));
	printf("%s%.19sZ  %s %.3g s: %" PRIu64 " drop%s in %zu row%s%s\n",
	       scope == SCOPE_TOTAL ? "\n" : "", time, scope == SCOPE_TOTAL ? "all" : "last",
	       view_seconds(run, scope), drops, drops == 1 ? "" : "s", rows, rows == 1 ? "" : "s",
	       more);
}

void view_foot(struct run *run, enum scope scope, uint64_t drops, uint64_t shown, size_t rows,
	       json_t *more)
{
	json_t *record;

	if (!run->json) {
		if (shown < drops)
			printf("%10" PRIu64 "  drops in rows beyond --top %u\n", drops - shown,
			       run->top);
		record_flush(run);
		return;
	}
	record = record_new(run, view_scope(scope));
	record_time(record);
	json_object_set_new(record, "seconds", json_real(view_seconds(run, scope)));
	json_object_set_new(record, "drops", json_integer(drops));
	json_object_set_new(record, "shown", json_integer(shown));
	json_object_set_new(record, "rows", json_integer(rows));
	if (more)
		json_object_update(record, more);
	json_decref(more);
	record_print(run, record);
}

void view_report(struct run *run, const struct view_rows *view, const struct table *table, enum scope scope)
{
	uint64_t drops = 0, shown;

	for (size_t i = 0; i < table->count; i++)
		drops += table_values(table, i)[0];
	view_head(run, scope, drops, table->count, "");
	shown = view_rows(run, view, table, scope, drops);
	view_foot(run, scope, drops, shown, table->count, NULL);
}
