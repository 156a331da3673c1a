/* SPDX-License-Identifier: MIT */
/*
 * rig.h - what the contract suite needs to know about a transport
 *
 * Every rig's far end holds the bytes of null_word(), so that one suite checks
 * them all.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "rdmafetch/transport.h"

struct rig_faults {
	uint64_t delay_ns;   /* each read takes this long */
	unsigned reorder;    /* answer in reversed groups of this many */
	unsigned fail_every; /* the n-th, 2n-th, ... read fails */
	int fail_result; /* -EREMOTEIO or -ESTALE, as transport_done has it */
	unsigned break_after; /* the connection ends after n reads */
};

struct rig {
	const char *name;
	bool has_connection; /* break_after and delay_ns mean something */
	/* NULL: no faults.  The far end lives until close(). */
	struct transport *(*open)(const struct rig_faults *faults);
	void (*close)(struct transport *transport);
	/* Why it cannot run on this machine, or NULL; NULL: it always can. */
	const char *(*lack)(void);
};

extern const struct rig rig_null, rig_local, rig_tcp, rig_unix, rig_psk,
	rig_verbs;
