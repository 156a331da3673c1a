/* SPDX-License-Identifier: MIT */
/*
 * cpu.h - the CPU features a running program may have chosen code for
 *
 * A child must not run where a feature of its image is missing: libc and BLAS
 * libraries picked their code once, in the parent.  Bits come from CPUID (Intel
 * SDM volume 2A, AMD APM volume 3) and from XGETBV.
 */
#pragma once

#include <stdint.h>

#include "common/image.h"

/* Fill @ret_features and *@ret_xfeatures (XCR0) for this machine. */
void cpu_read(uint32_t ret_features[IMAGE_CPU_WORDS], uint64_t *ret_xfeatures);

/*
 * The name ("avx512f") of the first feature in @want that @have lacks, or NULL.
 * Only features that user programs can execute count.
 */
const char *cpu_missing(const uint32_t want[IMAGE_CPU_WORDS],
			const uint32_t have[IMAGE_CPU_WORDS]);

/* The name of an XSAVE component bit of @bits ("AMX tile data"), or NULL. */
const char *cpu_xfeature_name(uint64_t bits);
