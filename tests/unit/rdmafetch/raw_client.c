/* SPDX-License-Identifier: MIT */
/* raw_client.c - see raw_client.h */
#include "raw_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/io.h"

/* A broken server must fail the test, not hang it. */
static int with_timeout(int fd)
{
	struct timeval limit = {.tv_sec = RAW_TIMEOUT_S};

	assert_int_equal(0, setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit,
				       sizeof(limit)));
	assert_int_equal(0, setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit,
				       sizeof(limit)));
	return fd;
}

int raw_dial_tcp(uint16_t port)
{
	struct sockaddr_in in = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(0, connect(fd, (struct sockaddr *)&in, sizeof(in)));
	return with_timeout(fd);
}

int raw_dial_unix(const char *path)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strncpy(un.sun_path, path, sizeof(un.sun_path) - 1);
	assert_int_equal(0, connect(fd, (struct sockaddr *)&un, sizeof(un)));
	return with_timeout(fd);
}

void raw_ask(int fd, struct wire_header header, const void *body)
{
	uint8_t out[WIRE_HEADER_BYTES + WIRE_REQUEST_MAX];

	wire_put_header(out, &header);
	if (header.body_bytes)
		memcpy(out + WIRE_HEADER_BYTES, body, header.body_bytes);
	assert_int_equal(
		0,
		io_write_all(fd, out, WIRE_HEADER_BYTES + header.body_bytes));
}

struct wire_header raw_get(int fd, uint8_t **ret_body)
{
	uint8_t in[WIRE_HEADER_BYTES];
	struct wire_header header;

	assert_int_equal(0, io_read_all(fd, in, sizeof(in)));
	assert_int_equal(0, wire_get_header(in, WIRE_REPLY_MAX, &header));
	assert_true(header.flags & WIRE_REPLY);
	*ret_body = malloc(header.body_bytes + 1);
	assert_non_null(*ret_body);
	assert_int_equal(0, io_read_all(fd, *ret_body, header.body_bytes));
	(*ret_body)[header.body_bytes] = 0;
	return header;
}

void raw_hello(int fd, uint32_t version)
{
	const struct wire_hello hello = {.version = version};
	uint8_t body[WIRE_REQUEST_MAX];
	struct wire_header header = {.type = WIRE_HELLO, .id = 1};

	header.body_bytes = (uint32_t)wire_put_hello(body, &hello);
	raw_ask(fd, header, body);
}

int raw_join(int fd)
{
	uint8_t *body;
	struct wire_header header;

	raw_hello(fd, WIRE_VERSION);
	header = raw_get(fd, &body);
	assert_int_equal(WIRE_HELLO, header.type);
	assert_int_equal(0, header.status);
	free(body);
	return fd;
}

size_t raw_put_read(uint8_t *out, uint32_t id, uint16_t flags,
		    struct wire_read read)
{
	struct wire_header header = {
		.type = WIRE_READ, .flags = flags, .id = id};

	header.body_bytes =
		(uint32_t)wire_put_read(out + WIRE_HEADER_BYTES, &read);
	wire_put_header(out, &header);
	return WIRE_HEADER_BYTES + header.body_bytes;
}

void raw_read(int fd, uint32_t id, uint16_t flags, struct wire_read read)
{
	uint8_t out[WIRE_HEADER_BYTES + WIRE_REQUEST_MAX];

	assert_int_equal(
		0, io_write_all(fd, out, raw_put_read(out, id, flags, read)));
}

void raw_assert_dropped(int fd)
{
	char byte;
	ssize_t got = recv(fd, &byte, 1, 0);

	assert_true(got == 0 || (got < 0 && errno == ECONNRESET));
	(void)close(fd);
}
