// SPDX-License-Identifier: GPL-2.0-only
/* main.c: argv to tool; the rest is the core's. */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "core/tool.h"
#include "core/version.h"

/* a full disk or a closed pipe is a failure, also for words of help */
static int finish(int status)
{
	if ((fflush(stdout) || ferror(stdout)) && status == EXIT_DONE) {
		fprintf(stderr, "netsonde: cannot write to standard output: %s\n", strerror(errno));
		return EXIT_FAILED;
	}
	return status;
}

static bool asks_for_help(const char *word)
{
	return !strcmp(word, "--help") || !strcmp(word, "-h") || !strcmp(word, "help");
}

int main(int argc, char **argv)
{
	const struct tool *tool;

	/* a reader that went away is an error of a write, said in one sentence, not a silent death */
	signal(SIGPIPE, SIG_IGN);
	argc--;
	argv++;
	if (argc && (!strcmp(argv[0], "--version") || !strcmp(argv[0], "version"))) {
		printf("netsonde %s\n", NETSONDE_VERSION);
		return finish(EXIT_DONE);
	}
	if (!argc || asks_for_help(argv[0]) || (argc == 2 && asks_for_help(argv[1]) && registry_has_area(argv[0]))) {
		registry_help(stdout, argc == 2 && registry_has_area(argv[0]) ? argv[0] : NULL);
		return finish(EXIT_DONE);
	}
	tool = registry_find(&argc, &argv);
	if (!tool)
		return EXIT_USAGE;
	return finish(run_tool(tool, argc, argv));
}
