/* SPDX-License-Identifier: MIT */
/* sec_munge.c - see sec_munge.h */
#include "rdmafetch/sec_munge.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "config.h"

#if HAVE_MUNGE

#include <munge.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "common/cleanup.h"
#include "common/parse.h"

const bool sec_munge_is_built = true;

/* Both let go of a job; who comes second frees it. */
enum job_state { JOB_RUNNING, JOB_LEFT };

struct job {
	atomic_int state;
	bool is_decode;
	struct sec_settings settings;
	struct sec_munge_cred cred; /* in or out */
	struct sec_munge_said said; /* out or, the payload, in */
	int error;
	char why[WIRE_WHY_MAX + 1];
};

/* Threads that still wait for a munged that does not answer. */
static atomic_int nr_left;

static void fail(struct job *job, int error, const char *what, munge_ctx_t ctx)
{
	const char *words = ctx ? munge_ctx_strerror(ctx) : NULL;

	job->error = error;
	(void)snprintf(job->why, sizeof(job->why), "munge: %.100s%s%.120s",
		       words ? words : "no memory", *what ? ": " : "", what);
}

/* What the other end, or an operator, can do about it. */
static const char *advice(munge_err_t failure)
{
	switch (failure) {
	case EMUNGE_SOCKET:
		return "is munged running on this host?";
	case EMUNGE_CRED_INVALID:
		return "do both hosts have the same munge key?";
	case EMUNGE_CRED_EXPIRED:
	case EMUNGE_CRED_REWOUND:
		return "do the clocks of both hosts agree?";
	default:
		return "";
	}
}

static int decode_error(munge_err_t failure)
{
	switch (failure) {
	case EMUNGE_SNAFU:
	case EMUNGE_SOCKET:
	case EMUNGE_TIMEOUT:
		return -EAGAIN;
	case EMUNGE_NO_MEMORY:
		return -ENOMEM;
	default:
		return -EACCES;
	}
}

static int encode_error(munge_err_t failure)
{
	switch (failure) {
	case EMUNGE_SOCKET:
	case EMUNGE_TIMEOUT:
		return -EAGAIN;
	case EMUNGE_NO_MEMORY:
		return -ENOMEM;
	default:
		return -EIO;
	}
}

static munge_ctx_t new_ctx(const struct job *job)
{
	const char *socket = job->settings.munge_socket;
	munge_ctx_t ctx = munge_ctx_create();

	if (ctx && *socket &&
	    munge_ctx_set(ctx, MUNGE_OPT_SOCKET, socket) != EMUNGE_SUCCESS) {
		munge_ctx_destroy(ctx);
		return NULL;
	}
	return ctx;
}

static void encode(struct job *job, munge_ctx_t ctx)
{
	CLEANUP_FREE char *cred = NULL;
	munge_err_t failure = munge_ctx_set(ctx, MUNGE_OPT_TTL, SEC_TTL_S);

	if (failure == EMUNGE_SUCCESS)
		failure = munge_encode(&cred, ctx, job->said.payload,
				       (int)strlen(job->said.payload));
	if (failure != EMUNGE_SUCCESS) {
		fail(job, encode_error(failure), advice(failure), ctx);
		return;
	}
	if (strlen(cred) > WIRE_CRED_MAX) {
		job->error = -EIO;
		(void)snprintf(job->why, sizeof(job->why),
			       "munge: a credential of %zu bytes is too long",
			       strlen(cred));
		return;
	}
	strcpy(job->cred.text, cred);
}

/* Bytes that somebody with the key chose: fit for a terminal, and cut. */
static void copy_payload(char *out, const char *payload, int len)
{
	int used = len < (int)SEC_PAYLOAD_MAX ? len : (int)SEC_PAYLOAD_MAX;

	parse_plain(out, payload, (size_t)used);
}

static void decode(struct job *job, munge_ctx_t ctx)
{
	CLEANUP_FREE void *payload = NULL;
	struct sec_munge_said *said = &job->said;
	munge_err_t failure;
	int len = 0;

	failure = munge_decode(job->cred.text, ctx, &payload, &len, &said->uid,
			       &said->gid);
	if (failure == EMUNGE_SUCCESS)
		failure = munge_ctx_get(ctx, MUNGE_OPT_TTL, &said->ttl_s);
	if (failure != EMUNGE_SUCCESS)
		fail(job, decode_error(failure), advice(failure), ctx);
	else
		copy_payload(said->payload, payload, payload ? len : 0);
}

static void *run(void *arg)
{
	struct job *job = arg;
	munge_ctx_t ctx = new_ctx(job);

	if (!ctx)
		fail(job, -ENOMEM, "", NULL);
	else if (job->is_decode)
		decode(job, ctx);
	else
		encode(job, ctx);
	if (ctx)
		munge_ctx_destroy(ctx);
	if (atomic_exchange(&job->state, JOB_LEFT) == JOB_LEFT) {
		atomic_fetch_sub(&nr_left, 1);
		free(job);
	}
	return NULL;
}

/* A thread that no signal of this process is delivered to. */
static int start(struct job *job, pthread_t *ret_thread)
{
	sigset_t all, before;
	int error;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(ret_thread, NULL, run, job);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -error;
}

static int no_answer(const char *socket, char *why)
{
	(void)snprintf(why, WIRE_WHY_MAX + 1,
		       "munge: munged does not answer%s%.108s: is it running?",
		       *socket ? " at " : "", socket);
	return -EAGAIN;
}

/* Wait for @thread.  1 when @job is ours alone again; 0 when it was left. */
static int finish(struct job *job, pthread_t thread)
{
	struct timespec end;

	(void)clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += SEC_WAIT_MS / 1000;
	if (!pthread_clockjoin_np(thread, NULL, CLOCK_MONOTONIC, &end))
		return 1;
	atomic_fetch_add(&nr_left, 1);
	if (atomic_exchange(&job->state, JOB_LEFT) == JOB_RUNNING) {
		(void)pthread_detach(thread);
		return 0;
	}
	/* It has come to its end just now. */
	atomic_fetch_sub(&nr_left, 1);
	(void)pthread_join(thread, NULL);
	return 1;
}

/* Do @job, which is freed or left to its thread unless this returns 0. */
static int carry_out(struct job *job, const char *socket, char *why)
{
	pthread_t thread;
	int error;

	error = atomic_load(&nr_left) ? no_answer(socket, why)
				      : start(job, &thread);
	if (!error && !finish(job, thread))
		return no_answer(socket, why);
	if (!error && job->error) {
		error = job->error;
		(void)snprintf(why, WIRE_WHY_MAX + 1, "%s", job->why);
	}
	if (error)
		free(job);
	return error;
}

static struct job *new_job(const char *socket, char *why)
{
	struct job *job = calloc(1, sizeof(*job));

	if (job)
		(void)snprintf(job->settings.munge_socket,
			       sizeof(job->settings.munge_socket), "%s",
			       socket);
	else
		(void)snprintf(why, WIRE_WHY_MAX + 1, "no memory");
	return job;
}

int sec_munge_encode(const char *socket, const char *payload,
		     struct sec_munge_cred *ret, char *why)
{
	struct job *job = new_job(socket, why);
	int error;

	if (!job)
		return -ENOMEM;
	(void)snprintf(job->said.payload, sizeof(job->said.payload), "%s",
		       payload);
	error = carry_out(job, socket, why);
	if (error)
		return error;
	*ret = job->cred;
	free(job);
	return 0;
}

int sec_munge_decode(const char *socket, const struct sec_munge_cred *cred,
		     struct sec_munge_said *ret, char *why)
{
	struct job *job = new_job(socket, why);
	int error;

	if (!job)
		return -ENOMEM;
	job->is_decode = true;
	job->cred = *cred;
	error = carry_out(job, socket, why);
	if (error)
		return error;
	*ret = job->said;
	free(job);
	return 0;
}

#else

const bool sec_munge_is_built;

static int not_built(char *why)
{
	(void)snprintf(why, WIRE_WHY_MAX + 1,
		       "sec=munge: built without libmunge");
	return -EOPNOTSUPP;
}

int sec_munge_encode(const char *socket, const char *payload,
		     struct sec_munge_cred *ret, char *why)
{
	return not_built(why);
}

int sec_munge_decode(const char *socket, const struct sec_munge_cred *cred,
		     struct sec_munge_said *ret, char *why)
{
	return not_built(why);
}

#endif
