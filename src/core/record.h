/* SPDX-License-Identifier: GPL-2.0-only */
/* record.h: structs by their schema, as one JSON line or as text. */
#ifndef NETSONDE_CORE_RECORD_H
#define NETSONDE_CORE_RECORD_H

#include "core/schema.h"
#include "core/tool.h"

/** A new object {"type": type, "tool": ...}. */
json_t *record_new(const struct run *run, const char *type);
/** Adds wall time now as time and time_ns. */
void record_time(json_t *record);
/** The fields of data; shown (NULL: all) says which. */
void record_json(const struct schema *schema, const void *data,
		 bool (*shown)(const struct run *, const struct field *), const struct run *run,
		 json_t *record);
/** As text: fields on one line, then blocks indented below. */
void record_text(const struct schema *schema, const void *data,
		 bool (*shown)(const struct run *, const struct field *), const struct run *run,
		 FILE *to);
/** Ends the run because standard output cannot be written: error is an errno. */
void record_output_failed(struct run *run, int error);
/** Writes the object as one line to stdout and frees it; notes a closed output in run. */
void record_print(struct run *run, json_t *record);
/** After text was printed: flushes and notes a closed output. */
void record_flush(struct run *run);
/** JSON schema of the lines that the tool prints. */
void record_schema(const struct run *run, FILE *to);

#endif
