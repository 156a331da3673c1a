/* SPDX-License-Identifier: MIT */
/*
 * verbs_control.c - HELLO, OPEN, EXPORT
 */
#include "rdmafetch/verbs_control.h"

#include <errno.h>
#include <stdlib.h>

#include "common/cleanup.h"
#include "rdmafetch/reply.h"
#include "rdmafetch/verbs_link.h"
#include "rdmafetch/verbs_talk.h"

/* Registering much memory takes its time: most with --pin, which copies it. */
#define EXPORT_MS 60000
/* To be reached and say HELLO, with what the connection manager sends again. */
#define HELLO_MS 10000

struct verbs_control {
	struct verbs_talk talk;
};

void verbs_control_close(struct verbs_control *control)
{
	if (!control)
		return;
	verbs_talk_end(&control->talk);
	free(control);
}

const char *verbs_control_device(const struct verbs_control *control)
{
	return control->talk.link ? verbs_link_device(control->talk.link) : "";
}

int verbs_control_call(struct verbs_control *control, enum wire_type type,
		       const void *body, size_t body_bytes, void **ret_body,
		       size_t *ret_body_bytes, char *why)
{
	struct verbs_question question = {type, body, body_bytes};

	return verbs_talk_ask(&control->talk, &question, ret_body,
			      ret_body_bytes, why);
}

static int say_hello(struct verbs_control *control,
		     const struct sec_settings *sec, char *why)
{
	const struct sec_way way = {
		.is_verbs = true,
		.server = verbs_link_peer(control->talk.link)};
	struct wire_hello hello = {.version = WIRE_VERSION,
				   .read_max_bytes = WIRE_READ_MAX};
	CLEANUP_FREE void *reply = NULL;
	uint8_t body[WIRE_REQUEST_MAX];
	size_t reply_bytes = 0;
	int err = sec_make_credential(sec, &way, &hello, why);

	if (err)
		return err;
	err = verbs_control_call(control, WIRE_HELLO, body,
				 wire_put_hello(body, &hello), &reply,
				 &reply_bytes, why);
	if (err)
		return err;
	return reply_get_hello(reply, reply_bytes, &hello);
}

int verbs_control_hello(const struct verbs_address *address,
			struct verbs_control **ret, char *why)
{
	struct verbs_control *control = calloc(1, sizeof(*control));
	struct verbs_address greeted = *address;
	int err;

	why[0] = '\0';
	if (!control)
		return -ENOMEM;
	if (greeted.timeout_ms > HELLO_MS)
		greeted.timeout_ms = HELLO_MS;
	control->talk.timeout_ms = greeted.timeout_ms;
	err = verbs_link_open(&greeted, &control->talk.link);
	if (!err)
		err = say_hello(control, &address->sec, why);
	control->talk.timeout_ms = address->timeout_ms;
	if (err) {
		verbs_control_close(control);
		return err;
	}
	*ret = control;
	return 0;
}

int verbs_control_image(struct verbs_control *control,
			const struct wire_image *image, uint32_t *ret_handle,
			struct tcp_opened *ret_opened, char *why)
{
	uint8_t request[WIRE_REQUEST_MAX];
	CLEANUP_FREE void *reply = NULL;
	size_t bytes = 0;
	int err = verbs_control_call(control, WIRE_OPEN, request,
				     wire_put_image(request, image), &reply,
				     &bytes, why);

	return err ? err
		   : reply_take_opened(&reply, bytes, ret_handle, ret_opened);
}

int verbs_control_export(struct verbs_control *control, uint32_t handle,
			 struct verbs_regions *ret_regions, char *why)
{
	uint8_t request[WIRE_REQUEST_MAX];
	CLEANUP_FREE void *reply = NULL;
	size_t bytes = 0;
	int timeout_ms = control->talk.timeout_ms, err;

	if (timeout_ms < EXPORT_MS)
		control->talk.timeout_ms = EXPORT_MS;
	err = verbs_control_call(control, WIRE_EXPORT, request,
				 wire_put_export(request, handle), &reply,
				 &bytes, why);
	control->talk.timeout_ms = timeout_ms;
	if (err && err != -ESTALE && control->talk.link) {
		*ret_regions = (struct verbs_regions){NULL, 0};
		return 0;
	}
	if (err)
		return err;
	return wire_get_regions(reply, bytes, &ret_regions->at,
				&ret_regions->nr);
}

struct verbs_link *verbs_control_steal(struct verbs_control *control,
				       uint64_t *ret_seq)
{
	struct verbs_link *link = steal_ptr(&control->talk.link);

	*ret_seq = control->talk.seq;
	verbs_control_close(control);
	return link;
}
