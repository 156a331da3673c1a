/* SPDX-License-Identifier: MIT */
/*
 * blob.h - the list of steps that turns a process into the image
 *
 * Step 9 of the way of a page.  The blob is position-independent code without a
 * libc that lies, with everything it needs, in a hole of both address spaces:
 *
 *   code | frames | stacks | data | steps
 *   ^ these two stay ^ these are gone when the image runs, if they are large
 *
 * It obeys a list and decides nothing; loader/plan.c wrote the list.  Both
 * sides know only what is in this header.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum blob_op {
	BLOB_CALL,  /* the system call @nr with args[0..5] */
	BLOB_SPAWN, /* clone3(args[0], args[1]); the thread begins at step
		       args[2] */
	BLOB_WAIT,  /* until args[0] other threads are ready */
	BLOB_TIMER, /* timer_create(args[0], args[1]) with the id args[2], then
		       timer_settime(args[3]); args[4]: room for an id */
	BLOB_PATCH_TID, /* the int at args[0] that holds args[1]: own tid */
	BLOB_JOIN,	/* a thread's last step: wait for the leader, become
			   frame args[0] */
	BLOB_LEAVE,	/* the leader's last step: let all threads go, munmap
			   args[1] for args[2] bytes unless that is 0, become
			   frame args[0] */
};

/* What a system call must have returned; anything else is a failure. */
enum blob_check {
	BLOB_ZERO,
	BLOB_SAME,    /* args[0]: a mapping lies where it was asked for */
	BLOB_ADDRESS, /* args[4]: what was moved lies where it was sent */
	BLOB_COUNT,   /* args[2] bytes, in as many calls as it takes */
	BLOB_FD,      /* not negative; kept for steps with kept_arg */
	BLOB_ANY,
};

struct blob_step {
	uint8_t op, check;
	uint8_t kept_arg; /* 1 + the argument that is the kept fd, or 0 */
	uint8_t unused;
	uint32_t nr;
	uint64_t args[6];
};

/* The writable words that the threads share, at the start of the frames. */
struct blob_control {
	uint64_t steps; /* address of the first struct blob_step */
	int32_t report_fd;
	uint32_t ready; /* threads that reached BLOB_JOIN */
	uint32_t go;
	uint32_t unused;
};

/* What the blob writes to report_fd: once, when a step fails. */
struct blob_report {
	int32_t step;  /* index of the step, or BLOB_RUNNING */
	int32_t error; /* -errno, or 0 */
};

/* In a step that writes a struct blob_report from the data: all is done. */
#define BLOB_RUNNING (-1)

/* The stack of a thread while it is in the blob. */
#define BLOB_STACK_BYTES 2048u

/* struct blob_report.error when a call returned the wrong non-error. */
#define BLOB_WRONG_RESULT (-1000)

_Static_assert(sizeof(struct blob_step) == 56, "the blob's table");
_Static_assert(sizeof(struct blob_control) == 24, "start.S knows it");
_Static_assert(offsetof(struct blob_control, ready) == 12, "start.S knows it");
_Static_assert(offsetof(struct blob_control, go) == 16, "start.S knows it");
