/* SPDX-License-Identifier: MIT */
#include "tools/reach.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rdmafetch/dial.h"
#include "tools/socketpath.h"

#define MS_PER_S   1000
#define CONNECT_MS 5000

/*
 * A request or an answer of the RDMA connection manager that gets lost is sent
 * again after 4.3 s (CMA_CM_RESPONSE_TIMEOUT in drivers/infiniband/core/cma.c).
 * Long enough for two more attempts; and for one where TCP will do as well.
 */
#define RDMA_MS	    10000
#define TRY_RDMA_MS 6000

/* ---- words ---- */

/* Give a failure over TCP that came without the daemon's words some of ours. */
static int explain(const struct reach *reach, int error, char *why)
{
	if (error && !why[0])
		(void)snprintf(why, WIRE_WHY_MAX + 1, "connect %.200s: %s",
			       reach->tcp.host,
			       dial_advice(&reach->tcp, error));
	return error;
}

/* The same for RDMA. */
static int explain_rdma(const struct reach *reach, int error, char *why)
{
	if (error && !why[0])
		verbs_address_explain(&reach->verbs, error, why);
	return error;
}

static void set_words(struct reach *reach, const char *what, const char *format,
		      const char *with)
{
	char more[STATUS_TRANSPORT_MAX + 1] = "";

	if (with[0])
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		(void)snprintf(more, sizeof(more), format, with);
#pragma GCC diagnostic pop
	(void)pthread_mutex_lock(&reach->lock);
	(void)snprintf(reach->words, sizeof(reach->words), "%s%.300s", what,
		       more);
	(void)pthread_mutex_unlock(&reach->lock);
}

void reach_words(struct reach *reach, char text[STATUS_TRANSPORT_MAX + 1])
{
	(void)pthread_mutex_lock(&reach->lock);
	memcpy(text, reach->words, sizeof(reach->words));
	(void)pthread_mutex_unlock(&reach->lock);
}

/* ---- verdicts ---- */

/*
 * Once HELLO is done all words are the daemon's.  Until then only two errors
 * count: what of ours has words there (the key file, munge, TLS) fails in other
 * ways, or has failed in this one before there was a mount.
 */
static bool is_gone(bool is_greeted, int error, const char *why)
{
	if (!why[0])
		return false;
	if (is_greeted)
		return error == -ENOENT || error == -ESTALE;
	return error == -EPROTONOSUPPORT || error == -EOPNOTSUPP;
}

/* ---- questions ---- */

/* It said HELLO, and then nothing. */
static void explain_late(const char *host,
			 const struct reach_question *question, int error,
			 char *why)
{
	if (error == -ETIMEDOUT && !why[0])
		(void)snprintf(why, WIRE_WHY_MAX + 1,
			       "mitosisd at %.200s has not answered for %d s: "
			       "try again",
			       host, question->timeout_ms / MS_PER_S);
}

static int ask_tcp(const struct reach *reach,
		   const struct reach_question *question, void **ret_body,
		   size_t *ret_body_bytes, struct reach_failure *failure)
{
	struct tcp_address address = reach->tcp;
	struct tcp_control *control = NULL;
	char *why = failure->why;
	int r;

	address.timeout_ms = question->timeout_ms;
	r = tcp_control_hello(&address, &control, why);
	if (!r)
		r = tcp_control_call(control, question->type, question->body,
				     question->body_bytes, ret_body,
				     ret_body_bytes, why);
	failure->is_gone = is_gone(control, r, why);
	if (control)
		explain_late(address.host, question, r, why);
	tcp_control_close(control);
	return explain(reach, r, why);
}

static int ask_rdma(const struct reach *reach,
		    const struct reach_question *question, void **ret_body,
		    size_t *ret_body_bytes, struct reach_failure *failure)
{
	struct verbs_address address = reach->verbs;
	struct verbs_control *control = NULL;
	char *why = failure->why;
	int r;

	address.timeout_ms = question->timeout_ms;
	r = verbs_control_hello(&address, &control, why);
	if (!r)
		r = verbs_control_call(control, question->type, question->body,
				       question->body_bytes, ret_body,
				       ret_body_bytes, why);
	failure->is_gone = is_gone(control, r, why);
	if (control)
		explain_late(address.host, question, r, why);
	verbs_control_close(control);
	return explain_rdma(reach, r, why);
}

int reach_ask(const struct reach *reach, const struct reach_question *question,
	      void **ret_body, size_t *ret_body_bytes,
	      struct reach_failure *ret_failure)
{
	struct reach_failure failure = {0};
	int r;

	if (reach->proto == OPTIONS_RDMA)
		r = ask_rdma(reach, question, ret_body, ret_body_bytes,
			     &failure);
	else
		r = ask_tcp(reach, question, ret_body, ret_body_bytes,
			    &failure);
	if (r)
		*ret_failure = failure;
	return r;
}

/* ---- images ---- */

static int open_rdma(struct reach *reach, const struct wire_image *image,
		     struct transport **ret, struct tcp_opened *ret_opened,
		     struct reach_failure *failure)
{
	const struct verbs_origin origin = {&reach->verbs, image,
					    reach->refused};
	struct verbs_control *control = NULL;
	int r = verbs_control_hello(&reach->verbs, &control, failure->why);
	bool is_greeted = !r;

	if (!r)
		r = verbs_open_on(control, &origin, ret, ret_opened,
				  failure->why);
	failure->is_gone = is_gone(is_greeted, r, failure->why);
	if (!r)
		set_words(reach, "verbs", " (%s)", verbs_device_of(*ret));
	return explain_rdma(reach, r, failure->why);
}

/*
 * Try RDMA, where the daemon and this host have it.  False: not to be had, for
 * the reason in @why, which is "" where nobody would expect it.
 */
static bool try_rdma(struct reach *reach, const struct wire_image *image,
		     struct transport **ret, struct tcp_opened *ret_opened,
		     char *why)
{
	struct reach_failure failure = {0};
	int r;

	why[0] = '\0';
	if (reach->tcp.is_unix)
		return false;
	if (reach->tcp.sec.kind == WIRE_SEC_PSK) {
		(void)snprintf(why, WIRE_WHY_MAX + 1,
			       "sec=psk: what goes over RDMA is not inside "
			       "TLS");
		return false;
	}
	if (!reach->verbs.port) {
		(void)snprintf(why, WIRE_WHY_MAX + 1,
			       "the mitosisd there serves no RDMA");
		return false;
	}
	r = verbs_address_device(reach->verbs.device);
	if (r) {
		(void)explain_rdma(reach, r, why);
		return false;
	}
	reach->verbs.timeout_ms = TRY_RDMA_MS;
	r = open_rdma(reach, image, ret, ret_opened, &failure);
	memcpy(why, failure.why, sizeof(failure.why));
	return !r;
}

static int open_either(struct reach *reach, const struct wire_image *image,
		       struct transport **ret, struct tcp_opened *ret_opened,
		       struct reach_failure *failure)
{
	struct tcp_control *control = NULL;
	char no_rdma[WIRE_WHY_MAX + 1] = "";
	int r = tcp_control_hello(&reach->tcp, &control, failure->why);
	bool is_greeted = !r;

	if (!r)
		reach->verbs.port = tcp_control_rdma_port(control);
	if (!r && reach->proto == OPTIONS_AUTO &&
	    try_rdma(reach, image, ret, ret_opened, no_rdma)) {
		tcp_control_close(control);
		return 0;
	}
	if (!r && reach->wants_trace)
		tcp_control_want_trace(control);
	if (!r)
		r = tcp_open_on(control, image, ret, ret_opened, failure->why);
	failure->is_gone = is_gone(is_greeted, r, failure->why);
	if (!r)
		set_words(reach, reach->tcp.is_unix ? "unix" : "tcp",
			  " (why: %s)", no_rdma);
	return explain(reach, r, failure->why);
}

int reach_open(struct reach *reach, const struct wire_image *image,
	       struct transport **ret, struct tcp_opened *ret_opened,
	       struct reach_failure *ret_failure)
{
	struct reach_failure failure = {0};
	int r;

	if (reach->proto == OPTIONS_RDMA)
		r = open_rdma(reach, image, ret, ret_opened, &failure);
	else
		r = open_either(reach, image, ret, ret_opened, &failure);
	if (r)
		*ret_failure = failure;
	return r;
}

/* ---- life ---- */

static void set_tcp(struct tcp_address *address, const struct options *options)
{
	address->timeout_ms = CONNECT_MS;
	address->port = (uint16_t)options->port;
	address->sec = options->sec;
	address->is_unix = options->source.where == PARSE_UNIX;
	if (!address->is_unix)
		(void)snprintf(address->host, sizeof(address->host), "%s",
			       options->source.host);
	else if (options->socket)
		(void)snprintf(address->host, sizeof(address->host), "%s",
			       options->socket);
	else
		socketpath_default(address->host);
}

static void set_verbs(struct verbs_address *address,
		      const struct options *options)
{
	address->timeout_ms = RDMA_MS;
	address->port = (uint16_t)options->port;
	address->sec = options->sec;
	(void)snprintf(address->host, sizeof(address->host), "%s",
		       options->source.host);
	if (options->rdma_dev)
		(void)snprintf(address->device, sizeof(address->device), "%s",
			       options->rdma_dev);
}

int reach_init(struct reach *reach, const struct options *options)
{
	*reach = (struct reach){.proto = options->proto};
	set_tcp(&reach->tcp, options);
	set_verbs(&reach->verbs, options);
	reach->refused = verbs_refused_new();
	if (!reach->refused)
		return -ENOMEM;
	return -pthread_mutex_init(&reach->lock, NULL);
}

void reach_done(struct reach *reach)
{
	if (!reach->refused)
		return;
	verbs_refused_free(reach->refused);
	(void)pthread_mutex_destroy(&reach->lock);
}
