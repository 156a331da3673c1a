/* SPDX-License-Identifier: MIT */
/*
 * share_link.h - what a mount that comes and a server say to each other
 *
 *     who comes                                 the server
 *       request: its terms ----------------------->
 *       <---------------- reply: wait (eager=wait), and then once more
 *       <---------------- reply: yes, and a mount; or no, and why
 *       (attaches it, closes)
 *
 * Over a unix socket that keeps messages whole (SOCK_SEQPACKET), between
 * programs of one build: fixed structs, checked to the byte.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "fs/share_terms.h"

#define SHARE_MAGIC 0x3148534du /* "MSH1" */

struct share_request {
	uint32_t magic, nr_terms;
	struct share_terms terms;
};

enum share_verdict {
	SHARE_YES = 1, /* a mount comes with it */
	SHARE_WAIT,    /* the mount is not there yet */
	SHARE_NO,      /* term says what is different */
	SHARE_CANNOT,  /* error says why there is no mount to be had */
	SHARE_VERDICTS_END,
};

struct share_reply {
	uint32_t magic, verdict;
	uint32_t term;	/* SHARE_NO: enum share_term, or NR: another image */
	uint32_t error; /* SHARE_CANNOT: an errno */
};

void share_put_request(const struct share_terms *terms,
		       struct share_request *ret_request);

/* 0, or -EPROTO: not whole, or of another build. */
int share_get_request(const void *bytes, size_t len,
		      struct share_terms *ret_terms);

void share_put_reply(enum share_verdict verdict, unsigned detail,
		     struct share_reply *ret_reply);

/* 0, or -EPROTO: then, or with anything but what the struct promises. */
int share_get_reply(const void *bytes, size_t len,
		    struct share_reply *ret_reply);
