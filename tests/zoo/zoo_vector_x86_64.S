/* SPDX-License-Identifier: MIT */
/*
 * zoo_vector_x86_64.S - see zoo_vector.h for the layout of rdi and rsi
 *
 * System V: rdi in, rsi out, rdx spins, rcx call.  A system call spoils rax, rcx
 * and r11, so the arguments wait in r8, r9 and r10.
 */
#define VECTOR(n) (64 * n)
#define MASK(n)   (32 * 64 + 8 * n)
#define X87(n)    (32 * 64 + 64 + 8 * n)
#define GENERAL(n) (32 * 64 + 128 + 8 * n)
#define MXCSR     (32 * 64 + 192)
#define CONTROL   (32 * 64 + 196)
#define SYS_getpid 39

	.text

.macro enter name
	.globl	\name
	.type	\name, @function
\name:
	mov	%rsi, %r8
	mov	%rdx, %r9
	mov	%rcx, %r10
.endm

.macro spin
1:	test	%r10, %r10
	jz	2f
	mov	$SYS_getpid, %eax
	syscall
2:	dec	%r9
	jnz	1b
.endm

.macro leave_function name
	ret
	.size	\name, . - \name
.endm

enter zoo_spin_general
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	mov	GENERAL(0)(%rdi), %rbx
	mov	GENERAL(1)(%rdi), %rbp
	mov	GENERAL(2)(%rdi), %r12
	mov	GENERAL(3)(%rdi), %r13
	mov	GENERAL(4)(%rdi), %r14
	mov	GENERAL(5)(%rdi), %r15
	spin
	mov	%rbx, GENERAL(0)(%r8)
	mov	%rbp, GENERAL(1)(%r8)
	mov	%r12, GENERAL(2)(%r8)
	mov	%r13, GENERAL(3)(%r8)
	mov	%r14, GENERAL(4)(%r8)
	mov	%r15, GENERAL(5)(%r8)
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
leave_function zoo_spin_general

enter zoo_spin_sse
	sub	$8, %rsp
	stmxcsr	(%rsp)
	ldmxcsr	MXCSR(%rdi)
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	movups	VECTOR(\n)(%rdi), %xmm\n
	.endr
	spin
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	movups	%xmm\n, VECTOR(\n)(%r8)
	.endr
	stmxcsr	MXCSR(%r8)
	ldmxcsr	(%rsp)
	add	$8, %rsp
leave_function zoo_spin_sse

enter zoo_spin_avx
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	vmovups	VECTOR(\n)(%rdi), %ymm\n
	.endr
	spin
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	vmovups	%ymm\n, VECTOR(\n)(%r8)
	.endr
	vzeroupper
leave_function zoo_spin_avx

enter zoo_spin_avx512
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	vmovdqu64 VECTOR(\n)(%rdi), %zmm\n
	.endr
	.irp	n, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	vmovdqu64 VECTOR(\n)(%rdi), %zmm\n
	.endr
	.irp	n, 1, 2, 3, 4, 5, 6, 7
	kmovq	MASK(\n)(%rdi), %k\n
	.endr
	spin
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	vmovdqu64 %zmm\n, VECTOR(\n)(%r8)
	.endr
	.irp	n, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	vmovdqu64 %zmm\n, VECTOR(\n)(%r8)
	.endr
	.irp	n, 1, 2, 3, 4, 5, 6, 7
	kmovq	%k\n, MASK(\n)(%r8)
	.endr
	vzeroupper
leave_function zoo_spin_avx512

enter zoo_spin_x87
	sub	$8, %rsp
	fnstcw	(%rsp)
	fninit
	fldcw	CONTROL(%rdi)
	.irp	n, 7, 6, 5, 4, 3, 2, 1, 0
	fldl	X87(\n)(%rdi)
	.endr
	spin
	fnstcw	CONTROL(%r8)
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7
	fstpl	X87(\n)(%r8)
	.endr
	fldcw	(%rsp)
	add	$8, %rsp
leave_function zoo_spin_x87

	.section .note.GNU-stack, "", @progbits
