/* SPDX-License-Identifier: MIT */
/*
 * tcp_todo.h - what one client has asked for and not yet got
 *
 * Three queues, served in this order: answers of the handler, READs that
 * somebody waits for, and READs ahead of any demand.
 *
 * Threads: all of it belongs to the thread of the loop.
 */
#pragma once

#include <stdbool.h>

#include "common/wire.h"
#include "rdmafetch/tcp_batch.h"
#include "rdmafetch/tcp_serve.h"

#define TODO_READS_MAX	 256u  /* in each of the two queues */
#define TODO_ANSWERS_MAX 16u   /* asked of the handler and not yet sent */
#define TODO_COPY_MAX	 4096u /* a longer body is sent from where it is */

struct todo_read {
	uint32_t id;
	struct wire_read read;
};

struct todo_ring {
	struct todo_read slots[TODO_READS_MAX];
	unsigned first, nr;
};

struct todo_answer;

/* Zeroed before first use. */
struct tcp_todo {
	struct todo_answer *answers, *last_answer;
	unsigned nr_asked; /* of the handler, whether answered or not */
	struct todo_ring urgent, bulk;
};

/* Whose READs these are, and where their bytes come from. */
struct todo_client {
	const struct serve_ops *ops;
	void *session;
	struct serve_stats *stats;
};

/* 1 when one more request of this kind fits. */
int todo_read_fits(const struct tcp_todo *todo, bool urgent);
int todo_ask_fits(const struct tcp_todo *todo);

/* Queue a READ; it must fit. */
void todo_add_read(struct tcp_todo *todo, bool urgent, uint32_t id,
		   const struct wire_read *read);

/*
 * Queue an answer: @header, @head_bytes of @head (at most TODO_COPY_MAX;
 * copied), then @tail, which is owned from here on in any case (NULL: none).
 * Returns 0 or -ENOMEM.
 */
int todo_add_answer(struct tcp_todo *todo, const struct wire_header *header,
		    const void *head, size_t head_bytes,
		    const struct serve_tail *tail);

/* Move answers, then urgent READs, into @batch while they fit. */
void todo_fill_first(struct tcp_todo *todo, const struct todo_client *client,
		     struct tcp_batch *batch, struct batch_pool *pool);

/* Move bulk READs into @batch until it holds BATCH_BULK_BYTES. */
void todo_fill_bulk(struct tcp_todo *todo, const struct todo_client *client,
		    struct tcp_batch *batch, struct batch_pool *pool);

/* 1 when todo_fill_bulk() would move something. */
int todo_has_bulk(const struct tcp_todo *todo, const struct tcp_batch *batch);

/* 1 when anything is queued. */
int todo_waiting(const struct tcp_todo *todo);

/* Forget everything and give back the tails. */
void todo_done(struct tcp_todo *todo);
