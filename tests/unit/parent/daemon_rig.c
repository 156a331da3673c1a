/* SPDX-License-Identifier: MIT */
/* daemon_rig.c - see daemon_rig.h */
#include "tests/unit/parent/cmocka_env.h"

#include "daemon_rig.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "fake_keeper.h"
#include "parent/listen.h"
#include "raw_client.h"

struct daemon_options rig_options;
static pthread_t thread;
static int stop_fd, ready_fd;
static char dir[32], path[64];
uint16_t rig_port;

static void listen_on(struct daemon *daemon)
{
	struct listen_address address;
	struct sockaddr_in *in = (void *)&address.addr;
	socklen_t len = sizeof(*in);
	int fd;

	assert_int_equal(0, listen_parse("127.0.0.1:0", 0, &address, NULL));
	assert_int_equal(0, listen_inet(&address, &fd, NULL));
	assert_int_equal(0, getsockname(fd, (void *)in, &len));
	rig_port = ntohs(in->sin_port);
	assert_int_equal(0, daemon_listen(daemon, fd));
	assert_int_equal(0, listen_unix(path, &fd, NULL));
	assert_int_equal(0, daemon_listen(daemon, fd));
}

static void *run(void *arg)
{
	struct daemon *daemon = NULL;
	uint64_t one = 1;

	assert_int_equal(0, daemon_open(&rig_options, &daemon));
	listen_on(daemon);
	assert_int_equal(8, write(ready_fd, &one, 8));
	assert_int_equal(0, daemon_run(daemon, stop_fd));
	daemon_close(daemon);
	return NULL;
}

int rig_start(void **state)
{
	uint64_t one;

	strcpy(dir, "/tmp/test_daemon.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	(void)snprintf(path, sizeof(path), "%s/sock", dir);
	if (!rig_options.registry.images_max)
		rig_options = daemon_defaults;
	stop_fd = eventfd(0, EFD_CLOEXEC);
	ready_fd = eventfd(0, EFD_CLOEXEC);
	if (pthread_create(&thread, NULL, run, NULL))
		return -1;
	return read(ready_fd, &one, 8) == 8 ? 0 : -1;
}

int rig_stop(void **state)
{
	uint64_t one = 1;

	if (write(stop_fd, &one, 8) != 8 || pthread_join(thread, NULL))
		return -1;
	(void)close(stop_fd);
	(void)close(ready_fd);
	(void)unlink(path);
	rig_options = (struct daemon_options){0};
	/* Whatever a test left: no twin outlives the daemon. */
	return fake_keeper_count() || rmdir(dir) ? -1 : 0;
}

int rig_dial(void)
{
	return raw_join(raw_dial_unix(path));
}

void rig_send_prepare(int fd, pid_t pid, const char *name)
{
	struct wire_header header = {.type = WIRE_PREPARE, .id = 5};
	struct wire_prepare wanted = {.pid = pid};
	uint8_t body[WIRE_REQUEST_MAX];

	strcpy(wanted.name, name);
	header.body_bytes = (uint32_t)wire_put_prepare(body, &wanted);
	raw_ask(fd, header, body);
}

int rig_get_image(int fd, struct wire_image *ret_image, char *why)
{
	struct wire_header header;
	uint8_t *body;

	header = raw_get(fd, &body);
	if (!header.status)
		assert_int_equal(
			0, wire_get_image(body, header.body_bytes, ret_image));
	else
		(void)snprintf(why, WIRE_WHY_MAX + 1, "%s", (char *)body);
	free(body);
	return header.status;
}

struct wire_image rig_prepare(int fd, pid_t pid, const char *name)
{
	char why[WIRE_WHY_MAX + 1];
	struct wire_image image;

	rig_send_prepare(fd, pid, name);
	assert_int_equal(0, rig_get_image(fd, &image, why));
	return image;
}

int rig_ask_image(int fd, enum wire_type type, const struct wire_image *image,
		  uint32_t *ret_handle)
{
	struct wire_header header = {.type = (uint16_t)type, .id = 6};
	uint8_t out[WIRE_REQUEST_MAX], *body;
	struct wire_opened opened;

	header.body_bytes = (uint32_t)wire_put_image(out, image);
	raw_ask(fd, header, out);
	header = raw_get(fd, &body);
	if (!header.status && type == WIRE_OPEN) {
		assert_int_equal(8 + 10, header.body_bytes);
		assert_memory_equal("descriptor", body + 8, 10);
		assert_int_equal(0, wire_get_opened(body, 8, &opened));
		*ret_handle = opened.handle;
	}
	free(body);
	return header.status;
}

struct report_status rig_get_status(int fd)
{
	struct wire_header header = {.type = WIRE_STATUS, .id = 8};
	struct report_status status;
	uint8_t *body;

	raw_ask(fd, header, NULL);
	header = raw_get(fd, &body);
	assert_int_equal(0,
			 report_get_status(body, header.body_bytes, &status));
	free(body);
	return status;
}

void rig_wait_for_keepers(int nr)
{
	while (fake_keeper_count() != nr)
		(void)poll(NULL, 0, 5);
}
