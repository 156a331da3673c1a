/* SPDX-License-Identifier: MIT */
/* tcp_todo.c - see tcp_todo.h */
#include "rdmafetch/tcp_todo.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct todo_answer {
	struct todo_answer *next;
	struct wire_header header;
	struct serve_tail tail;
	size_t head_bytes;
	uint8_t head[];
};

int todo_read_fits(const struct tcp_todo *todo, bool urgent)
{
	return (urgent ? &todo->urgent : &todo->bulk)->nr < TODO_READS_MAX;
}

int todo_ask_fits(const struct tcp_todo *todo)
{
	return todo->nr_asked < TODO_ANSWERS_MAX;
}

void todo_add_read(struct tcp_todo *todo, bool urgent, uint32_t id,
		   const struct wire_read *read)
{
	struct todo_ring *ring = urgent ? &todo->urgent : &todo->bulk;
	unsigned at = (ring->first + ring->nr++) % TODO_READS_MAX;

	ring->slots[at] = (struct todo_read){id, *read};
}

static void ring_drop_first(struct todo_ring *ring)
{
	ring->first = (ring->first + 1) % TODO_READS_MAX;
	ring->nr--;
}

int todo_add_answer(struct tcp_todo *todo, const struct wire_header *header,
		    const void *head, size_t head_bytes,
		    const struct serve_tail *tail)
{
	struct todo_answer *answer = calloc(1, sizeof(*answer) + head_bytes);

	if (!answer) {
		if (tail && tail->done)
			tail->done(tail->owner);
		return -ENOMEM;
	}
	answer->header = *header;
	answer->head_bytes = head_bytes;
	if (head_bytes)
		memcpy(answer->head, head, head_bytes);
	if (tail)
		answer->tail = *tail;
	if (todo->last_answer)
		todo->last_answer->next = answer;
	else
		todo->answers = answer;
	todo->last_answer = answer;
	return 0;
}

static struct todo_answer *pop_answer(struct tcp_todo *todo)
{
	struct todo_answer *answer = todo->answers;

	todo->answers = answer->next;
	if (!todo->answers)
		todo->last_answer = NULL;
	return answer;
}

static void put_answer(struct tcp_todo *todo, struct tcp_batch *batch)
{
	struct todo_answer *answer = pop_answer(todo);

	memcpy(batch_body(batch), answer->head, answer->head_bytes);
	batch_add(batch, &answer->header, answer->head_bytes);
	if (answer->tail.bytes)
		batch_set_tail(batch, &answer->tail);
	free(answer);
	todo->nr_asked--;
}

/* Copy one READ's pages to their place in the batch, or its refusal. */
static void put_read(const struct todo_client *client,
		     const struct todo_read *todo, struct tcp_batch *batch)
{
	struct wire_header header = {
		.type = WIRE_READ,
		.flags = WIRE_REPLY,
		.id = todo->id,
		.body_bytes = todo->read.len_bytes,
	};
	const char *words;

	header.status = serve_read(client->ops, client->session, &todo->read,
				   batch_body(batch));
	if (header.status) {
		words = serve_read_words(header.status);
		header.body_bytes = (uint32_t)strlen(words);
		memcpy(batch_body(batch), words, header.body_bytes);
		client->stats->failed_reads++;
	} else {
		client->stats->read_bytes += header.body_bytes;
	}
	client->stats->reads++;
	batch_add(batch, &header, header.body_bytes);
}

/* The reply fits, whether it is pages or words. */
static bool fits(size_t body_bytes, size_t room_bytes)
{
	if (body_bytes < WIRE_WHY_MAX)
		body_bytes = WIRE_WHY_MAX;
	return WIRE_HEADER_BYTES + body_bytes <= room_bytes;
}

void todo_fill_first(struct tcp_todo *todo, const struct todo_client *client,
		     struct tcp_batch *batch, struct batch_pool *pool)
{
	struct todo_ring *ring = &todo->urgent;
	const struct todo_read *next;

	while (todo->answers &&
	       fits(todo->answers->head_bytes, batch_room(batch, pool)))
		put_answer(todo, batch);
	for (; ring->nr; ring_drop_first(ring)) {
		next = &ring->slots[ring->first];
		if (!fits(next->read.len_bytes, batch_room(batch, pool)))
			return;
		put_read(client, next, batch);
		client->stats->urgent_reads++;
	}
}

void todo_fill_bulk(struct tcp_todo *todo, const struct todo_client *client,
		    struct tcp_batch *batch, struct batch_pool *pool)
{
	struct todo_ring *ring = &todo->bulk;
	const struct todo_read *next;

	while (todo_has_bulk(todo, batch)) {
		next = &ring->slots[ring->first];
		if (!fits(next->read.len_bytes, batch_room(batch, pool)))
			return;
		put_read(client, next, batch);
		ring_drop_first(ring);
	}
}

int todo_has_bulk(const struct tcp_todo *todo, const struct tcp_batch *batch)
{
	return todo->bulk.nr && !batch->tail.bytes &&
	       batch->len_bytes < BATCH_BULK_BYTES;
}

int todo_waiting(const struct tcp_todo *todo)
{
	return todo->answers || todo->urgent.nr || todo->bulk.nr;
}

void todo_done(struct tcp_todo *todo)
{
	while (todo->answers) {
		struct todo_answer *answer = pop_answer(todo);

		if (answer->tail.done)
			answer->tail.done(answer->tail.owner);
		free(answer);
	}
	todo->urgent.nr = todo->bulk.nr = 0;
}
