/* SPDX-License-Identifier: MIT */
#include "fs/reading.h"

#include <string.h>

#include "common/page.h"
#include "common/source.h"
#include "fs/ops.h"
#include "fs/warm.h"

bool reading_is_all_pages(const struct tree *tree, const struct tree_node *node)
{
	return node && (node == tree_space(tree) || node == tree_warm(tree));
}

/* Bring what is not here, for a fault or not. */
static int fetch_memory(const struct ops_context *context, uint64_t raddr,
			uint8_t *buf, size_t len_bytes, bool is_fault)
{
	int r;

	if (!is_fault)
		return fetch_read(context->fetch, SOURCE_MEMORY, raddr, buf,
				  len_bytes);
	r = fetch_fault(context->fetch, raddr, buf, len_bytes);
	if (!r)
		(void)warm_take(context->warm, page_of(raddr),
				page_of(len_bytes), buf);
	return r;
}

static int read_memory(const struct ops_context *context, uint64_t raddr,
		       uint8_t *buf, size_t len_bytes, bool is_fault)
{
	int r = 0;

	while (len_bytes && !r) {
		size_t now = warm_read(context->warm, raddr, buf, len_bytes);

		if (!now) {
			now = warm_absent(context->warm, raddr, len_bytes);
			r = fetch_memory(context, raddr, buf, now, is_fault);
		}
		raddr += now;
		buf += now;
		len_bytes -= now;
	}
	return r;
}

static int read_piece(const struct ops_context *context,
		      const struct core_piece *piece, uint8_t *buf)
{
	switch (piece->kind) {
	case CORE_HEADERS:
		memcpy(buf, piece->bytes, piece->len_bytes);
		break;
	case CORE_ZEROS:
		memset(buf, 0, piece->len_bytes);
		break;
	case CORE_MEMORY:
		return read_memory(context, piece->raddr, buf, piece->len_bytes,
				   false);
	}
	return 0;
}

/* Pages of the core, which may come from many places. */
static int read_core(const struct ops_context *context, uint64_t offset,
		     uint8_t *buf, size_t len_bytes)
{
	struct core_piece piece;

	for (size_t done = 0; done < len_bytes; done += piece.len_bytes) {
		int r = core_piece_at(tree_core(context->tree), offset + done,
				      &piece);

		if (r)
			return r;
		if (piece.len_bytes > len_bytes - done)
			piece.len_bytes = len_bytes - done;
		r = read_piece(context, &piece, buf + done);
		if (r)
			return r;
	}
	return 0;
}

static bool is_memory(const struct tree_node *node)
{
	return node->kind != TREE_CORE && node->kind != TREE_FILE;
}

static int read_pages(const struct ops_context *context,
		      const struct reading *reading)
{
	const struct tree_node *node = reading->node;

	if (node->kind == TREE_CORE)
		return read_core(context, reading->offset, reading->buf,
				 reading->len_bytes);
	if (node->kind == TREE_FILE)
		return fetch_read(context->fetch, node->object,
				  node->raddr + reading->offset, reading->buf,
				  reading->len_bytes);
	return read_memory(context, node->raddr + reading->offset, reading->buf,
			   reading->len_bytes,
			   reading_is_all_pages(context->tree, node));
}

int reading_get(const struct ops_context *context, struct reading *reading)
{
	const struct tree_node *node = reading->node;
	const struct piece wanted = {node->raddr + reading->offset,
				     reading->len_bytes, (char *)reading->buf};
	int r;

	if (context->may_lend && is_memory(node))
		return fetch_lend(context->fetch, &wanted,
				  reading_is_all_pages(context->tree, node),
				  &reading->loan);
	r = read_pages(context, reading);
	loan_begin(&reading->loan, wanted.buf);
	loan_end(&reading->loan, wanted.buf + wanted.len_bytes);
	return r;
}

void reading_end(const struct ops_context *context, struct reading *reading)
{
	const struct tree_node *node = reading->node;

	fetch_return(context->fetch, &reading->loan);
	if (!context->may_lend && is_memory(node))
		fetch_keep(context->fetch, node->raddr + reading->offset,
			   reading->buf, reading->len_bytes);
}
