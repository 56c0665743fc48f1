// SPDX-License-Identifier: GPL-2.0-only
/* options.c: options that the path tools share. */
#include <errno.h>
#include <string.h>

#include "core/words.h"
#include "path/path.h"

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

const struct option_row path_option_rows[] = {
	PATH_OPTIONS,
	{ OPTION_END },
};
