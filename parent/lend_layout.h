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
#define SCRATCH_OUT_DATA  0x40 /* and where that goes */
#define SCRATCH_IN_START  0x50
#define SCRATCH_IN_BYTES  0x58
#define SCRATCH_IN_VA	  0x60

/* struct deeds_entry */
#define ENTRY_RADDR  0x00
#define ENTRY_BYTES  0x08
#define ENTRY_ERROR  0x10
#define ENTRY_OUT    0x14
#define ENTRY_STRIDE 0x20

/* RDMA_VERBS_IOCTL, and the flag that says an attribute must be understood */
#define VERBS_IOCTL    0xc0181b01
#define ATTR_MANDATORY 1
