/* SPDX-License-Identifier: MIT */
/*
 * trace.h - points at which bpftrace, perf and SystemTap can look on
 *
 * A point is one no-op instruction, and a note in the program's ELF file about
 * where it is and where its arguments are; nothing is called and nothing is
 * tested while nobody looks.  So pass what is at hand and compute nothing.
 * docs/tracing.md has the list; without <sys/sdt.h> there are none.
 *
 *     TRACE(fault__begin, raddr, len_bytes);      usdt:mitosis:fault__begin
 */
#pragma once

#include "config.h"

#if HAVE_SDT
#define SDT_USE_VARIADIC
#include <sys/sdt.h>
#define TRACE(name, ...) STAP_PROBEV(mitosis, name, __VA_ARGS__)
#else
/* The arguments count as used, and cost nothing. */
static inline void trace_nothing(int first, ...)
{
}
#define TRACE(name, ...) trace_nothing(0, __VA_ARGS__)
#endif
