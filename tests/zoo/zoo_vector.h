/* SPDX-License-Identifier: MIT */
/*
 * zoo_vector.h - loops that keep a register file alive without spilling it
 *
 * Each loads its registers from @in, spins @spins times, with a getpid() system
 * call in each turn when @call is not 0, and stores the registers to @out.  In
 * zoo_vector_x86_64.S; zoo_vector.c compares.
 */
#pragma once

#include <stdint.h>

struct zoo_registers {
	uint8_t vector[32 *
		       64]; /* xmm, ymm or zmm, by number, 64 bytes apart */
	uint64_t mask[8];   /* k1 to k7 in [1] to [7] */
	double x87[8];
	uint64_t general[8]; /* rbx, rbp, r12 to r15 in [0] to [5] */
	uint32_t mxcsr;
	uint16_t x87_control, pad;
};

void zoo_spin_general(const struct zoo_registers *in, struct zoo_registers *out,
		      uint64_t spins, uint64_t call);
void zoo_spin_sse(const struct zoo_registers *in, struct zoo_registers *out,
		  uint64_t spins, uint64_t call);
void zoo_spin_avx(const struct zoo_registers *in, struct zoo_registers *out,
		  uint64_t spins, uint64_t call);
void zoo_spin_avx512(const struct zoo_registers *in, struct zoo_registers *out,
		     uint64_t spins, uint64_t call);
void zoo_spin_x87(const struct zoo_registers *in, struct zoo_registers *out,
		  uint64_t spins, uint64_t call);
