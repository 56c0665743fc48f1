// SPDX-License-Identifier: GPL-2.0-only
/* core_option.c: durations in each unit, what is none, lists of words, and options in a run. */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "core/option.h"
#include "core/words.h"

#define SECOND 1000000000ULL

static void durations(void **state)
{
	static const struct {
		const char *text;
		uint64_t unit, ns;
	} cases[] = {
		{ "7ns", SECOND, 7 },
		{ "100us", SECOND, 100000 },
		{ "5ms", SECOND, 5000000 },
		{ "2s", 1, 2 * SECOND },
		{ "1.5m", 1, 90 * SECOND },
		{ "1.5min", 1, 90 * SECOND },
		{ "2h", 1, 7200 * SECOND },
		{ "1d", 1, 86400 * SECOND },
		/* the unit of a bare number is the caller's */
		{ "60", SECOND, 60 * SECOND },
		{ "60", 1000, 60000 },
		{ "0.25", SECOND, SECOND / 4 },
		{ "0", SECOND, 0 },
		{ "0s", SECOND, 0 },
		{ "007s", SECOND, 7 * SECOND },
		{ "3.s", SECOND, 3 * SECOND },
		/* to the nearest ns */
		{ "0.4ns", SECOND, 0 },
		{ "1.6ns", SECOND, 2 },
		{ "0.1us", SECOND, 100 },
		{ "100000d", SECOND, 100000ULL * 86400 * SECOND },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t ns = 1;
		int err = option_duration(cases[i].text, cases[i].unit, &ns);

		if (err || ns != cases[i].ns)
			fail_msg("%s: %d, %llu ns", cases[i].text, err, (unsigned long long)ns);
	}
}

static void no_durations(void **state)
{
	static const char *const cases[] = {
		"",	 " ",	"s",   "ms",	   "-1",    "-1s",   "+1s",  " 1s", "1 s",
		"1s ",	 "1x",	"1S",  "1sec",	   "1.2.3", "1..5s", "1,5s", ".5s", "0x10",
		"0x10s", "nan", "inf", "infinity", "1s2",   "1m30s", "\x01", "1\n", "1ks",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t ns = 42;

		if (option_duration(cases[i], SECOND, &ns) != -EINVAL || ns != 42)
			fail_msg("'%s' was taken for %llu ns", cases[i], (unsigned long long)ns);
	}
}

static void durations_too_long(void **state)
{
	static const char *const cases[] = {
		"9000000001s",
		"104250d",
		"99999999999999999999999999",
		"9999999999999999999ns",
	};
	uint64_t ns = 42;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(option_duration(cases[i], SECOND, &ns), -ERANGE);
	assert_int_equal(ns, 42);
}

static void words(void **state)
{
	(void)state;
	assert_true(words_contain("one", "one"));
	assert_true(words_contain("one two-three four", "one"));
	assert_true(words_contain("one two-three four", "two-three"));
	assert_true(words_contain("one two-three four", "two_three"));
	assert_true(words_contain("one two_three  four", "two-three"));
	assert_true(words_contain("one two_three  four", "four"));
	assert_false(words_contain("one two-three four", "two"));
	assert_false(words_contain("one two-three four", "three"));
	assert_false(words_contain("one two-three four", "ones"));
	assert_false(words_contain("one two-three four", "One"));
	assert_false(words_contain("one two-three four", "one two-three"));
	assert_false(words_contain("one two-three four", ""));
	assert_false(words_contain("", "one"));
	assert_false(words_contain("", ""));
	assert_false(words_contain(NULL, "one"));
}

/* options in a run of a tool that has none of its own */

static struct {
	uint32_t number, on, off;
} rodata;
static struct own_state {
	uint32_t unused, flag;
} own_state;
static char list[128];

static int list_parse(struct run *run, const char *value, char *why, size_t size)
{
	(void)run;
	(void)why;
	(void)size;
	snprintf(list, sizeof(list), "%s", value);
	return 0;
}

static const struct option_row own[] = {
	{ OPTION_U32, "number", "N", "a number", "old-number n", .rodata = true, .offset = 0,
	  .min = 5, .max = 10 },
	{ OPTION_FLAG, "on", NULL, "a flag", .rodata = true, .offset = 4 },
	{ OPTION_FLAG, "no-off", NULL, "a flag that is on", .rodata = true, .offset = 8,
	  .off = true },
	{ OPTION_FLAG, "kept", NULL, "a flag of the tool's own", OPT_STATE(struct own_state, flag) },
	/* of an older command line: not in the help */
	{ OPTION_PARSED, "list", "LIST", NULL, .words = true, .parse = list_parse },
	{ OPTION_END },
};
static const struct tool tool = {
	.area = "unit", .name = "test", .kind = TOOL_SUMMARY, .options = own
};
static struct run run;

static int parse(int argc, char **argv)
{
	run = (struct run){ .tool = &tool, .rodata = &rodata, .state = &own_state };
	own_state.flag = 0;
	rodata.number = rodata.on = 0;
	rodata.off = 1;
	*unit_said = 0;
	return option_parse(&run, argc, argv);
}

#define PARSE(...)                                                                                 \
	parse(sizeof((char *[]){ __VA_ARGS__ }) / sizeof(char *), (char *[]){ __VA_ARGS__ })

static void options_reach_run_rodata_and_state(void **state)
{
	(void)state;
	assert_int_equal(PARSE("--interval", "500ms", "--duration=2m", "--count", "3", "--json",
			       "--number=7", "--on", "--no-off", "--kept"),
			 0);
	assert_int_equal(own_state.flag, 1);
	assert_int_equal(own_state.unused, 0);
	assert_int_equal(run.interval_ns, SECOND / 2);
	assert_int_equal(run.duration_ns, 120 * SECOND);
	assert_int_equal(run.count, 3);
	assert_int_equal(run.json, 1);
	assert_int_equal(rodata.number, 7);
	assert_int_equal(rodata.on, 1);
	assert_int_equal(rodata.off, 0);
	/* older spellings; 64 bits of a count; a flag may be given twice */
	assert_int_equal(PARSE("--old_number", "10", "--count", "4294967295", "--json", "--json"),
			 0);
	assert_int_equal(rodata.number, 10);
	assert_int_equal(run.count, 4294967295);
	assert_int_equal(rodata.off, 1);
	assert_int_equal(PARSE("-h"), 0);
	assert_int_equal(run.help, 1);
}

/* as the older scripts took them; elsewhere a list is one word with commas */
static void lists_of_words(void **state)
{
	char text[1100] = "x";
	FILE *help;

	(void)state;
	assert_int_equal(PARSE("--list", "80", "443", "1000-2000", "--on"), 0);
	assert_string_equal(list, "80,443,1000-2000");
	assert_int_equal(rodata.on, 1);
	assert_int_equal(PARSE("--list", "a, b c", "d"), 0);
	assert_string_equal(list, "a,b,c,d");
	/* what is wrong with commas stays so, for who reads the list */
	assert_int_equal(PARSE("--list", "80,,90"), 0);
	assert_string_equal(list, "80,,90");
	assert_int_equal(PARSE("--list=80"), 0);
	assert_string_equal(list, "80");
	assert_int_equal(PARSE("--list=80", "90"), -EINVAL);
	memset(text, '1', sizeof(text) - 1);
	assert_int_equal(PARSE("--list", text), -EINVAL);
	assert_string_equal(unit_said, "--list: a list of more than 1022 bytes");

	run = (struct run){ .tool = &tool, .rodata = &rodata };
	help = fmemopen(text, sizeof(text), "w");
	option_help(&run, help);
	fclose(help);
	assert_non_null(strstr(text, "--number"));
	assert_null(strstr(text, "--list"));
}

static void options_refused(void **state)
{
	static const struct {
		char *argv[5];
		int argc;
		const char *said;
	} cases[] = {
		{ { "--nonsense" }, 1, "no such option: --nonsense, see --help" },
		{ { "--src-ip", "1.2.3.4" }, 2, "no such option: --src-ip, see --help" },
		{ { "--=5" }, 1, "no such option: --, see --help" },
		{ { "word" }, 1, "unexpected word 'word': options begin with --, see --help" },
		{ { "--" }, 1, "unexpected word '--': options begin with --, see --help" },
		{ { "--number" }, 1, "--number needs a value (N)" },
		{ { "--number", "4" }, 2, "--number 4: must be 5 to 10" },
		{ { "--number=11" }, 1, "--number 11: must be 5 to 10" },
		{ { "--number", "99999999999999999999" },
		  2,
		  "--number 99999999999999999999: must be 5 to 10" },
		{ { "--number", "7x" }, 2, "--number 7x: not a whole number" },
		{ { "--number", "-7" }, 2, "--number -7: not a whole number" },
		{ { "--number=" }, 1, "--number : not a whole number" },
		{ { "--number=7", "--old-number=7" }, 2, "--number is given twice" },
		{ { "--json=1" }, 1, "--json takes no value" },
		{ { "--count", "0" }, 2, "--count 0: must be 1 to 4294967295" },
		{ { "--interval", "99ms" }, 2, "--interval 99ms: must be 100ms to 30d" },
		{ { "--interval", "soon" },
		  2,
		  "--interval soon: not a duration such as 500ms, 10s or 2m" },
		{ { "--duration", "367d" }, 2, "--duration 367d: must be 100ms to 366d" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(parse(cases[i].argc, (char **)cases[i].argv), -EINVAL);
		assert_string_equal(unit_said, cases[i].said);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(durations),
		cmocka_unit_test(no_durations),
		cmocka_unit_test(durations_too_long),
		cmocka_unit_test(words),
		cmocka_unit_test(options_reach_run_rodata_and_state),
		cmocka_unit_test(lists_of_words),
		cmocka_unit_test(options_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
