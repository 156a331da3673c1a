/* SPDX-License-Identifier: MIT */
/*
 * core_notes.h - the notes of an ELF core: what a debugger must know besides
 * memory
 *
 * As the kernel writes them (fs/binfmt_elf.c, core(5)), in its order:
 *
 *   thread 0: PRSTATUS  PRPSINFO SIGINFO AUXV FILE  FPREGSET X86_XSTATE
 *   the rest: PRSTATUS  FPREGSET X86_XSTATE
 *
 * Thread 0 is the leader: it stands for the process in tools that show one
 * thread.  No signal ended anything, so pr_cursig and si_signo are 0.
 *
 * Above: fs/core.c.  Pure; any thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/image.h"

/* How many bytes core_notes_write() will write: a multiple of 4. */
size_t core_notes_bytes(const struct image *image);

/* Write the notes of @image to @buf, which has room for them.  No errors. */
void core_notes_write(const struct image *image, uint8_t *buf);
