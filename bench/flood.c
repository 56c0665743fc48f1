// SPDX-License-Identifier: GPL-2.0-only
/*
 * flood: sends UDP packets by count and says what one cost, by a clock that
 * counts instructions (lab/vm run --icount), in rounds until two agree.
 *
 * usage: flood [-b COMMAND] [-d NETNS] [-n FLOWS] [-r PID] ADDRESS PORT PACKETS
 *        flood -c CPUS -d NETNS -f FILE ADDRESS PORT PACKETS
 *	-b COMMAND  run before each round
 *	-c CPUS   as many processes, each on a CPU of its own and to a port of its own, send at the
 *		  same time; what a packet cost is counted by QEMU (lab/vm run --count)
 *	-d NETNS  a socket there receives each packet before the next is sent
 *	-f FILE   where QEMU puts the counts
 *	-n FLOWS  each packet of the next of so many flows: to 40,000 ports from PORT on, and
 *		  the same from further source ports
 *	-r PID    this process reads what the packets cause: it is stopped during
 *		  a round, and what it then needs to catch up is told apart
 *
 * Prints "PER_PACKET READER_PER_PACKET SENT ROUNDS": instructions a packet,
 * those of the reader (0 without -r), packets sent in all rounds, rounds. With
 * -c the first is the median of the packets that passed at the same time as
 * others, followed by what 90 % of them stay within, their mean, and their
 * share of all in percent.
 */
#include <arpa/inet.h>
#include <err.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "mark.h"

#define ROUNDS_MAX 16
#define CROWD_ROUNDS_MAX 64	/* most of them pass nothing at the same time where the machine is busy */
#define AGREE 0.001	/* two rounds agree if they differ by less than this part of them */
#define PAYLOAD 64
#define SOURCE 40000	/* port */
#define PORTS 40000	/* that one source sends to */
#define SOURCES 8
#define CPUS_MAX 64

static struct sockaddr_in target = { .sin_family = AF_INET };
static long packets, flows;
static int senders[SOURCES], receiver = -1;
static pid_t reader;

static int udp_socket(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		err(1, "socket");
	return fd;
}

/* from a port of its own, and the same in each run: it is part of a flow */
static int sender_open(int port)
{
	const struct sockaddr_in own = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = udp_socket();

	if (bind(fd, (const struct sockaddr *)&own, sizeof(own)))
		err(1, "port %d", port);
	return fd;
}

/* a socket bound to the target's address in another namespace */
static int receiver_open(const char *netns)
{
	char path[64];
	int here, there, fd;

	snprintf(path, sizeof(path), "/run/netns/%s", netns);
	here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	there = open(path, O_RDONLY | O_CLOEXEC);
	if (here < 0 || there < 0 || setns(there, CLONE_NEWNET))
		err(1, "%s", path);
	fd = udp_socket();
	if (bind(fd, (struct sockaddr *)&target, sizeof(target)))
		err(1, "bind");
	if (setns(here, CLONE_NEWNET))
		err(1, "setns");
	close(here);
	close(there);
	return fd;
}

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC_RAW, &time);
	return time.tv_sec * 1000000000ULL + time.tv_nsec;
}

static ssize_t packet_send(const void *payload, long number)
{
	struct sockaddr_in to = target;

	if (!flows)
		return send(senders[0], payload, PAYLOAD, 0);
	number %= flows;
	to.sin_port = htons(ntohs(target.sin_port) + number % PORTS);
	return sendto(senders[number / PORTS], payload, PAYLOAD, 0, (struct sockaddr *)&to, sizeof(to));
}

static void packet_pass(long number)
{
	static char payload[PAYLOAD];

	if (packet_send(payload, number) != PAYLOAD)
		err(1, "send");
	if (receiver >= 0 && recv(receiver, payload, sizeof(payload), 0) != sizeof(payload))
		err(1, "recv");
}

static double round_run(void)
{
	uint64_t start = now();

	for (long i = 0; i < packets; i++)
		packet_pass(i);
	return (double)(now() - start) / packets;
}

/* time that the reader has had on the CPU */
static uint64_t reader_time(void)
{
	unsigned long long time;
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/schedstat", reader);
	file = fopen(path, "r");
	if (!file || fscanf(file, "%llu", &time) != 1)
		err(1, "%s", path);
	fclose(file);
	return time;
}

static char reader_state(void)
{
	char path[64], state;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", reader);
	file = fopen(path, "r");
	if (!file || fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
		err(1, "%s", path);
	fclose(file);
	return state;
}

static void nap(void)
{
	const struct timespec nap = { .tv_nsec = 5000000 };

	nanosleep(&nap, NULL);
}

static void reader_stop(void)
{
	if (kill(reader, SIGSTOP))
		err(1, "kill");
	while (reader_state() != 'T')
		nap();
}

/* runs until it sleeps and goes on sleeping; returns the time that it took */
static uint64_t reader_catch_up(void)
{
	uint64_t before = reader_time(), last = before;
	int still = 0;

	if (kill(reader, SIGCONT))
		err(1, "kill");
	while (still < 4) {
		uint64_t time;

		nap();
		time = reader_time();
		still = time == last && reader_state() == 'S' ? still + 1 : 0;
		last = time;
	}
	return last - before;
}

/* what those that send at the same time share */
static struct crowd {
	atomic_int warm, done;	/* processes that are */
	atomic_long sent;
} *crowd;

/* Sends on one CPU. What it costs is marked only while all others send, too. */
static void crowd_send(int cpu, int cpus, const char *netns)
{
	cpu_set_t own;
	long sent = 0;

	CPU_ZERO(&own);
	CPU_SET(cpu, &own);
	if (sched_setaffinity(0, sizeof(own), &own))
		err(1, "CPU %d", cpu);
	target.sin_port = htons(ntohs(target.sin_port) + cpu);
	receiver = receiver_open(netns);
	senders[0] = sender_open(SOURCE + cpu);
	if (connect(senders[0], (struct sockaddr *)&target, sizeof(target)))
		err(1, "connect");

	for (; sent < packets; sent++)
		packet_pass(sent);
	for (crowd->warm++; crowd->warm < cpus; sent++)
		packet_pass(sent);
	for (long i = 0; i < packets; i++, sent++) {
		asm volatile(MARK_ASM);
		packet_pass(sent);
	}
	asm volatile(MARK_ASM);
	for (crowd->done++; crowd->done < cpus; sent++)
		packet_pass(sent);
	crowd->sent += sent;
}

static int cost_compare(const void *a, const void *b)
{
	const uint64_t *one = a, *other = b;

	return *one < *other ? -1 : *one > *other;
}

/*
 * Reads the lines of count.c. A packet costs what lies between two marks of
 * its CPU. It counts only if other CPUs passed theirs meanwhile, as many as fit
 * to the same pace: else QEMU's threads had to wait for CPUs of the machine,
 * and packets passed one after the other. Returns the number of costs.
 */
static long costs_read(FILE *counts, int cpus, uint64_t *costs)
{
	struct { unsigned long long count; long line; } last[CPUS_MAX] = {};
	unsigned long long count;
	unsigned int cpu;
	long line, n = 0;

	clearerr(counts);
	for (line = 1; fscanf(counts, "%u %llu", &cpu, &count) == 2; line++) {
		long others = cpu < CPUS_MAX ? line - last[cpu].line - 1 : 0;

		if (cpu >= CPUS_MAX || line > (packets + 1) * cpus)
			errx(1, "more marks than packets");
		if (last[cpu].line && (cpus == 1 || (others > 0 && others <= 2 * (cpus - 1))))
			costs[n++] = count - last[cpu].count;
		last[cpu].count = count;
		last[cpu].line = line;
	}
	if (line <= (packets + 1) * cpus)
		errx(1, "%ld marks for %ld packets", line - 1, packets * cpus);
	return n;
}

static void crowd_round(int cpus, const char *netns)
{
	int status, failed = 0;

	crowd->warm = 0;
	crowd->done = 0;
	for (int cpu = 0; cpu < cpus; cpu++) {
		pid_t pid = fork();

		if (pid < 0)
			err(1, "fork");
		if (!pid) {
			crowd_send(cpu, cpus, netns);
			_exit(0);
		}
	}
	for (int cpu = 0; cpu < cpus; cpu++) {
		failed |= wait(&status) < 0 || status;
		/* the others would wait for it for ever */
		if (failed)
			crowd->warm = crowd->done = cpus;
	}
	if (failed)
		exit(1);
}

/* rounds until as many packets passed at the same time as one CPU sends in a round */
static void crowd_run(int cpus, const char *netns, const char *path)
{
	uint64_t *costs = calloc(CROWD_ROUNDS_MAX * packets * cpus, sizeof(*costs)), sum = 0;
	FILE *counts = fopen(path, "r");
	int round = 0;
	long n = 0;

	if (!counts || fseek(counts, 0, SEEK_END))
		err(1, "%s", path);
	crowd = mmap(NULL, sizeof(*crowd), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (!costs || crowd == MAP_FAILED)
		err(1, "memory");
	for (; n < packets && round < CROWD_ROUNDS_MAX; round++) {
		crowd_round(cpus, netns);
		n += costs_read(counts, cpus, costs + n);
	}
	if (n < packets)
		errx(1, "only %ld of %ld packets passed at the same time", n, round * packets * cpus);
	qsort(costs, n, sizeof(*costs), cost_compare);
	for (long i = 0; i < n; i++)
		sum += costs[i];
	printf("%lu 0 %ld %d %lu %lu %.0f\n", costs[n / 2], crowd->sent, round, costs[n * 9 / 10], sum / n,
	       100.0 * n / (round * packets * cpus));
	free(costs);
	fclose(counts);
}

int main(int argc, char **argv)
{
	const char *netns = NULL, *before = NULL, *counts = NULL;
	double last = 0, cost = 0, reading = 0;
	int option, round, cpus = 0;

	while ((option = getopt(argc, argv, "b:c:d:f:n:r:")) > 0) {
		if (option == 'b')
			before = optarg;
		else if (option == 'c')
			cpus = atoi(optarg);
		else if (option == 'f')
			counts = optarg;
		else if (option == 'd')
			netns = optarg;
		else if (option == 'n')
			flows = atol(optarg);
		else if (option == 'r')
			reader = atoi(optarg);
		else
			return 2;
	}
	if (argc - optind != 3 || flows < 0 || flows > SOURCES * PORTS || !inet_aton(argv[optind], &target.sin_addr))
		errx(2, "usage: flood [-b COMMAND] [-d NETNS] [-n FLOWS] [-r PID] ADDRESS PORT PACKETS");
	target.sin_port = htons(atoi(argv[optind + 1]));
	packets = atol(argv[optind + 2]);
	if (cpus) {
		if (cpus < 0 || cpus > CPUS_MAX || !netns || !counts || flows)
			errx(2, "usage: flood -c CPUS -d NETNS -f FILE ADDRESS PORT PACKETS");
		crowd_run(cpus, netns, counts);
		return 0;
	}
	if (netns)
		receiver = receiver_open(netns);
	for (int i = 0; i <= flows / PORTS && i < SOURCES; i++)
		senders[i] = sender_open(SOURCE + i);
	if (!flows && connect(senders[0], (struct sockaddr *)&target, sizeof(target)))
		err(1, "connect");

	for (round = 0; round < ROUNDS_MAX; round++) {
		if (before && system(before))
			errx(1, "%s", before);
		if (reader)
			reader_stop();
		cost = round_run();
		if (reader)
			reading = (double)reader_catch_up() / packets;
		/* the first round is the warm-up */
		if (round > 1 && fabs(cost - last) < AGREE * cost)
			break;
		last = cost;
	}
	if (round == ROUNDS_MAX)
		errx(1, "no two of %d rounds agree", ROUNDS_MAX);
	printf("%.0f %.0f %ld %d\n", (cost + last) / 2, reading, packets * (round + 1), round + 1);
	return 0;
}
