/* SPDX-License-Identifier: MIT */
/*
 * daemon.h - a mitosisd of our own, on a free port
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/wire.h"

struct daemon;

/* Where it listens. */
struct daemon_ways {
	const char *host; /* an address of this host */
	bool rdma;	  /* there alone, but for the unix socket; else TCP */
	/* as mitosisd's options, or NULL */
	const char *sec, *munge_socket, *psk_file;
};

/* Start @program with its socket in @dir; on return it listens.  @ways NULL:
 * TCP on loopback. */
int daemon_open(const char *program, const char *dir,
		const struct daemon_ways *ways, struct daemon **ret);

uint16_t daemon_port(const struct daemon *daemon);

/* A TCP port that nobody has just now. */
int daemon_free_port(uint16_t *ret_port);

/* An image of @pid under @name. */
int daemon_prepare(struct daemon *daemon, pid_t pid, const char *name);

/* What daemon_prepare() made. */
const struct wire_image *daemon_image(const struct daemon *daemon);

int daemon_release(struct daemon *daemon);

/* End it and wait.  NULL is allowed. */
void daemon_close(struct daemon *daemon);
