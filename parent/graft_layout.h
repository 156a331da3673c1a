/* SPDX-License-Identifier: MIT */
/*
 * graft_layout.h - offsets that graft_code.S and graft.c agree on
 *
 * Included by assembly: only numbers here.  graft.c checks them against the
 * structures.
 */
#pragma once

/* struct graft_args */
#define ARGS_DATA        0x00
#define ARGS_DATA_BYTES  0x08
#define ARGS_DONE_SIGNAL 0x10
#define ARGS_AREAS       0x18
#define ARGS_NR_AREAS    0x20
#define ARGS_TIMERS      0x28
#define ARGS_NR_TIMERS   0x30
#define ARGS_SUBREAPER   0x38
#define ARGS_HELPER      0x40
#define ARGS_TWIN        0x48
#define ARGS_REAPED      0x50
#define ARGS_BRK         0x58
#define ARGS_ITIMERS     0x60
#define ARGS_END         0xc0

/* struct graft_slot */
#define SLOT_TID       0x00
#define SLOT_ALTSTACK  0x08
#define SLOT_TID_ADDR  0x20
#define SLOT_COMM      0x28
#define SLOT_IS_LEADER 0x38
#define SLOT_FRAME     0x40

/* struct graft_timer: an id, and what timer_gettime(2) says */
#define TIMER_ID     0x00
#define TIMER_VALUE  0x08
#define TIMER_STRIDE 0x28

#define ITIMER_STRIDE   0x20
#define SIGACTION_BYTES 0x20
