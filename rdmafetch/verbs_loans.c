/* SPDX-License-Identifier: MIT */
/* verbs_loans.c - see verbs_loans.h */
#include "rdmafetch/verbs_loans.h"

#include <errno.h>

#include "common/io.h"
#include "rdmafetch/verbs_memory.h"

static struct verbs_loan *free_entry(struct verbs_loans *loans)
{
	for (unsigned i = 0; i < VERBS_LOANS_MAX; i++)
		if (!loans->loans[i].bytes)
			return &loans->loans[i];
	return NULL;
}

static unsigned units_of(size_t len_bytes)
{
	return (unsigned)((len_bytes + VERBS_POOL_UNIT_BYTES - 1) /
			  VERBS_POOL_UNIT_BYTES);
}

static int open_pool(struct verbs_loans *loans)
{
	int error;

	if (loans->memory)
		return 0;
	error = verbs_memory_new(loans->pd, VERBS_POOL_BYTES,
				 IBV_ACCESS_REMOTE_READ, &loans->mr);
	if (!error)
		loans->memory = loans->mr->addr;
	return error;
}

static void begin(struct verbs_loans *loans, struct verbs_loan *loan,
		  uint32_t id, size_t len_bytes)
{
	loan->id = id;
	loan->len_bytes = (uint32_t)len_bytes;
	loan->since_ns = io_monotonic_ns();
	loans->nr++;
}

int verbs_loans_lend_pooled(struct verbs_loans *loans, uint32_t id,
			    size_t len_bytes, struct verbs_loan **ret_loan)
{
	struct verbs_loan *loan = free_entry(loans);
	int error, first;

	if (!loan)
		return -EAGAIN;
	error = open_pool(loans);
	if (error)
		return error;
	first = verbs_pool_take(&loans->pool, units_of(len_bytes));
	if (first < 0)
		return -EAGAIN;
	loan->bytes = loans->memory + (size_t)first * VERBS_POOL_UNIT_BYTES;
	loan->mr = NULL;
	loan->first_unit = (unsigned)first;
	begin(loans, loan, id, len_bytes);
	*ret_loan = loan;
	return 0;
}

static int lend_own(struct verbs_loans *loans, uint32_t id, size_t len_bytes,
		    struct verbs_loan **ret_loan)
{
	struct verbs_loan *loan = free_entry(loans);
	int error;

	if (!loan ||
	    (loans->own_bytes && loans->own_bytes + len_bytes > VERBS_OWN_MAX))
		return -EAGAIN;
	error = verbs_memory_new(loans->pd, len_bytes, IBV_ACCESS_REMOTE_READ,
				 &loan->mr);
	if (error)
		return error;
	loan->bytes = loan->mr->addr;
	loans->own_bytes += len_bytes;
	begin(loans, loan, id, len_bytes);
	*ret_loan = loan;
	return 0;
}

int verbs_loans_lend(struct verbs_loans *loans, uint32_t id, size_t len_bytes,
		     struct verbs_loan **ret_loan)
{
	if (len_bytes <= VERBS_POOL_LOAN_BYTES &&
	    !verbs_loans_lend_pooled(loans, id, len_bytes, ret_loan))
		return 0;
	return lend_own(loans, id, len_bytes, ret_loan);
}

struct wire_far verbs_loans_far(const struct verbs_loans *loans,
				const struct verbs_loan *loan)
{
	return (struct wire_far){
		.raddr = (uintptr_t)loan->bytes,
		.len_bytes = loan->len_bytes,
		.rkey = loan->mr ? loan->mr->rkey : loans->mr->rkey,
	};
}

void verbs_loans_end(struct verbs_loans *loans, struct verbs_loan *loan)
{
	if (loan->mr) {
		loans->own_bytes -= loan->len_bytes;
		verbs_memory_free(loan->mr);
	} else {
		verbs_pool_put(&loans->pool, loan->first_unit,
			       units_of(loan->len_bytes));
	}
	*loan = (struct verbs_loan){0};
	loans->nr--;
}

int verbs_loans_taken(struct verbs_loans *loans, uint32_t id)
{
	for (unsigned i = 0; loans->nr && i < VERBS_LOANS_MAX; i++) {
		struct verbs_loan *loan = &loans->loans[i];

		if (!loan->bytes || loan->id != id)
			continue;
		verbs_loans_end(loans, loan);
		return 0;
	}
	return -ENOENT;
}

uint64_t verbs_loans_oldest_ns(const struct verbs_loans *loans)
{
	uint64_t oldest_ns = 0;

	for (unsigned i = 0; loans->nr && i < VERBS_LOANS_MAX; i++) {
		const struct verbs_loan *loan = &loans->loans[i];

		if (loan->bytes && (!oldest_ns || loan->since_ns < oldest_ns))
			oldest_ns = loan->since_ns;
	}
	return oldest_ns;
}

void verbs_loans_done(struct verbs_loans *loans)
{
	for (unsigned i = 0; i < VERBS_LOANS_MAX; i++)
		if (loans->loans[i].bytes)
			verbs_loans_end(loans, &loans->loans[i]);
	verbs_memory_free(loans->mr);
	loans->mr = NULL;
	loans->memory = NULL;
}
