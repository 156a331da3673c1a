/* SPDX-License-Identifier: MIT */
/*
 * verbs.c - open, submit, buffers
 *
 * Locks: reaper.lock guards the core; it is held while posting, which does not
 * block.
 */
#include "rdmafetch/verbs.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "common/cleanup.h"
#include "rdmafetch/verbs_link.h"
#include "rdmafetch/verbs_reap.h"

struct verbs {
	struct transport base;
	struct verbs_reaper reaper;
};

static struct verbs *verbs_of(struct transport *transport)
{
	return (struct verbs *)transport;
}

/* ---- submit ---- */

static int verbs_submit(struct transport *transport,
			const struct transport_read *reads, unsigned nr)
{
	struct verbs *verbs = verbs_of(transport);
	struct verbs_core *core = &verbs->reaper.core;
	unsigned taken = 0;
	int err = 0;

	(void)pthread_mutex_lock(&verbs->reaper.lock);
	while (!err && taken < nr) {
		const struct transport_read *read = &reads[taken];

		if (!transport_read_is_legal(read))
			err = -EINVAL;
		else if (!verbs_slots_has_room(&core->slots, read))
			err = -EAGAIN;
		else {
			verbs_slots_take(&core->slots, read);
			taken++;
		}
	}
	verbs_post_queued(core);
	(void)pthread_mutex_unlock(&verbs->reaper.lock);
	return taken ? (int)taken : err;
}

/* ---- reap ---- */

static int reap(struct transport *transport, struct transport_done *done,
		unsigned max, int timeout_ms)
{
	return verbs_reap(&verbs_of(transport)->reaper, done, max, timeout_ms);
}

static int verbs_fd(struct transport *transport)
{
	struct verbs *verbs = verbs_of(transport);

	atomic_store_explicit(&verbs->reaper.is_watched, true,
			      memory_order_relaxed);
	return verbs->reaper.core.link->poll_fd;
}

/* ---- buffers ---- */

static int verbs_prepare_buffer(struct transport *transport, void *buf,
				size_t len_bytes)
{
	struct verbs *verbs = verbs_of(transport);
	struct ibv_mr *mr = ibv_reg_mr(verbs->reaper.core.link->pd, buf,
				       len_bytes, IBV_ACCESS_LOCAL_WRITE);
	int err;

	if (!mr)
		return -errno;
	(void)pthread_mutex_lock(&verbs->reaper.lock);
	err = verbs_buffers_add(&verbs->reaper.core.buffers, mr);
	(void)pthread_mutex_unlock(&verbs->reaper.lock);
	if (err)
		(void)ibv_dereg_mr(mr);
	return err;
}

static void verbs_release_buffer(struct transport *transport, void *buf)
{
	struct verbs *verbs = verbs_of(transport);
	struct ibv_mr *mr;

	(void)pthread_mutex_lock(&verbs->reaper.lock);
	mr = verbs_buffers_del(&verbs->reaper.core.buffers, buf);
	(void)pthread_mutex_unlock(&verbs->reaper.lock);
	if (mr)
		(void)ibv_dereg_mr(mr);
}

/* ---- life ---- */

static void verbs_free(struct verbs *verbs)
{
	/* First nothing is written any more, then memory goes. */
	if (verbs->reaper.core.link)
		verbs_link_cut(verbs->reaper.core.link);
	verbs_buffers_done(&verbs->reaper.core.buffers);
	verbs_ring_done(&verbs->reaper.core.ring);
	verbs_link_close(verbs->reaper.core.link);
	free(verbs->reaper.core.regions.at);
	(void)pthread_mutex_destroy(&verbs->reaper.lock);
	free(verbs);
}

static void verbs_close(struct transport *transport)
{
	verbs_free(verbs_of(transport));
}

static const struct transport_ops verbs_ops = {
	.name = "verbs",
	.submit = verbs_submit,
	.reap = reap,
	.fd = verbs_fd,
	.prepare_buffer = verbs_prepare_buffer,
	.release_buffer = verbs_release_buffer,
	.close = verbs_close,
};

static int init(struct verbs *verbs, uint64_t first_seq)
{
	struct verbs_core *core = &verbs->reaper.core;
	int err = verbs_ring_init(&core->ring, core->link->nr_sends, first_seq);

	if (!err)
		err = verbs_buffers_init(&core->buffers, core->link->pd);
	return err;
}

int verbs_adopt(struct verbs_control *control, uint32_t handle,
		const struct verbs_regions *regions,
		struct verbs_refused *refused, struct transport **ret)
{
	struct verbs *verbs = calloc(1, sizeof(*verbs));
	uint64_t seq;
	int err;

	if (!verbs) {
		free(regions->at);
		verbs_control_close(control);
		return -ENOMEM;
	}
	verbs->base.ops = &verbs_ops;
	(void)pthread_mutex_init(&verbs->reaper.lock, NULL);
	verbs->reaper.core.handle = handle;
	verbs->reaper.core.regions = *regions;
	verbs->reaper.core.refused = refused;
	verbs_slots_init(&verbs->reaper.core.slots);
	verbs->reaper.core.link = verbs_control_steal(control, &seq);
	verbs_spin_init(&verbs->reaper.spin,
			verbs->reaper.core.link->completion);
	verbs_link_arm(
		verbs->reaper.core.link); /* fd() may be polled at once */
	err = init(verbs, seq);
	if (err) {
		verbs_free(verbs);
		return err;
	}
	*ret = &verbs->base;
	return 0;
}

/* An image that is open on a control connection. */
struct opening {
	uint32_t handle;
	struct verbs_regions regions;
	struct tcp_opened opened;
};

static int open_image(struct verbs_control *control,
		      const struct wire_image *image, struct opening *ret,
		      char *why)
{
	return verbs_control_image(control, image, &ret->handle, &ret->opened,
				   why);
}

static int open_exported(struct verbs_control *control,
			 const struct wire_image *image, struct opening *ret,
			 bool *ret_is_late, char *why)
{
	int err = open_image(control, image, ret, why);

	if (err)
		return err;
	err = verbs_control_export(control, ret->handle, &ret->regions, why);
	*ret_is_late = err == -ETIMEDOUT;
	if (err)
		free(ret->opened.desc);
	return err;
}

/*
 * A daemon that registers for longer than we wait leaves a connection on which
 * its answer may come any time: by another, all goes by message.
 */
static int open_somehow(struct verbs_control **control,
			const struct verbs_origin *origin, struct opening *ret,
			char *why)
{
	bool is_late = false;
	int err = open_exported(*control, origin->image, ret, &is_late, why);

	if (!is_late)
		return err;
	verbs_control_close(steal_ptr(control));
	*ret = (struct opening){0};
	err = verbs_control_hello(origin->address, control, why);
	return err ? err : open_image(*control, origin->image, ret, why);
}

int verbs_open_on(struct verbs_control *control,
		  const struct verbs_origin *origin, struct transport **ret,
		  struct tcp_opened *ret_opened, char *why)
{
	struct opening opening = {0};
	int err = open_somehow(&control, origin, &opening, why);

	if (err) {
		verbs_control_close(control);
		return err;
	}
	err = verbs_adopt(control, opening.handle, &opening.regions,
			  origin->refused, ret);
	if (err) {
		free(opening.opened.desc);
		return err;
	}
	*ret_opened = opening.opened;
	return 0;
}

int verbs_open(const struct verbs_origin *origin, struct transport **ret,
	       struct tcp_opened *ret_opened, char *why)
{
	struct verbs_control *control = NULL;
	int err = verbs_control_hello(origin->address, &control, why);

	return err ? err : verbs_open_on(control, origin, ret, ret_opened, why);
}

uint64_t verbs_exported_bytes(const struct transport *transport)
{
	const struct verbs_regions *regions =
		&((const struct verbs *)transport)->reaper.core.regions;
	uint64_t bytes = 0;

	for (size_t i = 0; i < regions->nr; i++)
		bytes += regions->at[i].len_bytes;
	return bytes;
}

const char *verbs_device_of(const struct transport *transport)
{
	return verbs_link_device(
		((const struct verbs *)transport)->reaper.core.link);
}
