/* SPDX-License-Identifier: MIT */
/*
 * daemon_rig.h - a daemon with a fake keeper (fake_keeper.h), and requests to it
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "common/report.h"
#include "common/wire.h"
#include "parent/daemon.h"

/* Of the next rig_start(); zeroed: the defaults. */
extern struct daemon_options rig_options;
extern uint16_t rig_port; /* of TCP */

/* A daemon in a thread of its own; cmocka's setup and teardown. */
int rig_start(void **state);
int rig_stop(void **state);

/* A client that has joined; the caller's to close. */
int rig_dial(void);

void rig_send_prepare(int fd, pid_t pid, const char *name);

/* The status of the answer; its words, when it is a refusal, in @why. */
int rig_get_image(int fd, struct wire_image *ret_image, char *why);

/* Both, of one that is had. */
struct wire_image rig_prepare(int fd, pid_t pid, const char *name);

/* OPEN, RELEASE or RENEW; returns the status, and OPEN's handle. */
int rig_ask_image(int fd, enum wire_type type, const struct wire_image *image,
		  uint32_t *ret_handle);

struct report_status rig_get_status(int fd);

/* Until @nr keepers are there. */
void rig_wait_for_keepers(int nr);
