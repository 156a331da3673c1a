/* SPDX-License-Identifier: MIT */
/*
 * zoo_vector.c - register files that are alive when the image is taken
 *
 * One thread per register file; the loops run nearly all the time, in half of
 * the turns inside system calls.  What the CPU lacks is left out.
 */
#include "tests/zoo/zoo_vector.h"

#include <string.h>

#include "tests/zoo/zoo.h"

#define SPINS_CALLING 20000
#define SPINS_SILENT  2000000
/* Defaults with another rounding: up for SSE, down and single for x87. */
#define MXCSR_ROUND_UP 0x5f80
#define X87_ROUND_DOWN 0x047f

typedef void spin_fn(const struct zoo_registers *, struct zoo_registers *,
		     uint64_t, uint64_t);

struct file {
	const char *name;
	spin_fn *spin;
	unsigned nr_vectors, vector_bytes;
	bool masks, x87, general, mxcsr;
};

static const struct file files[] = {
	{"general registers", zoo_spin_general, .general = true},
	{"SSE", zoo_spin_sse, 16, 16, .mxcsr = true},
	{"x87", zoo_spin_x87, .x87 = true},
	{"AVX", zoo_spin_avx, 16, 32},
	{"AVX-512", zoo_spin_avx512, 32, 64, .masks = true},
};

#define NR_FILES (sizeof(files) / sizeof(files[0]))

static bool usable(const struct file *file)
{
	__builtin_cpu_init();
	if (file->spin == zoo_spin_avx)
		return __builtin_cpu_supports("avx");
	if (file->spin == zoo_spin_avx512)
		return __builtin_cpu_supports("avx512f") &&
		       __builtin_cpu_supports("avx512bw");
	return true;
}

static void make(struct zoo_registers *in, uint64_t seed)
{
	zoo_fill(in, sizeof(*in) / 8 * 8, seed);
	for (int i = 0; i < 8; i++)
		in->x87[i] = 1.0 + i + 1.0 / (seed + 3);
	in->mxcsr = MXCSR_ROUND_UP;
	in->x87_control = X87_ROUND_DOWN;
}

/* The exception flags of MXCSR may change by what others do; the rest not. */
static bool same_mxcsr(uint32_t a, uint32_t b)
{
	return (a & ~0x3fu) == (b & ~0x3fu);
}

static void compare(const struct file *file, const struct zoo_registers *in,
		    const struct zoo_registers *out)
{
	for (unsigned i = 0; i < file->nr_vectors; i++)
		zoo_check(!memcmp(in->vector + 64 * i, out->vector + 64 * i,
				  file->vector_bytes),
			  "%s: vector register %u changed", file->name, i);
	for (int i = 1; file->masks && i < 8; i++)
		zoo_check(in->mask[i] == out->mask[i], "%s: k%d changed",
			  file->name, i);
	for (int i = 0; file->x87 && i < 8; i++)
		zoo_check(!memcmp(&in->x87[i], &out->x87[i], 8),
			  "%s: st%d changed", file->name, i);
	zoo_check(!file->x87 || in->x87_control == out->x87_control,
		  "%s: control word %#x, not %#x", file->name, out->x87_control,
		  in->x87_control);
	for (int i = 0; file->general && i < 6; i++)
		zoo_check(in->general[i] == out->general[i],
			  "%s: register %d changed", file->name, i);
	zoo_check(!file->mxcsr || same_mxcsr(in->mxcsr, out->mxcsr),
		  "%s: MXCSR is %#x, not %#x", file->name, out->mxcsr,
		  in->mxcsr);
}

static void *keep(void *arg)
{
	const struct file *file = arg;
	struct zoo_registers in, out;
	uint64_t turn = 0;
	bool more;

	do {
		more = zoo_running();
		for (int i = 0; i < 2; i++, turn++) {
			make(&in, turn);
			memset(&out, 0, sizeof(out));
			file->spin(&in, &out, i ? SPINS_CALLING : SPINS_SILENT,
				   i);
			compare(file, &in, &out);
		}
	} while (more);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t threads[NR_FILES];
	bool started[NR_FILES];

	zoo_start(argc, argv);
	for (size_t i = 0; i < NR_FILES; i++) {
		started[i] = usable(&files[i]);
		if (started[i])
			threads[i] = zoo_thread(keep, (void *)&files[i]);
	}
	zoo_ready();
	for (size_t i = 0; i < NR_FILES; i++)
		if (started[i])
			(void)zoo_join(threads[i]);
	return zoo_end();
}
