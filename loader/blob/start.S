/* SPDX-License-Identifier: MIT */
/*
 * start.S - what C cannot say: the entry, a thread's birth, and the last steps,
 * which use no stack because the stack is about to go or to change hands
 *
 * Offsets 12 (ready) and 16 (go) are those of struct blob_control.
 */
#define NR_munmap       11
#define NR_rt_sigreturn 15
#define NR_futex        202
#define NR_clone3       435
/* _PRIVATE: keyed by address; a page not yet written would be keyed by file. */
#define FUTEX_WAIT      128
#define FUTEX_WAKE      129
#define INT_MAX         0x7fffffff

	.section .text.start, "ax"
	.globl	blob_start
/* Jumped to with rsp at the end of the leader's stack, rdi: control. */
blob_start:
	xor	%ebp, %ebp
	mov	(%rdi), %rsi
	call	blob_run
	hlt

	.text
	.globl	blob_spawn
/* long blob_spawn(clone_args, size, control, step): the new tid or -errno */
blob_spawn:
	mov	%rcx, %r8
	mov	$NR_clone3, %eax
	syscall
	test	%rax, %rax
	jnz	1f
	xor	%ebp, %ebp
	mov	%rdx, %rdi
	mov	%r8, %rsi
	call	blob_run
	hlt
1:	ret

	.globl	blob_join
/* void blob_join(control, frame) */
blob_join:
	mov	%rdi, %rbx
	mov	%rsi, %rbp
	lock incl 12(%rbx)
	lea	12(%rbx), %rdi
	mov	$FUTEX_WAKE, %esi
	mov	$1, %edx
	mov	$NR_futex, %eax
	syscall
1:	mov	16(%rbx), %eax
	test	%eax, %eax
	jnz	become
	lea	16(%rbx), %rdi
	mov	$FUTEX_WAIT, %esi
	xor	%edx, %edx
	xor	%r10d, %r10d
	mov	$NR_futex, %eax
	syscall
	jmp	1b

	.globl	blob_leave
/* void blob_leave(control, frame, addr, len) */
blob_leave:
	mov	%rsi, %rbp
	mov	%rdx, %r12
	mov	%rcx, %r13
	movl	$1, 16(%rdi)
	lea	16(%rdi), %rdi
	mov	$FUTEX_WAKE, %esi
	mov	$INT_MAX, %edx
	mov	$NR_futex, %eax
	syscall
	test	%r13, %r13
	jz	become
	mov	%r12, %rdi
	mov	%r13, %rsi
	mov	$NR_munmap, %eax
	syscall
become:
	mov	%rbp, %rsp
	mov	$NR_rt_sigreturn, %eax
	syscall
	hlt

	.section .note.GNU-stack, "", @progbits
