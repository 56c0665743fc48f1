// SPDX-License-Identifier: GPL-2.0-only
/* core_clock.c: times as RFC 3339 with nine digits, and monotonic time as wall time. */
#include "unit.h"

#include <string.h>
#include <time.h>

#include "core/clock.h"

static void formats(void **state)
{
	static const struct {
		uint64_t wall_ns;
		const char *text;
	} cases[] = {
		{ 0, "1970-01-01T00:00:00.000000000Z" },
		{ 1, "1970-01-01T00:00:00.000000001Z" },
		{ 999999999, "1970-01-01T00:00:00.999999999Z" },
		{ 951782400000000000, "2000-02-29T00:00:00.000000000Z" },
		{ 1795362863123456789, "2026-11-22T15:54:23.123456789Z" },
		{ 4102444799000000042, "2099-12-31T23:59:59.000000042Z" },
		{ UINT64_MAX, "2554-07-21T23:34:33.709551615Z" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[31];

		clock_format(cases[i].wall_ns, text, sizeof(text));
		assert_string_equal(text, cases[i].text);
	}
}

static void format_stays_in_its_room(void **state)
{
	char text[12] = "###########";

	(void)state;
	clock_format(1795362863123456789, text, 11);
	assert_string_equal(text, "2026-11-22");
}

static uint64_t read_clock(clockid_t id)
{
	struct timespec now;

	assert_int_equal(clock_gettime(id, &now), 0);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

/* a busy machine may stop us between the two readings */
static void wall_is_real_time(void **state)
{
	uint64_t before, wall, after;

	(void)state;
	before = read_clock(CLOCK_MONOTONIC);
	wall = clock_now();
	after = read_clock(CLOCK_MONOTONIC);
	assert_in_range(wall, before, after);
	for (int attempt = 0; attempt < 100; attempt++) {
		uint64_t now = clock_now();

		before = read_clock(CLOCK_REALTIME);
		wall = clock_wall(now);
		after = read_clock(CLOCK_REALTIME);
		if (wall + 5000000 > before && wall < after + 5000000)
			return;
	}
	fail_msg("wall time is %lld ns off", (long long)(wall - before));
}

/* an event of ten minutes ago lies ten minutes back */
static void wall_of_the_past(void **state)
{
	const uint64_t ago = 600000000000;

	(void)state;
	for (int attempt = 0; attempt < 100; attempt++) {
		uint64_t now = clock_now(), distance = clock_wall(now) - clock_wall(now - ago);

		if (distance > ago - 5000000 && distance < ago + 5000000)
			return;
	}
	fail_msg("ten minutes are not ten minutes");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(formats),
		cmocka_unit_test(format_stays_in_its_room),
		cmocka_unit_test(wall_is_real_time),
		cmocka_unit_test(wall_of_the_past),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
