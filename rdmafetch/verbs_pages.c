/* SPDX-License-Identifier: MIT */
/* verbs_pages.c - see verbs_pages.h */
#include "rdmafetch/verbs_pages.h"

#include <errno.h>

#include "rdmafetch/verbs_reply.h"

static void count(struct verbs_client *client, int error,
		  const struct wire_read *read)
{
	struct serve_stats *stats = &client->server->stats;

	stats->reads++;
	if (error)
		stats->failed_reads++;
	else
		stats->read_bytes += read->len_bytes;
}

static void refuse(struct verbs_client *client,
		   const struct wire_header *header, int error, const char *why)
{
	struct wire_header reply = vreply_to(header);

	reply.status = error;
	vreply_words(client->conn, &reply, why);
}

/* Pages to their place: @loan's, or (NULL) in the reply's own message. */
static int copy_pages(struct verbs_client *client,
		      const struct wire_header *header,
		      const struct wire_read *read, struct verbs_loan *loan)
{
	struct verbs_conn *conn = client->conn;
	struct wire_header reply = vreply_to(header);
	int error;

	error = serve_read(client->server->handler, client->session, read,
			   loan ? loan->bytes
				: vreply_body(conn, read->len_bytes));
	if (error) {
		if (loan)
			verbs_loans_end(&client->loans, loan);
		refuse(client, header, error, serve_read_words(error));
		return error;
	}
	reply.body_bytes = read->len_bytes;
	if (loan)
		vreply_far(conn, &client->loans, &reply, loan);
	else
		vreply_send(conn, &reply);
	return 0;
}

int vpages_answer(struct verbs_client *client, struct verbs_place place,
		  uint32_t *ret_bytes)
{
	const struct wire_header header = vclient_header(client, place);
	struct verbs_loan *loan = NULL;
	struct wire_read read = {0};
	int error = 0;

	(void)wire_get_read(vclient_body(client, place), header.body_bytes,
			    &read);
	if (read.len_bytes > WIRE_REQUEST_MAX)
		error = verbs_loans_lend_pooled(&client->loans, header.id,
						read.len_bytes, &loan);
	if (error == -EAGAIN)
		return error;
	if (error)
		refuse(client, &header, error,
		       "mitosisd cannot register memory for pages: see "
		       "ulimit -l of mitosisd");
	else
		error = copy_pages(client, &header, &read, loan);
	count(client, error, &read);
	*ret_bytes = read.len_bytes;
	return 0;
}
