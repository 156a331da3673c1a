/* SPDX-License-Identifier: MIT */
/* xfer_link.c - see xfer_link.h */
#include "tools/bench/xfer_link.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/io.h"
#include "common/parse.h"
#include "rdmafetch/dial.h"
#include "tools/bench/flow.h"

#define PATIENCE_MS 10000
#define MIB_MAX	    (1u << 20)
#define WORDS_MAX   6

/* ---- lines ---- */

/* Split a copy of a line at its blanks: how many words, -EPROTO for too many.
 */
static int split(char *line, char *words[WORDS_MAX])
{
	int nr = 0;
	char *word;

	while ((word = strsep(&line, " "))) {
		if (nr == WORDS_MAX)
			return -EPROTO;
		words[nr++] = word;
	}
	return nr;
}

static int get_number(const char *word, uint32_t min, uint32_t max,
		      uint32_t *ret)
{
	uint64_t value;

	if (parse_u64(word, min, max, &value))
		return -EPROTO;
	*ret = (uint32_t)value;
	return 0;
}

static int get_port(const char *word, uint16_t *ret_port)
{
	uint32_t value;

	if (get_number(word, 0, UINT16_MAX, &value))
		return -EPROTO;
	*ret_port = (uint16_t)value;
	return 0;
}

static int get_key(const char *word, uint8_t key[WIRE_KEY_BYTES])
{
	if (strlen(word) != 2 * WIRE_KEY_BYTES ||
	    strspn(word, "0123456789abcdef") != 2 * WIRE_KEY_BYTES)
		return -EPROTO;
	for (unsigned i = 0; i < WIRE_KEY_BYTES; i++) {
		const char digits[3] = {word[2 * i], word[2 * i + 1], '\0'};

		key[i] = (uint8_t)strtoul(digits, NULL, 16);
	}
	return 0;
}

void xfer_put_offer(char line[XFER_LINE_MAX], const struct xfer_offer *offer)
{
	char key[2 * WIRE_KEY_BYTES + 1];

	for (unsigned i = 0; i < WIRE_KEY_BYTES; i++)
		(void)snprintf(key + 2 * i, 3, "%02x", offer->image.key[i]);
	(void)snprintf(line, XFER_LINE_MAX, "offer %s %s %u %u %u",
		       offer->image.name, key, offer->tcp_port,
		       offer->rdma_port, offer->mib);
}

int xfer_get_offer(const char *line, struct xfer_offer *ret_offer)
{
	char copy[XFER_LINE_MAX], *words[WORDS_MAX];
	struct xfer_offer offer = {0};

	(void)snprintf(copy, sizeof(copy), "%s", line);
	if (split(copy, words) != 6 || strcmp(words[0], "offer") ||
	    !parse_name_ok(words[1]) || get_key(words[2], offer.image.key) ||
	    get_port(words[3], &offer.tcp_port) ||
	    get_port(words[4], &offer.rdma_port) ||
	    get_number(words[5], 1, MIB_MAX, &offer.mib))
		return -EPROTO;
	strcpy(offer.image.name, words[1]);
	*ret_offer = offer;
	return 0;
}

void xfer_put_perftest(char line[XFER_LINE_MAX],
		       const struct perftest_plan *plan)
{
	(void)snprintf(line, XFER_LINE_MAX, "perftest %s %u %u %u %s",
		       perftest_tool_name(plan->tool), plan->size_bytes,
		       plan->depth, plan->iters,
		       plan->events ? "events" : "polling");
}

static int get_perftest(char *words[WORDS_MAX], struct perftest_plan *ret_plan)
{
	struct perftest_plan plan = {.events = !strcmp(words[5], "events")};

	if (perftest_tool_parse(words[1], &plan.tool) ||
	    get_number(words[2], 0, UINT32_MAX, &plan.size_bytes) ||
	    get_number(words[3], 0, UINT32_MAX, &plan.depth) ||
	    get_number(words[4], 0, UINT32_MAX, &plan.iters) ||
	    (!plan.events && strcmp(words[5], "polling")) ||
	    perftest_check(&plan))
		return -EPROTO;
	*ret_plan = plan;
	return 0;
}

int xfer_get_ask(const char *line, enum xfer_ask *ret_ask,
		 struct perftest_plan *ret_plan)
{
	char copy[XFER_LINE_MAX], *words[WORDS_MAX];
	int nr;

	(void)snprintf(copy, sizeof(copy), "%s", line);
	nr = split(copy, words);
	if (nr == 1 && !strcmp(words[0], "offer")) {
		*ret_ask = XFER_OFFER;
	} else if (nr == 1 && !strcmp(words[0], "echo")) {
		*ret_ask = XFER_ECHO;
	} else if (nr == 6 && !strcmp(words[0], "perftest") &&
		   !get_perftest(words, ret_plan)) {
		*ret_ask = XFER_PERFTEST;
	} else {
		return -EPROTO;
	}
	return 0;
}

/* ---- connections ---- */

static uint64_t deadline(void)
{
	return io_monotonic_ns() + PATIENCE_MS * 1000000ull;
}

int xfer_link_tell(int fd, const char *line)
{
	char message[XFER_LINE_MAX + 1];
	int len = snprintf(message, sizeof(message), "%s\n", line);

	return dial_send(fd, message, (size_t)len, deadline());
}

int xfer_link_hear(int fd, char line[XFER_LINE_MAX])
{
	uint64_t until_ns = deadline();

	for (size_t len = 0; len < XFER_LINE_MAX; len++) {
		int error = dial_recv(fd, line + len, 1, until_ns);

		if (error)
			return error == -ECONNRESET ? -ENODATA : error;
		if (line[len] == '\n') {
			line[len] = '\0';
			return 0;
		}
	}
	return -EPROTO;
}

/* Connect, ask, hear. */
static int ask(const struct tcp_address *server, const char *line, int *ret_fd,
	       char answer[XFER_LINE_MAX])
{
	struct tcp_address address = *server;
	int fd CLEANUP_CLOSE = -1;
	int error;

	address.timeout_ms = PATIENCE_MS;
	error = dial_open(&address, &fd);
	if (!error)
		error = xfer_link_tell(fd, line);
	if (!error)
		error = xfer_link_hear(fd, answer);
	if (!error)
		*ret_fd = steal_fd(&fd);
	return error;
}

int xfer_link_offer(const struct tcp_address *server,
		    struct xfer_offer *ret_offer)
{
	char answer[XFER_LINE_MAX];
	int fd CLEANUP_CLOSE = -1;
	int error = ask(server, "offer", &fd, answer);

	return error ? error : xfer_get_offer(answer, ret_offer);
}

int xfer_link_echo(const struct tcp_address *server, int *ret_fd)
{
	char answer[XFER_LINE_MAX];
	int fd CLEANUP_CLOSE = -1;
	int error = ask(server, "echo", &fd, answer);

	if (!error && strcmp(answer, "echo"))
		error = -EPROTO;
	if (!error)
		*ret_fd = steal_fd(&fd);
	return error;
}

int xfer_link_perftest(const struct tcp_address *server,
		       const struct perftest_plan *plan, int *ret_fd,
		       uint16_t *ret_port)
{
	char line[XFER_LINE_MAX], answer[XFER_LINE_MAX], *words[WORDS_MAX];
	int fd CLEANUP_CLOSE = -1;
	int error;

	xfer_put_perftest(line, plan);
	error = ask(server, line, &fd, answer);
	if (error)
		return error;
	if (split(answer, words) != 2 || strcmp(words[0], "perftest") ||
	    get_port(words[1], ret_port) || !*ret_port)
		return -EPROTO;
	*ret_fd = steal_fd(&fd);
	return 0;
}
