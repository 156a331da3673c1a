/* SPDX-License-Identifier: MIT */
/*
 * graft_code.S - the code that runs inside the target, and inside its twin
 *
 * Copied to anywhere, so: no absolute address, no stack, no call.  All signals
 * are blocked but the done signal, which the target ignores.  Every road ends
 * in rt_sigreturn: a thread that nobody stops on the way restores itself.
 *
 *   in   rbx  struct graft_slot of the thread
 *        rbp  struct graft_args
 *        rsp  as the thread had it: should we die before its signals are
 *             blocked, a handler still finds a stack
 */
#include <asm/unistd_64.h>

#include "parent/graft_layout.h"

#define PROT_READ_WRITE       3
#define PR_GET_DUMPABLE       3
#define PR_GET_NAME           16
#define PR_GET_SECUREBITS     27
#define PR_GET_CHILD_SUBREAPER 37
#define PR_GET_TID_ADDRESS    40
#define PR_GET_THP_DISABLE    42
#define MADV_DONTFORK_        10
#define MADV_DOFORK_          11
#define WALL                  0x40000000
#define CLOSE_RANGE_UNSHARE_  2
#define SIGNALS               64
#define SIGSET_BYTES          8
#define TELL_TIMES            4

/* CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_PTRACE */
#define HELPER_FLAGS 0x2f00
/* CLONE_PTRACE: born stopped, under the helper's tracer */
#define TWIN_FLAGS   0x2000

	.section .rodata.graft, "a", @progbits
	.balign 64

	.macro SYS nr
	mov	$\nr, %eax
	syscall
	.endm

/* madvise(each area, \advice); uses r12 and r13 */
	.macro ADVISE advice
	mov	ARGS_AREAS(%rbp), %r12
	mov	ARGS_NR_AREAS(%rbp), %r13
1:	test	%r13, %r13
	jz	2f
	mov	(%r12), %rdi
	mov	8(%r12), %rsi
	mov	$\advice, %edx
	SYS	__NR_madvise
	add	$16, %r12
	dec	%r13
	jmp	1b
2:
	.endm

	.globl	graft_code
	.hidden	graft_code
graft_code:

/* Every thread: what only it can ask. */
	.globl	graft_thread
	.hidden	graft_thread
graft_thread:
	mov	ARGS_DATA(%rbp), %rdi
	mov	ARGS_DATA_BYTES(%rbp), %rsi
	mov	$PROT_READ_WRITE, %edx
	SYS	__NR_mprotect
	test	%eax, %eax
	jnz	done

	xor	%edi, %edi
	lea	SLOT_ALTSTACK(%rbx), %rsi
	SYS	__NR_sigaltstack

	mov	$PR_GET_TID_ADDRESS, %edi
	lea	SLOT_TID_ADDR(%rbx), %rsi
	SYS	__NR_prctl

	mov	$PR_GET_NAME, %edi
	lea	SLOT_COMM(%rbx), %rsi
	SYS	__NR_prctl

	SYS	__NR_gettid
	mov	%rax, SLOT_TID(%rbx)

	cmpq	$0, SLOT_IS_LEADER(%rbx)
	jne	leader

/*
 * Tell the tracer; without one the signal is ignored.  More than once, as a
 * SIGSTOP from outside takes a SIGCONT away that has not arrived yet.
 */
done:
	mov	$TELL_TIMES, %r12d
tell:
	SYS	__NR_gettid
	mov	%eax, %edi
	mov	ARGS_DONE_SIGNAL(%rbp), %esi
	SYS	__NR_tkill
	.globl	graft_done
	.hidden	graft_done
graft_done:
	dec	%r12d
	jnz	tell
	lea	SLOT_FRAME + 8(%rbx), %rsp
	SYS	__NR_rt_sigreturn

/* The leader: timers, and the helper that makes the twin. */
leader:
	mov	$PR_GET_CHILD_SUBREAPER, %edi
	lea	ARGS_SUBREAPER(%rbp), %rsi
	SYS	__NR_prctl

	xor	%r12d, %r12d
	lea	ARGS_ITIMERS(%rbp), %r13
itimers:
	mov	%r12d, %edi
	mov	%r13, %rsi
	SYS	__NR_getitimer
	add	$ITIMER_STRIDE, %r13
	inc	%r12d
	cmp	$3, %r12d
	jb	itimers

	mov	ARGS_TIMERS(%rbp), %r12
	mov	ARGS_NR_TIMERS(%rbp), %r13
timers:
	test	%r13, %r13
	jz	timers_end
	mov	TIMER_ID(%r12), %edi
	lea	TIMER_VALUE(%r12), %rsi
	SYS	__NR_timer_gettime
	add	$TIMER_STRIDE, %r12
	dec	%r13
	jmp	timers
timers_end:

	/* A twin left to a subreaper becomes its child: not to the target. */
	cmpl	$0, ARGS_SUBREAPER(%rbp)
	jne	done

	ADVISE	MADV_DOFORK_

	mov	$HELPER_FLAGS, %edi
	xor	%esi, %esi
	xor	%edx, %edx
	xor	%r10d, %r10d
	xor	%r8d, %r8d
	SYS	__NR_clone
	test	%rax, %rax
	jz	helper
	mov	%rax, ARGS_HELPER(%rbp)
	js	advise_back

	mov	%eax, %edi
	xor	%esi, %esi
	mov	$WALL, %edx
	xor	%r10d, %r10d
	SYS	__NR_wait4
	mov	%rax, ARGS_REAPED(%rbp)

advise_back:
	ADVISE	MADV_DONTFORK_
	jmp	done

/* The helper: shares the memory, so it can fork it; holds no descriptor. */
helper:
	xor	%edi, %edi
	mov	$~0, %esi
	mov	$CLOSE_RANGE_UNSHARE_, %edx
	SYS	__NR_close_range

	mov	$TWIN_FLAGS, %edi
	xor	%esi, %esi
	xor	%edx, %edx
	xor	%r10d, %r10d
	xor	%r8d, %r8d
	SYS	__NR_clone
	test	%rax, %rax
	jz	leave
	mov	%rax, ARGS_TWIN(%rbp)

/* The helper ends here, and so does a twin that nobody holds. */
leave:
	xor	%edi, %edi
	SYS	__NR_exit_group

/* The twin, after the pause: rbx is where 64 sigactions go, then three words. */
	.globl	graft_twin
	.hidden	graft_twin
graft_twin:
	mov	$1, %r12d
sigactions:
	mov	%r12d, %edi
	xor	%esi, %esi
	mov	%rbx, %rdx
	mov	$SIGSET_BYTES, %r10d
	SYS	__NR_rt_sigaction
	add	$SIGACTION_BYTES, %rbx
	inc	%r12d
	cmp	$SIGNALS, %r12d
	jbe	sigactions

	mov	$PR_GET_DUMPABLE, %edi
	SYS	__NR_prctl
	mov	%rax, (%rbx)

	mov	$PR_GET_SECUREBITS, %edi
	SYS	__NR_prctl
	mov	%rax, 8(%rbx)

	mov	$PR_GET_THP_DISABLE, %edi
	xor	%esi, %esi
	xor	%edx, %edx
	xor	%r10d, %r10d
	xor	%r8d, %r8d
	SYS	__NR_prctl
	mov	%rax, 16(%rbx)

	xor	%edi, %edi
	SYS	__NR_brk
	mov	%rax, ARGS_BRK(%rbp)

	SYS	__NR_setsid
	jmp	done

	.globl	graft_code_end
	.hidden	graft_code_end
graft_code_end:

	.section .note.GNU-stack, "", @progbits
