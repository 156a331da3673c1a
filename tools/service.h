/* SPDX-License-Identifier: MIT */
/*
 * service.h - under a service manager: sockets that it made, and telling it how
 * we are (sd_listen_fds(3), sd_notify(3))
 *
 * Without libsystemd, and started by hand, nothing here does anything.
 */
#pragma once

/*
 * How many sockets were handed to us, the first of them as *@ret_first.  They
 * are ours from now on, and no child of ours inherits them.
 */
int service_sockets(int *ret_first);

/* Clients can come; @status is one line about where. */
void service_ready(const char *status);

/* We are on our way out. */
void service_stopping(void);
