// SPDX-License-Identifier: GPL-2.0-only
/* clock.c: monotonic time to wall time; the distance is taken anew at each use, so that NTP steps are followed. */
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

uint64_t clock_wall(uint64_t monotonic_ns)
{
	return clock_read(CLOCK_REALTIME) - clock_read(CLOCK_MONOTONIC) + monotonic_ns;
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
