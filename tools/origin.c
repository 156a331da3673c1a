/* SPDX-License-Identifier: MIT */
#include "tools/origin.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/desc.h"
#include "common/descid.h"
#include "common/io.h"
#include "common/lap.h"
#include "common/quietthread.h"
#include "common/say.h"
#include "common/workset.h"
#include "parent/keeper.h"
#include "rdmafetch/local.h"
#include "rdmafetch/retry.h"
#include "tools/reach.h"

#define LOCAL_RETRIES	 2
#define STOP_TIMEOUT_MS	 200
#define SHARED_MAX_BYTES (1ull << 30)
#define ASK_MS		 5000
#define TELL_NS		 (60 * UINT64_C(1000000000))
/* A snapshot of tens of GiB takes seconds; the daemon has a limit of its own.
 */
#define PREPARE_MS 60000

struct origin {
	const struct options *options;
	/* of this host */
	struct keeper *keeper;
	/* of a daemon */
	struct reach reach;
	struct wire_image wire;
	int is_ours; /* prepared for this mount, to be released with it */
	uint32_t lease_s;
	uint64_t nil_ns; /* as tcp_opened.nil_ns */
	pthread_t renewer;
	int has_renewer, must_end, is_gone; /* under lock */
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct workset trace;	/* kept there, or empty */
	atomic_int is_recorded; /* or need not be */
	uint64_t told_ns;
	int told; /* to the log, of looks for a connection: reopen()'s */
	/* of both */
	void *desc;
	size_t desc_bytes;
	uint64_t snapshot_ns, descriptor_ns, decode_ns; /* fs/status.h */
	struct image *image;
	const struct image *shown; /* image, or the keeper's */
	struct transport *transport;
};

static int try_local(struct origin *origin, const struct keeper_result **result,
		     struct refusal *refusal)
{
	struct keeper_request request = {
		.pid = origin->options->source.pid,
		.uid = getuid(),
		.gid = getgid(),
		.snapshot = {.stop_timeout_ms = STOP_TIMEOUT_MS,
			     .shared_max_bytes = SHARED_MAX_BYTES},
	};
	int r = keeper_start(&request, &origin->keeper);

	return r ? r : keeper_finish(origin->keeper, result, refusal);
}

/*
 * A process may be unable to stop just now: it waits for a vfork's child, or
 * the machine is so busy that its threads do not get to run.  Trying harms
 * nobody.
 */
static int open_local(struct origin *origin, char *why)
{
	const struct keeper_result *result;
	struct refusal refusal = {""};
	uint64_t since = io_monotonic_ns();
	int r = try_local(origin, &result, &refusal);

	for (int again = 0; r == -EBUSY && again < LOCAL_RETRIES; again++) {
		keeper_release(steal_ptr(&origin->keeper));
		r = try_local(origin, &result, &refusal);
	}
	if (r) {
		(void)snprintf(why, WIRE_WHY_MAX + 1, "%s", refusal.why);
		return r;
	}
	origin->snapshot_ns = lap_ns(&since);
	origin->shown = result->image;
	origin->desc_bytes = result->desc_bytes;
	origin->desc = malloc(result->desc_bytes);
	if (!origin->desc)
		return -ENOMEM;
	memcpy(origin->desc, result->desc, result->desc_bytes);
	return local_open(result->source, &origin->transport);
}

static int local_alive(void *arg)
{
	struct origin *origin = arg;

	return keeper_alive(origin->keeper);
}

/*
 * From now on this image is meant, and none that has its name later: renewing
 * that, or recording into it, would be wrong.  A key says as much already.
 */
static void mean_this(struct origin *origin)
{
	static const uint8_t no_key[WIRE_KEY_BYTES];

	if (!memcmp(origin->wire.key, no_key, sizeof(no_key)))
		descid_of(origin->desc, origin->desc_bytes, origin->wire.key);
}

/* Ask something about this origin's image that needs no answer but yes. */
static int call(struct origin *origin, enum wire_type type,
		struct reach_failure *ret_failure)
{
	uint8_t bytes[WIRE_REQUEST_MAX];
	const struct reach_question question = {
		type, bytes, wire_put_image(bytes, &origin->wire), ASK_MS};

	return reach_ask(&origin->reach, &question, NULL, NULL, ret_failure);
}

/*
 * The trace that came with the image, on the same connection.  Without one the
 * mount is as good, only slower: never a failure.
 */
static void take_trace(struct origin *origin, const struct tcp_opened *opened)
{
	if (opened->trace)
		(void)workset_get(opened->trace, opened->trace_bytes,
				  &origin->trace);
}

/* The same over RDMA, where it did not. */
static void ask_trace(struct origin *origin)
{
	CLEANUP_FREE void *reply = NULL;
	uint8_t bytes[WIRE_REQUEST_MAX];
	struct reach_failure failure;
	const struct reach_question question = {
		WIRE_TRACE, bytes, wire_put_image(bytes, &origin->wire),
		ASK_MS};
	size_t reply_bytes = 0;

	if (!reach_ask(&origin->reach, &question, &reply, &reply_bytes,
		       &failure))
		(void)workset_get(reply, reply_bytes, &origin->trace);
}

static int send_part(struct origin *origin, const struct workset *set,
		     uint32_t from)
{
	struct workset_part part = {.image = origin->wire, .from = from};
	uint8_t bytes[WIRE_REQUEST_MAX];
	struct reach_failure failure;
	struct reach_question question = {WIRE_RECORD, bytes, 0, ASK_MS};

	while (part.nr < WORKSET_PART_MAX && from + part.nr < set->nr) {
		part.runs[part.nr] = set->runs[from + part.nr];
		part.nr++;
	}
	question.body_bytes = workset_put_part(bytes, &part);
	return reach_ask(&origin->reach, &question, NULL, NULL, &failure);
}

/* The first to come is kept; the daemon refuses the others. */
static void record(void *arg, const struct workset *set)
{
	struct origin *origin = arg;

	if (atomic_exchange(&origin->is_recorded, 1))
		return;
	for (uint32_t from = 0; from < set->nr; from += WORKSET_PART_MAX)
		if (send_part(origin, set, from))
			return;
}

static int prepare(struct origin *origin, char *why)
{
	CLEANUP_FREE void *reply = NULL;
	struct wire_prepare body = {
		.pid = origin->options->source.pid,
		.lease_s = origin->options->lease_s,
	};
	uint8_t bytes[WIRE_REQUEST_MAX];
	const struct reach_question question = {WIRE_PREPARE, bytes,
						wire_put_prepare(bytes, &body),
						PREPARE_MS};
	struct reach_failure failure;
	size_t reply_bytes = 0;
	int r = reach_ask(&origin->reach, &question, &reply, &reply_bytes,
			  &failure);

	if (r) {
		memcpy(why, failure.why, sizeof(failure.why));
		return r;
	}
	r = wire_get_image(reply, reply_bytes, &origin->wire);
	origin->is_ours = !r;
	return r;
}

/*
 * The image by this name now must be the image that is mounted: a daemon that
 * was started anew may use the name for another process.
 */
static int check_same(const struct origin *origin,
		      const struct tcp_opened *opened)
{
	if (opened->desc_bytes != origin->desc_bytes ||
	    memcmp(opened->desc, origin->desc, opened->desc_bytes))
		return -ESTALE;
	return 0;
}

/* Why a look failed, for the log: each reason once, and not all the time. */
static void tell(struct origin *origin, int error, const char *why)
{
	uint64_t now_ns = io_monotonic_ns();

	if (origin->told == error || (origin->told && error != -ESTALE &&
				      now_ns - origin->told_ns < TELL_NS))
		return;
	say_note("%s: no way back to the image%s: %s",
		 origin->options->source_text, error == -ESTALE ? "" : " yet",
		 why);
	origin->told = error;
	origin->told_ns = now_ns;
}

/*
 * Whoever reads gets an error now, if the image is gone.  A host that does not
 * answer is no news: status says that the mount waits for it.
 */
static int no_way(struct origin *origin, int error,
		  const struct reach_failure *failure)
{
	if (failure->is_gone)
		error = -ESTALE;
	else if (error == -ESTALE)
		error = -EIO; /* of a key file on NFS, say */
	if (!retry_may_pass(error))
		tell(origin, error, failure->why);
	return error;
}

/* One at a time: the fetch has one thread at a time that looks. */
static int reopen(void *arg, struct transport **ret)
{
	struct origin *origin = arg;
	struct reach_failure failure;
	struct transport *transport;
	struct tcp_opened opened;
	int r = reach_open(&origin->reach, &origin->wire, &transport, &opened,
			   &failure);

	if (r)
		return no_way(origin, r, &failure);
	r = check_same(origin, &opened);
	free(opened.desc);
	if (r)
		tell(origin, r, "another image has its name now");
	else
		origin->told = 0;
	if (r)
		transport->ops->close(transport);
	else
		*ret = transport;
	return r;
}

static void deadline_in(uint32_t seconds, struct timespec *ret)
{
	(void)clock_gettime(CLOCK_MONOTONIC, ret);
	ret->tv_sec += seconds;
}

/*
 * A renewal that fails while the image may live is tried again soon: a daemon
 * that is full has room for a moment now and then.
 */
static uint32_t renew_pause_s(const struct origin *origin, bool is_late)
{
	uint32_t pause_s = origin->lease_s / (is_late ? 30 : 3);

	return pause_s ? pause_s : 1;
}

/* Says "still here" three times a lease, so that one loss does no harm. */
static void *renew_loop(void *arg)
{
	struct origin *origin = arg;
	struct reach_failure failure;
	struct timespec deadline;
	int r;

	(void)pthread_mutex_lock(&origin->lock);
	deadline_in(renew_pause_s(origin, false), &deadline);
	while (!origin->must_end) {
		if (pthread_cond_timedwait(&origin->wake, &origin->lock,
					   &deadline) != ETIMEDOUT)
			continue;
		(void)pthread_mutex_unlock(&origin->lock);
		r = call(origin, WIRE_RENEW, &failure);
		(void)pthread_mutex_lock(&origin->lock);
		if (!r || failure.is_gone)
			origin->is_gone = r != 0;
		deadline_in(renew_pause_s(origin, r && !failure.is_gone),
			    &deadline);
	}
	(void)pthread_mutex_unlock(&origin->lock);
	return NULL;
}

/* A signal that it took would not wake who waits for the session's end. */
static int start_renewing(struct origin *origin)
{
	int r = quietthread_start(&origin->renewer, renew_loop, origin);

	origin->has_renewer = !r;
	return r;
}

static void local_words(void *arg, char text[STATUS_TRANSPORT_MAX + 1])
{
	(void)snprintf(text, STATUS_TRANSPORT_MAX + 1, "local");
}

static void remote_words(void *arg, char text[STATUS_TRANSPORT_MAX + 1])
{
	struct origin *origin = arg;

	reach_words(&origin->reach, text);
}

static int remote_alive(void *arg)
{
	struct origin *origin = arg;
	int alive;

	(void)pthread_mutex_lock(&origin->lock);
	alive = !origin->is_gone;
	(void)pthread_mutex_unlock(&origin->lock);
	return alive;
}

static int open_remote(struct origin *origin, char *why)
{
	const struct parse_source *source = &origin->options->source;
	struct reach_failure failure;
	struct tcp_opened opened = {0};
	int r = reach_init(&origin->reach, origin->options);
	uint64_t since = io_monotonic_ns();

	if (r)
		return r;
	if (source->pid) {
		r = prepare(origin, why);
		if (r)
			return r;
		origin->snapshot_ns = lap_ns(&since);
	} else {
		memcpy(origin->wire.name, source->name, sizeof(source->name));
	}
	origin->reach.wants_trace =
		origin->options->modes.replays ||
		origin->options->modes.policy == &prefetch_auto;
	r = reach_open(&origin->reach, &origin->wire, &origin->transport,
		       &opened, &failure);
	origin->reach.wants_trace = false;
	if (r) {
		memcpy(why, failure.why, sizeof(failure.why));
		return r;
	}
	origin->desc = opened.desc;
	origin->desc_bytes = opened.desc_bytes;
	origin->lease_s = opened.lease_s;
	origin->nil_ns = opened.nil_ns;
	take_trace(origin, &opened);
	free(opened.trace);
	mean_this(origin);
	origin->descriptor_ns = lap_ns(&since);
	r = desc_decode(origin->desc, origin->desc_bytes, &origin->image);
	if (r)
		return r;
	origin->decode_ns = lap_ns(&since);
	origin->shown = origin->image;
	if (origin->options->modes.replays && !opened.is_traced)
		ask_trace(origin);
	return start_renewing(origin);
}

static int init_lock(struct origin *origin)
{
	pthread_condattr_t attr;

	(void)pthread_mutex_init(&origin->lock, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	return -pthread_cond_init(&origin->wake, &attr);
}

static void origin_closep(struct origin **origin)
{
	origin_close(*origin);
}

int origin_open(const struct options *options, struct origin **ret, char *why)
{
	CLEANUP(origin_closep)
	struct origin *origin = calloc(1, sizeof(*origin));
	int r;

	why[0] = '\0';
	if (!origin)
		return -ENOMEM;
	origin->options = options;
	r = init_lock(origin);
	if (r)
		return r;
	r = options->source.where == PARSE_LOCAL ? open_local(origin, why)
						 : open_remote(origin, why);
	if (r)
		return r;
	*ret = steal_ptr(&origin);
	return 0;
}

void origin_image(struct origin *origin, struct session_image *ret_image)
{
	int is_local = origin->keeper != NULL;

	*ret_image = (struct session_image){
		.image = origin->shown,
		.desc = origin->desc,
		.desc_bytes = origin->desc_bytes,
		.transport = steal_ptr(&origin->transport),
		.nil_ns = origin->nil_ns,
		.reopen = is_local ? NULL : reopen,
		.reopen_arg = origin,
		.trace = origin->trace.nr ? &origin->trace : NULL,
		/* An image that goes with its mount has no next child. */
		.record = is_local || origin->is_ours ? NULL : record,
		.record_arg = origin,
		.origin =
			{
				.source = origin->options->source_text,
				.transport =
					is_local ? local_words : remote_words,
				.name = origin->wire.name,
				.image = origin->shown,
				.alive = is_local ? local_alive : remote_alive,
				.arg = origin,
				.snapshot_ns = origin->snapshot_ns,
				.descriptor_ns = origin->descriptor_ns,
				.decode_ns = origin->decode_ns,
			},
	};
}

static void stop_renewing(struct origin *origin)
{
	if (!origin->has_renewer)
		return;
	(void)pthread_mutex_lock(&origin->lock);
	origin->must_end = 1;
	(void)pthread_cond_signal(&origin->wake);
	(void)pthread_mutex_unlock(&origin->lock);
	(void)pthread_join(origin->renewer, NULL);
}

void origin_close(struct origin *origin)
{
	struct reach_failure failure;

	if (!origin)
		return;
	stop_renewing(origin);
	/* Failing is no harm: the lease ends by itself. */
	if (origin->is_ours)
		(void)call(origin, WIRE_RELEASE, &failure);
	if (origin->transport)
		origin->transport->ops->close(origin->transport);
	keeper_release(origin->keeper);
	image_free(origin->image);
	free(origin->desc);
	workset_done(&origin->trace);
	reach_done(&origin->reach);
	free(origin);
}
