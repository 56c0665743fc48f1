/* SPDX-License-Identifier: GPL-2.0-only */
/* pcapng.h: capture files that Wireshark reads, with a comment at each packet. */
#ifndef NETSONDE_CORE_PCAPNG_H
#define NETSONDE_CORE_PCAPNG_H

#include <stddef.h>
#include <stdint.h>

struct pcapng;

struct pcapng_packet {
	uint64_t wall_ns; /* since 1970 */
	const char *device; /* name of the interface, "" if none */
	int ethernet; /* 1: data begins with an Ethernet header; 0: with an IP header */
	const void *data;
	uint32_t captured, length;
	const char *comment;
};

/** pcapng_open: creates or empties path. NULL with errno set if it cannot be. */
struct pcapng *pcapng_open(const char *path);
/** pcapng_write: returns 0 or -errno (disk full). */
int pcapng_write(struct pcapng *file, const struct pcapng_packet *packet);
/** pcapng_close: returns 0 or -errno if what was written did not reach the file. */
int pcapng_close(struct pcapng *file);

#endif
