// SPDX-License-Identifier: GPL-2.0-only
/* labgen: traffic by count for the lab tests: so many packets, no more, and it says how many. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define FRAME_MAX 65536
#define TAGS_MAX 8
#define ANSWER_TIMEOUT_MS 5000
#define UNANSWERED_MAX 10 /* in a row: nobody is there, and the others need not be tried */
#define TCP_TIMEOUT_S 120
#define STOP_LOOK_S 1 /* a signal that comes just before a call that waits is seen this much later */

struct endpoint {
	int family; /* 0: not given */
	uint8_t addr[16]; /* network order; IPv4 uses the first 4 */
};

/* Numbers are unsigned long and flags bool: the option table below writes them by offset. */
struct options {
	const char *mode, *netns, *dev, *tap, *comm, *family, *text;
	unsigned long count, rate, seed, sport, dport, port, size, ttl, protocol;
	unsigned long tcp_flags, seq, ack, icmp_type, quote, fragments, skip_fragment, rcvbuf, ip_id, late;
	struct endpoint src, dst;
	uint8_t src_mac[6], dst_mac[6];
	unsigned long tags[TAGS_MAX], tag_count; /* priority << 13 | id, outermost first */
	bool have_sport, have_src_mac, have_dst_mac, have_icmp_type, have_tcp_flags, have_ip_id, have_quote;
	bool df, bad_ip_checksum, bad_checksum, hold, echo, answers, spread, same, stamps;
};

static struct options opt = {
	.count = 1, .rate = 1000, .seed = 1, .protocol = IPPROTO_UDP, .sport = 40000,
	.dport = 7000, .port = 7000, .ttl = 64, .size = 64, .fragments = 1,
};
static volatile sig_atomic_t stopping;

static void __attribute__((noreturn, format(printf, 1, 2))) die(const char *format, ...)
{
	va_list args;

	fputs("labgen", stderr);
	if (opt.mode)
		fprintf(stderr, " %s", opt.mode);
	fputs(": ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

static void on_signal(int signal)
{
	(void)signal;
	stopping = 1;
}

static uint64_t wall_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

/* The serial number that packet @index carries. */
static uint32_t serial_of(unsigned long index)
{
	return opt.same ? 0 : index;
}

/* --spread: one source port a packet, from --sport on. */
static void spread_check(void)
{
	if (opt.spread && opt.sport + opt.count > 65536)
		die("--spread: no %lu ports from %lu on", opt.count, opt.sport);
}

/* Paced sending: packet i of a run leaves no earlier than i / rate seconds after the first. */
static void pace(unsigned long index)
{
	static struct timespec start;
	struct timespec due;
	uint64_t ns;

	if (!opt.rate)
		return;
	if (!index) {
		clock_gettime(CLOCK_MONOTONIC, &start);
		return;
	}
	ns = start.tv_nsec + index * 1000000000ull / opt.rate;
	due.tv_sec = start.tv_sec + ns / 1000000000ull;
	due.tv_nsec = ns % 1000000000ull;
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL) == EINTR && !stopping)
		;
}

/*
 * A send that fails with one of these did make a packet: a queue refused it (ENOBUFS) or a
 * netfilter hook ate it (EPERM). Such packets count as sent. Any other error ends the run.
 */
static bool packet_was_made(int error)
{
	return error == ENOBUFS || error == EPERM;
}

/* ---- frames: built here byte by byte, sent through a packet socket ---- */

struct frame {
	uint8_t bytes[FRAME_MAX];
	unsigned int length;
};

static void put8(struct frame *frame, unsigned int value)
{
	frame->bytes[frame->length++] = value;
}

static void put16(struct frame *frame, unsigned int value)
{
	put8(frame, value >> 8);
	put8(frame, value & 0xff);
}

static void put32(struct frame *frame, uint32_t value)
{
	put16(frame, value >> 16);
	put16(frame, value & 0xffff);
}

static void put_bytes(struct frame *frame, const void *bytes, unsigned int length)
{
	memcpy(frame->bytes + frame->length, bytes, length);
	frame->length += length;
}

static void set16(uint8_t *at, unsigned int value)
{
	at[0] = value >> 8;
	at[1] = value & 0xff;
}

static uint32_t sum16(const uint8_t *bytes, unsigned int length, uint32_t sum)
{
	unsigned int i;

	for (i = 0; i + 1 < length; i += 2)
		sum += bytes[i] << 8 | bytes[i + 1];
	if (length & 1)
		sum += bytes[length - 1] << 8;
	return sum;
}

static unsigned int fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum & 0xffff;
}

static unsigned int address_length(const struct endpoint *endpoint)
{
	return endpoint->family == AF_INET6 ? 16 : 4;
}

/* Payload: the letters, then the serial number of the packet, then filling. */
static void put_payload(struct frame *frame, uint32_t serial, unsigned int size)
{
	static const char letters[] = "labgen";
	unsigned int i;

	for (i = 0; i < size; i++) {
		unsigned int byte = 'a' + i % 26;

		if (i < 6)
			byte = letters[i];
		else if (i < 10)
			byte = serial >> (8 * (9 - i)) & 0xff;
		put8(frame, byte);
	}
}

/* What an ICMP error answers: a datagram that its receiver has sent from --quote to --dport of its sender. */
static void put_quote(struct frame *frame)
{
	unsigned int start = frame->length;

	if (opt.src.family == AF_INET6) {
		put32(frame, 6u << 28);
		put16(frame, 8);
		put8(frame, IPPROTO_UDP);
		put8(frame, opt.ttl);
	} else {
		put16(frame, 0x4500);
		put16(frame, 28);
		put32(frame, 0);
		put8(frame, opt.ttl);
		put8(frame, IPPROTO_UDP);
		put16(frame, 0);
	}
	put_bytes(frame, opt.dst.addr, address_length(&opt.dst));
	put_bytes(frame, opt.src.addr, address_length(&opt.src));
	if (opt.src.family == AF_INET)
		set16(frame->bytes + start + 10, fold(sum16(frame->bytes + start, 20, 0)));
	put16(frame, opt.quote);
	put16(frame, opt.dport);
	put16(frame, 8);
	put16(frame, 0);
}

/* Layer 4 header and payload into @frame; checksum position is remembered for the caller. */
static void put_transport(struct frame *frame, uint32_t serial, unsigned int protocol)
{
	unsigned int start = frame->length, checksum_at = 0, length, sum_length;
	uint32_t sum = 0;

	switch (protocol) {
	case IPPROTO_UDP:
		put16(frame, opt.sport);
		put16(frame, opt.dport);
		put16(frame, 8 + (opt.text ? strlen(opt.text) : opt.size));
		put16(frame, 0);
		checksum_at = start + 6;
		break;
	case IPPROTO_TCP:
		put16(frame, opt.sport);
		put16(frame, opt.dport);
		put32(frame, opt.seq + serial);
		put32(frame, opt.ack);
		put16(frame, 5 << 12 | opt.tcp_flags);
		put16(frame, 64240);
		put32(frame, 0);
		checksum_at = start + 16;
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		put8(frame, opt.icmp_type);
		put8(frame, 0);
		put16(frame, 0);
		put16(frame, opt.have_quote ? 0 : opt.sport);
		put16(frame, opt.have_quote ? 0 : serial);
		checksum_at = start + 2;
		break;
	}
	if (opt.have_quote)
		put_quote(frame);
	else if (opt.text)
		put_bytes(frame, opt.text, strlen(opt.text));
	else
		put_payload(frame, serial, opt.size);
	if (!checksum_at)
		return;
	length = frame->length - start;
	if (protocol != IPPROTO_ICMP) {
		sum_length = address_length(&opt.src);
		sum = sum16(opt.src.addr, sum_length, sum);
		sum = sum16(opt.dst.addr, sum_length, sum) + length + protocol;
	}
	sum = fold(sum16(frame->bytes + start, length, sum));
	if (!sum && protocol == IPPROTO_UDP)
		sum = 0xffff;
	set16(frame->bytes + checksum_at, opt.bad_checksum ? sum ^ 0x5555 : sum);
}

static void put_ethernet(struct frame *frame, unsigned int type)
{
	unsigned int i;

	put_bytes(frame, opt.dst_mac, 6);
	put_bytes(frame, opt.src_mac, 6);
	for (i = 0; i < opt.tag_count; i++) {
		put16(frame, i + 1 < opt.tag_count ? 0x88a8 : 0x8100);
		put16(frame, opt.tags[i]);
	}
	put16(frame, type);
}

/* @offset and @more describe the fragment; a whole packet has offset 0 and nothing more. */
static void put_ipv4(struct frame *frame, uint32_t serial, unsigned int length,
		     unsigned int offset, bool more)
{
	unsigned int start = frame->length, sum;

	put16(frame, 0x4500);
	put16(frame, 20 + length);
	/* the serial number, never 0 in the first 65,534 */
	put16(frame, opt.have_ip_id ? opt.ip_id : serial + 1);
	put16(frame, (opt.df ? 0x4000 : 0) | (more ? 0x2000 : 0) | offset / 8);
	put8(frame, opt.ttl);
	put8(frame, opt.protocol);
	put16(frame, 0);
	put_bytes(frame, opt.src.addr, 4);
	put_bytes(frame, opt.dst.addr, 4);
	sum = fold(sum16(frame->bytes + start, 20, 0));
	set16(frame->bytes + start + 10, opt.bad_ip_checksum ? sum ^ 0x5555 : sum);
}

static void put_ipv6(struct frame *frame, uint32_t serial, unsigned int length,
		     unsigned int offset, bool more)
{
	bool fragment = opt.fragments > 1;

	put32(frame, 6u << 28);
	put16(frame, length + (fragment ? 8 : 0));
	put8(frame, fragment ? IPPROTO_FRAGMENT : opt.protocol);
	put8(frame, opt.ttl);
	put_bytes(frame, opt.src.addr, 16);
	put_bytes(frame, opt.dst.addr, 16);
	if (!fragment)
		return;
	put8(frame, opt.protocol);
	put8(frame, 0);
	put16(frame, offset | more);
	put32(frame, serial);
}

static void put_arp(struct frame *frame)
{
	put16(frame, 1);
	put16(frame, ETHERTYPE_IP);
	put16(frame, 0x0604);
	put16(frame, 1);
	put_bytes(frame, opt.src_mac, 6);
	put_bytes(frame, opt.src.addr, 4);
	put_bytes(frame, "\0\0\0\0\0\0", 6);
	put_bytes(frame, opt.dst.addr, 4);
}

static int packet_socket(struct sockaddr_ll *to)
{
	struct ifreq request = { 0 };
	int fd = socket(AF_PACKET, SOCK_RAW, 0); /* protocol 0: it never receives */

	if (fd < 0)
		die("packet socket: %s", strerror(errno));
	if (strlen(opt.dev) >= IFNAMSIZ)
		die("--dev %s: name too long", opt.dev);
	strcpy(request.ifr_name, opt.dev);
	if (ioctl(fd, SIOCGIFINDEX, &request))
		die("--dev %s: %s", opt.dev, strerror(errno));
	to->sll_family = AF_PACKET;
	to->sll_ifindex = request.ifr_ifindex;
	to->sll_halen = 6;
	memcpy(to->sll_addr, opt.dst_mac, 6);
	if (!opt.have_src_mac) {
		if (ioctl(fd, SIOCGIFHWADDR, &request))
			die("--dev %s: address: %s", opt.dev, strerror(errno));
		memcpy(opt.src_mac, request.ifr_hwaddr.sa_data, 6);
	}
	return fd;
}

struct tally {
	unsigned long sent, frames, refused_queue, refused_filter;
};

static void tally_send(struct tally *tally, ssize_t result)
{
	tally->frames++;
	if (result >= 0)
		return;
	if (!packet_was_made(errno))
		die("packet %lu: %s", tally->frames, strerror(errno));
	if (errno == ENOBUFS)
		tally->refused_queue++;
	else
		tally->refused_filter++;
}

static void tally_print(const struct tally *tally)
{
	printf("{\"sent\":%lu,\"frames\":%lu,\"enobufs\":%lu,\"eperm\":%lu}\n",
	       tally->sent, tally->frames,
	       tally->refused_queue,
	       tally->refused_filter);
}

static void send_packet(int fd, const struct sockaddr_ll *to, uint32_t serial,
			struct tally *tally)
{
	static struct frame whole, frame;
	unsigned int type = opt.src.family == AF_INET6 ? ETHERTYPE_IPV6 : ETHERTYPE_IP;
	unsigned int piece, i;

	whole.length = 0;
	put_transport(&whole, serial, opt.protocol);
	piece = whole.length;
	if (opt.fragments > 1)
		piece = ((whole.length + opt.fragments - 1) / opt.fragments + 7) & ~7u;
	for (i = 0; i < opt.fragments; i++) {
		unsigned int offset = i * piece, length = piece;
		bool more = offset + piece < whole.length;

		if (!more)
			length = whole.length - offset;
		if (i + 1 == opt.skip_fragment)
			continue;
		frame.length = 0;
		put_ethernet(&frame, type);
		if (type == ETHERTYPE_IP)
			put_ipv4(&frame, serial, length, offset, more);
		else
			put_ipv6(&frame, serial, length, offset, more);
		put_bytes(&frame, whole.bytes + offset, length);
		tally_send(tally, sendto(fd, frame.bytes, frame.length, 0, (const void *)to,
					 sizeof(*to)));
	}
}

static int run_frames(void)
{
	static const uint8_t broadcast[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	struct sockaddr_ll to = { 0 };
	struct tally tally = { 0 };
	int fd;

	if (!opt.dev)
		die("--dev is missing");
	if (!opt.src.family || !opt.dst.family)
		die("--src and --dst are missing");
	if (opt.src.family != opt.dst.family)
		die("--src and --dst: one is IPv4, the other IPv6");
	if (opt.fragments > 1 && opt.fragments * 8 > opt.size + 8)
		die("--fragments %lu: --size %lu is too small for that", opt.fragments, opt.size);
	if (!opt.have_dst_mac)
		memcpy(opt.dst_mac, broadcast, 6);
	if (opt.protocol == IPPROTO_ICMP && opt.src.family == AF_INET6)
		opt.protocol = IPPROTO_ICMPV6;
	if (!opt.have_icmp_type)
		opt.icmp_type = opt.protocol == IPPROTO_ICMPV6 ? 128 : 8;
	if (!opt.have_tcp_flags)
		opt.tcp_flags = 0x02;
	spread_check();
	fd = packet_socket(&to);
	for (; tally.sent < opt.count && !stopping; tally.sent++, opt.sport += opt.spread) {
		pace(tally.sent);
		send_packet(fd, &to, serial_of(tally.sent), &tally);
	}
	tally_print(&tally);
	return 0;
}

static int run_arp(void)
{
	static struct frame frame;
	struct sockaddr_ll to = { 0 };
	struct tally tally = { 0 };
	int fd;

	if (!opt.dev)
		die("--dev is missing");
	if (opt.src.family != AF_INET || opt.dst.family != AF_INET)
		die("--src and --dst need IPv4 addresses");
	if (!opt.have_dst_mac)
		memset(opt.dst_mac, 0xff, 6);
	fd = packet_socket(&to);
	for (; tally.sent < opt.count && !stopping; tally.sent++) {
		pace(tally.sent);
		frame.length = 0;
		put_ethernet(&frame, ETHERTYPE_ARP);
		put_arp(&frame);
		tally_send(&tally, sendto(fd, frame.bytes, frame.length, 0, (void *)&to,
					  sizeof(to)));
	}
	tally_print(&tally);
	return 0;
}

/* ---- sockets: what an application would send and read ---- */

static socklen_t socket_address(const struct endpoint *endpoint, unsigned int port,
				struct sockaddr_storage *address)
{
	struct sockaddr_in6 *six = (void *)address;
	struct sockaddr_in *four = (void *)address;

	memset(address, 0, sizeof(*address));
	address->ss_family = endpoint->family;
	if (endpoint->family == AF_INET6) {
		six->sin6_port = htons(port);
		memcpy(&six->sin6_addr, endpoint->addr, 16);
		return sizeof(*six);
	}
	four->sin_port = htons(port);
	memcpy(&four->sin_addr, endpoint->addr, 4);
	return sizeof(*four);
}

static int open_socket(int type, const struct endpoint *local, unsigned int port)
{
	struct sockaddr_storage address;
	socklen_t length = socket_address(local, port, &address);
	int fd = socket(local->family, type, 0), one = 1;

	if (fd < 0)
		die("socket: %s", strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (void *)&address, length))
		die("bind to port %u: %s", port, strerror(errno));
	return fd;
}

/* The socket that sends to --dst; bound to --src and --sport where they are given. */
static int open_sender(int type)
{
	struct endpoint any = { .family = opt.dst.family };

	if (!opt.dst.family)
		die("--dst is missing");
	if (opt.src.family && opt.src.family != opt.dst.family)
		die("--src and --dst: one is IPv4, the other IPv6");
	return open_socket(type, opt.src.family ? &opt.src : &any,
			   opt.have_sport || opt.spread ? opt.sport : 0);
}

/* calls that wait for what comes in, or for room to send, fail with EAGAIN after so long; 0: never */
static void wait_at_most(int fd, unsigned int seconds)
{
	struct timeval wait = { .tv_sec = seconds };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
}

static int open_listener(int type)
{
	struct endpoint any = { .family = AF_INET6 }; /* takes IPv4 too */
	int fd = open_socket(type, opt.src.family ? &opt.src : &any, opt.port), rcvbuf = opt.rcvbuf;

	if (opt.rcvbuf && setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof(rcvbuf)))
		die("--rcvbuf %lu: %s", opt.rcvbuf, strerror(errno));
	if (type == SOCK_STREAM && listen(fd, 64))
		die("listen: %s", strerror(errno));
	wait_at_most(fd, STOP_LOOK_S);
	printf("{\"listening\":%lu}\n", opt.port);
	fflush(stdout);
	return fd;
}

static uint32_t payload_serial(const uint8_t *payload)
{
	return (uint32_t)payload[6] << 24 | payload[7] << 16 | payload[8] << 8 | payload[9];
}

/* Waits for the answer to datagram @serial; an older one that comes late is passed over. */
static bool answer_arrives(int fd, uint32_t serial)
{
	static uint8_t answer[FRAME_MAX];
	struct pollfd wait = { .fd = fd, .events = POLLIN };

	while (poll(&wait, 1, ANSWER_TIMEOUT_MS) == 1)
		if (recv(fd, answer, sizeof(answer), 0) >= 10 && payload_serial(answer) == serial)
			return true;
	return false;
}

#define STAMPED_MIN 18 /* letters, serial number, time of sending */

/* When a datagram was sent or read, by the wall clock: what a tool says can be held to it. */
struct stamp {
	uint32_t serial, port;
	uint64_t sent, from, until; /* ns; from, until: around the call that sent or read it */
};

static struct stamp *stamps;
static unsigned long stamp_count;

static void stamp_keep(const struct stamp *stamp)
{
	static unsigned long room;

	if (!opt.stamps)
		return;
	if (stamp_count == room) {
		room = room ? room * 2 : 1024;
		stamps = realloc(stamps, room * sizeof(*stamps));
		if (!stamps)
			die("out of memory");
	}
	stamps[stamp_count++] = *stamp;
}

/* At the end, since writing would make the packets late that are to come. */
static void stamps_print(void)
{
	unsigned long i;

	for (i = 0; i < stamp_count; i++)
		printf("{\"serial\":%u,\"src_port\":%u,\"sent_ns\":%llu,"
		       "\"from_ns\":%llu,\"until_ns\":%llu}\n",
		       stamps[i].serial, stamps[i].port, (unsigned long long)stamps[i].sent,
		       (unsigned long long)stamps[i].from, (unsigned long long)stamps[i].until);
}

/* Payload bytes 10 to 17: the time of sending. */
static void payload_stamp(uint8_t *payload, uint64_t ns)
{
	unsigned int i;

	for (i = 0; i < 8; i++)
		payload[10 + i] = ns >> (8 * (7 - i)) & 0xff;
}

static uint64_t payload_stamped(const uint8_t *payload)
{
	uint64_t ns = 0;
	unsigned int i;

	for (i = 0; i < 8; i++)
		ns = ns << 8 | payload[10 + i];
	return ns;
}

static unsigned int port_of(const struct sockaddr_storage *address)
{
	return ntohs(address->ss_family == AF_INET6 ? ((struct sockaddr_in6 *)address)->sin6_port :
						      ((struct sockaddr_in *)address)->sin_port);
}

static unsigned int local_port(int fd)
{
	struct sockaddr_storage address;
	socklen_t length = sizeof(address);

	return getsockname(fd, (void *)&address, &length) ? 0 : port_of(&address);
}

static int open_udp(void)
{
	int discover = opt.df ? IP_PMTUDISC_PROBE : IP_PMTUDISC_DONT;
	int ttl = opt.ttl;
	int fd = open_sender(SOCK_DGRAM);

	if (opt.dst.family == AF_INET) {
		setsockopt(fd, IPPROTO_IP, IP_TTL, &ttl, sizeof(ttl));
		setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &discover, sizeof(discover));
	} else {
		setsockopt(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, &ttl, sizeof(ttl));
	}
	return fd;
}

static int run_udp(void)
{
	static struct frame datagram;
	struct sockaddr_storage to;
	struct tally tally = { 0 };
	unsigned long answered = 0, unanswered = 0;
	int fd = open_udp();
	socklen_t length = socket_address(&opt.dst, opt.dport, &to);

	if (opt.answers && opt.size < 10)
		die("--answers: --size %lu has no room for a serial number (10)", opt.size);
	if (opt.stamps && opt.size < STAMPED_MIN)
		die("--stamps: --size %lu has no room for a time (%d)", opt.size, STAMPED_MIN);
	spread_check();
	for (; tally.sent < opt.count && !stopping; tally.sent++) {
		struct stamp stamp = { .serial = serial_of(tally.sent) };

		if (opt.spread && tally.sent) {
			opt.sport++;
			close(fd);
			fd = open_udp();
		}
		pace(tally.sent);
		datagram.length = 0;
		put_payload(&datagram, stamp.serial, opt.size);
		stamp.from = stamp.sent = wall_ns();
		if (opt.stamps)
			payload_stamp(datagram.bytes, stamp.sent);
		tally_send(&tally, sendto(fd, datagram.bytes, datagram.length, 0, (void *)&to,
					  length));
		stamp.until = wall_ns();
		if (opt.stamps)
			stamp.port = local_port(fd);
		stamp_keep(&stamp);
		if (!opt.answers)
			continue;
		if (answer_arrives(fd, tally.sent)) {
			answered++;
			unanswered = 0;
		} else if (++unanswered == UNANSWERED_MAX) {
			die("datagrams %lu to %lu: no answers", tally.sent - UNANSWERED_MAX + 1, tally.sent);
		}
	}
	stamps_print();
	if (opt.answers)
		printf("{\"sent\":%lu,\"answered\":%lu}\n", tally.sent,
		       answered);
	else
		tally_print(&tally);
	return opt.answers && answered != tally.sent;
}

/* An application that is late: it sleeps while datagrams wait, then reads all there are. */
static void sink_sleep(int fd)
{
	struct timespec late = { opt.late / 1000, opt.late % 1000 * 1000000 };
	struct pollfd wait = { .fd = fd, .events = POLLIN };

	if (!opt.late || poll(&wait, 1, 0) != 0)
		return;
	while (!stopping && poll(&wait, 1, STOP_LOOK_S * 1000) != 1)
		;
	if (!stopping)
		nanosleep(&late, NULL);
}

static int run_sink(void)
{
	static uint8_t datagram[FRAME_MAX];
	int fd = open_listener(SOCK_DGRAM);
	unsigned long received = 0;

	while (opt.hold && !stopping)
		sleep(STOP_LOOK_S);
	while (!stopping) {
		struct sockaddr_storage from;
		socklen_t from_length = sizeof(from);
		struct stamp stamp;
		ssize_t length;

		sink_sleep(fd);
		if (stopping)
			break;
		stamp.from = wall_ns();
		length = recvfrom(fd, datagram, sizeof(datagram), 0, (void *)&from, &from_length);
		if (length < 0)
			continue; /* interrupted, or nothing came: the loop's condition decides */
		stamp.until = wall_ns();
		received++;
		if (opt.stamps && length >= STAMPED_MIN) {
			stamp.serial = payload_serial(datagram);
			stamp.sent = payload_stamped(datagram);
			stamp.port = port_of(&from);
			stamp_keep(&stamp);
		}
		if (opt.echo && sendto(fd, datagram, length, 0, (void *)&from, from_length) < 0)
			die("answer %lu: %s", received, strerror(errno));
	}
	stamps_print();
	printf("{\"received\":%lu}\n", received);
	return 0;
}

static bool write_all(int fd, const uint8_t *bytes, size_t length)
{
	while (length) {
		ssize_t n = write(fd, bytes, length);

		if (n <= 0)
			return false;
		bytes += n;
		length -= n;
	}
	return true;
}

static bool read_all(int fd, uint8_t *bytes, size_t length)
{
	while (length) {
		ssize_t n = read(fd, bytes, length);

		if (n <= 0)
			return false;
		bytes += n;
		length -= n;
	}
	return true;
}

static int run_tcp(void)
{
	static struct frame request;
	static uint8_t answer[FRAME_MAX];
	unsigned long opened, answered = 0;
	uint64_t longest = 0;

	for (opened = 0; opened < opt.count && !stopping; opened++) {
		int fd = open_sender(SOCK_STREAM);
		struct sockaddr_storage to;
		socklen_t length = socket_address(&opt.dst, opt.dport, &to);
		uint64_t start, took;

		pace(opened);
		wait_at_most(fd, TCP_TIMEOUT_S);
		start = wall_ns();
		if (connect(fd, (void *)&to, length))
			die("connection %lu: %s", opened, strerror(errno));
		request.length = 0;
		put_payload(&request, opened, opt.size);
		if (write_all(fd, request.bytes, opt.size) && read_all(fd, answer, opt.size))
			answered += !memcmp(request.bytes, answer, opt.size);
		took = wall_ns() - start;
		longest = took > longest ? took : longest;
		close(fd);
	}
	printf("{\"sent\":%lu,\"answered\":%lu,\"longest_ns\":%llu}\n", opened, answered,
	       (unsigned long long)longest);
	return answered != opened;
}

static int run_tcp_echo(void)
{
	static uint8_t bytes[FRAME_MAX];
	int listener = open_listener(SOCK_STREAM);
	unsigned long accepted = 0;

	while (!stopping) {
		int fd = accept(listener, NULL, NULL);
		ssize_t n;

		if (fd < 0)
			continue;
		accepted++;
		wait_at_most(fd, TCP_TIMEOUT_S);
		while ((n = read(fd, bytes, sizeof(bytes))) > 0 && write_all(fd, bytes, n))
			;
		close(fd);
	}
	printf("{\"received\":%lu}\n", accepted);
	return 0;
}

/* ---- hostile frames: random bytes where a parser expects sense ---- */

static uint64_t random_next(void)
{
	/* splitmix64: the same seed gives the same frames everywhere */
	uint64_t z = opt.seed += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

static unsigned int random_below(unsigned int limit)
{
	return random_next() % limit;
}

static void put_random(struct frame *frame, unsigned int length)
{
	while (length--)
		put8(frame, random_next());
}

static void put_ethernet_to_device(struct frame *frame, unsigned int type)
{
	static const uint8_t broadcast[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

	put_bytes(frame, random_below(4) ? opt.dst_mac : broadcast, 6);
	put_random(frame, 6);
	put16(frame, type);
}

static void hostile_noise(struct frame *frame)
{
	put_random(frame, ETH_HLEN + random_below(1500));
}

static void hostile_ipv4_random(struct frame *frame)
{
	put_ethernet_to_device(frame, ETHERTYPE_IP);
	put_random(frame, random_below(120));
}

/* A header whose checksum is right, so that only the fields themselves lie. */
static void hostile_ipv4_options(struct frame *frame)
{
	static const uint8_t protocols[] = { IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP,
					     IPPROTO_IPIP, IPPROTO_GRE, IPPROTO_ESP };
	unsigned int start, words = 5 + random_below(11), i;

	put_ethernet_to_device(frame, ETHERTYPE_IP);
	start = frame->length;
	put8(frame, 0x40 | words);
	put_random(frame, words * 4 - 1);
	frame->bytes[start + 9] = protocols[random_below(sizeof(protocols))];
	set16(frame->bytes + start + 2,
	      random_below(4) ? words * 4 + random_below(64) : random_next() & 0xffff);
	set16(frame->bytes + start + 10, 0);
	i = fold(sum16(frame->bytes + start, words * 4, 0));
	set16(frame->bytes + start + 10, i);
	put_random(frame, random_below(80));
}

static void hostile_ipv6_extensions(struct frame *frame)
{
	static const uint8_t headers[] = { IPPROTO_HOPOPTS, IPPROTO_ROUTING, IPPROTO_FRAGMENT,
					   IPPROTO_DSTOPTS, IPPROTO_AH, IPPROTO_NONE,
					   IPPROTO_ICMPV6, IPPROTO_UDP, IPPROTO_TCP, 135, 253 };
	unsigned int depth = random_below(24);

	put_ethernet_to_device(frame, ETHERTYPE_IPV6);
	put8(frame, 0x60);
	put_random(frame, 3);
	put16(frame, random_below(4) ? 8 * depth + 16 : random_next() & 0xffff);
	put8(frame, headers[random_below(sizeof(headers))]);
	put_random(frame, 33);
	while (depth--) {
		put8(frame, headers[random_below(sizeof(headers))]);
		put8(frame, random_below(3) ? 0 : random_next());
		put_random(frame, 6);
	}
	put_random(frame, random_below(40));
}

static void hostile_vlan_stack(struct frame *frame)
{
	static const uint16_t types[] = { 0x8100, 0x88a8, 0x9100, 0x8847, 0x8863, ETHERTYPE_IP,
					  ETHERTYPE_IPV6, ETHERTYPE_ARP, 0x0003 };
	unsigned int depth = 1 + random_below(9);

	put_ethernet_to_device(frame, random_below(2) ? 0x8100 : 0x88a8);
	while (depth--) {
		put16(frame, random_next() & 0xffff);
		put16(frame, types[random_below(depth ? 2 : 9)]);
	}
	put_random(frame, random_below(60));
}

/* A sound IPv4 and UDP header to the VXLAN or the Geneve port, and nonsense inside. */
static void hostile_tunnel(struct frame *frame)
{
	bool geneve = random_below(2);
	unsigned int start, inner = random_below(160);

	put_ethernet_to_device(frame, ETHERTYPE_IP);
	start = frame->length;
	put16(frame, 0x4500);
	put16(frame, 28 + inner);
	put32(frame, random_next());
	frame->bytes[start + 6] = frame->bytes[start + 7] = 0;
	put16(frame, 64 << 8 | IPPROTO_UDP);
	put16(frame, 0);
	put_random(frame, 8);
	set16(frame->bytes + start + 10, fold(sum16(frame->bytes + start, 20, 0)));
	put16(frame, random_next() & 0xffff);
	put16(frame, geneve ? 6081 : 4789);
	put16(frame, 8 + inner);
	put16(frame, 0);
	start = frame->length;
	put_random(frame, inner);
	if (inner >= 8 && random_below(4)) {
		frame->bytes[start] = geneve ? random_below(64) : 0x08;
		set16(frame->bytes + start + 2, geneve ? 0x6558 : 0);
	}
}

static void hostile_arp(struct frame *frame)
{
	put_ethernet_to_device(frame, ETHERTYPE_ARP);
	if (random_below(2)) {
		put16(frame, 1);
		put16(frame, ETHERTYPE_IP);
	}
	put_random(frame, random_below(60));
}

/* Escape sequences where a printed field could come from. */
static void hostile_escapes(struct frame *frame)
{
	unsigned int i;

	put_ethernet_to_device(frame, random_below(2) ? ETHERTYPE_IP : 0x1b5b);
	for (i = 0; i < 24; i++)
		put_bytes(frame, "\033[2J", 4);
}

static const struct {
	const char *name;
	void (*fill)(struct frame *frame);
} families[] = {
	{ "noise", hostile_noise },
	{ "ipv4", hostile_ipv4_random },
	{ "ipv4-options", hostile_ipv4_options },
	{ "ipv6-extensions", hostile_ipv6_extensions },
	{ "vlan", hostile_vlan_stack },
	{ "tunnel", hostile_tunnel },
	{ "arp", hostile_arp },
	{ "escapes", hostile_escapes },
};

#define FAMILIES (sizeof(families) / sizeof(families[0]))

static unsigned int family_find(const char *name)
{
	unsigned int i;

	for (i = 0; i < FAMILIES; i++)
		if (!strcmp(families[i].name, name))
			return i;
	die("--family %s: unknown family", name);
}

/* Opens (or makes) the tap --tap, sets it up, and learns its address for frames sent to it. */
static int tap_open(void)
{
	struct ifreq request = { 0 };
	int fd = open("/dev/net/tun", O_RDWR), control = socket(AF_INET, SOCK_DGRAM, 0);

	if (fd < 0)
		die("/dev/net/tun: %s", strerror(errno));
	if (strlen(opt.tap) >= IFNAMSIZ)
		die("--tap %s: name too long", opt.tap);
	strcpy(request.ifr_name, opt.tap);
	request.ifr_flags = IFF_TAP | IFF_NO_PI;
	if (ioctl(fd, TUNSETIFF, &request))
		die("--tap %s: %s", opt.tap, strerror(errno));
	if (ioctl(control, SIOCGIFFLAGS, &request))
		die("--tap %s: flags: %s", opt.tap, strerror(errno));
	request.ifr_flags |= IFF_UP;
	if (ioctl(control, SIOCSIFFLAGS, &request))
		die("--tap %s: up: %s", opt.tap, strerror(errno));
	if (ioctl(control, SIOCGIFHWADDR, &request))
		die("--tap %s: address: %s", opt.tap, strerror(errno));
	memcpy(opt.dst_mac, request.ifr_hwaddr.sa_data, 6);
	close(control);
	return fd;
}

static int run_hostile(void)
{
	static struct frame frame;
	unsigned int only = opt.family ? family_find(opt.family) : FAMILIES;
	unsigned long sent = 0, refused = 0;
	int fd;

	if (!opt.tap)
		die("--tap is missing");
	fd = tap_open();
	for (; sent + refused < opt.count && !stopping;) {
		unsigned int family = only < FAMILIES ? only : (sent + refused) % FAMILIES;

		pace(sent + refused);
		frame.length = 0;
		families[family].fill(&frame);
		if (!random_below(8)) /* now and then cut off anywhere behind the Ethernet header */
			frame.length = ETH_HLEN + random_below(frame.length - ETH_HLEN + 1);
		if (write(fd, frame.bytes, frame.length) < 0)
			refused++;
		else
			sent++;
	}
	printf("{\"sent\":%lu,\"refused\":%lu}\n", sent,
	       refused);
	return 0;
}

/* ---- command line ---- */

static const struct {
	const char *name;
	int (*run)(void);
	const char *help;
} modes[] = {
	{ "frames", run_frames, "IP packets as whole frames into --dev (packet socket)" },
	{ "arp", run_arp, "ARP requests as frames into --dev" },
	{ "udp", run_udp, "datagrams from a UDP socket to --dst --dport" },
	{ "sink", run_sink, "UDP socket on --port: counts until SIGTERM" },
	{ "tcp", run_tcp, "connections to --dst --dport: send, read it back, close" },
	{ "tcp-echo", run_tcp_echo, "TCP server on --port: sends back what it reads" },
	{ "hostile", run_hostile, "frames of random nonsense written into the tap --tap" },
};

enum { FRAMES = 1, ARP = 2, UDP = 4, SINK = 8, TCP = 16, TCP_ECHO = 32, HOSTILE = 64 };

#define SENDERS (FRAMES | ARP | UDP | TCP)
#define ADDRESSED (SENDERS | SINK | TCP_ECHO)

enum kind { NUMBER, ADDRESS, MAC, TAG, PROTOCOL, TEXT, FLAG };

static const struct row {
	const char *name;
	enum kind kind;
	unsigned int modes;
	size_t at, given; /* offsets in struct options; given 0: nobody asks */
	unsigned long max;
	const char *help;
} rows[] = {
#define AT(member) offsetof(struct options, member)
	{ "count", NUMBER, SENDERS | HOSTILE, AT(count), 0, UINT32_MAX,
	  "packets or connections (1)" },
	{ "rate", NUMBER, SENDERS | HOSTILE, AT(rate), 0, 10000000,
	  "packets a second, 0 as fast as possible (1000)" },
	{ "src", ADDRESS, ADDRESSED, AT(src), 0, 0, "source or local address" },
	{ "dst", ADDRESS, SENDERS, AT(dst), 0, 0, "destination address" },
	{ "sport", NUMBER, FRAMES | UDP | TCP, AT(sport), AT(have_sport), 65535,
	  "source port; ICMP id (frames: 40000; sockets: the kernel's choice)" },
	{ "dport", NUMBER, FRAMES | UDP | TCP, AT(dport), 0, 65535, "destination port (7000)" },
	{ "port", NUMBER, SINK | TCP_ECHO, AT(port), 0, 65535, "port to listen on (7000)" },
	{ "size", NUMBER, FRAMES | UDP | TCP, AT(size), 0, 60000, "payload bytes (64)" },
	{ "ttl", NUMBER, FRAMES | UDP, AT(ttl), 0, 255, "TTL or hop limit (64)" },
	{ "df", FLAG, FRAMES | UDP, AT(df), 0, 0, "set don't fragment (IPv4)" },
	{ "netns", TEXT, ADDRESSED, AT(netns), 0, 0, "network namespace to run in, by its name" },
	{ "dev", TEXT, FRAMES | ARP, AT(dev), 0, 0, "device that the frames leave by" },
	{ "src-mac", MAC, FRAMES | ARP, AT(src_mac), AT(have_src_mac), 0,
	  "source MAC (the device's own)" },
	{ "dst-mac", MAC, FRAMES | ARP, AT(dst_mac), AT(have_dst_mac), 0,
	  "destination MAC (broadcast)" },
	{ "vlan", TAG, FRAMES | ARP, AT(tags), 0, 0,
	  "ID[:PRIORITY]: a tag in the frame; again for more, outermost first" },
	{ "protocol", PROTOCOL, FRAMES, AT(protocol), 0, 255,
	  "udp, tcp, icmp (ICMPv6 with IPv6) or a number (udp)" },
	{ "tcp-flags", NUMBER, FRAMES, AT(tcp_flags), AT(have_tcp_flags), 511,
	  "TCP flags as a number (2, SYN)" },
	{ "seq", NUMBER, FRAMES, AT(seq), 0, UINT32_MAX,
	  "TCP sequence number of the first packet, one more in each (0)" },
	{ "ack", NUMBER, FRAMES, AT(ack), 0, UINT32_MAX, "TCP acknowledgement number (0)" },
	{ "icmp-type", NUMBER, FRAMES, AT(icmp_type), AT(have_icmp_type), 255,
	  "ICMP type (echo request)" },
	{ "text", TEXT, FRAMES, AT(text), 0, 0, "payload, instead of --size bytes" },
	{ "quote", NUMBER, FRAMES, AT(quote), AT(have_quote), 65535,
	  "ICMP error: it quotes a datagram from this port to --dport" },
	{ "bad-ip-checksum", FLAG, FRAMES, AT(bad_ip_checksum), 0, 0, "spoil the IPv4 checksum" },
	{ "bad-checksum", FLAG, FRAMES, AT(bad_checksum), 0, 0, "spoil the layer 4 checksum" },
	{ "fragments", NUMBER, FRAMES, AT(fragments), 0, 64, "cut each packet into so many (1)" },
	{ "skip-fragment", NUMBER, FRAMES, AT(skip_fragment), 0, 64,
	  "leave out this one, counted from 1" },
	{ "answers", FLAG, UDP, AT(answers), 0, 0,
	  "wait for each datagram to come back; exit 1 if one does not" },
	{ "echo", FLAG, SINK, AT(echo), 0, 0, "send each datagram back" },
	{ "hold", FLAG, SINK, AT(hold), 0, 0, "never read: the socket buffer fills up" },
	{ "rcvbuf", NUMBER, SINK, AT(rcvbuf), 0, INT_MAX, "SO_RCVBUF in bytes" },
	{ "late", NUMBER, SINK, AT(late), 0, 60000,
	  "wait so many ms when datagrams come, then read all there are" },
	{ "stamps", FLAG, UDP | SINK, AT(stamps), 0, 0,
	  "a line a datagram: source port, serial number, time sent, times around the call" },
	{ "spread", FLAG, FRAMES | UDP, AT(spread), 0, 0,
	  "each packet from a source port of its own: --sport and those that follow" },
	{ "same", FLAG, FRAMES | UDP, AT(same), 0, 0, "all packets alike: serial number 0" },
	{ "ip-id", NUMBER, FRAMES, AT(ip_id), AT(have_ip_id), 65535,
	  "IPv4 id of all packets (one each)" },
	{ "tap", TEXT, HOSTILE, AT(tap), 0, 0, "tap to write into, made if there is none" },
	{ "seed", NUMBER, HOSTILE, AT(seed), 0, UINT32_MAX, "same seed, same frames (1)" },
	{ "family", TEXT, HOSTILE, AT(family), 0, 0, "only this family of frames" },
	{ "comm", TEXT, HOSTILE, AT(comm), 0, 0, "process name to run under" },
#undef AT
};

#define MODES (sizeof(modes) / sizeof(modes[0]))
#define ROWS (sizeof(rows) / sizeof(rows[0]))

static int help(void)
{
	unsigned int i, j;

	puts("labgen MODE [OPTION...]: traffic by count; prints what it sent as JSON\n");
	for (i = 0; i < MODES; i++)
		printf("  %-9s %s\n", modes[i].name, modes[i].help);
	puts("\nOptions (and the modes that take them):");
	for (i = 0; i < ROWS; i++) {
		printf("  --%-16s %s [", rows[i].name, rows[i].help);
		for (j = 0; j < MODES; j++)
			if (rows[i].modes & 1u << j)
				printf("%s%s", rows[i].modes & ((1u << j) - 1) ? " " : "",
				       modes[j].name);
		puts("]");
	}
	puts("\nA packet that a queue or a netfilter hook refused (ENOBUFS, EPERM) was made and\n"
	     "counts as sent; so does each fragmented packet, whatever its number of frames.");
	printf("Families of hostile frames:");
	for (i = 0; i < FAMILIES; i++)
		printf(" %s", families[i].name);
	puts("");
	return 0;
}

static unsigned long parse_number(const struct row *row, const char *text)
{
	char *end;
	unsigned long value;

	errno = 0;
	value = strtoul(text, &end, 0);
	if (errno || *end || *text < '0' || *text > '9' || value > row->max)
		die("--%s %s: not a number from 0 to %lu", row->name, text, row->max);
	return value;
}

static void parse_tag(const struct row *row, const char *text)
{
	unsigned int id, priority = 0;
	int used = 0;

	if (opt.tag_count == TAGS_MAX)
		die("--vlan: more than %d tags", TAGS_MAX);
	if ((sscanf(text, "%u%n:%u%n", &id, &used, &priority, &used) < 1) || text[used] ||
	    id > 4095 || priority > 7)
		die("--%s %s: not ID[:PRIORITY]", row->name, text);
	opt.tags[opt.tag_count++] = priority << 13 | id;
}

static void parse_mac(const struct row *row, uint8_t *mac, const char *text)
{
	int used = 0;

	if (sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx%n", mac, mac + 1, mac + 2, mac + 3,
		   mac + 4, mac + 5, &used) != 6 || text[used])
		die("--%s %s: not a MAC address", row->name, text);
}

static void parse_address(const struct row *row, struct endpoint *endpoint, const char *text)
{
	endpoint->family = strchr(text, ':') ? AF_INET6 : AF_INET;
	if (inet_pton(endpoint->family, text, endpoint->addr) != 1)
		die("--%s %s: not an address", row->name, text);
}

static unsigned int parse_protocol(const struct row *row, const char *text)
{
	if (!strcmp(text, "udp"))
		return IPPROTO_UDP;
	if (!strcmp(text, "tcp"))
		return IPPROTO_TCP;
	if (!strcmp(text, "icmp"))
		return IPPROTO_ICMP;
	return parse_number(row, text);
}

static void option_set(const struct row *row, const char *text)
{
	void *at = (char *)&opt + row->at;

	switch (row->kind) {
	case NUMBER:
		*(unsigned long *)at = parse_number(row, text);
		break;
	case PROTOCOL:
		*(unsigned long *)at = parse_protocol(row, text);
		break;
	case ADDRESS:
		parse_address(row, at, text);
		break;
	case MAC:
		parse_mac(row, at, text);
		break;
	case TAG:
		parse_tag(row, text);
		return;
	case TEXT:
		*(const char **)at = text;
		break;
	case FLAG:
		*(bool *)at = true;
		break;
	}
	if (row->given)
		*((bool *)((char *)&opt + row->given)) = true;
}

static void netns_enter(const char *name)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/run/netns/%s", name);
	fd = open(path, O_RDONLY);
	if (fd < 0 || setns(fd, CLONE_NEWNET))
		die("--netns %s: %s", name, strerror(errno));
	close(fd);
}

static unsigned int mode_find(const char *name)
{
	unsigned int i;

	for (i = 0; i < MODES; i++)
		if (!strcmp(modes[i].name, name))
			return i;
	die("%s: unknown mode; see labgen --help", name);
}

static void options_read(int argc, char **argv, unsigned int mode)
{
	struct option longs[ROWS + 1] = { 0 };
	unsigned int i;
	int which;

	for (i = 0; i < ROWS; i++) {
		longs[i].name = rows[i].name;
		longs[i].has_arg = rows[i].kind != FLAG;
		longs[i].val = i;
	}
	opterr = 0;
	while ((which = getopt_long(argc, argv, ":", longs, NULL)) != -1) {
		if (which == '?')
			die("%s: unknown option", argv[optind - 1]);
		if (which == ':')
			die("%s: value missing", argv[optind - 1]);
		if (!(rows[which].modes & 1u << mode))
			die("--%s: not an option of this mode", rows[which].name);
		option_set(&rows[which], optarg);
	}
	if (optind < argc)
		die("%s: unexpected argument", argv[optind]);
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_signal }; /* no SA_RESTART: calls end */
	unsigned int mode;

	if (argc < 2 || !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
		return argc < 2 ? (help(), 1) : help();
	mode = mode_find(argv[1]);
	opt.mode = argv[1];
	options_read(argc - 1, argv + 1, mode);
	if (opt.netns)
		netns_enter(opt.netns);
	if (opt.comm)
		prctl(PR_SET_NAME, opt.comm);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	return modes[mode].run();
}
