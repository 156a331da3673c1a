/* SPDX-License-Identifier: MIT */
/*
 * xfer_link.h - connections to the serving role: the offer, the rivals
 *
 * A connection begins with one line each way:
 *
 *     offer                            -> offer NAME KEY TCP-PORT RDMA-PORT MIB
 *     echo                             -> echo       (then flow_request)
 *     perftest TOOL SIZE DEPTH N WAIT  -> perftest PORT
 *
 * With a perftest, the far end runs until its work is done or the connection
 * ends.  The lines come from anybody: what is not exactly this ends the
 * connection.
 */
#pragma once

#include <stdint.h>

#include "common/wire.h"
#include "rdmafetch/tcp_control.h"
#include "tools/bench/perftest.h"

#define XFER_LINE_MAX 256u

/* What the serving role has: an image of a parent in a mitosisd. */
struct xfer_offer {
	struct wire_image image;
	uint16_t tcp_port, rdma_port; /* of the mitosisd; 0: none */
	uint32_t mib;		      /* of the parent's heap */
};

enum xfer_ask { XFER_OFFER, XFER_ECHO, XFER_PERFTEST };

/* ---- lines; pure.  0, or -EPROTO for what is none ---- */

void xfer_put_offer(char line[XFER_LINE_MAX], const struct xfer_offer *offer);
int xfer_get_offer(const char *line, struct xfer_offer *ret_offer);

void xfer_put_perftest(char line[XFER_LINE_MAX],
		       const struct perftest_plan *plan);

/* What a client's line asks; the plan of a perftest. */
int xfer_get_ask(const char *line, enum xfer_ask *ret_ask,
		 struct perftest_plan *ret_plan);

/* ---- connections; they block, ten seconds at most ---- */

/* Send a line, without its newline.  0 or -errno. */
int xfer_link_tell(int fd, const char *line);

/* Receive one.  0, -ENODATA at the end, -EPROTO when it is too long. */
int xfer_link_hear(int fd, char line[XFER_LINE_MAX]);

/* 0 or the errors of connecting and of xfer_get_offer(). */
int xfer_link_offer(const struct tcp_address *server,
		    struct xfer_offer *ret_offer);

/* A connection for flow_echo(); the caller's. */
int xfer_link_echo(const struct tcp_address *server, int *ret_fd);

/* The far end of @plan runs, at *@ret_port, while *@ret_fd, the caller's, is
 * open. */
int xfer_link_perftest(const struct tcp_address *server,
		       const struct perftest_plan *plan, int *ret_fd,
		       uint16_t *ret_port);
