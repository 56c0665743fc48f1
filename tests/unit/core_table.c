// SPDX-License-Identifier: GPL-2.0-only
/* core_table.c: rows keep their keys and sums through growth, merging and sorting. */
#include "unit.h"

#include <string.h>

#include "core/table.h"

static void add(struct table *table, const char *key, uint64_t first, uint64_t second)
{
	const uint64_t values[] = { first, second };

	assert_int_equal(table_add(table, key, values), 0);
}

static void expect(const struct table *table, size_t row, const char *key, uint64_t first,
		   uint64_t second)
{
	assert_memory_equal(table_key(table, row), key, table->key_size);
	assert_int_equal(table_values(table, row)[0], first);
	assert_int_equal(table_values(table, row)[1], second);
}

static void no_rows(void **state)
{
	struct table table, other;

	(void)state;
	table_init(&table, 3, 2);
	table_init(&other, 3, 2);
	table_merge(&table);
	assert_int_equal(table_append(&table, &other), 0);
	assert_int_equal(table.count, 0);
	table_clear(&table);
	table_free(&table);
	table_free(&table);
}

static void equal_keys_become_one(void **state)
{
	struct table table;

	(void)state;
	table_init(&table, 3, 2);
	add(&table, "bbb", 1, 100);
	add(&table, "aaa", 2, 7);
	add(&table, "bbb", 4, 1000);
	add(&table, "ccc", 3, 9);
	add(&table, "bbb", 8, 10000);
	table_merge(&table);
	assert_int_equal(table.count, 3);
	expect(&table, 0, "bbb", 13, 11100);
	expect(&table, 1, "ccc", 3, 9);
	expect(&table, 2, "aaa", 2, 7);
	/* again: nothing left to merge */
	table_merge(&table);
	assert_int_equal(table.count, 3);
	expect(&table, 0, "bbb", 13, 11100);
	table_free(&table);
}

/* equal sums stand in the order of their keys: two reports of the same rows look the same */
static void equal_values_are_sorted_by_key(void **state)
{
	struct table table;

	(void)state;
	table_init(&table, 3, 2);
	add(&table, "ccc", 5, 1);
	add(&table, "aaa", 5, 2);
	add(&table, "bbb", UINT64_MAX, 3);
	table_merge(&table);
	expect(&table, 0, "bbb", UINT64_MAX, 3);
	expect(&table, 1, "aaa", 5, 2);
	expect(&table, 2, "ccc", 5, 1);
	table_free(&table);
}

/* a sum wraps as the kernel's own counters do; a move from row to row subtracts this way */
static void sums_wrap(void **state)
{
	struct table table;

	(void)state;
	table_init(&table, 1, 2);
	add(&table, "a", 3, 300);
	add(&table, "a", -(uint64_t)2, -(uint64_t)300);
	table_merge(&table);
	assert_int_equal(table.count, 1);
	expect(&table, 0, "a", 1, 0);
	table_free(&table);
}

/* keys of each size up to 17: the sums are aligned and no byte of the key is lost */
static void odd_key_sizes(void **state)
{
	(void)state;
	for (size_t size = 1; size <= 17; size++) {
		struct table table;
		unsigned char key[17];

		table_init(&table, size, 2);
		assert_int_equal(table.row_size % 8, 0);
		assert_true(table.row_size >= size + 16);
		for (unsigned int i = 0; i < 300; i++) {
			memset(key, 0xa5, sizeof(key));
			key[size - 1] = i % 200;
			add(&table, (char *)key, 1, i);
		}
		table_merge(&table);
		assert_int_equal(table.count, 200);
		for (unsigned int i = 0; i < 200; i++) {
			/* 0..99 came twice, so they lead */
			uint64_t *values = table_values(&table, i);

			assert_int_equal((uintptr_t)values % 8, 0);
			key[size - 1] = i;
			assert_memory_equal(table_key(&table, i), key, size);
			assert_int_equal(values[0], i < 100 ? 2 : 1);
			assert_int_equal(values[1], i < 100 ? 2 * i + 200 : i);
		}
		table_free(&table);
	}
}

static void append_sums_over_intervals(void **state)
{
	struct table total, interval;

	(void)state;
	table_init(&total, 3, 2);
	table_init(&interval, 3, 2);
	for (int i = 0; i < 3; i++) {
		table_clear(&interval);
		add(&interval, "aaa", 10, 1);
		add(&interval, i == 1 ? "ccc" : "bbb", 1, 1);
		table_merge(&interval);
		assert_int_equal(table_append(&total, &interval), 0);
		table_merge(&total);
	}
	assert_int_equal(total.count, 3);
	expect(&total, 0, "aaa", 30, 3);
	expect(&total, 1, "bbb", 2, 2);
	expect(&total, 2, "ccc", 1, 1);
	assert_int_equal(interval.count, 2);
	table_free(&total);
	table_free(&interval);
}

static void epoch_alternates(void **state)
{
	volatile uint32_t epoch = 0;

	(void)state;
	assert_int_equal(epoch_flip(&epoch), 0);
	assert_int_equal(epoch, 1);
	assert_int_equal(epoch_flip(&epoch), 1);
	assert_int_equal(epoch, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_rows),
		cmocka_unit_test(equal_keys_become_one),
		cmocka_unit_test(equal_values_are_sorted_by_key),
		cmocka_unit_test(sums_wrap),
		cmocka_unit_test(odd_key_sizes),
		cmocka_unit_test(append_sums_over_intervals),
		cmocka_unit_test(epoch_alternates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
