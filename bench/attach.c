// SPDX-License-Identifier: GPL-2.0-only
/* attach: loads and attaches programs of a BPF object, says "ready" and waits to be ended: attach OBJECT PROGRAM... */
#include <bpf/libbpf.h>
#include <err.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int wanted(const char *name, char **names, int count)
{
	for (int i = 0; i < count; i++) {
		if (!strcmp(name, names[i]))
			return 1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct bpf_program *program;
	struct bpf_object *object;
	int found = 0;

	if (argc < 3)
		errx(2, "usage: attach OBJECT PROGRAM...");
	object = bpf_object__open_file(argv[1], NULL);
	if (!object)
		err(1, "%s", argv[1]);
	bpf_object__for_each_program(program, object) {
		int is_wanted = wanted(bpf_program__name(program), argv + 2, argc - 2);

		bpf_program__set_autoload(program, is_wanted);
		found += is_wanted;
	}
	if (found != argc - 2)
		errx(1, "%s: has not all programs", argv[1]);
	if (bpf_object__load(object))
		err(1, "%s", argv[1]);
	bpf_object__for_each_program(program, object) {
		if (bpf_program__autoload(program) && !bpf_program__attach(program))
			err(1, "%s", bpf_program__name(program));
	}
	/* a shell ignores it for what it starts in the background */
	signal(SIGINT, SIG_DFL);
	puts("ready");
	fflush(stdout);
	pause();
	return 0;
}

