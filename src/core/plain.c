// SPDX-License-Identifier: GPL-2.0-only
/* plain.c: text from outside, made harmless to the terminal that it is printed on. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/plain.h"

/* a terminal of another character set takes the bytes 0x80 to 0x9f for control characters, 0x9b for ESC [ */
static bool locale_is_utf8(void)
{
	static const char *const variables[] = { "LC_ALL", "LC_CTYPE", "LANG" };

	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
		const char *value = getenv(variables[i]);

		/* the first that is set decides */
		if (value && *value)
			return strcasestr(value, "UTF-8") || strcasestr(value, "UTF8");
	}
	return false;
}

/* the length of the character at text, if it is printable; 0: it is not, or no UTF-8 */
static size_t character(const unsigned char *text)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t length = *text >= 0xf0 ? 4 : *text >= 0xe0 ? 3 : 2;
	uint32_t code;

	if (*text < 0x80)
		return *text >= ' ' && *text != 127;
	if (*text < 0xc0 || *text > 0xf4)
		return 0;
	code = *text & (0xff >> (length + 1));
	for (size_t i = 1; i < length; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (text[i] & 0x3f);
	}
	/* U+0080 to U+009f are control characters; surrogates are none at all */
	if (code < least[length] || code < 0xa0 || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
		return 0;
	return length;
}

void plain_words(const char *words, FILE *to)
{
	const bool utf8 = locale_is_utf8();

	while (*words) {
		size_t length = character((const unsigned char *)words);

		if (!length || (length > 1 && !utf8)) {
			fputc('?', to);
			length = 1;
		} else {
			fwrite(words, 1, length, to);
		}
		words += length;
	}
}
