/* SPDX-License-Identifier: GPL-2.0-only */
/* text.h: a string that grows; the caller frees .data. */
#ifndef NETSONDE_ODP_TEXT_H
#define NETSONDE_ODP_TEXT_H

#include <stdbool.h>
#include <stddef.h>

struct odp_text {
	char *data; /* NULL until something was put; always terminated */
	size_t length, room;
	bool failed; /* no memory: something is missing */
};

/** Appends as printf does. */
void odp_put(struct odp_text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
/** Takes the last character away if it is c. */
void odp_chomp(struct odp_text *text, char c);
/** Appends length bytes as one number, without leading zeros: 0x1ff, or 0. */
void odp_put_number(struct odp_text *text, const unsigned char *bytes, size_t length);
/** Appends length bytes as pairs of digits with between (0: nothing) between them. */
void odp_put_bytes(struct odp_text *text, const unsigned char *bytes, size_t length, char between);
/** The text, which is then the caller's to free. NULL: nothing was put, or something is missing. */
char *odp_text_take(struct odp_text *text);

#endif
