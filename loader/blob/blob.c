/* SPDX-License-Identifier: MIT */
/*
 * blob.c - obey the steps: one function for each kind
 *
 * Runs with all signals blocked, on a stack of BLOB_STACK_BYTES, in a process
 * whose libc is being unmapped: nothing here may use thread-local storage.
 */
#include "loader/blob/blob.h"
#include "loader/blob/sys.h"

#define FUTEX_WAIT 128 /* FUTEX_WAIT_PRIVATE, as in start.S */
#define ENODATA	   61
#define EEXIST	   17

long blob_spawn(uint64_t clone_args, uint64_t size,
		struct blob_control *control, const struct blob_step *step);
void blob_join(struct blob_control *control, uint64_t frame)
	__attribute__((noreturn));
void blob_leave(struct blob_control *control, uint64_t frame, uint64_t addr,
		uint64_t len) __attribute__((noreturn));
void blob_run(struct blob_control *control, const struct blob_step *step)
	__attribute__((noreturn));

static const struct blob_step *first_step(const struct blob_control *control)
{
	return (const struct blob_step *)control->steps;
}

/* Read or write until all is done: args are fd, buffer, count, offset. */
static long call_count(uint32_t nr, uint64_t args[6])
{
	while (args[2]) {
		long done = sys_call(nr, args);

		if (done < 0)
			return done;
		if (!done)
			return -ENODATA;
		args[1] += (uint64_t)done;
		args[2] -= (uint64_t)done;
		args[3] += (uint64_t)done;
	}
	return 0;
}

static uint64_t expected(const struct blob_step *step)
{
	if (step->check == BLOB_SAME)
		return step->args[0];
	return step->check == BLOB_ADDRESS ? step->args[4] : 0;
}

static long call(const struct blob_step *step, long *kept)
{
	uint64_t args[6];
	long result;

	for (int i = 0; i < 6; i++)
		args[i] = step->args[i];
	if (step->kept_arg)
		args[step->kept_arg - 1] = (uint64_t)*kept;
	if (step->check == BLOB_COUNT)
		return call_count(step->nr, args);
	result = sys_call(step->nr, args);
	if (step->check == BLOB_ANY)
		return 0;
	if (result < 0 && result > -4096)
		return result;
	if (step->check == BLOB_FD)
		*kept = result;
	else if ((uint64_t)result != expected(step))
		return BLOB_WRONG_RESULT;
	return 0;
}

static long spawn(struct blob_control *control, const struct blob_step *step)
{
	long tid = blob_spawn(step->args[0], step->args[1], control,
			      first_step(control) + step->args[2]);

	return tid < 0 ? tid : 0;
}

static long wait_ready(struct blob_control *control, uint64_t wanted)
{
	uint32_t *ready = &control->ready;

	for (;;) {
		uint32_t now = __atomic_load_n(ready, __ATOMIC_ACQUIRE);

		if (now >= wanted)
			return 0;
		sys_call4(SYS_FUTEX, (uint64_t)ready, FUTEX_WAIT, now, 0);
	}
}

/*
 * Kernels before PR_TIMER_CREATE_RESTORE_IDS hand out ids in ascending order,
 * and timers come here in that order: the ids between are made and deleted.
 */
static long make_timer(const struct blob_step *step)
{
	int32_t wanted = (int32_t)step->args[2];
	int32_t *id = (int32_t *)step->args[4];

	for (;;) {
		long error;

		*id = wanted;
		error = sys_call4(SYS_TIMER_CREATE, step->args[0],
				  step->args[1], step->args[4], 0);
		if (error)
			return error;
		if (*id == wanted)
			return sys_call4(SYS_TIMER_SETTIME, (uint64_t)wanted, 0,
					 step->args[3], 0);
		if (*id > wanted)
			return -EEXIST;
		sys_call4(SYS_TIMER_DELETE, (uint64_t)*id, 0, 0, 0);
	}
}

static long patch_tid(const struct blob_step *step)
{
	int32_t *word = (int32_t *)step->args[0];

	if (*word == (int32_t)step->args[1])
		*word = (int32_t)sys_call4(SYS_GETTID, 0, 0, 0, 0);
	return 0;
}

static long obey(struct blob_control *control, const struct blob_step *step,
		 long *kept)
{
	switch (step->op) {
	case BLOB_CALL:
		return call(step, kept);
	case BLOB_SPAWN:
		return spawn(control, step);
	case BLOB_WAIT:
		return wait_ready(control, step->args[0]);
	case BLOB_TIMER:
		return make_timer(step);
	case BLOB_PATCH_TID:
		return patch_tid(step);
	case BLOB_JOIN:
		blob_join(control, step->args[0]);
	default:
		blob_leave(control, step->args[0], step->args[1],
			   step->args[2]);
	}
}

static void fail(const struct blob_control *control,
		 const struct blob_step *step, long error)
{
	struct blob_report report = {
		.step = (int32_t)(step - first_step(control)),
		.error = (int32_t)error,
	};

	sys_call4(SYS_WRITE, (uint64_t)control->report_fd, (uint64_t)&report,
		  sizeof(report), 0);
	for (;;)
		sys_call4(SYS_EXIT_GROUP, 127, 0, 0, 0);
}

void blob_run(struct blob_control *control, const struct blob_step *step)
{
	long kept = -1;

	for (;; step++) {
		long error = obey(control, step, &kept);

		if (error)
			fail(control, step, error);
	}
}
