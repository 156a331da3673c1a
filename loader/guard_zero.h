/* SPDX-License-Identifier: MIT */
/*
 * guard_zero.h - write zeros over pages of another process
 *
 * Where its mappings cannot be changed (another tracer has the thread, or it
 * may have no more maps), dropped pages are made to read as zeros by writing.
 * The writer holds the address space, not a process number that may be given
 * to somebody else in the meantime.
 *
 * Above: guard_drop.  No state, any thread.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

/* The memory of the process of thread @tid, to be closed by the caller, or what
 * open() says: -EACCES when it may not be written. */
int guard_zero_open(pid_t tid);

/*
 * Zero [@start, @end) of @memory_fd, read-only and PROT_NONE private maps
 * included (proc_pid_mem(5)).  May block on the image's file system, whose
 * pages it faults in.  0, or -errno after a part may have been written: -EIO
 * where nothing is mapped.
 */
int guard_zero(int memory_fd, uint64_t start, uint64_t end);
