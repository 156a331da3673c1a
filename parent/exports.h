/* SPDX-License-Identifier: MIT */
/*
 * exports.h - one image's memory, lent to the devices through which its clients
 * come
 *
 *     session.c    EXPORT of a handle --> loan: queued, asked for, lent
 *     exports.c         one at a time --> keeper_lend() ... keeper_lent()
 *                   regions <-----------  rkeys
 *
 * A loan is one client's: its regions are in that client's protection domain,
 * can be read and nothing else, and end with it.  Whatever ends it (release,
 * lease, the twin's death, shutdown, the client's leaving), its regions are
 * destroyed before anything else of the client or the image is: from then on
 * every READ fails.
 *
 * What was asked of the keeper cannot be called back.  So a loan that ends in
 * that moment keeps the client's protection domain until the answer is there,
 * and an image its keeper; see exports_under_way().  Whatever went wrong, what
 * was registered is known (deeds.h) and destroyed.
 *
 * Threads: the daemon's.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "parent/keeper.h"
#include "rdmafetch/loop.h"
#include "rdmafetch/serve.h"

struct exports;
struct export_loan;

/* Of all images and clients together. */
struct exports_account {
	uint64_t pages, pages_max; /* registered now, and allowed */
	bool pin;	/* register by copying and pinning, on any device */
	uint64_t loans; /* now */
};

/* The bounds for this host: tables of 1/32 of its memory; pinned, a half. */
void exports_account_init(struct exports_account *account, bool pin);

struct exports_origin {
	struct loop *loop;
	struct keeper *keeper;
	const struct keeper_result *result;
	struct exports_account *account;
	/* The keeper does not answer in time: the image must end. */
	void (*stuck)(void *arg);
	void *arg;
};

/* All of @origin must live as long.  0 or -ENOMEM. */
int exports_new(const struct exports_origin *origin, struct exports **ret);

/*
 * Lend the image to the client that asks by @ticket, which gets its answer in
 * any case, now or later: a refusal when its turn does not come in 30 s.  *@slot, NULL before, is the loan while there is one.
 */
void exports_ask(struct exports *exports, const struct serve_ticket *ticket,
		 struct export_loan **slot);

/* The client leaves.  Ends with *@slot NULL; NULL before is allowed. */
void exports_leave(struct export_loan **slot);

/* True while the keeper owes an answer. */
bool exports_under_way(const struct exports *exports);

/*
 * The keeper's descriptor is readable, and exports_under_way().  Returns 0, or
 * -EPIPE when the keeper is dead; a loan that failed is its client's matter.
 */
int exports_answered(struct exports *exports);

/* The image goes: end all loans, and begin none.  NULL is allowed. */
void exports_end(struct exports *exports);

/*
 * After exports_end(): wait for what is under way, a few seconds at most, then
 * kill the keeper; and free.  NULL is allowed.
 */
void exports_free(struct exports *exports);
