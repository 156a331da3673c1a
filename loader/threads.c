/* SPDX-License-Identifier: MIT */
/*
 * threads.c - clone3() arguments, and the words a thread has in the kernel
 */
#include "loader/threads.h"

#include <asm/prctl.h>
#include <errno.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "common/page.h"
#include "loader/handled.h"

#define THREAD_FLAGS                                                           \
	(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |    \
	 CLONE_SYSVSEM)

uint64_t threads_frame_addr(const struct plan *plan, uint32_t i)
{
	return plan->frames_addr + PLAN_CONTROL_BYTES +
	       (uint64_t)i * plan->frame_stride;
}

int threads_build_frames(struct plan *plan)
{
	const struct image *image = plan->image;

	plan->frames = calloc(1, plan->frames_bytes);
	if (!plan->frames)
		return -ENOMEM;
	for (uint32_t i = 0; i < image->nr_threads; i++) {
		const struct image_thread *thread = &image->threads[i];
		uint64_t addr = threads_frame_addr(plan, i);

		frame_build(thread,
			    handled_first(image, plan->pending_tids, thread),
			    &plan->facts->xsave, addr,
			    plan->frames + (addr - plan->frames_addr));
	}
	return 0;
}

uint32_t threads_plan_spawn(struct plan *plan, uint32_t i)
{
	struct steps *steps = &plan->steps;
	int32_t tid = plan->image->threads[i].tid;
	struct clone_args args = {
		.flags = THREAD_FLAGS,
		.stack = plan->stacks_addr + (uint64_t)i * BLOB_STACK_BYTES,
		.stack_size = BLOB_STACK_BYTES,
	};

	steps_about(steps, STEPS_THREAD, i);
	if (!plan->facts->new_pid) {
		args.set_tid = steps_data(steps, &tid, sizeof(tid));
		args.set_tid_size = 1;
	}
	return steps_add(
		steps, &(struct blob_step){
			       .op = BLOB_SPAWN,
			       .args = {steps_data(steps, &args, sizeof(args)),
					sizeof(args)},
		       });
}

/* libc keeps the tid where the kernel clears it at exit; a new tid goes there.
 */
static void patch_tid(struct plan *plan, const struct image_thread *thread)
{
	const struct image_vma *vma =
		image_vma_at(plan->image, thread->clear_tid_addr);

	if (!plan->facts->new_pid || !vma || !(vma->prot & PROT_WRITE) ||
	    thread->clear_tid_addr % sizeof(int32_t))
		return;
	steps_add(&plan->steps,
		  &(struct blob_step){
			  .op = BLOB_PATCH_TID,
			  .args = {thread->clear_tid_addr,
				   (uint64_t)(uint32_t)thread->tid},
		  });
}

/* A host that takes a CPU away meanwhile is no reason to fail. */
static void bind_cpus(struct plan *plan, uint32_t i)
{
	struct affinity cpus;
	uint32_t bytes = affinity_of(plan->image, i, &plan->facts->affinity,
				     plan->facts->same_host, &cpus);

	if (bytes)
		steps_try(&plan->steps, SYS_sched_setaffinity, 0, bytes,
			  steps_data(&plan->steps, cpus.cpus, bytes));
}

void threads_plan_self(struct plan *plan, uint32_t i)
{
	const struct image_thread *thread = &plan->image->threads[i];
	struct steps *steps = &plan->steps;

	steps_about(steps, STEPS_THREAD, i);
	steps_call(steps, SYS_prctl, PR_SET_NAME,
		   steps_data(steps, thread->comm, sizeof(thread->comm)));
	bind_cpus(plan, i);
	if (thread->robust_list_addr)
		steps_call(steps, SYS_set_robust_list, thread->robust_list_addr,
			   thread->robust_list_bytes);
	steps_try(steps, SYS_set_tid_address, thread->clear_tid_addr);
	patch_tid(plan, thread);
	steps_call(steps, SYS_arch_prctl, ARCH_SET_FS,
		   thread->regs[REG_FS_BASE_]);
	if (thread->regs[REG_GS_BASE_])
		steps_call(steps, SYS_arch_prctl, ARCH_SET_GS,
			   thread->regs[REG_GS_BASE_]);
	/* The kernel reads it, then writes: of a file map, two faults. */
	if (thread->rseq_addr)
		steps_populate(steps, page_floor(thread->rseq_addr),
			       PAGE_BYTES);
	if (thread->rseq_addr)
		steps_call(steps, SYS_rseq, thread->rseq_addr,
			   thread->rseq_bytes, 0, thread->rseq_sig);
}

static void note_own_pid(struct plan *plan, uint32_t step)
{
	plan->own_pid_steps[plan->nr_own_pid_steps++] = step;
}

static void queue(struct plan *plan, const struct image_pending *pending,
		  int32_t tid)
{
	struct steps *steps = &plan->steps;
	uint64_t info =
		steps_data(steps, pending->siginfo, sizeof(pending->siginfo));
	uint64_t pid = (uint64_t)plan->image->pid;
	int32_t signo;

	memcpy(&signo, pending->siginfo, sizeof(signo));
	if (signo == SIGKILL || signo == SIGSTOP)
		return;
	if (!tid) {
		note_own_pid(plan, steps_call(steps, SYS_rt_sigqueueinfo, pid,
					      (uint64_t)signo, info));
		return;
	}
	steps_add(steps,
		  &(struct blob_step){.nr = SYS_gettid, .check = BLOB_FD});
	note_own_pid(plan,
		     steps_add(steps,
			       &(struct blob_step){
				       .nr = SYS_rt_tgsigqueueinfo,
				       .kept_arg = 2,
				       .args = {pid, 0, (uint64_t)signo, info},
			       }));
}

void threads_plan_pending(struct plan *plan, int32_t tid)
{
	const struct image *image = plan->image;

	for (uint32_t i = 0; i < image->nr_pending; i++) {
		if (plan->pending_tids[i] != tid)
			continue;
		steps_about(&plan->steps, STEPS_PENDING, i);
		queue(plan, &image->pending[i], tid);
	}
}
