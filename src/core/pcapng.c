// SPDX-License-Identifier: GPL-2.0-only
/*
 * pcapng.c: writer of pcapng (draft-ietf-opsawg-pcapng): one section, an
 * interface block for each device and link type at its first packet, enhanced
 * packet blocks with a comment. libpcap reads this format and does not write it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/pcapng.h"

enum {
	BLOCK_SECTION = 0x0a0d0d0a,
	BLOCK_INTERFACE = 1,
	BLOCK_PACKET = 6,
	OPTION_END = 0,
	OPTION_COMMENT = 1,
	OPTION_IF_NAME = 2,
	OPTION_IF_TSRESOL = 9,
	LINK_ETHERNET = 1,
	LINK_RAW_IP = 101,
};

/* of a block: an option's head, the end option, the total length, padding */
#define PCAPNG_TAIL 24

struct interface {
	char name[32];
	int ethernet;
};

struct pcapng {
	FILE *file;
	struct interface *interfaces;
	unsigned int count;
};

/* a block under construction; its total length stands at both ends */
struct block {
	size_t size;
	uint8_t bytes[4096];
};

static void put(struct block *block, const void *data, size_t size)
{
	size_t padded = (size + 3) / 4 * 4;

	if (block->size + padded > sizeof(block->bytes) - 8)
		return;
	memset(block->bytes + block->size, 0, padded);
	memcpy(block->bytes + block->size, data, size);
	block->size += padded;
}

static void put32(struct block *block, uint32_t value)
{
	put(block, &value, sizeof(value));
}

static void put_option(struct block *block, uint16_t code, const void *data, size_t size)
{
	/* what does not fit is cut, so that the length in front of it stays true */
	const size_t room = sizeof(block->bytes) - block->size - PCAPNG_TAIL;
	uint16_t head[2] = { code, size < room ? size : room };

	size = head[1];
	put(block, head, sizeof(head));
	put(block, data, size);
}

static void block_begin(struct block *block, uint32_t type)
{
	block->size = 0;
	put32(block, type);
	put32(block, 0);
}

static int block_write(struct pcapng *pcapng, struct block *block)
{
	uint32_t total = block->size + 4;

	memcpy(block->bytes + 4, &total, sizeof(total));
	memcpy(block->bytes + block->size, &total, sizeof(total));
	return fwrite(block->bytes, total, 1, pcapng->file) == 1 ? 0 : -errno;
}

struct pcapng *pcapng_open(const char *path)
{
	struct pcapng *pcapng = calloc(1, sizeof(*pcapng));
	struct block block;

	if (!pcapng)
		return NULL;
	pcapng->file = fopen(path, "we");
	if (!pcapng->file) {
		free(pcapng);
		return NULL;
	}
	block_begin(&block, BLOCK_SECTION);
	put32(&block, 0x1a2b3c4d); /* byte order as written */
	put32(&block, 1); /* version 1.0, little-endian halves */
	put32(&block, 0xffffffff); /* length of the section: not known */
	put32(&block, 0xffffffff);
	if (block_write(pcapng, &block) || fflush(pcapng->file)) {
		int err = errno;

		fclose(pcapng->file);
		free(pcapng);
		errno = err;
		return NULL;
	}
	return pcapng;
}

/* index of the interface, entered at its first packet; or -errno */
static int interface_index(struct pcapng *pcapng, const struct pcapng_packet *packet)
{
	static const uint8_t nanoseconds = 9;
	struct interface *more, *new;
	struct block block;

	for (unsigned int i = 0; i < pcapng->count; i++) {
		if (pcapng->interfaces[i].ethernet == packet->ethernet &&
		    !strcmp(pcapng->interfaces[i].name, packet->device))
			return i;
	}
	more = reallocarray(pcapng->interfaces, pcapng->count + 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	pcapng->interfaces = more;
	new = &more[pcapng->count];
	new->ethernet = packet->ethernet;
	snprintf(new->name, sizeof(new->name), "%s", packet->device);
	block_begin(&block, BLOCK_INTERFACE);
	put32(&block, packet->ethernet ? LINK_ETHERNET : LINK_RAW_IP);
	put32(&block, 0); /* no limit on captured bytes */
	if (*new->name)
		put_option(&block, OPTION_IF_NAME, new->name, strlen(new->name));
	put_option(&block, OPTION_IF_TSRESOL, &nanoseconds, 1);
	put_option(&block, OPTION_END, "", 0);
	if (block_write(pcapng, &block))
		return -errno;
	return pcapng->count++;
}

int pcapng_write(struct pcapng *pcapng, const struct pcapng_packet *packet)
{
	int interface = interface_index(pcapng, packet);
	struct block block;

	if (interface < 0)
		return interface;
	block_begin(&block, BLOCK_PACKET);
	put32(&block, interface);
	put32(&block, packet->wall_ns >> 32);
	put32(&block, packet->wall_ns);
	put32(&block, packet->captured);
	put32(&block, packet->length);
	put(&block, packet->data, packet->captured);
	put_option(&block, OPTION_COMMENT, packet->comment, strlen(packet->comment));
	put_option(&block, OPTION_END, "", 0);
	return block_write(pcapng, &block);
}

int pcapng_close(struct pcapng *pcapng)
{
	int err = 0;

	if (!pcapng)
		return 0;
	if (fclose(pcapng->file))
		err = -errno;
	free(pcapng->interfaces);
	free(pcapng);
	return err;
}
