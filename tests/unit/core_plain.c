// SPDX-License-Identifier: GPL-2.0-only
/* core_plain.c: nothing that a terminal obeys comes through, and UTF-8 does where it is spoken. */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "core/plain.h"

static const char *plain(const char *words)
{
	static char text[64];
	FILE *to = fmemopen(text, sizeof(text), "w");

	assert_non_null(to);
	plain_words(words, to);
	fclose(to);
	return text;
}

static void control_characters(void **state)
{
	(void)state;
	for (int utf8 = 0; utf8 < 2; utf8++) {
		setenv("LC_ALL", utf8 ? "C.UTF-8" : "C", 1);
		assert_string_equal(plain("eth0: no such device"), "eth0: no such device");
		assert_string_equal(plain("a\033[31m\n\t\177b"), "a?[31m???b");
		/* CSI as one byte, and as a character of two */
		assert_string_equal(plain("\x9b" "31m"), "?31m");
		assert_string_equal(plain("\xc2\x9b" "31m"), "??31m");
		/* cut off, overlong, a surrogate, beyond the last, no first byte */
		assert_string_equal(plain("\xe6\x96"), "??");
		assert_string_equal(plain("\xc0\xaf"), "??");
		assert_string_equal(plain("\xe0\x80\x9b"), "???");
		assert_string_equal(plain("\xed\xa0\x80"), "???");
		assert_string_equal(plain("\xf4\x90\x80\x80"), "????");
		assert_string_equal(plain("\xff\xfe"), "??");
	}
}

static void other_scripts(void **state)
{
	(void)state;
	setenv("LC_ALL", "zh_CN.UTF-8", 1);
	assert_string_equal(plain("/tmp/\xe6\x96\x87.pcapng"), "/tmp/\xe6\x96\x87.pcapng");
	assert_string_equal(plain("\xc3\xa9\xf0\x9f\x90\xa7"), "\xc3\xa9\xf0\x9f\x90\xa7");
	setenv("LC_ALL", "C", 1);
	assert_string_equal(plain("\xc4\x9b"), "??");
	setenv("LC_ALL", "", 1);
	setenv("LC_CTYPE", "en_US.utf8", 1);
	assert_string_equal(plain("\xc4\x9b"), "\xc4\x9b");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(control_characters),
		cmocka_unit_test(other_scripts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
