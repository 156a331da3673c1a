/* SPDX-License-Identifier: MIT */
/*
 * loan.h - the answer to a read, where it lies
 *
 * Pages that were foreseen lie in prefetch buffers.  Who passes them on to the
 * kernel need not copy them first:
 *
 *     the answer   [ caller's buffer | lent | lent | caller's buffer ]
 *
 * What is lent stays as it is until it is returned; so do that soon.
 *
 * Threads: a loan belongs to one.  Locks: pump.lock where it is said.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

#include "rdmafetch/inflight.h"

#define LOAN_PARTS_MAX 8u

struct pump;

struct loan {
	unsigned nr; /* of iov, which is the answer */
	struct iovec iov[2 * LOAN_PARTS_MAX + 1];
	/* loan.c's own */
	unsigned nr_flights;
	struct flight *flights[LOAN_PARTS_MAX]; /* each with a pin */
	char *rest; /* the caller's buffer from here on is not in iov yet */
};

/* Nothing is lent yet of the answer that is to be in @buf. */
void loan_begin(struct loan *loan, void *buf);

/*
 * The @len_bytes at @lent, of @flight, which has a pin for it, belong where @at
 * is in the caller's buffer, behind all that was added before.  At most
 * LOAN_PARTS_MAX times.
 */
void loan_add(struct loan *loan, struct flight *flight, char *at,
	      const struct iovec *lent);

/* The answer goes as far as @end of the caller's buffer. */
void loan_end(struct loan *loan, char *end);

/* Leave out the first @skip_bytes of the answer, and what is behind the next
 * @len_bytes: as much as it has. */
void loan_trim(struct loan *loan, size_t skip_bytes, size_t len_bytes);

/* Give back all that is lent; nr is 0 then.  Under pump.lock. */
void loan_return(struct loan *loan, struct pump *pump);
