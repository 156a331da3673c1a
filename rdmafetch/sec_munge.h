/* SPDX-License-Identifier: MIT */
/*
 * sec_munge.h - ask the munged of this host, but not for ever
 *
 * libmunge blocks: up to 2 s for each of five tries when munged hangs.  So the
 * call is made by a thread that is waited for SEC_WAIT_MS and then left to
 * itself; while one is so, nobody is sent after it.
 *
 * Above: sec.c.
 *
 * Threads: any.
 */
#pragma once

#include <stdbool.h>

#include "rdmafetch/sec.h"

/* Whether libmunge is in this build; else all calls end with -EOPNOTSUPP. */
extern const bool sec_munge_is_built;

struct sec_munge_cred {
	char text[WIRE_CRED_MAX + 1];
};

/* What a genuine credential says. */
struct sec_munge_said {
	uid_t uid;
	gid_t gid;
	int ttl_s;
	char payload[SEC_PAYLOAD_MAX + 1]; /* printable; cut when longer */
};

/* @socket "" is libmunge's own.  Errors as sec_make_credential(). */
int sec_munge_encode(const char *socket, const char *payload,
		     struct sec_munge_cred *ret, char *why);

/* Errors as sec_check_credential(). */
int sec_munge_decode(const char *socket, const struct sec_munge_cred *cred,
		     struct sec_munge_said *ret, char *why);
