/* SPDX-License-Identifier: GPL-2.0-only */
/* field.h: one row a field type; text, JSON and schema come from it. */
#ifndef NETSONDE_CORE_FIELD_H
#define NETSONDE_CORE_FIELD_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "abi/types.h"
#include "core/schema.h"

struct field_type {
	const char *name; /* the typedef or struct of abi/ */
	const char *schema; /* properties as JSON text, %s: the member's name */
	bool block; /* text: on a line of its own under the record */
	void (*json)(const struct field *field, const void *value, json_t *object);
	/** NULL: not printed as text. */
	void (*text)(const struct field *field, const void *value, FILE *to);
};

/** The row of a type name, or NULL. */
const struct field_type *field_type(const char *name);
/** Prints text from outside (a task's name) with ? for what is not printable ASCII. */
void field_plain(const char *text, size_t size, FILE *to);
/** The same in place, up to the first 0 of size bytes. */
void field_clean(char *text, size_t size);
/** "dev" by name, ifindex or null, "ifindex", "netns" into object. */
void field_device_json(json_t *object, const struct sonde_device_key *key, const char *name);

#endif
