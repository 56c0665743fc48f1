/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * attr.h: netlink attributes of a message that nobody vouches for. Each is
 * checked against the bytes that are there; nothing is copied.
 */
#ifndef NETSONDE_ODP_ATTR_H
#define NETSONDE_ODP_ATTR_H

#include <linux/netlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/** Bytes of attributes, one behind the other. */
struct odp_attrs {
	const unsigned char *data;
	size_t length;
};

struct odp_attr {
	uint16_t type; /* without the flags for nesting and byte order */
	uint16_t length; /* of the value */
	const unsigned char *value;
};

/**
 * odp_next: takes the first attribute off rest. False at the end, or when what
 * is left is no attribute: then rest->length is not 0.
 */
static inline bool odp_next(struct odp_attrs *rest, struct odp_attr *attr)
{
	struct nlattr header;
	size_t step;

	if (rest->length < sizeof(header))
		return false;
	memcpy(&header, rest->data, sizeof(header));
	if (header.nla_len < sizeof(header) || header.nla_len > rest->length)
		return false;
	attr->type = header.nla_type & NLA_TYPE_MASK;
	attr->length = header.nla_len - sizeof(header);
	attr->value = rest->data + sizeof(header);
	step = NLA_ALIGN(header.nla_len);
	/* the last one of a message need not be padded */
	if (step > rest->length)
		step = rest->length;
	rest->data += step;
	rest->length -= step;
	return true;
}

/** What is nested in an attribute. */
static inline struct odp_attrs odp_nested(const struct odp_attr *attr)
{
	return (struct odp_attrs){ attr->value, attr->length };
}

/** odp_find: the first attribute of a type, false if there is none. */
static inline bool odp_find(struct odp_attrs attrs, uint16_t type, struct odp_attr *found)
{
	while (odp_next(&attrs, found)) {
		if (found->type == type)
			return true;
	}
	return false;
}

/* values need not be aligned */
static inline uint16_t odp_u16(const unsigned char *bytes)
{
	uint16_t number;

	memcpy(&number, bytes, sizeof(number));
	return number;
}

static inline uint32_t odp_u32(const unsigned char *bytes)
{
	uint32_t number;

	memcpy(&number, bytes, sizeof(number));
	return number;
}

static inline uint64_t odp_u64(const unsigned char *bytes)
{
	uint64_t number;

	memcpy(&number, bytes, sizeof(number));
	return number;
}

static inline uint16_t odp_be16(const unsigned char *bytes)
{
	return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static inline uint32_t odp_be32(const unsigned char *bytes)
{
	return (uint32_t)odp_be16(bytes) << 16 | odp_be16(bytes + 2);
}

/** True if each byte is this one. */
static inline bool odp_all(const unsigned char *bytes, size_t length, unsigned char byte)
{
	for (size_t i = 0; i < length; i++) {
		if (bytes[i] != byte)
			return false;
	}
	return true;
}

#endif
