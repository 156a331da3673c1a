/* SPDX-License-Identifier: MIT */
/*
 * lend_layout.h - offsets that lend_code.S and lend.c agree on
 *
 * Included by assembly: only numbers here.  lend.c checks them against
 * the structures.
 */
#pragma once

/* struct scratch */
#define SCRATCH_COMMAND	  0x00
#define SCRATCH_OUT_FLAGS 0x3c /* of the command's attribute for the answer */
#define SCRATCH_IN_START  0x50
#define SCRATCH_IN_BYTES  0x58
#define SCRATCH_IN_VA	  0x60
#define SCRATCH_HANDLE	  0x70
#define SCRATCH_RKEY	  0x78

/* struct entry */
#define ENTRY_RADDR  0x00
#define ENTRY_BYTES  0x08
#define ENTRY_ERROR  0x10
#define ENTRY_HANDLE 0x14
#define ENTRY_RKEY   0x18
#define ENTRY_STRIDE 0x20

/* RDMA_VERBS_IOCTL, and the flag that says an attribute must be understood */
#define VERBS_IOCTL    0xc0181b01
#define ATTR_MANDATORY 1
