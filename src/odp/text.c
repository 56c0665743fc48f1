// SPDX-License-Identifier: GPL-2.0-only
/* text.c: a string that grows by doubling. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "odp/text.h"

static bool text_reserve(struct odp_text *text, size_t more)
{
	size_t room = text->room ? text->room : 256;
	char *data;

	if (text->length + more < text->room)
		return true;
	while (room <= text->length + more)
		room *= 2;
	data = realloc(text->data, room);
	if (!data) {
		text->failed = true;
		return false;
	}
	text->data = data;
	text->room = room;
	return true;
}

void odp_put(struct odp_text *text, const char *format, ...)
{
	va_list args;
	int length;

	va_start(args, format);
	length = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (length < 0 || !text_reserve(text, length))
		return;
	va_start(args, format);
	vsnprintf(text->data + text->length, text->room - text->length, format, args);
	va_end(args);
	text->length += length;
}

void odp_chomp(struct odp_text *text, char c)
{
	if (text->length && text->data[text->length - 1] == c)
		text->data[--text->length] = 0;
}

void odp_put_bytes(struct odp_text *text, const unsigned char *bytes, size_t length, char between)
{
	static const char digits[] = "0123456789abcdef";

	if (!text_reserve(text, 3 * length))
		return;
	for (size_t i = 0; i < length; i++) {
		if (i && between)
			text->data[text->length++] = between;
		text->data[text->length++] = digits[bytes[i] >> 4];
		text->data[text->length++] = digits[bytes[i] & 15];
	}
	text->data[text->length] = 0;
}

void odp_put_number(struct odp_text *text, const unsigned char *bytes, size_t length)
{
	while (length && !*bytes) {
		bytes++;
		length--;
	}
	if (!length) {
		odp_put(text, "0");
		return;
	}
	odp_put(text, "0x%x", *bytes);
	odp_put_bytes(text, bytes + 1, length - 1, 0);
}

char *odp_text_take(struct odp_text *text)
{
	char *data = text->data;

	if (text->failed) {
		free(data);
		data = NULL;
	}
	*text = (struct odp_text){};
	return data;
}
