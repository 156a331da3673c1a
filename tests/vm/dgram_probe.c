/* SPDX-License-Identifier: MIT */
/*
 * dgram_probe.c - a client of mitosisd by RDMA datagrams
 *
 *     ask HOST PORT MUNGE PID NAME   HELLO, NIL, PREPARE, OPEN, RELEASE: a line
 *                                    each with what came of it
 *     hold HOST PORT MUNGE NR        NR guests at a time, until stdin ends;
 *                                    at each byte there all say NIL once more
 *
 * MUNGE is munged's socket, or "none": then no credential is shown.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/parse.h"
#include "common/wire.h"
#include "rdmafetch/verbs_ud_link.h"

#define GUESTS_MAX 64u

static int say(const char *what, int error, const char *why)
{
	(void)printf("%s: %s%s%s\n", what,
		     error ? strerrorname_np(-error) : "ok", *why ? ": " : "",
		     why);
	(void)fflush(stdout);
	return error;
}

static uint64_t number(const char *text)
{
	uint64_t value;

	if (parse_u64(text, 0, INT32_MAX, &value))
		exit(2);
	return value;
}

static int join(char **argv, struct dgram_call *ret_call, char *why)
{
	/* A lost question for the queue pair comes again after 4.3 s. */
	struct verbs_address address = {.timeout_ms = 60000};
	struct sec_words words = {.kind = "munge", .munge_socket = argv[2]};

	if (!strcmp(argv[2], "none"))
		words = (struct sec_words){.kind = "none"};
	(void)snprintf(address.host, sizeof(address.host), "%s", argv[0]);
	address.port = (uint16_t)number(argv[1]);
	if (sec_set(&words, &address.sec, why))
		return -EINVAL;
	return verbs_ud_hello(&address, ret_call, why);
}

static int ask(struct dgram_call *call, enum wire_type type, const void *body,
	       size_t body_bytes)
{
	static const char *const names[WIRE_TYPES_END] = {
		[WIRE_NIL] = "nil",	    [WIRE_PREPARE] = "prepare",
		[WIRE_OPEN] = "open",	    [WIRE_EXPORT] = "export",
		[WIRE_RELEASE] = "release",
	};
	const struct dgram_question question = {type, body, body_bytes};
	char why[WIRE_WHY_MAX + 1] = "";
	struct dgram_reply reply = {NULL, 0};
	int error = dgram_ask(call, &question, &reply, why);

	if (!error && type == WIRE_OPEN)
		(void)snprintf(why, sizeof(why), "%zu bytes", reply.body_bytes);
	free(reply.body);
	return say(names[type], error, why);
}

static int ask_all(char **argv)
{
	struct wire_prepare prepare = {.pid = (int32_t)number(argv[3])};
	struct wire_image image = {0};
	uint8_t body[WIRE_REQUEST_MAX];
	char why[WIRE_WHY_MAX + 1];
	struct dgram_call call;
	int error = join(argv, &call, why);

	if (say("hello", error, why))
		return 1;
	(void)snprintf(prepare.name, sizeof(prepare.name), "%s", argv[4]);
	(void)snprintf(image.name, sizeof(image.name), "%s", argv[4]);
	(void)ask(&call, WIRE_NIL, NULL, 0);
	(void)ask(&call, WIRE_PREPARE, body, wire_put_prepare(body, &prepare));
	(void)ask(&call, WIRE_OPEN, body, wire_put_image(body, &image));
	(void)ask(&call, WIRE_EXPORT, body, wire_put_export(body, 0));
	(void)ask(&call, WIRE_RELEASE, body, wire_put_image(body, &image));
	(void)ask(&call, WIRE_OPEN, body, wire_put_image(body, &image));
	dgram_bye(&call);
	return 0;
}

static int hold(char **argv)
{
	static struct dgram_call calls[GUESTS_MAX];
	unsigned nr = (unsigned)number(argv[3]);
	char why[WIRE_WHY_MAX + 1], byte;
	int error = nr > GUESTS_MAX ? -EINVAL : 0;

	for (unsigned i = 0; i < nr && !error; i++)
		error = join(argv, &calls[i], why);
	if (error)
		return say("hello", error, why), 1;
	do
		for (unsigned i = 0; i < nr; i++)
			(void)ask(&calls[i], WIRE_NIL, NULL, 0);
	while (!say("all", 0, "") && read(0, &byte, 1) > 0);
	for (unsigned i = 0; i < nr; i++)
		dgram_bye(&calls[i]);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 7 && !strcmp(argv[1], "ask"))
		return ask_all(argv + 2);
	if (argc == 6 && !strcmp(argv[1], "hold"))
		return hold(argv + 2);
	return 2;
}
