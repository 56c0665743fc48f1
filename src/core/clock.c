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
