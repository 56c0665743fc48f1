/* SPDX-License-Identifier: GPL-2.0-only */
/* view.h: rows of a table on the screen or as JSON lines. */
#ifndef NETSONDE_CORE_VIEW_H
#define NETSONDE_CORE_VIEW_H

#include "core/schema.h"
#include "core/table.h"
#include "core/tool.h"

struct view_rows {
	const struct schema *key; /* members of the key */
	const struct schema *values; /* names of the sums behind it */
	/** NULL: all members of the key */
	bool (*shown)(const struct run *run, const struct field *field);
	/** NULL, or adds to a row: one of json and text is not NULL. */
	void (*more)(struct run *run, const void *key, json_t *json, FILE *text);
};

/**
 * view_rows: the first top rows of a table that table_merge() has sorted.
 * whole: what a share refers to (sum of the first value over all rows).
 * Returns the sum of the first value over the rows shown.
 */
uint64_t view_rows(struct run *run, const struct view_rows *view, const struct table *table,
		   enum scope scope, uint64_t whole);

/** view_report: a whole report: the head, the rows of a table that table_merge() has sorted, and the line behind them. */
void view_report(struct run *run, const struct view_rows *view, const struct table *table, enum scope scope);

/** view_head: text only: time, length of the report and how many drops in how many rows, then more words. */
void view_head(const struct run *run, enum scope scope, uint64_t drops, size_t rows,
	       const char *more);
/** view_foot: the line behind the rows; as JSON the report's own record, into which the keys of more are taken. */
void view_foot(struct run *run, enum scope scope, uint64_t drops, uint64_t shown, size_t rows,
	       json_t *more);

/** Length of the report: of the interval that ends now, or of the run. */
double view_seconds(const struct run *run, enum scope scope);
/** "interval" or "total", for JSON. */
const char *view_scope(enum scope scope);

#endif
