/* SPDX-License-Identifier: MIT */
/*
 * warm.S - the entry of mitosis-load: give the program its pages in two calls
 *
 * libc touches a page of every corner before main(), and the loader soon after
 * it; each first touch is a fault of its own, which costs more than the rest of
 * the start, most of all in a virtual machine.  Advice: a kernel before 5.14
 * refuses it, and nothing is lost.  _start reads rdx and the stack alone
 * (System V ABI, 3.4.1): they are kept.
 */
#define NR_madvise	    28
#define MADV_POPULATE_READ  22
#define MADV_POPULATE_WRITE 23
#define PAGE_MASK	    -4096

	.text
	.globl	warm_start
	.type	warm_start, @function
warm_start:
	mov	%rdx, %r12
	mov	$__executable_start, %edi
	mov	$__etext, %esi
	sub	%rdi, %rsi
	mov	$MADV_POPULATE_READ, %edx
	mov	$NR_madvise, %eax
	syscall
	mov	$__init_array_start, %edi
	and	$PAGE_MASK, %rdi
	mov	$_end, %esi
	sub	%rdi, %rsi
	mov	$MADV_POPULATE_WRITE, %edx
	mov	$NR_madvise, %eax
	syscall
	mov	%r12, %rdx
	jmp	_start

	.section .note.GNU-stack, "", @progbits
