/* SPDX-License-Identifier: MIT */
/*
 * test_cpu.c - this machine's features, and what another would lack
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/cpu.h"

/* Words and bits as docs/descriptor.md gives them. */
static const struct {
	int word, bit;
	const char *name;
} some[] = {
	{0, 0, "sse3"},	    {0, 20, "sse4_2"},
	{0, 28, "avx"},	    {1, 26, "sse2"},
	{2, 5, "avx2"},	    {2, 16, "avx512f"},
	{3, 22, "rdpid"},   {4, 24, "amx_tile"},
	{5, 4, "avx_vnni"}, {6, 10, "avx_vnni_int16"},
	{7, 1, "xsavec"},   {8, 5, "lzcnt"},
	{9, 27, "rdtscp"},  {10, 0, "clzero"},
};

static void test_missing_names_the_feature(void **state)
{
	for (size_t i = 0; i < sizeof(some) / sizeof(some[0]); i++) {
		uint32_t want[IMAGE_CPU_WORDS] = {0}, have[IMAGE_CPU_WORDS];
		const char *name;

		want[some[i].word] = 1u << some[i].bit;
		memset(have, 0xff, sizeof(have));
		assert_null(cpu_missing(want, have));
		have[some[i].word] &= ~want[some[i].word];
		name = cpu_missing(want, have);
		assert_non_null(name);
		assert_string_equal(name, some[i].name);
		assert_null(cpu_missing(have, have));
	}
}

/* erms (word 2 bit 9) makes copies fast and nothing else; smep is the kernel's.
 */
static void test_what_does_not_count(void **state)
{
	uint32_t want[IMAGE_CPU_WORDS] = {0}, have[IMAGE_CPU_WORDS] = {0};

	want[2] = 1u << 9 | 1u << 7;
	want[3] = 1u << 25; /* cldemote: a hint */
	assert_null(cpu_missing(want, have));
}

/* The kernel's view of the same CPU; its names are ours for these. */
static bool cpuinfo_has(const char *flag)
{
	static char line[16384];
	FILE *file = fopen("/proc/cpuinfo", "re");
	bool found = false;

	if (!file)
		return false;
	while (!found && fgets(line, sizeof(line), file)) {
		if (strncmp(line, "flags", 5))
			continue;
		for (char *word = strtok(line, " \t\n"); word && !found;
		     word = strtok(NULL, " \t\n"))
			found = !strcmp(word, flag);
		break;
	}
	(void)fclose(file);
	return found;
}

static void test_agrees_with_the_kernel(void **state)
{
	static const char *const flags[] = {"sse4_2", "avx",	 "avx2",
					    "bmi2",   "avx512f", "rdpid",
					    "xsavec", "rdtscp"};
	static const int places[][2] = {{0, 20}, {0, 28}, {2, 5}, {2, 8},
					{2, 16}, {3, 22}, {7, 1}, {9, 27}};
	uint32_t words[IMAGE_CPU_WORDS];
	uint64_t xfeatures;

	cpu_read(words, &xfeatures);
	if (!cpuinfo_has("sse2"))
		skip();
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (cpuinfo_has(flags[i]) !=
		    (words[places[i][0]] >> places[i][1] & 1))
			fail_msg("%s: CPUID and /proc/cpuinfo differ",
				 flags[i]);
	if (cpuinfo_has("avx"))
		assert_int_equal(xfeatures & 7, 7);
}

static void test_read_is_stable(void **state)
{
	uint32_t a[IMAGE_CPU_WORDS], b[IMAGE_CPU_WORDS];
	uint64_t xa, xb;

	memset(b, 0xff, sizeof(b));
	cpu_read(a, &xa);
	cpu_read(b, &xb);
	assert_memory_equal(a, b, sizeof(a));
	assert_int_equal(xa, xb);
	assert_true(a[1] >> 26 & 1); /* sse2: all of x86-64 has it */
	assert_null(cpu_missing(a, b));
}

static void test_xfeature_names(void **state)
{
	assert_string_equal(cpu_xfeature_name(1u << 18), "AMX tile data");
	assert_string_equal(cpu_xfeature_name(1u << 2 | 1u << 5), "AVX");
	assert_null(cpu_xfeature_name(0));
	assert_null(cpu_xfeature_name(1u << 8));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_missing_names_the_feature),
		cmocka_unit_test(test_what_does_not_count),
		cmocka_unit_test(test_agrees_with_the_kernel),
		cmocka_unit_test(test_read_is_stable),
		cmocka_unit_test(test_xfeature_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
