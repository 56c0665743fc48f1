/* SPDX-License-Identifier: GPL-2.0-only */
/* schema.h: the members of a struct, read from the BTF of the object that fills it. */
#ifndef NETSONDE_CORE_SCHEMA_H
#define NETSONDE_CORE_SCHEMA_H

#include <bpf/btf.h>
#include <stddef.h>
#include <stdint.h>

struct field_type;

struct field {
	const char *name;
	const char *type_name;
	const struct field_type *type; /* NULL: no row for it in field.c */
	uint32_t offset, size;
};

#define SCHEMA_FIELDS_MAX 48

struct schema {
	const char *name;
	uint32_t size;
	unsigned int count;
	struct field fields[SCHEMA_FIELDS_MAX];
};

/**
 * schema_load: the members of struct name in btf; padding (named unused) and what the tool prints itself (named more) are left out.
 * Returns 0, -ENOENT if there is no such struct, -E2BIG if it has too many members.
 */
int schema_load(const struct btf *btf, const char *name, struct schema *schema);

#endif
