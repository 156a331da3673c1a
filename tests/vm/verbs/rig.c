/* SPDX-License-Identifier: MIT */
/* rig.c - see rig.h */
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/source.h"

#define ADDRESS "10.9.0.1"

struct fake_daemon *rig_start(const struct serve_options *options)
{
	return fake_daemon_start_rdma(options, ADDRESS);
}

struct raw_verbs *rig_join(struct fake_daemon *fake)
{
	struct raw_verbs *raw = raw_dial(fake_daemon_rdma_port(fake));

	raw_hello(raw);
	return raw;
}

/* Wait until the server counts @clients and @strangers. */
void rig_await(struct fake_daemon *fake, uint64_t clients, uint64_t strangers)
{
	struct serve_stats stats;

	for (int i = 0; i < RAW_TIMEOUT_S * 10; i++) {
		stats = fake_daemon_rdma_stats(fake);
		if (stats.clients == clients && stats.strangers == strangers)
			return;
		(void)usleep(100000);
	}
	fail_msg("%lu clients and %lu strangers, not %lu and %lu",
		 stats.clients, stats.strangers, clients, strangers);
}

void rig_assert_pages(const uint8_t *bytes, uint64_t raddr, uint32_t len)
{
	for (uint32_t at = 0; at < len; at += 8) {
		uint64_t word = fake_word(SOURCE_MEMORY, raddr + at);

		assert_memory_equal(bytes + at, &word, 8);
	}
}

struct wire_read rig_read_of(uint64_t raddr, uint32_t len)
{
	return (struct wire_read){.handle = RIG_HANDLE,
				  .object = SOURCE_MEMORY,
				  .raddr = raddr,
				  .len_bytes = len};
}

/* Ask for pages as a message and check them, inline or FAR. */
void rig_check_read(struct raw_verbs *raw, uint32_t id, uint64_t raddr,
		    uint32_t len)
{
	struct wire_header reply;
	const uint8_t *body;
	uint32_t got = 0;

	raw_ask_read(raw, id, id % 2 ? WIRE_URGENT : 0,
		     rig_read_of(raddr, len));
	reply = raw_get(raw, &body);
	assert_int_equal(reply.type, WIRE_READ);
	assert_int_equal(reply.id, id);
	assert_int_equal(reply.status, 0);
	if (len > WIRE_REQUEST_MAX) {
		body = raw_take(raw, &reply, body, &got);
	} else {
		assert_false(reply.flags & WIRE_FAR);
		got = reply.body_bytes;
	}
	assert_int_equal(got, len);
	rig_assert_pages(body, raddr, len);
}

void rig_ask_open(struct raw_verbs *raw, uint32_t id, const char *name)
{
	struct wire_image image = {{0}};
	uint8_t body[WIRE_REQUEST_MAX];

	(void)snprintf(image.name, sizeof(image.name), "%s", name);
	raw_ask(raw, WIRE_OPEN, id, body,
		(uint32_t)wire_put_image(body, &image));
}
