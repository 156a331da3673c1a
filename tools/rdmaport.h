/* SPDX-License-Identifier: MIT */
/*
 * rdmaport.h - what mitosisd's --rdma means
 *
 * Not called rdma_listen: a program's functions go before a library's, also
 * inside of the library, and librdmacm has one of that name.
 *
 * Below: parent/daemon.c.  Above: mitosisd.c.  Threads: one.
 */
#pragma once

#include "parent/daemon.h"
#include "parent/listen.h"

/*
 * Serve RDMA on the address @text, as listen_parse() reads it; "": on all of
 * this host, port WIRE_PORT.  *@ret_where tells where that is.
 *
 * Returns 0, or -errno after a line on standard error.
 */
int rdmaport_listen(struct daemon *daemon, const char *text, enum wire_sec sec,
		    char ret_where[LISTEN_TEXT_MAX]);
