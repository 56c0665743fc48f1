// SPDX-License-Identifier: GPL-2.0-only
/* core_attach.c: whether a kernel without debugfs takes tasks off the CPU, by what else tells it. */
#include "unit.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/attach.h"

#define DYNAMIC "#1 SMP PREEMPT_DYNAMIC Debian 6.1.176-1 (2026-10-02)"

static void preempts(void **state)
{
	static const struct {
		const char *version, *command_line, *config;
		bool answer;
	} cases[] = {
		{ "#1 SMP Debian 5.10.251-1 (2026-03-10)", "quiet", "CONFIG_PREEMPT_VOLUNTARY=y\n", false },
		{ "#1 SMP Debian 5.10.251-1 (2026-03-10)", "quiet", "", false },
		{ "#1 SMP PREEMPT Debian 5.10.251-1", "quiet", "", true },
		{ "#1 SMP PREEMPT_RT Debian 6.1.176-1", "preempt=none", "", true },
		{ DYNAMIC, "root=/dev/vda quiet\n", "CONFIG_SMP=y\nCONFIG_PREEMPT_VOLUNTARY=y\nCONFIG_PREEMPT_DYNAMIC=y\n", false },
		{ DYNAMIC, "quiet", "CONFIG_PREEMPT_NONE=y\n", false },
		{ DYNAMIC, "quiet", "# CONFIG_PREEMPT_VOLUNTARY is not set\nCONFIG_PREEMPT=y\n", true },
		{ DYNAMIC, "quiet", "CONFIG_PREEMPT_LAZY=y\n", true },
		{ DYNAMIC, "quiet", "", true },
		{ DYNAMIC, "preempt=full quiet", "CONFIG_PREEMPT_VOLUNTARY=y\n", true },
		{ DYNAMIC, "quiet preempt=none\n", "CONFIG_PREEMPT=y\n", false },
		{ DYNAMIC, "preempt=none preempt=lazy", "CONFIG_PREEMPT_VOLUNTARY=y\n", true },
		{ DYNAMIC, "preempt=voluntary", "", false },
		{ DYNAMIC, "xpreempt=full", "CONFIG_PREEMPT_VOLUNTARY=y\n", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char path[] = "/tmp/unit-config-XXXXXX";
		int fd = mkstemp(path);

		assert_true(fd >= 0);
		assert_int_equal(write(fd, cases[i].config, strlen(cases[i].config)), strlen(cases[i].config));
		close(fd);
		assert_int_equal(attach_preempts_by(cases[i].version, cases[i].command_line, path), cases[i].answer);
		unlink(path);
	}
	assert_true(attach_preempts_by(DYNAMIC, "quiet", "/nowhere/config"));
	assert_false(attach_preempts_by("#1 SMP", "quiet", "/nowhere/config"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(preempts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
