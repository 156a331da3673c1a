/* SPDX-License-Identifier: MIT */
#include "fs/teller.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "common/say.h"

struct teller {
	void (*get)(void *arg, struct progress *ret_progress);
	void *arg;
	pthread_t thread;
	pthread_mutex_t lock; /* of what follows; held while it is shown */
	struct progress_show show;
	bool shows, must_end;
};

static void show(struct teller *teller, bool last)
{
	struct progress progress;

	if (!teller->shows)
		return;
	teller->get(teller->arg, &progress);
	progress_tell(&teller->show, &progress, last);
	teller->shows = !last;
}

static void answer(struct teller *teller)
{
	char line[PROGRESS_LINE_MAX + 1];
	struct progress progress;

	teller->get(teller->arg, &progress);
	progress_line(&progress, line);
	say_note("%s", line);
}

/* Wait for a question, or until it is time to show something. */
static int wait_for_question(const struct teller *teller, bool shows)
{
	int pause_ms = progress_pause_ms(&teller->show);
	const struct timespec pause = {pause_ms / 1000,
				       pause_ms % 1000 * 1000000l};
	sigset_t question;

	(void)sigemptyset(&question);
	(void)sigaddset(&question, SIGUSR1);
	return sigtimedwait(&question, NULL, shows ? &pause : NULL);
}

static void *teller_main(void *arg)
{
	struct teller *teller = arg;

	(void)pthread_mutex_lock(&teller->lock);
	while (!teller->must_end) {
		bool shows = teller->shows;
		int signal;

		(void)pthread_mutex_unlock(&teller->lock);
		signal = wait_for_question(teller, shows);
		(void)pthread_mutex_lock(&teller->lock);
		if (signal == SIGUSR1 && !teller->must_end)
			answer(teller);
		show(teller, false);
	}
	(void)pthread_mutex_unlock(&teller->lock);
	return NULL;
}

static int start_thread(struct teller *teller)
{
	sigset_t all, old;
	int err;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(&teller->thread, NULL, teller_main, teller);
	(void)sigaddset(&old, SIGUSR1);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -err;
}

int teller_open(void (*get)(void *arg, struct progress *ret_progress),
		void *arg, bool shows, struct teller **ret)
{
	struct teller *teller = calloc(1, sizeof(*teller));
	int err;

	if (!teller)
		return -ENOMEM;
	teller->get = get;
	teller->arg = arg;
	teller->show = progress_to(STDERR_FILENO);
	teller->shows = shows;
	(void)pthread_mutex_init(&teller->lock, NULL);
	err = start_thread(teller);
	if (err) {
		(void)pthread_mutex_destroy(&teller->lock);
		free(teller);
		return err;
	}
	*ret = teller;
	return 0;
}

void teller_over(struct teller *teller)
{
	(void)pthread_mutex_lock(&teller->lock);
	show(teller, true);
	(void)pthread_mutex_unlock(&teller->lock);
}

void teller_hush(struct teller *teller)
{
	(void)pthread_mutex_lock(&teller->lock);
	teller->shows = false;
	(void)pthread_mutex_unlock(&teller->lock);
}

void teller_close(struct teller *teller)
{
	if (!teller)
		return;
	(void)pthread_mutex_lock(&teller->lock);
	teller->must_end = true;
	(void)pthread_mutex_unlock(&teller->lock);
	(void)pthread_kill(teller->thread, SIGUSR1);
	(void)pthread_join(teller->thread, NULL);
	(void)pthread_mutex_destroy(&teller->lock);
	free(teller);
}
