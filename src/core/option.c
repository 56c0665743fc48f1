// SPDX-License-Identifier: GPL-2.0-only
/* option.c: option rows, the same for parsing, help and docs. One word means one thing in every tool. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/filter.h"
#include "core/option.h"
#include "core/words.h"

#define NS_PER_SECOND 1000000000ULL
#define OPTIONS_GIVEN_MAX 64 /* more than there are */
/* rows with .words, and bytes of what is given for one */
#define LISTS_MAX 8
#define LIST_LENGTH 1024

static const struct option_row run_rows[] = {
	{ OPTION_DURATION, "interval", "TIME",
	  "report each TIME (summary tools; bare number: seconds; default 10s)",
	  OPT_RUN(interval_ns), .min = NS_PER_SECOND / 10, .max = 30ULL * 86400 * NS_PER_SECOND },
	{ OPTION_DURATION, "duration", "TIME", "end after TIME (default: until Ctrl-C)",
	  OPT_RUN(duration_ns), .min = NS_PER_SECOND / 10, .max = 366ULL * 86400 * NS_PER_SECOND },
	{ OPTION_U32, "count", "N",
	  "end after N reports (summary tools) or N events (details tools)", OPT_RUN(count),
	  .min = 1, .max = UINT32_MAX },
	{ OPTION_FLAG, "json", NULL, "one JSON object a line", OPT_RUN(json) },
	{ OPTION_STRING, "btf", "FILE",
	  "types of the kernel, for one without /sys/kernel/btf/vmlinux", OPT_RUN(btf_path) },
	{ OPTION_FLAG, "dry-run", NULL,
	  "say what would be attached and what would not be seen; attach nothing",
	  OPT_RUN(dry_run) },
	{ OPTION_FLAG, "cost", NULL,
	  "at the end, say what each probe cost, by the kernel's own BPF statistics",
	  OPT_RUN(cost) },
	{ OPTION_FLAG, "verbose", NULL, "say more about what is attached and why", "debug",
	  OPT_RUN(verbose) },
	{ OPTION_FLAG, "schema", NULL, "print the JSON schema of the output lines",
	  OPT_RUN(schema) },
	{ OPTION_FLAG, "help", NULL, "this text", OPT_RUN(help) },
	{ OPTION_END },
};

static const struct option_row command_rows[] = {
	{ OPTION_FLAG, "json", NULL, "one JSON object a line", OPT_RUN(json) },
	{ OPTION_STRING, "btf", "FILE",
	  "types of the kernel, for one without /sys/kernel/btf/vmlinux", OPT_RUN(btf_path) },
	{ OPTION_FLAG, "schema", NULL, "print the JSON schema of the output lines",
	  OPT_RUN(schema) },
	{ OPTION_FLAG, "help", NULL, "this text", OPT_RUN(help) },
	{ OPTION_END },
};

unsigned int option_groups(const struct tool *tool, struct option_group groups[OPTION_GROUPS_MAX])
{
	unsigned int count = 0;

	if (tool->options)
		groups[count++] = (struct option_group){ "This tool", tool->options };
	if (tool->filter)
		groups[count++] = (struct option_group){ "Filter (a packet must pass all of them)",
							 filter_rows };
	groups[count++] = tool->kind == TOOL_COMMAND ? (struct option_group){ "Run", command_rows }
						     : (struct option_group){ "Run", run_rows };
	return count;
}

static const struct {
	const char *name;
	uint64_t ns;
} duration_units[] = {
	{ "ns", 1 },
	{ "us", 1000 },
	{ "ms", 1000000 },
	{ "s", NS_PER_SECOND },
	{ "min", 60 * NS_PER_SECOND },
	{ "m", 60 * NS_PER_SECOND },
	{ "h", 3600 * NS_PER_SECOND },
	{ "d", 86400 * NS_PER_SECOND },
};
#define DURATION_UNITS (sizeof(duration_units) / sizeof(duration_units[0]))

/* in the largest unit of which it is a multiple */
static const char *duration_text(uint64_t ns, char *text, size_t size)
{
	size_t i = DURATION_UNITS - 1;

	while (ns % duration_units[i].ns)
		i--;
	snprintf(text, size, "%llu%s", (unsigned long long)(ns / duration_units[i].ns), duration_units[i].name);
	return text;
}

int option_duration(const char *text, uint64_t unit_ns, uint64_t *ns)
{
	/* only these: strtod() alone would take hexadecimal and "1e9" too */
	size_t length = strspn(text, "0123456789.");
	char digits[32], *rest;
	const char *end = text + length;
	double value;

	if (*text < '0' || *text > '9' || length >= sizeof(digits))
		return -EINVAL;
	memcpy(digits, text, length);
	digits[length] = 0;
	value = strtod(digits, &rest);
	if (*rest)
		return -EINVAL;
	if (*end) {
		size_t i;

		for (i = 0; i < DURATION_UNITS; i++) {
			if (!strcmp(duration_units[i].name, end))
				break;
		}
		if (i == DURATION_UNITS)
			return -EINVAL;
		unit_ns = duration_units[i].ns;
	}
	value *= unit_ns;
	if (value > 9e18)
		return -ERANGE;
	*ns = value + 0.5;
	return 0;
}

static int u32_parse(const struct option_row *row, const char *text, uint64_t *value, char *why,
		     size_t size)
{
	char *end;

	errno = 0;
	*value = strtoull(text, &end, 10);
	if (*text < '0' || *text > '9' || *end) {
		snprintf(why, size, "not a whole number");
		return -EINVAL;
	}
	if (errno || *value < row->min || *value > row->max) {
		snprintf(why, size, "must be %llu to %llu", (unsigned long long)row->min,
			 (unsigned long long)row->max);
		return -ERANGE;
	}
	return 0;
}

static int duration_parse(const struct option_row *row, const char *text, uint64_t *ns, char *why,
			  size_t size)
{
	int err = option_duration(text, NS_PER_SECOND, ns);

	if (err) {
		snprintf(why, size, "not a duration such as 500ms, 10s or 2m");
		return err;
	}
	if (*ns < row->min || *ns > row->max) {
		char least[16], most[16];

		snprintf(why, size, "must be %s to %s", duration_text(row->min, least, sizeof(least)),
			 duration_text(row->max, most, sizeof(most)));
		return -ERANGE;
	}
	return 0;
}

static int row_apply(struct run *run, const struct option_row *row, const char *value, char *why,
		     size_t size)
{
	char *to = (row->rodata ? (char *)run->rodata : row->state ? run->state : (char *)run) + row->offset;
	uint64_t number = 0;
	int err;

	switch (row->kind) {
	case OPTION_FLAG: *(uint32_t *)to = !row->off; return 0;
	case OPTION_U32:
		err = u32_parse(row, value, &number, why, size);
		if (err)
			return err;
		if (to == (char *)&run->count)
			run->count = number;
		else
			*(uint32_t *)to = number;
		return 0;
	case OPTION_DURATION:
		err = duration_parse(row, value, &number, why, size);
		if (!err)
			*(uint64_t *)to = number;
		return err;
	case OPTION_STRING: *(const char **)to = value; return 0;
	case OPTION_PARSED:
	case OPTION_FLAG_PARSED: return row->parse(run, value, why, size);
	case OPTION_END: break;
	}
	return -EINVAL;
}

static const struct option_row *row_find(const struct tool *tool, const char *name, size_t length)
{
	struct option_group groups[OPTION_GROUPS_MAX];
	unsigned int count = option_groups(tool, groups);
	char word[64];

	if (length >= sizeof(word))
		return NULL;
	memcpy(word, name, length);
	word[length] = 0;
	for (unsigned int i = 0; i < count; i++) {
		for (const struct option_row *row = groups[i].rows; row->kind != OPTION_END;
		     row++) {
			if (words_contain(row->name, word) || words_contain(row->aliases, word))
				return row;
		}
	}
	return NULL;
}

/* an option with a value that is given again would silently replace the first */
static bool given_before(const struct option_row **given, unsigned int *count,
			 const struct option_row *row)
{
	for (unsigned int i = 0; i < *count; i++) {
		if (given[i] == row)
			return true;
	}
	if (*count < OPTIONS_GIVEN_MAX)
		given[(*count)++] = row;
	return false;
}

/* what an option of the older script, dashes and all, is called today; NULL: it had no such */
static const struct option_row *row_of_old(const struct tool *tool, const char *word, size_t length)
{
	for (const char *at = tool->was_options; at && *at; at += strcspn(at, " "), at += strspn(at, " ")) {
		if (!strncmp(at, word, length) && at[length] == '=')
			return row_find(tool, at + length + 1, strcspn(at + length + 1, " "));
	}
	return NULL;
}

/* the option that a word of the command line names; value: what the word has behind it (--top=5, -t5), or NULL */
static const struct option_row *word_read(struct run *run, const char *word, const char **value)
{
	const bool is_long = !strncmp(word, "--", 2) && word[2];
	const size_t length = is_long ? strcspn(word, "=") : strnlen(word, 2);
	const struct option_row *row = row_of_old(run->tool, word, length);

	*value = word[length] ? word + length + is_long : NULL;
	if (!row && !strcmp(word, "-h"))
		row = row_find(run->tool, "help", strlen("help"));
	if (!row && !is_long)
		run_error(run, "unexpected word '%s': options begin with --, see --help", word);
	if (row || !is_long)
		return row;
	row = row_find(run->tool, word + 2, length - 2);
	if (!row)
		run_error(run, "no such option: %.*s, see --help", (int)length, word);
	return row;
}

/*
 * A list as the older scripts took it, "--ports 80 443" or "--send-dev 'a, b'": one word with commas. Returns the last
 * word's place, or -1 if it is too long.
 */
static int words_join(char *list, size_t size, int argc, char **argv, int at)
{
	size_t length = 0;

	for (;; at++) {
		for (const char *from = argv[at]; *from; from++) {
			if (length + 2 >= size)
				return -1;
			if (*from != ' ')
				list[length++] = *from;
			else if (length && list[length - 1] != ',' && from[1])
				list[length++] = ',';
		}
		if (at + 1 >= argc || argv[at + 1][0] == '-')
			break;
		if (length + 2 >= size)
			return -1;
		list[length++] = ',';
	}
	list[length] = 0;
	return at;
}

int option_parse(struct run *run, int argc, char **argv)
{
	const struct option_row *given[OPTIONS_GIVEN_MAX];
	static char lists[LISTS_MAX][LIST_LENGTH];
	unsigned int list_count = 0;
	unsigned int given_count = 0;

	for (int i = 0; i < argc; i++) {
		const char *value;
		const struct option_row *row = word_read(run, argv[i], &value);
		bool flag;
		char why[160] = "";

		if (!row)
			return -EINVAL;
		flag = row->kind == OPTION_FLAG || row->kind == OPTION_FLAG_PARSED;
		if (!flag && given_before(given, &given_count, row)) {
			run_error(run, "--%s is given twice", row->name);
			return -EINVAL;
		}
		if (flag && value) {
			run_error(run, "--%s takes no value", row->name);
			return -EINVAL;
		}
		if (!flag && !value && i + 1 < argc && row->words) {
			value = lists[list_count % LISTS_MAX];
			i = words_join(lists[list_count++ % LISTS_MAX], LIST_LENGTH, argc, argv, i + 1);
			if (i < 0) {
				run_error(run, "--%s: a list of more than %d bytes", row->name, LIST_LENGTH - 2);
				return -EINVAL;
			}
		} else if (!flag && !value && ++i < argc) {
			value = argv[i];
		}
		if (!flag && !value) {
			run_error(run, "--%s needs a value (%s)", row->name, row->value);
			return -EINVAL;
		}
		if (row_apply(run, row, value, why, sizeof(why))) {
			run_error(run, "--%s %s: %s", row->name, value ? value : "", why);
			return -EINVAL;
		}
	}
	return 0;
}

/* "-i=interval --name=dev" as "-i (--interval), --name (--dev)" */
static void old_help(const char *at, FILE *to)
{
	const char *between = "Also takes: ";

	for (; at && *at; at += strcspn(at, " "), at += strspn(at, " ")) {
		const int old = strcspn(at, "="), today = strcspn(at + old + 1, " ");

		fprintf(to, "%s%.*s (--%.*s)", between, old, at, today, at + old + 1);
		between = ", ";
	}
	if (*between == ',')
		fputc('\n', to);
}

void option_help(const struct run *run, FILE *to)
{
	const struct tool *tool = run->tool;
	struct option_group groups[OPTION_GROUPS_MAX];
	unsigned int count = option_groups(tool, groups);

	fprintf(to, "netsonde %s: %s\n\n", run->command, tool->summary);
	if (tool->question)
		fprintf(to, "It answers: %s\n", tool->question);
	if (tool->cannot_see)
		fprintf(to, "It cannot see: %s\n", tool->cannot_see);
	if (tool->was)
		fprintf(to, "Also called: %s\n", tool->was);
	old_help(tool->was_options, to);
	for (unsigned int i = 0; i < count; i++) {
		fprintf(to, "\n%s:\n", groups[i].title);
		for (const struct option_row *row = groups[i].rows; row->kind != OPTION_END;
		     row++) {
			char left[48];

			if (!row->help)
				continue;
			snprintf(left, sizeof(left), "--%s%s%s", row->name, row->value ? " " : "",
				 row->value ? row->value : "");
			fprintf(to, "  %-26s %s", left, row->help);
			if (row->aliases)
				fprintf(to, " (also: %s)", row->aliases);
			fputc('\n', to);
		}
	}
}
