/* SPDX-License-Identifier: MIT */
/*
 * load_begin.h - what mitosis-load does before it looks at its options
 */
#pragma once

/* Descriptors 0 to 2 must be taken, or our own would get those numbers. */
void load_begin_stdio(void);

/* The heap's pages in one call: a fault for each costs more. */
void load_begin_heap(void);
