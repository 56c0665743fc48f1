// SPDX-License-Identifier: GPL-2.0-only
/* clock.c: monotonic time to wall time; the distance is taken anew each second, so that NTP steps are followed. */
#include <stdio.h>
#include <time.h>

#include "core/clock.h"

static uint64_t clock_read(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

uint64_t clock_now(void)
{
	return clock_read(CLOCK_MONOTONIC);
}

#define DISTANCE_AGE_NS 1000000000ULL

/* wall less monotonic: the best of a few tries, since this task may lose its CPU between the two clocks */
static uint64_t distance_take(void)
{
	uint64_t best = UINT64_MAX, distance = 0;

	for (int i = 0; i < 3; i++) {
		uint64_t before = clock_now(), wall = clock_read(CLOCK_REALTIME),
			 passed = clock_now() - before;

		if (passed >= best)
			continue;
		best = passed;
		distance = wall - (before + passed / 2);
	}
	return distance;
}

uint64_t clock_wall(uint64_t monotonic_ns)
{
	static uint64_t distance, taken;
	uint64_t now = clock_now();

	if (!taken || now - taken > DISTANCE_AGE_NS) {
		distance = distance_take();
		taken = now;
	}
	return monotonic_ns + distance;
}

void clock_format(uint64_t wall_ns, char *text, size_t size)
{
	time_t seconds = wall_ns / 1000000000ULL;
	struct tm utc;
	char date[24];

	gmtime_r(&seconds, &utc);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &utc);
	snprintf(text, size, "%s.%09lluZ", date, (unsigned long long)(wall_ns % 1000000000ULL));
}

const char *clock_span(char *text, double ns)
{
	static const struct {
		double ns;
		const char *unit;
	} units[] = { { 1e9, "s" }, { 1e6, "ms" }, { 1e3, "us" }, { 1, "ns" } };
	size_t i = 0;

	while (i < 3 && ns < units[i].ns)
		i++;
	ns /= units[i].ns;
	snprintf(text, CLOCK_SPAN, "%.*f%s", i == 3 || ns >= 100 ? 0 : ns >= 10 ? 1 : 2, ns,
		 units[i].unit);
	return text;
}
