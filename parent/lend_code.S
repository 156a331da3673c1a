/* SPDX-License-Identifier: MIT */
/*
 * lend_code.S - the code that runs inside a lender: register range by range
 *
 * Copied to anywhere, so: no absolute address, no stack, no call.  All signals
 * are blocked.  It ends with the one signal that cannot be, whose delivery the
 * tracer sees; a SIGCONT of somebody else may take that away, so it is sent
 * until it is seen.
 *
 *   in   r13  struct scratch
 *        rbx  the first struct deeds_entry
 *        r12  how many
 *        ebp  the device's command descriptor
 */
#include <asm/unistd_64.h>

#include "parent/lend_layout.h"

#define SIGSTOP_ 19

	.section .rodata.lend, "a", @progbits
	.balign 64

	.globl	lend_code
	.hidden	lend_code
lend_code:
	test	%r12, %r12
	jz	done
	mov	ENTRY_RADDR(%rbx), %rax
	mov	%rax, SCRATCH_IN_START(%r13)
	mov	%rax, SCRATCH_IN_VA(%r13)
	mov	ENTRY_BYTES(%rbx), %rax
	mov	%rax, SCRATCH_IN_BYTES(%r13)
	movw	$ATTR_MANDATORY, SCRATCH_OUT_FLAGS(%r13)
	lea	ENTRY_OUT(%rbx), %rax
	mov	%rax, SCRATCH_OUT_DATA(%r13)

	mov	%ebp, %edi
	mov	$VERBS_IOCTL, %esi
	lea	SCRATCH_COMMAND(%r13), %rdx
	mov	$__NR_ioctl, %eax
	syscall

	mov	%eax, ENTRY_ERROR(%rbx)
	add	$ENTRY_STRIDE, %rbx
	dec	%r12
	jmp	lend_code

done:
	mov	$__NR_gettid, %eax
	syscall
	mov	%eax, %edi
	mov	$SIGSTOP_, %esi
	mov	$__NR_tkill, %eax
	syscall
	.globl	lend_done
	.hidden	lend_done
lend_done:
	jmp	done

	.globl	lend_code_end
	.hidden	lend_code_end
lend_code_end:

	.section .note.GNU-stack, "", @progbits
