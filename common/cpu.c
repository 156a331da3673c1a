/* SPDX-License-Identifier: MIT */
/*
 * cpu.c - CPUID words, and the bits in them without which code faults
 *
 * Sources: Intel SDM volume 2A (CPUID), Intel architecture instruction set
 * extensions reference, AMD APM volume 3 appendix E.
 */
#include "common/cpu.h"

#include <cpuid.h>
#include <stddef.h>
#include <string.h>

/* What lies in each word of image.cpu_features; part of the descriptor. */
enum cpu_word {
	WORD_1_ECX,
	WORD_1_EDX,
	WORD_7_EBX,
	WORD_7_ECX,
	WORD_7_EDX,
	WORD_7_1_EAX,
	WORD_7_1_EDX,
	WORD_D_1_EAX,
	WORD_80000001_ECX,
	WORD_80000001_EDX,
	WORD_80000008_EBX,
};

#define OSXSAVE_BIT (1u << 27) /* in WORD_1_ECX: XGETBV may be used */

struct feature {
	uint8_t word, bit;
	const char *name;
};

/*
 * Only what raises #UD or computes another result where it is missing.  Left
 * out: hints that run as no-operations elsewhere (hle, cldemote, prefetchw),
 * mere speed (erms, fsrm), what the kernel alone executes (smep, xsaves), and
 * shadow stacks, which the image does not carry.
 */
static const struct feature features[] = {
	{WORD_1_EDX, 0, "fpu"},
	{WORD_1_EDX, 4, "tsc"},
	{WORD_1_EDX, 8, "cx8"},
	{WORD_1_EDX, 15, "cmov"},
	{WORD_1_EDX, 19, "clflush"},
	{WORD_1_EDX, 23, "mmx"},
	{WORD_1_EDX, 24, "fxsr"},
	{WORD_1_EDX, 25, "sse"},
	{WORD_1_EDX, 26, "sse2"},
	{WORD_1_ECX, 0, "sse3"},
	{WORD_1_ECX, 1, "pclmulqdq"},
	{WORD_1_ECX, 9, "ssse3"},
	{WORD_1_ECX, 12, "fma"},
	{WORD_1_ECX, 13, "cx16"},
	{WORD_1_ECX, 19, "sse4_1"},
	{WORD_1_ECX, 20, "sse4_2"},
	{WORD_1_ECX, 22, "movbe"},
	{WORD_1_ECX, 23, "popcnt"},
	{WORD_1_ECX, 25, "aes"},
	{WORD_1_ECX, 27, "osxsave"},
	{WORD_1_ECX, 28, "avx"},
	{WORD_1_ECX, 29, "f16c"},
	{WORD_1_ECX, 30, "rdrand"},
	{WORD_7_EBX, 0, "fsgsbase"},
	{WORD_7_EBX, 3, "bmi1"},
	{WORD_7_EBX, 5, "avx2"},
	{WORD_7_EBX, 8, "bmi2"},
	{WORD_7_EBX, 11, "rtm"},
	{WORD_7_EBX, 16, "avx512f"},
	{WORD_7_EBX, 17, "avx512dq"},
	{WORD_7_EBX, 18, "rdseed"},
	{WORD_7_EBX, 19, "adx"},
	{WORD_7_EBX, 21, "avx512ifma"},
	{WORD_7_EBX, 23, "clflushopt"},
	{WORD_7_EBX, 24, "clwb"},
	{WORD_7_EBX, 26, "avx512pf"},
	{WORD_7_EBX, 27, "avx512er"},
	{WORD_7_EBX, 28, "avx512cd"},
	{WORD_7_EBX, 29, "sha_ni"},
	{WORD_7_EBX, 30, "avx512bw"},
	{WORD_7_EBX, 31, "avx512vl"},
	{WORD_7_ECX, 1, "avx512_vbmi"},
	{WORD_7_ECX, 4, "ospke"},
	{WORD_7_ECX, 5, "waitpkg"},
	{WORD_7_ECX, 6, "avx512_vbmi2"},
	{WORD_7_ECX, 8, "gfni"},
	{WORD_7_ECX, 9, "vaes"},
	{WORD_7_ECX, 10, "vpclmulqdq"},
	{WORD_7_ECX, 11, "avx512_vnni"},
	{WORD_7_ECX, 12, "avx512_bitalg"},
	{WORD_7_ECX, 14, "avx512_vpopcntdq"},
	{WORD_7_ECX, 22, "rdpid"},
	{WORD_7_ECX, 27, "movdiri"},
	{WORD_7_ECX, 28, "movdir64b"},
	{WORD_7_ECX, 29, "enqcmd"},
	{WORD_7_EDX, 2, "avx512_4vnniw"},
	{WORD_7_EDX, 3, "avx512_4fmaps"},
	{WORD_7_EDX, 5, "uintr"},
	{WORD_7_EDX, 8, "avx512_vp2intersect"},
	{WORD_7_EDX, 14, "serialize"},
	{WORD_7_EDX, 16, "tsxldtrk"},
	{WORD_7_EDX, 22, "amx_bf16"},
	{WORD_7_EDX, 23, "avx512_fp16"},
	{WORD_7_EDX, 24, "amx_tile"},
	{WORD_7_EDX, 25, "amx_int8"},
	{WORD_7_1_EAX, 0, "sha512"},
	{WORD_7_1_EAX, 1, "sm3"},
	{WORD_7_1_EAX, 2, "sm4"},
	{WORD_7_1_EAX, 3, "rao_int"},
	{WORD_7_1_EAX, 4, "avx_vnni"},
	{WORD_7_1_EAX, 5, "avx512_bf16"},
	{WORD_7_1_EAX, 7, "cmpccxadd"},
	{WORD_7_1_EAX, 21, "amx_fp16"},
	{WORD_7_1_EAX, 23, "avx_ifma"},
	{WORD_7_1_EDX, 4, "avx_vnni_int8"},
	{WORD_7_1_EDX, 5, "avx_ne_convert"},
	{WORD_7_1_EDX, 8, "amx_complex"},
	{WORD_7_1_EDX, 10, "avx_vnni_int16"},
	{WORD_7_1_EDX, 19, "avx10"},
	{WORD_7_1_EDX, 21, "apx_f"},
	{WORD_D_1_EAX, 0, "xsaveopt"},
	{WORD_D_1_EAX, 1, "xsavec"},
	{WORD_D_1_EAX, 2, "xgetbv1"},
	{WORD_80000001_ECX, 0, "lahf_lm"},
	{WORD_80000001_ECX, 5, "lzcnt"},
	{WORD_80000001_ECX, 6, "sse4a"},
	{WORD_80000001_ECX, 11, "xop"},
	{WORD_80000001_ECX, 15, "lwp"},
	{WORD_80000001_ECX, 16, "fma4"},
	{WORD_80000001_ECX, 21, "tbm"},
	{WORD_80000001_ECX, 29, "mwaitx"},
	{WORD_80000001_EDX, 11, "syscall"},
	{WORD_80000001_EDX, 22, "mmxext"},
	{WORD_80000001_EDX, 27, "rdtscp"},
	{WORD_80000001_EDX, 30, "3dnowext"},
	{WORD_80000001_EDX, 31, "3dnow"},
	{WORD_80000008_EBX, 0, "clzero"},
};

/* XGETBV by its bytes: its intrinsic needs a compiler flag. */
static uint64_t read_xcr0(void)
{
	uint32_t low, high;

	__asm__ volatile(".byte 0x0f, 0x01, 0xd0"
			 : "=a"(low), "=d"(high)
			 : "c"(0));
	return (uint64_t)high << 32 | low;
}

/* A leaf that the CPU has not leaves its words zero. */
void cpu_read(uint32_t ret_features[IMAGE_CPU_WORDS], uint64_t *ret_xfeatures)
{
	uint32_t *w = ret_features;
	uint32_t a, b, c, d;

	memset(w, 0, sizeof(*w) * IMAGE_CPU_WORDS);
	(void)__get_cpuid(1, &a, &b, &w[WORD_1_ECX], &w[WORD_1_EDX]);
	if (__get_cpuid_count(7, 0, &a, &w[WORD_7_EBX], &w[WORD_7_ECX],
			      &w[WORD_7_EDX]) &&
	    a >= 1)
		(void)__get_cpuid_count(7, 1, &w[WORD_7_1_EAX], &b, &c,
					&w[WORD_7_1_EDX]);
	(void)__get_cpuid_count(0xd, 1, &w[WORD_D_1_EAX], &b, &c, &d);
	(void)__get_cpuid(0x80000001, &a, &b, &w[WORD_80000001_ECX],
			  &w[WORD_80000001_EDX]);
	(void)__get_cpuid(0x80000008, &a, &w[WORD_80000008_EBX], &c, &d);
	*ret_xfeatures = w[WORD_1_ECX] & OSXSAVE_BIT ? read_xcr0() : 0;
}

const char *cpu_missing(const uint32_t want[IMAGE_CPU_WORDS],
			const uint32_t have[IMAGE_CPU_WORDS])
{
	const size_t nr = sizeof(features) / sizeof(features[0]);

	for (size_t i = 0; i < nr; i++) {
		const struct feature *feature = &features[i];
		uint32_t lacking = want[feature->word] & ~have[feature->word];

		if (lacking >> feature->bit & 1)
			return feature->name;
	}
	return NULL;
}

/* Intel SDM volume 1, section 13.1: the state components. */
static const char *const xfeature_names[] = {
	[0] = "x87",
	[1] = "SSE",
	[2] = "AVX",
	[3] = "MPX bounds",
	[4] = "MPX configuration",
	[5] = "AVX-512 opmask",
	[6] = "AVX-512 upper halves",
	[7] = "AVX-512 high registers",
	[9] = "protection keys",
	[11] = "user shadow stack",
	[17] = "AMX tile configuration",
	[18] = "AMX tile data",
	[19] = "APX registers",
	[62] = "AMD LWP",
};

const char *cpu_xfeature_name(uint64_t bits)
{
	const size_t nr = sizeof(xfeature_names) / sizeof(xfeature_names[0]);

	for (size_t i = 0; i < nr; i++)
		if (bits >> i & 1 && xfeature_names[i])
			return xfeature_names[i];
	return NULL;
}
