/* SPDX-License-Identifier: MIT */
/* embed.S - the blob's bytes as data of the program that will copy them */
	.section .rodata.jump_blob, "a"
	.balign 16
	.globl	jump_blob_start, jump_blob_end
jump_blob_start:
	.incbin BLOB_BIN
jump_blob_end:
	.section .note.GNU-stack, "", @progbits
