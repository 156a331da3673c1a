/* SPDX-License-Identifier: MIT */
#include "rdmafetch/loan.h"

#include "rdmafetch/landing.h"

void loan_begin(struct loan *loan, void *buf)
{
	loan->nr = 0;
	loan->nr_flights = 0;
	loan->rest = buf;
}

static void add_rest(struct loan *loan, char *end)
{
	if (loan->rest < end)
		loan->iov[loan->nr++] =
			(struct iovec){loan->rest, (size_t)(end - loan->rest)};
	loan->rest = end;
}

void loan_add(struct loan *loan, struct flight *flight, char *at,
	      const struct iovec *lent)
{
	add_rest(loan, at);
	loan->iov[loan->nr++] = *lent;
	loan->flights[loan->nr_flights++] = flight;
	loan->rest = at + lent->iov_len;
}

void loan_end(struct loan *loan, char *end)
{
	add_rest(loan, end);
}

void loan_trim(struct loan *loan, size_t skip_bytes, size_t len_bytes)
{
	unsigned nr = 0;

	for (unsigned i = 0; i < loan->nr && len_bytes; i++) {
		struct iovec part = loan->iov[i];
		size_t skip =
			skip_bytes < part.iov_len ? skip_bytes : part.iov_len;

		skip_bytes -= skip;
		part.iov_base = (char *)part.iov_base + skip;
		part.iov_len -= skip;
		if (part.iov_len > len_bytes)
			part.iov_len = len_bytes;
		len_bytes -= part.iov_len;
		if (part.iov_len)
			loan->iov[nr++] = part;
	}
	loan->nr = nr;
}

void loan_return(struct loan *loan, struct pump *pump)
{
	while (loan->nr_flights)
		landing_unpin(pump, loan->flights[--loan->nr_flights]);
	loan->nr = 0;
}
