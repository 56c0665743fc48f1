// SPDX-License-Identifier: GPL-2.0-only
/* core_kbtf.c: types of --btf, whose numbers are not the running kernel's. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/kbtf.h"
#include "unit.h"

#define VMLINUX "/sys/kernel/btf/vmlinux"
#define FUNCTION "kernel_halt"

static void types_write(const struct btf *types, char *path)
{
	const void *data;
	uint32_t size;
	FILE *file;
	int fd;

	data = btf__raw_data(types, &size);
	fd = mkstemp(path);
	assert_true(fd >= 0);
	file = fdopen(fd, "w");
	assert_int_equal(fwrite(data, 1, size, file), size);
	fclose(file);
}

/* types that are no kernel's */
static void other_write(char *path)
{
	struct btf *other = btf__new_empty();

	assert_true(btf__add_int(other, "int", 4, BTF_INT_SIGNED) > 0);
	types_write(other, path);
	btf__free(other);
}

/* the kernel's types behind one more, and a function that it has not, in a file */
static void shifted_write(char *path)
{
	struct btf *all = btf__new_empty(), *kernel = btf__parse(VMLINUX, NULL);

	assert_non_null(kernel);
	assert_true(btf__add_int(all, "one_more", 4, 0) > 0);
	assert_true(btf__add_func_proto(all, 0) > 0);
	assert_true(btf__add_func(all, "netsonde_of_a_module", BTF_FUNC_STATIC, 2) > 0);
	assert_true(btf__add_btf(all, kernel) > 0);
	types_write(all, path);
	btf__free(all);
	btf__free(kernel);
}

static void programs_are_attached_by_the_kernels_own_numbers(void **state)
{
	char path[] = "/tmp/core_kbtf.XXXXXX", module[KBTF_MODULE_NAME];
	int own, tracepoint, args;

	(void)state;
	if (access(VMLINUX, R_OK))
		skip();
	assert_int_equal(kbtf_open(NULL), 0);
	own = kbtf_attach_function(NULL, FUNCTION);
	tracepoint = kbtf_attach_tracepoint("kfree_skb", module);
	args = kbtf_tracepoint_args("kfree_skb");
	assert_true(own > 0 && tracepoint > 0 && args >= 2);
	assert_int_equal(kbtf_find(NULL, FUNCTION, BTF_KIND_FUNC, NULL), own);
	kbtf_close();

	shifted_write(path);
	assert_int_equal(kbtf_open(path), 0);
	assert_int_equal(kbtf_find(NULL, FUNCTION, BTF_KIND_FUNC, NULL), own + 3);
	assert_int_equal(kbtf_attach_function(NULL, FUNCTION), own);
	assert_int_equal(kbtf_attach_tracepoint("kfree_skb", module), tracepoint);
	assert_string_equal(module, "");
	assert_true(kbtf_has_tracepoint("kfree_skb"));
	assert_int_equal(kbtf_tracepoint_args("kfree_skb"), args);
	/* a module's types may stand in the file, too; the kernel has no number for them */
	assert_int_equal(kbtf_find("openvswitch", "netsonde_of_a_module", BTF_KIND_FUNC, NULL), 3);
	assert_true(kbtf_attach_function(NULL, "netsonde_of_a_module") < 0);
	kbtf_close();
	assert_false(kbtf_is_open());
	unlink(path);
}

static void what_has_no_types_is_refused(void **state)
{
	char path[] = "/tmp/core_kbtf.XXXXXX";

	(void)state;
	other_write(path);
	assert_int_equal(kbtf_open(path), -ENODATA);
	assert_false(kbtf_is_open());
	unlink(path);
	assert_true(kbtf_open("/dev/null") < 0);
	assert_false(kbtf_is_open());
	assert_int_equal(kbtf_open("/nowhere"), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(programs_are_attached_by_the_kernels_own_numbers),
		cmocka_unit_test(what_has_no_types_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
