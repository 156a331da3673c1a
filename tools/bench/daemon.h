/* SPDX-License-Identifier: MIT */
/*
 * daemon.h - a mitosisd of our own, on a free port of loopback
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "common/wire.h"

struct daemon;

/* Start @program with its socket in @dir; on return it listens. */
int daemon_open(const char *program, const char *dir, struct daemon **ret);

uint16_t daemon_port(const struct daemon *daemon);

/* An image of @pid under @name. */
int daemon_prepare(struct daemon *daemon, pid_t pid, const char *name);

int daemon_release(struct daemon *daemon);

/* End it and wait.  NULL is allowed. */
void daemon_close(struct daemon *daemon);
