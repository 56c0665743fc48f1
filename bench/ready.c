// SPDX-License-Identifier: GPL-2.0-only
/*
 * ready: how long a command takes to its first line of output, and the most
 * memory it had: ready COMMAND ARGUMENT...
 *
 * Prints "MICROSECONDS KIB": until the first line, and peak resident size. The
 * command is ended by SIGINT then. Its exit status is returned.
 */
#include <err.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC_RAW, &time);
	return time.tv_sec * 1000000ULL + time.tv_nsec / 1000;
}

int main(int argc, char **argv)
{
	uint64_t start, ready = 0;
	struct rusage usage;
	int ends[2], status;
	ssize_t got;
	char byte;
	pid_t pid;

	if (argc < 2)
		errx(2, "usage: ready COMMAND ARGUMENT...");
	if (pipe(ends))
		err(1, "pipe");
	start = now();
	pid = fork();
	if (pid < 0)
		err(1, "fork");
	if (!pid) {
		dup2(ends[1], STDOUT_FILENO);
		close(ends[0]);
		close(ends[1]);
		signal(SIGINT, SIG_DFL);
		execvp(argv[1], argv + 1);
		err(127, "%s", argv[1]);
	}
	close(ends[1]);
	while ((got = read(ends[0], &byte, 1)) == 1) {
		if (byte == '\n' && !ready) {
			ready = now() - start;
			kill(pid, SIGINT);
		}
	}
	if (wait4(pid, &status, 0, &usage) < 0)
		err(1, "wait");
	if (!ready)
		errx(1, "%s ended without a line", argv[1]);
	printf("%llu %ld\n", (unsigned long long)ready, usage.ru_maxrss);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
