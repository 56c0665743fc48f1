// SPDX-License-Identifier: GPL-2.0-only
/* registry.c: the tools that the linker gathered, by area and name or by their name in the older toolset. */
#include <stdlib.h>
#include <string.h>

#include "core/plain.h"
#include "core/tool.h"
#include "core/words.h"

extern const struct tool *const __start_netsonde_tools[];
extern const struct tool *const __stop_netsonde_tools[];

static int tool_compare(const void *a, const void *b)
{
	const struct tool *left = *(const struct tool *const *)a,
			  *right = *(const struct tool *const *)b;
	int order = strcmp(left->area, right->area);

	return order ? order : strcmp(left->name, right->name);
}

void registry_each(void (*visit)(const struct tool *tool, void *data), void *data)
{
	size_t count = __stop_netsonde_tools - __start_netsonde_tools;
	const struct tool **sorted = calloc(count, sizeof(*sorted));

	if (!sorted)
		return;
	memcpy(sorted, __start_netsonde_tools, count * sizeof(*sorted));
	qsort(sorted, count, sizeof(*sorted), tool_compare);
	for (size_t i = 0; i < count; i++)
		visit(sorted[i], data);
	free(sorted);
}

struct help {
	FILE *to;
	const char *area; /* NULL: all */
};

static void help_line(const struct tool *tool, void *data)
{
	static const char *const kinds[] = { "S", "D", " " };
	const struct help *help = data;
	char name[48];

	if (help->area && strcmp(help->area, tool->area))
		return;
	snprintf(name, sizeof(name), "%s%s%s", tool->area, *tool->area ? " " : "", tool->name);
	fprintf(help->to, "  %-18s %s  %s\n", name, kinds[tool->kind], tool->summary);
}

bool registry_has_area(const char *area)
{
	for (const struct tool *const *entry = __start_netsonde_tools; entry < __stop_netsonde_tools; entry++) {
		if (*area && !strcmp((*entry)->area, area))
			return true;
	}
	return false;
}

void registry_help(FILE *to, const char *area)
{
	struct help help = { to, area };

	fprintf(to,
		"netsonde: where packets are lost and where time goes on hosts that run virtual machines\n\n"
		"usage: netsonde %s TOOL [OPTION...]     netsonde %s TOOL --help\n\n",
		area ? area : "AREA", area ? area : "AREA");
	registry_each(help_line, &help);
	fprintf(to,
		"\nS: a summary, counted in the kernel, may run for days.  D: single packets, filtered in the kernel.\n"
		"The names of the older scripts work too: netsonde eth_drop --src-ip 10.0.0.1\n"
		"Exit status: 0 done, 1 failed, 2 wrong usage, 3 this kernel cannot.\n");
}

/* the older scripts were called with or without their suffix, with - or _ */
static bool was_called(const struct tool *tool, const char *name)
{
	char plain[96];
	size_t length = strlen(name);

	if (length > 3 && (!strcmp(name + length - 3, ".py") || !strcmp(name + length - 3, ".bt")))
		length -= 3;
	if (!tool->was || length >= sizeof(plain))
		return false;
	memcpy(plain, name, length);
	plain[length] = 0;
	return words_contain(tool->was, plain);
}

const struct tool *registry_find(int *argc, char ***argv)
{
	const struct tool *const *entry;
	const char *word = (*argv)[0];
	bool area_known = false;

	for (entry = __start_netsonde_tools; entry < __stop_netsonde_tools; entry++) {
		const struct tool *tool = *entry;

		if (!*tool->area && !strcmp(tool->name, word))
			goto one;
		if (was_called(tool, word))
			goto one;
		if (!strcmp(tool->area, word)) {
			area_known = true;
			if (*argc > 1 && !strcmp(tool->name, (*argv)[1])) {
				*argc -= 2;
				*argv += 2;
				return tool;
			}
		}
		continue;
	one:
		*argc -= 1;
		*argv += 1;
		return tool;
	}
	fputs("netsonde: ", stderr);
	if (area_known && *argc > 1) {
		fprintf(stderr, "%s has no tool ", word);
		plain_words((*argv)[1], stderr);
		fprintf(stderr, ": see netsonde %s --help\n", word);
	} else if (area_known) {
		fprintf(stderr, "%s needs the name of a tool: see netsonde %s --help\n", word, word);
	} else {
		fputs("no such area or tool: ", stderr);
		plain_words(word, stderr);
		fputs(": see netsonde --help\n", stderr);
	}
	return NULL;
}
