// SPDX-License-Identifier: GPL-2.0-only
/* schema.c: a BPF object's struct becomes the list of fields that output is made from. */
#include <errno.h>
#include <string.h>

#include "core/field.h"
#include "core/schema.h"

int schema_load(const struct btf *btf, const char *name, struct schema *schema)
{
	int id = btf__find_by_name_kind(btf, name, BTF_KIND_STRUCT);
	const struct btf_type *type;
	const struct btf_member *member;

	if (id < 0)
		return -ENOENT;
	type = btf__type_by_id(btf, id);
	schema->name = name;
	schema->size = type->size;
	schema->count = 0;
	member = btf_members(type);
	for (int i = 0; i < btf_vlen(type); i++, member++) {
		const struct btf_type *of = btf__type_by_id(btf, member->type);
		struct field *field = &schema->fields[schema->count];
		const char *member_name = btf__name_by_offset(btf, member->name_off);

		if (!strcmp(member_name, "unused") || !strcmp(member_name, "more"))
			continue;
		if (schema->count == SCHEMA_FIELDS_MAX)
			return -E2BIG;
		field->name = member_name;
		field->type_name = btf__name_by_offset(btf, of->name_off);
		field->offset = btf_member_bit_offset(type, i) / 8;
		field->size = btf__resolve_size(btf, member->type);
		field->type = field_type(field->type_name);
		schema->count++;
	}
	return 0;
}
