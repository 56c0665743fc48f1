// SPDX-License-Identifier: GPL-2.0-only
/*
 * flood: sends UDP packets by count and says what one cost, by a clock that
 * counts instructions (lab/vm run --icount), in rounds until two agree.
 *
 * usage: flood [-b COMMAND] [-d NETNS] [-n FLOWS] [-r PID] ADDRESS PORT PACKETS
 *	-b COMMAND  run before each round
 *	-d NETNS  a socket there receives each packet before the next is sent
 *	-n FLOWS  each packet of the next of so many flows: to 40,000 ports from PORT on, and
 *		  the same from further source ports
 *	-r PID    this process reads what the packets cause: it is stopped during
 *		  a round, and what it then needs to catch up is told apart
 *
 * Prints "PER_PACKET READER_PER_PACKET SENT ROUNDS": instructions a packet,
 * those of the reader (0 without -r), packets sent in all rounds, rounds.
 */
#include <arpa/inet.h>
#include <err.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS_MAX 16
#define AGREE 0.001	/* two rounds agree if they differ by less than this part of them */
#define PAYLOAD 64
#define SOURCE 40000	/* port */
#define PORTS 40000	/* that one source sends to */
#define SOURCES 8

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

static double round_run(void)
{
	char payload[PAYLOAD] = "";
	uint64_t start = now();

	for (long i = 0; i < packets; i++) {
		if (packet_send(payload, i) != PAYLOAD)
			err(1, "send");
		if (receiver >= 0 && recv(receiver, payload, sizeof(payload), 0) != sizeof(payload))
			err(1, "recv");
	}
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

int main(int argc, char **argv)
{
	const char *netns = NULL, *before = NULL;
	double last = 0, cost = 0, reading = 0;
	int option, round;

	while ((option = getopt(argc, argv, "b:d:n:r:")) > 0) {
		if (option == 'b')
			before = optarg;
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
