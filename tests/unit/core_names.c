// SPDX-License-Identifier: GPL-2.0-only
/* core_names.c: numbers by name. */
#include <stdio.h>
#include <string.h>

#include "core/names.h"
#include "unit.h"

static const char *text_of(uint32_t number, char text[32])
{
	/* all lengths up to 24, and three numbers to a name */
	snprintf(text, 32, "%0*u", 1 + (number / 3) % 24, number / 3);
	return text;
}

static void all_are_found_in_order(void **state)
{
	const uint32_t count = 3000;
	struct names names;
	char name[32], other[32];

	(void)state;
	assert_int_equal(names_make(&names, count), 0);
	for (uint32_t number = 1; number <= count; number++)
		names_add(&names, text_of(number, name), number);
	for (uint32_t number = 1; number <= count; number++) {
		uint32_t slot, found, last = 0, seen = 0;

		text_of(number, name);
		for (found = names_first(&names, name, &slot); found; found = names_next(&names, &slot)) {
			if (strcmp(text_of(found, other), name))
				continue;
			assert_true(found > last);
			last = found;
			seen += found == number;
		}
		assert_int_equal(seen, 1);
	}
	names_free(&names);
	assert_null(names.slots);
}

static void who_is_not_there_ends(void **state)
{
	struct names names;
	uint32_t slot, found, seen = 0;

	(void)state;
	/* as many as there is room for: a search still ends */
	assert_int_equal(names_make(&names, 767), 0);
	for (uint32_t number = 1; number <= 767; number++)
		names_add(&names, "same", number);
	for (found = names_first(&names, "", &slot); found; found = names_next(&names, &slot))
		seen++;
	assert_true(seen <= 767);
	names_free(&names);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_are_found_in_order),
		cmocka_unit_test(who_is_not_there_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
