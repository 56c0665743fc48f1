// SPDX-License-Identifier: GPL-2.0-only
/*
 * core_schema.c: each struct that an object hands to user space can be printed: every member has a
 * type with a row in core/field.c. The objects are those in build/bpf, so that a new tool is tested
 * without an edit here.
 */
#include "unit.h"

#include <bpf/btf.h>
#include <errno.h>
#include <glob.h>
#include <libgen.h>
#include <string.h>
#include <unistd.h>

#include "abi/ovs_drop.h"
#include "core/field.h"
#include "core/object.h"
#include "core/schema.h"

#include "drop_packets.skel.h"
#include "drop_qdisc.skel.h"
#include "drop_stacks.skel.h"
#include "engine.skel.h"
#include "ovs_drops.skel.h"

/* members that only the programs and the tool's own code read */
static const struct {
	const char *in, *name;
} plain[] = {
	{ "drop_key", "epoch" },
	{ "drop_key", "benign" },
	{ "qdisc_key", "epoch" },
	{ "ovs_drop_key", "epoch" },
};
static unsigned int plain_met[sizeof(plain) / sizeof(plain[0])];

static bool is_plain(const char *in, const char *name)
{
	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
		if (!strcmp(plain[i].in, in) && !strcmp(plain[i].name, name))
			return ++plain_met[i];
	}
	return false;
}

/* 0: the struct can be printed; else how many members cannot, each named */
static unsigned int struct_check(const struct btf *btf, const char *name)
{
	struct schema schema;
	unsigned int refused = 0;

	assert_int_equal(schema_load(btf, name, &schema), 0);
	for (unsigned int i = 0; i < schema.count; i++) {
		const struct field *field = &schema.fields[i];

		if (field->type || is_plain(name, field->name))
			continue;
		print_error("%s.%s: no row in core/field.c for type '%s'\n", name, field->name,
			    field->type_name);
		refused++;
	}
	return refused;
}

/* the name of the struct that a variable points to; NULL: it is another variable */
static const char *struct_of(const struct btf *btf, const struct btf_type *variable)
{
	const char *name = btf__name_by_offset(btf, variable->name_off);
	const struct btf_type *type;

	if (strncmp(name, "event_of_", 9) && strncmp(name, "key_of_", 7) &&
	    strncmp(name, "row_of_", 7))
		return NULL;
	type = btf__type_by_id(btf, variable->type);
	assert_true(btf_is_ptr(type));
	type = btf__type_by_id(btf, type->type);
	while (btf_is_mod(type))
		type = btf__type_by_id(btf, type->type);
	assert_true(btf_is_struct(type));
	return btf__name_by_offset(btf, type->name_off);
}

static void each_member_has_a_row(void **state)
{
	char self[4096] = "", pattern[4200];
	unsigned int structs = 0, refused = 0;
	glob_t objects;

	(void)state;
	assert_true(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
	/* build/tests/unit/core_schema */
	snprintf(pattern, sizeof(pattern), "%s/../../bpf/*.bpf.o", dirname(self));
	assert_int_equal(glob(pattern, 0, NULL, &objects), 0);
	assert_true(objects.gl_pathc >= 3);
	for (size_t i = 0; i < objects.gl_pathc; i++) {
		struct btf *btf = btf__parse_elf(objects.gl_pathv[i], NULL);
		unsigned int before = structs;

		assert_non_null(btf);
		for (unsigned int id = 1; id < btf__type_cnt(btf); id++) {
			const struct btf_type *type = btf__type_by_id(btf, id);
			const char *name = btf_is_var(type) ? struct_of(btf, type) : NULL;

			if (!name)
				continue;
			refused += struct_check(btf, name);
			structs++;
		}
		/* ovs upcalls writes its records itself, and missed is no tool's */
		if (structs == before && !strstr(objects.gl_pathv[i], "ovs_upcalls") &&
		    !strstr(objects.gl_pathv[i], "/missed."))
			fail_msg("%s: no struct that user space could print", objects.gl_pathv[i]);
		btf__free(btf);
	}
	globfree(&objects);
	assert_true(structs >= 6);
	assert_int_equal(refused, 0);
	/* a row of the list above that nothing needs any more */
	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		assert_true(plain_met[i]);
}

static struct btf *embedded(const void *(*object)(size_t *size))
{
	size_t size;
	const void *compressed = object(&size);
	void *bytes = object_inflate(compressed, size, &size);
	struct bpf_object *opened = bpf_object__open_mem(bytes, size, NULL);
	struct btf *btf;
	const void *types;
	__u32 types_size;

	free(bytes);
	assert_non_null(opened);
	types = btf__raw_data(bpf_object__btf(opened), &types_size);
	btf = btf__new(types, types_size);
	bpf_object__close(opened);
	assert_non_null(btf);
	return btf;
}

/* what the binary carries, not only what lies in the build folder */
static void embedded_objects(void **state)
{
	static const struct {
		const void *(*object)(size_t *size);
		const char *structs[3];
	} objects[] = {
		{ drop_packets__elf_bytes, { "drop_packet" } },
		{ drop_stacks__elf_bytes, { "drop_key", "drop_row" } },
		{ drop_qdisc__elf_bytes, { "qdisc_drop", "qdisc_key", "qdisc_row" } },
		{ engine__elf_bytes, { "path_packet" } },
		{ ovs_drops__elf_bytes, { "ovs_drop", "ovs_drop_key", "ovs_drop_row" } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(objects) / sizeof(objects[0]); i++) {
		struct btf *btf = embedded(objects[i].object);

		for (size_t s = 0; s < 3 && objects[i].structs[s]; s++)
			assert_int_equal(struct_check(btf, objects[i].structs[s]), 0);
		btf__free(btf);
	}
}

static void members_stand_where_the_struct_has_them(void **state)
{
	struct btf *btf = embedded(drop_stacks__elf_bytes);
	struct schema schema;

	(void)state;
	assert_int_equal(schema_load(btf, "drop_key", &schema), 0);
	assert_string_equal(schema.name, "drop_key");
	assert_int_equal(schema.size, 72);
	assert_int_equal(schema.count, 7);
	assert_string_equal(schema.fields[0].name, "epoch");
	assert_null(schema.fields[0].type);
	assert_string_equal(schema.fields[3].name, "device");
	assert_string_equal(schema.fields[3].type_name, "sonde_device_key");
	assert_ptr_equal(schema.fields[3].type, field_type("sonde_device_key"));
	assert_int_equal(schema.fields[3].offset, 8);
	assert_int_equal(schema.fields[3].size, 8);
	assert_string_equal(schema.fields[6].name, "flow");
	assert_int_equal(schema.fields[6].offset, 32);
	assert_int_equal(schema.fields[6].size, 40);
	assert_int_equal(schema_load(btf, "no_such_struct", &schema), -ENOENT);
	btf__free(btf);
}

/* a key's bytes are hashed: one that no member covers would hold what the stack held before */
static void keys_have_no_holes(void **state)
{
	struct btf *btf = embedded(drop_stacks__elf_bytes),
		   *other = embedded(drop_qdisc__elf_bytes), *ovs = embedded(ovs_drops__elf_bytes);
	const struct ovs_drop_facts *facts;
	struct schema schema;
	unsigned int covered = 0;

	(void)state;
	assert_int_equal(schema_load(btf, "drop_key", &schema), 0);
	for (unsigned int i = 0; i < schema.count; i++)
		covered += schema.fields[i].size;
	assert_int_equal(covered, schema.size);
	assert_int_equal(schema_load(other, "qdisc_key", &schema), 0);
	covered = sizeof(__u16); /* unused */
	for (unsigned int i = 0; i < schema.count; i++)
		covered += schema.fields[i].size;
	assert_int_equal(covered, schema.size);
	/* what user space adds to the facts is part of the key that rows are merged by */
	assert_int_equal(sizeof(facts->what) + sizeof(facts->cause) + sizeof(facts->error) + sizeof(facts->port) +
			 sizeof(facts->datapath) + sizeof(facts->output) + sizeof(facts->place), sizeof(*facts));
	assert_int_equal(schema_load(ovs, "ovs_drop_key", &schema), 0);
	covered = sizeof(__u16) + sizeof(*facts); /* unused, more */
	for (unsigned int i = 0; i < schema.count; i++)
		covered += schema.fields[i].size;
	assert_int_equal(covered, schema.size);
	btf__free(btf);
	btf__free(other);
	btf__free(ovs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_member_has_a_row),
		cmocka_unit_test(embedded_objects),
		cmocka_unit_test(members_stand_where_the_struct_has_them),
		cmocka_unit_test(keys_have_no_holes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
