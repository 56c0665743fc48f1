// SPDX-License-Identifier: GPL-2.0-only
/* hist.c: buckets, their error and percentiles of known values. */
#include "unit.h"

#include <string.h>

#include "core/hist.h"

static struct sonde_hist hist;

static void add(__u64 value)
{
	hist.count++;
	hist.sum += value;
	if (value > hist.max)
		hist.max = value;
	hist.buckets[hist_index(value)]++;
}

static void small_values_are_exact(void **state)
{
	(void)state;
	for (__u64 value = 0; value < 64; value++) {
		assert_int_equal(hist_index(value), value);
		assert_int_equal(hist_bucket_low(value), value);
	}
}

static void buckets_follow_each_other(void **state)
{
	(void)state;
	for (__u32 i = 0; i < HIST_BUCKETS; i++) {
		assert_int_equal(hist_index(hist_bucket_low(i)), i);
		if (i)
			assert_int_equal(hist_index(hist_bucket_low(i) - 1), i - 1);
	}
	assert_int_equal(hist_index(UINT64_MAX), HIST_BUCKETS - 1);
}

static void error_is_at_most_3_percent(void **state)
{
	(void)state;
	for (__u64 value = 1; value < 1ULL << HIST_LOG2_MAX; value += value / 7 + 1) {
		__u32 i = hist_index(value);
		__u64 low = hist_bucket_low(i), high = hist_bucket_low(i + 1);

		assert_true(low <= value && value < high);
		/* the middle of the bucket against the value */
		assert_true((high - 1 - low) / 2 * 64 <= value);
	}
}

static void powers_of_two(void **state)
{
	(void)state;
	assert_int_equal(hist_log2(0), 0);
	for (__u32 bit = 0; bit < 64; bit++) {
		assert_int_equal(hist_log2(1ULL << bit), bit);
		if (bit > 1)
			assert_int_equal(hist_log2((1ULL << bit) - 1), bit - 1);
	}
}

static void percentiles_of_one_to_thousand(void **state)
{
	(void)state;
	memset(&hist, 0, sizeof(hist));
	assert_int_equal(hist_percentile(&hist, 50), 0);
	for (__u64 value = 1; value <= 1000; value++)
		add(value);
	/* 500 lies in 496..503, 900 in 896..911, 990 in 976..991 */
	assert_int_equal(hist_percentile(&hist, 50), 499);
	assert_int_equal(hist_percentile(&hist, 90), 903);
	assert_int_equal(hist_percentile(&hist, 99), 983);
	assert_int_equal(hist_percentile(&hist, 100), 999);
	assert_int_equal(hist.max, 1000);
}

static void a_single_value_is_its_own_percentile(void **state)
{
	(void)state;
	memset(&hist, 0, sizeof(hist));
	add(1514);
	/* the bucket is 1504..1535; its middle is above the maximum */
	assert_int_equal(hist_percentile(&hist, 1), 1514);
	assert_int_equal(hist_percentile(&hist, 99), 1514);
}

static void merge_keeps_the_maximum(void **state)
{
	static struct sonde_hist other;

	(void)state;
	memset(&hist, 0, sizeof(hist));
	memset(&other, 0, sizeof(other));
	add(10);
	other.count = 1;
	other.sum = other.max = 5000;
	other.buckets[hist_index(5000)] = 1;
	hist_merge(&hist, &other);
	assert_int_equal(hist.count, 2);
	assert_int_equal(hist.sum, 5010);
	assert_int_equal(hist.max, 5000);
	assert_int_equal(hist.buckets[10], 1);
	assert_int_equal(hist.buckets[hist_index(5000)], 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(small_values_are_exact),
		cmocka_unit_test(buckets_follow_each_other),
		cmocka_unit_test(error_is_at_most_3_percent),
		cmocka_unit_test(powers_of_two),
		cmocka_unit_test(percentiles_of_one_to_thousand),
		cmocka_unit_test(a_single_value_is_its_own_percentile),
		cmocka_unit_test(merge_keeps_the_maximum),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
