// SPDX-License-Identifier: GPL-2.0-only
/* core_pcapng.c: files of the writer, read back byte by byte; what it says of a full disk. */
#include "unit.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/pcapng.h"

static char path[] = "/tmp/netsonde-pcapng-XXXXXX";
static uint8_t *bytes;
static size_t size;

static int path_make(void **state)
{
	int fd = mkstemp(path);

	(void)state;
	return fd < 0 || close(fd);
}

static int path_remove(void **state)
{
	(void)state;
	free(bytes);
	return unlink(path);
}

static void file_read(void)
{
	FILE *file = fopen(path, "r");

	assert_non_null(file);
	free(bytes);
	bytes = calloc(1, 4 << 20);
	size = fread(bytes, 1, 4 << 20, file);
	fclose(file);
}

static uint32_t word(size_t at)
{
	uint32_t value;

	assert_true(at + 4 <= size);
	memcpy(&value, bytes + at, 4);
	return value;
}

static unsigned int half(size_t at)
{
	return word(at) & 0xffff;
}

/* checks both lengths of the block at *at, moves behind it and returns where its body begins */
static size_t block(size_t *at, uint32_t type, uint32_t length)
{
	size_t body = *at + 8;

	assert_int_equal(word(*at), type);
	assert_int_equal(word(*at + 4), length);
	assert_int_equal(length % 4, 0);
	assert_int_equal(word(*at + length - 4), length);
	*at += length;
	return body;
}

/* option code with these bytes, then zeros up to a multiple of 4; returns where the next begins */
static size_t option(size_t at, unsigned int code, const void *data, size_t length)
{
	assert_int_equal(half(at), code);
	assert_int_equal(half(at + 2), length);
	assert_memory_equal(bytes + at + 4, data, length);
	for (size_t i = length; i % 4; i++)
		assert_int_equal(bytes[at + 4 + i], 0);
	return at + 4 + (length + 3) / 4 * 4;
}

static void write_one(struct pcapng *file, const char *device, int ethernet, const char *data,
		      uint32_t captured, uint32_t length, const char *comment)
{
	const struct pcapng_packet packet = {
		.wall_ns = 0x18ea5f0123456789,
		.device = device,
		.ethernet = ethernet,
		.data = data,
		.captured = captured,
		.length = length,
		.comment = comment,
	};

	assert_int_equal(pcapng_write(file, &packet), 0);
}

static size_t section(void)
{
	size_t at = 0, body = block(&at, 0x0a0d0d0a, 28);

	assert_int_equal(word(body), 0x1a2b3c4d);
	assert_int_equal(word(body + 4), 1); /* 1.0 */
	assert_int_equal(word(body + 8), 0xffffffff);
	assert_int_equal(word(body + 12), 0xffffffff);
	return at;
}

static void an_empty_file_is_a_section(void **state)
{
	(void)state;
	assert_int_equal(pcapng_close(pcapng_open(path)), 0);
	file_read();
	assert_int_equal(section(), 28);
	assert_int_equal(size, 28);
	assert_int_equal(pcapng_close(NULL), 0);
}

static void packets_and_interfaces(void **state)
{
	struct pcapng *file = pcapng_open(path);
	size_t at, body;

	(void)state;
	assert_non_null(file);
	write_one(file, "vp1", 1, "abcdefghijklmn", 14, 1514, "why");
	write_one(file, "", 0, "12345", 5, 5, "four");
	write_one(file, "vp1", 1, "x", 1, 60, "");
	/* the same name with the other link type is another interface */
	write_one(file, "vp1", 0, "", 0, 1400, "no bytes");
	assert_int_equal(pcapng_close(file), 0);
	file_read();

	at = section();
	body = block(&at, 1, 40);
	assert_int_equal(half(body), 1); /* LINKTYPE_ETHERNET */
	assert_int_equal(half(body + 2), 0);
	assert_int_equal(word(body + 4), 0);
	body = option(body + 8, 2, "vp1", 3);
	body = option(body, 9, "\x09", 1);
	option(body, 0, "", 0);
	body = block(&at, 6, 60);
	assert_int_equal(word(body), 0);
	assert_int_equal(word(body + 4), 0x18ea5f01);
	assert_int_equal(word(body + 8), 0x23456789);
	assert_int_equal(word(body + 12), 14);
	assert_int_equal(word(body + 16), 1514);
	assert_memory_equal(bytes + body + 20, "abcdefghijklmn\0\0", 16);
	body = option(body + 36, 1, "why", 3);
	option(body, 0, "", 0);

	/* no name: no option of it */
	body = block(&at, 1, 32);
	assert_int_equal(half(body), 101); /* LINKTYPE_RAW */
	body = option(body + 8, 9, "\x09", 1);
	option(body, 0, "", 0);
	body = block(&at, 6, 52);
	assert_int_equal(word(body), 1);
	assert_int_equal(word(body + 12), 5);
	assert_int_equal(word(body + 16), 5);
	assert_memory_equal(bytes + body + 20, "12345\0\0\0", 8);
	option(option(body + 28, 1, "four", 4), 0, "", 0);

	body = block(&at, 6, 44);
	assert_int_equal(word(body), 0);
	assert_memory_equal(bytes + body + 20, "x\0\0\0", 4);
	option(option(body + 24, 1, "", 0), 0, "", 0);

	body = block(&at, 1, 40);
	assert_int_equal(half(body), 101);
	body = block(&at, 6, 48);
	assert_int_equal(word(body), 2);
	assert_int_equal(word(body + 12), 0);
	assert_int_equal(word(body + 16), 1400);
	option(option(body + 20, 1, "no bytes", 8), 0, "", 0);
	assert_int_equal(at, size);
}

static void many_interfaces(void **state)
{
	struct pcapng *file = pcapng_open(path);
	size_t at;

	(void)state;
	assert_non_null(file);
	for (int i = 0; i < 600; i++) {
		char name[17];

		snprintf(name, sizeof(name), "interface-%06d", i % 300);
		write_one(file, name, 1, "abcd", 4, 4, "c");
	}
	assert_int_equal(pcapng_close(file), 0);
	file_read();
	at = section();
	for (unsigned int i = 0; i < 600; i++) {
		if (i < 300)
			block(&at, 1, 52);
		assert_int_equal(word(block(&at, 6, 48)), i % 300);
	}
	assert_int_equal(at, size);
}

/* the longest packet that the tools hand over, with a long stack as comment */
static void long_packet_and_comment(void **state)
{
	struct pcapng *file = pcapng_open(path);
	char data[256], comment[3001];
	size_t at, body;

	(void)state;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = i;
	memset(comment, 'c', sizeof(comment) - 1);
	comment[3000] = 0;
	assert_non_null(file);
	write_one(file, "eth0", 1, data, 256, 9000, comment);
	assert_int_equal(pcapng_close(file), 0);
	file_read();
	at = section();
	block(&at, 1, 40);
	body = block(&at, 6, 28 + 256 + 4 + 3000 + 4 + 4);
	assert_memory_equal(bytes + body + 20, data, 256);
	option(option(body + 276, 1, comment, 3000), 0, "", 0);
	assert_int_equal(at, size);
}

/* a comment that finds no room is cut: the blocks behind it must stay readable */
static void comment_without_room(void **state)
{
	struct pcapng *file = pcapng_open(path);
	char data[256] = "", *comment = malloc(100001);
	size_t at, body, length;

	(void)state;
	assert_non_null(file);
	memset(comment, 'c', 100000);
	for (size_t cut = 3700; cut < 4200; cut++) {
		comment[cut] = 0;
		write_one(file, "eth0", 1, data, 256, 9000, comment);
		comment[cut] = 'c';
	}
	comment[100000] = 0;
	write_one(file, "eth0", 1, data, 256, 9000, comment);
	assert_int_equal(pcapng_close(file), 0);
	file_read();
	at = section();
	block(&at, 1, 40);
	for (size_t i = 0; i < 501; i++) {
		const size_t wanted = i < 500 ? 3700 + i : 100000;

		body = block(&at, 6, word(at + 4)) + 276;
		assert_int_equal(half(body), 1);
		length = half(body + 2);
		assert_true(length >= 1000 && length <= wanted);
		body = option(body, 1, comment, length);
		assert_int_equal(word(body), 0);
		assert_int_equal(body + 8, at);
	}
	assert_int_equal(at, size);
	free(comment);
}

static void disk_full_at_once(void **state)
{
	(void)state;
	errno = 0;
	assert_null(pcapng_open("/dev/full"));
	assert_int_equal(errno, ENOSPC);
	errno = 0;
	assert_null(pcapng_open("/nowhere/file"));
	assert_int_equal(errno, ENOENT);
}

static struct rlimit limit_set(rlim_t most)
{
	struct rlimit before, now;

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	now = (struct rlimit){ most, before.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &now), 0);
	return before;
}

static void disk_full_while_writing(void **state)
{
	const struct pcapng_packet packet = { .device = "d",
					      .ethernet = 1,
					      .data = "abcd",
					      .captured = 4,
					      .length = 4,
					      .comment = "no room" };
	struct pcapng *file = pcapng_open(path);
	struct rlimit before;
	int err = 0, written = 0;

	(void)state;
	assert_non_null(file);
	before = limit_set(8192);
	for (; !err && written < 10000; written++)
		err = pcapng_write(file, &packet);
	pcapng_close(file);
	setrlimit(RLIMIT_FSIZE, &before);
	assert_int_equal(err, -EFBIG);
	/* it is told while the run can still end: at most one buffer of the C library late */
	assert_in_range(written, 8192 / 52, 3 * 8192 / 52);
}

static void disk_full_at_the_end(void **state)
{
	struct pcapng *file = pcapng_open(path);
	struct rlimit before;
	int err;

	(void)state;
	assert_non_null(file);
	write_one(file, "d", 1, "abcd", 4, 4, "still in memory");
	before = limit_set(28);
	err = pcapng_close(file);
	setrlimit(RLIMIT_FSIZE, &before);
	assert_int_equal(err, -EFBIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_file_is_a_section),
		cmocka_unit_test(packets_and_interfaces),
		cmocka_unit_test(many_interfaces),
		cmocka_unit_test(long_packet_and_comment),
		cmocka_unit_test(comment_without_room),
		cmocka_unit_test(disk_full_at_once),
		cmocka_unit_test(disk_full_while_writing),
		cmocka_unit_test(disk_full_at_the_end),
	};

	return cmocka_run_group_tests(tests, path_make, path_remove);
}
