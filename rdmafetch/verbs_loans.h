/* SPDX-License-Identifier: MIT */
/*
 * verbs_loans.h - replies that one client fetches for itself
 *
 * A FAR reply's body lies in memory that only this client's domain knows, open
 * for its READs, until the client says TAKEN or is gone.
 *
 *     body <= 1 MiB    a piece of the client's pool: registered once, 4 MiB
 *     longer, or no    memory of its own, registered for this reply: exactly
 *     room there       its bytes
 *
 * The pool holds nothing but what this client was given, so an old key shows it
 * nothing new but its own later replies.
 *
 * Threads: the thread of the loop.
 */
#pragma once

#include <infiniband/verbs.h>
#include <stddef.h>
#include <stdint.h>

#include "common/wire.h"
#include "rdmafetch/verbs_pool.h"

#define VERBS_LOANS_MAX	      64u
#define VERBS_POOL_BYTES      (VERBS_POOL_UNITS * VERBS_POOL_UNIT_BYTES)
#define VERBS_POOL_LOAN_BYTES WIRE_READ_MAX /* of one loan of the pool */
/* What a client may hold beside the pool, but for the only one. */
#define VERBS_OWN_MAX (64u << 20)

struct verbs_loan {
	uint8_t *bytes; /* NULL: a free entry */
	uint32_t len_bytes, id;
	uint64_t since_ns;
	struct ibv_mr *mr; /* its own, or NULL: a piece of the pool */
	unsigned first_unit;
};

/* Zeroed but for pd. */
struct verbs_loans {
	struct ibv_pd *pd;
	struct verbs_pool pool;
	uint8_t *memory; /* of the pool, once it is wanted */
	struct ibv_mr *mr;
	uint64_t own_bytes;
	unsigned nr;
	struct verbs_loan loans[VERBS_LOANS_MAX];
};

/*
 * Lend @len_bytes (1 to WIRE_REPLY_MAX) for the reply to request @id.
 *
 * Returns 0, -EAGAIN when the client holds too much already, or -ENOMEM, also
 * when the memory cannot be pinned.
 */
int verbs_loans_lend(struct verbs_loans *loans, uint32_t id, size_t len_bytes,
		     struct verbs_loan **ret_loan);

/* As verbs_loans_lend(), but only from the pool: costs no system call.  @len
 * is at most VERBS_POOL_LOAN_BYTES. */
int verbs_loans_lend_pooled(struct verbs_loans *loans, uint32_t id,
			    size_t len_bytes, struct verbs_loan **ret_loan);

/* What a FAR reply says of @loan. */
struct wire_far verbs_loans_far(const struct verbs_loans *loans,
				const struct verbs_loan *loan);

/* Take one back. */
void verbs_loans_end(struct verbs_loans *loans, struct verbs_loan *loan);

/* The client has TAKEN the reply to @id.  Returns 0 or -ENOENT. */
int verbs_loans_taken(struct verbs_loans *loans, uint32_t id);

/* When the oldest loan was lent; 0: nothing is. */
uint64_t verbs_loans_oldest_ns(const struct verbs_loans *loans);

/* Take all back and free; before the domain ends. */
void verbs_loans_done(struct verbs_loans *loans);
