// SPDX-License-Identifier: GPL-2.0-only
/* options.c: options that the path tools share. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/option.h"
#include "core/words.h"
#include "path/path.h"

#define MS 1000000ULL

bool path_called(const struct run *run, const char *begin)
{
	size_t length = strlen(begin);

	return strlen(run->called) >= length && word_equal(run->called, begin, length);
}

static int text_keep(const char **to, const char *value, char *why, size_t size)
{
	if (!*value) {
		snprintf(why, size, "empty");
		return -EINVAL;
	}
	*to = value;
	return 0;
}

int path_parse(struct run *run, const char *value, char *why, size_t size)
{
	struct path_run *state = run->state;

	state->path = path_find(value);
	if (state->path)
		return 0;
	snprintf(why, size, "no such path (%s)", path_names());
	return -EINVAL;
}

int path_direction_parse(struct run *run, const char *value, char *why, size_t size)
{
	struct path_run *state = run->state;

	if (!strcmp(value, "tx") || !strcmp(value, "rx") || !strcmp(value, "both"))
		return text_keep(&state->direction, value, why, size);
	snprintf(why, size, "must be tx, rx or both: what the host, or the guest, sends or receives");
	return -EINVAL;
}

int path_phy_parse(struct run *run, const char *value, char *why, size_t size)
{
	return text_keep(&((struct path_run *)run->state)->phy, value, why, size);
}

int path_phy2_parse(struct run *run, const char *value, char *why, size_t size)
{
	return text_keep(&((struct path_run *)run->state)->phy2, value, why, size);
}

int path_port_parse(struct run *run, const char *value, char *why, size_t size)
{
	return text_keep(&((struct path_run *)run->state)->port, value, why, size);
}

int path_already_parse(struct run *run, const char *value, char *why, size_t size)
{
	(void)run;
	(void)value;
	(void)why;
	(void)size;
	return 0;
}

int path_vm_parse(struct run *run, const char *value, char *why, size_t size)
{
	return text_keep(&((struct path_run *)run->state)->vm, value, why, size);
}

int path_timeout_parse(struct run *run, const char *value, char *why, size_t size)
{
	struct path_run *state = run->state;

	if (option_duration(value, 1000 * MS, &state->timeout_ns) ||
	    state->timeout_ns < 100 * MS || state->timeout_ns > 600 * 1000 * MS) {
		snprintf(why, size, "not a duration from 100ms to 10m");
		return -EINVAL;
	}
	return 0;
}

int path_in_flight_parse(struct run *run, const char *value, char *why, size_t size)
{
	struct path_run *state = run->state;
	char *end;
	unsigned long long number = strtoull(value, &end, 10);

	if (!isdigit((unsigned char)*value) || *end || number < 64 || number > 1 << 20) {
		snprintf(why, size, "must be 64 to 1048576");
		return -EINVAL;
	}
	state->in_flight = number;
	return 0;
}

const struct option_row path_option_rows[] = {
	PATH_OPTIONS,
	{ OPTION_END },
};
