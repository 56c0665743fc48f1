// SPDX-License-Identifier: GPL-2.0-only
/* attach: loads and attaches one program of a BPF object, says "ready" and waits to be ended: attach OBJECT PROGRAM */
#include <bpf/libbpf.h>
#include <err.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct bpf_program *program, *wanted;
	struct bpf_object *object;

	if (argc != 3)
		errx(2, "usage: attach OBJECT PROGRAM");
	object = bpf_object__open_file(argv[1], NULL);
	if (!object)
		err(1, "%s", argv[1]);
	wanted = bpf_object__find_program_by_name(object, argv[2]);
	if (!wanted)
		errx(1, "%s: no program %s", argv[1], argv[2]);
	bpf_object__for_each_program(program, object)
		bpf_program__set_autoload(program, program == wanted);
	if (bpf_object__load(object) || !bpf_program__attach(wanted))
		err(1, "%s", argv[2]);
	/* a shell ignores it for what it starts in the background */
	signal(SIGINT, SIG_DFL);
	puts("ready");
	fflush(stdout);
	pause();
	return 0;
}
