/* SPDX-License-Identifier: MIT */
/* fake_keeper.c - see fake_keeper.h */
#include "fake_keeper.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KEEPERS_MAX 64

struct keeper {
	struct page_source source; /* first */
	pid_t pid;
	int answered;
	int ends[2]; /* a byte when it is done, an end of file when it dies */
	struct image *image;
	struct keeper_result result;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct keeper *keepers[KEEPERS_MAX];
static struct keeper_request last;
static int nr_starts, nr_busy, nr_spares, nr_asked, nr_killed_owing;
static int nr_called_off;

uint64_t fake_keeper_word(pid_t pid, uint64_t raddr)
{
	return (raddr + (uint64_t)pid) * 0x9e3779b97f4a7c15ull;
}

static int fake_read(struct page_source *source, uint32_t object,
		     uint64_t raddr, void *buf, size_t len_bytes)
{
	const struct keeper *keeper = (const struct keeper *)source;
	uint64_t *out = buf;

	for (size_t at = 0; at < len_bytes / 8; at++)
		out[at] = fake_keeper_word(keeper->pid, raddr + at * 8);
	return 0;
}

static void put(struct keeper *keeper, struct keeper *instead_of)
{
	(void)pthread_mutex_lock(&lock);
	for (int i = 0; i < KEEPERS_MAX; i++) {
		if (keepers[i] != instead_of)
			continue;
		keepers[i] = keeper;
		break;
	}
	(void)pthread_mutex_unlock(&lock);
}

int keeper_spare(struct keeper **ret)
{
	struct keeper *keeper = calloc(1, sizeof(*keeper));

	assert(keeper && !pipe(keeper->ends));
	(void)pthread_mutex_lock(&lock);
	nr_spares++;
	(void)pthread_mutex_unlock(&lock);
	*ret = keeper;
	return 0;
}

static void begin(struct keeper *keeper, const struct keeper_request *request)
{
	keeper->pid = request->pid;
	keeper->source.read = fake_read;
	keeper->image = image_new();
	assert(keeper->image);
	strcpy(keeper->image->comm, "fake");
	keeper->image->pause_ns = 5200000;
	if (request->pid != FAKE_SLOW)
		assert(write(keeper->ends[1], "x", 1) == 1);
	put(keeper, NULL);
}

static void count(const struct keeper_request *request, int asked)
{
	(void)pthread_mutex_lock(&lock);
	last = *request;
	nr_starts++;
	nr_asked += asked;
	(void)pthread_mutex_unlock(&lock);
}

int keeper_ask(struct keeper *spare, const struct keeper_request *request)
{
	if (request->pid == FAKE_NO_FORK)
		return -EPIPE;
	count(request, 1);
	begin(spare, request);
	return 0;
}

int keeper_start(const struct keeper_request *request, struct keeper **ret)
{
	struct keeper *keeper = calloc(1, sizeof(*keeper));

	count(request, 0);
	if (request->pid == FAKE_NO_FORK) {
		free(keeper);
		return -EAGAIN;
	}
	assert(keeper && !pipe(keeper->ends));
	begin(keeper, request);
	*ret = keeper;
	return 0;
}

int keeper_fd(const struct keeper *keeper)
{
	return keeper->ends[0];
}

int keeper_finish(struct keeper *keeper,
		  const struct keeper_result **ret_result,
		  struct refusal *ret_why)
{
	char byte;

	assert(read(keeper->ends[0], &byte, 1) == 1);
	keeper->answered = 1;
	if (keeper->pid == FAKE_REFUSED)
		return refuse(ret_why, -EPERM, "pid 1 is already traced");
	if (keeper->pid == FAKE_BUSY ||
	    (keeper->pid == FAKE_BUSY_ONCE && !nr_busy++))
		return refuse(ret_why, -EBUSY, "did not stop in time");
	keeper->result = (struct keeper_result){
		.desc = "descriptor",
		.desc_bytes = 10,
		.image = keeper->image,
		.source = &keeper->source,
	};
	*ret_result = &keeper->result;
	return 0;
}

int keeper_alive(struct keeper *keeper)
{
	return keeper->ends[1] >= 0;
}

/* Its image has no memory to lend. */
int keeper_lend(struct keeper *keeper, const struct lend_job *job)
{
	return -EINVAL;
}

int keeper_lent(struct keeper *keeper, struct lend_deed *deeds,
		struct refusal *ret_why)
{
	return refuse(ret_why, -EPIPE, "nothing was asked");
}

int keeper_lends(const struct keeper *keeper)
{
	return 0;
}

void keeper_call_off(struct keeper *keeper)
{
	(void)pthread_mutex_lock(&lock);
	nr_called_off++;
	(void)pthread_mutex_unlock(&lock);
}

int keeper_owes(const struct keeper *keeper)
{
	return !keeper->answered;
}

int keeper_kill(struct keeper *keeper)
{
	(void)pthread_mutex_lock(&lock);
	nr_killed_owing += !keeper->answered;
	keeper->answered = 1;
	if (keeper->ends[1] >= 0)
		(void)close(keeper->ends[1]);
	keeper->ends[1] = -1;
	(void)pthread_mutex_unlock(&lock);
	return keeper->ends[0];
}

void keeper_release(struct keeper *keeper)
{
	if (!keeper)
		return;
	put(NULL, keeper);
	(void)close(keeper->ends[0]);
	if (keeper->ends[1] >= 0)
		(void)close(keeper->ends[1]);
	image_free(keeper->image);
	free(keeper);
}

/* Those of @pid; with the lock held. */
static int find(pid_t pid, struct keeper *ret[KEEPERS_MAX])
{
	int nr = 0;

	for (int i = 0; i < KEEPERS_MAX; i++)
		if (keepers[i] && keepers[i]->pid == pid)
			ret[nr++] = keepers[i];
	return nr;
}

void fake_keeper_answer(pid_t pid)
{
	struct keeper *found[KEEPERS_MAX];
	int nr;

	(void)pthread_mutex_lock(&lock);
	nr = find(pid, found);
	for (int i = 0; i < nr; i++)
		assert(write(found[i]->ends[1], "x", 1) == 1);
	(void)pthread_mutex_unlock(&lock);
}

int fake_keeper_killed_owing(void)
{
	int nr;

	(void)pthread_mutex_lock(&lock);
	nr = nr_killed_owing;
	(void)pthread_mutex_unlock(&lock);
	return nr;
}

int fake_keeper_called_off(void)
{
	int nr;

	(void)pthread_mutex_lock(&lock);
	nr = nr_called_off;
	(void)pthread_mutex_unlock(&lock);
	return nr;
}

void fake_keeper_kill(pid_t pid)
{
	struct keeper *found[KEEPERS_MAX];
	int nr;

	(void)pthread_mutex_lock(&lock);
	nr = find(pid, found);
	for (int i = 0; i < nr; i++) {
		int fd = found[i]->ends[1];

		found[i]->ends[1] = -1;
		(void)close(fd);
	}
	(void)pthread_mutex_unlock(&lock);
}

int fake_keeper_count(void)
{
	int nr = 0;

	(void)pthread_mutex_lock(&lock);
	for (int i = 0; i < KEEPERS_MAX; i++)
		nr += keepers[i] != NULL;
	(void)pthread_mutex_unlock(&lock);
	return nr;
}

int fake_keeper_starts(void)
{
	int nr;

	(void)pthread_mutex_lock(&lock);
	nr = nr_starts;
	(void)pthread_mutex_unlock(&lock);
	return nr;
}

int fake_keeper_spares(int *ret_asked)
{
	int nr;

	(void)pthread_mutex_lock(&lock);
	nr = nr_spares;
	*ret_asked = nr_asked;
	(void)pthread_mutex_unlock(&lock);
	return nr;
}

struct keeper_request fake_keeper_last(void)
{
	struct keeper_request copy;

	(void)pthread_mutex_lock(&lock);
	copy = last;
	(void)pthread_mutex_unlock(&lock);
	return copy;
}
