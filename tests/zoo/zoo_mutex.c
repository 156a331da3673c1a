/* SPDX-License-Identifier: MIT */
/*
 * zoo_mutex.c - locks that are held, and waited for, while the image is taken
 *
 * Recursive, error checking, robust and priority-inheriting mutexes store the
 * owner's tid; robust ones also hang in a list that the kernel walks when a
 * thread ends.
 */
#include <errno.h>
#include <semaphore.h>
#include <string.h>

#include "tests/zoo/zoo.h"

static pthread_mutex_t recursive, checking, robust, inheriting, orphan;
static pthread_mutex_t handover = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turn = PTHREAD_COND_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static sem_t semaphore;
static bool turned;

static void must(int error, const char *what)
{
	zoo_check(!error, "%s: %s", what, strerror(error));
}

static void make(pthread_mutex_t *mutex, int type, int robustness, int protocol)
{
	pthread_mutexattr_t attr;

	(void)pthread_mutexattr_init(&attr);
	must(pthread_mutexattr_settype(&attr, type), "type");
	must(pthread_mutexattr_setrobust(&attr, robustness), "robust");
	must(pthread_mutexattr_setprotocol(&attr, protocol), "protocol");
	must(pthread_mutex_init(mutex, &attr), "pthread_mutex_init");
}

static void make_all(void)
{
	make(&recursive, PTHREAD_MUTEX_RECURSIVE, 0, 0);
	make(&checking, PTHREAD_MUTEX_ERRORCHECK, 0, 0);
	make(&robust, PTHREAD_MUTEX_ERRORCHECK, PTHREAD_MUTEX_ROBUST, 0);
	make(&inheriting, PTHREAD_MUTEX_ERRORCHECK, 0, PTHREAD_PRIO_INHERIT);
	make(&orphan, PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_ROBUST, 0);
	zoo_call(sem_init(&semaphore, 0, 0) == 0, "sem_init");
}

/* Waits in the kernel for what main holds, from before the image on. */
static void *wait_for_mutex(void *arg)
{
	must(pthread_mutex_lock(&handover), "lock of the mutex handed over");
	must(pthread_mutex_unlock(&handover), "unlock");
	must(pthread_rwlock_rdlock(&rwlock), "read lock");
	must(pthread_rwlock_unlock(&rwlock), "read unlock");
	return arg;
}

static void *wait_for_turn(void *arg)
{
	must(pthread_mutex_lock(&guard), "lock");
	while (!turned)
		must(pthread_cond_wait(&turn, &guard), "pthread_cond_wait");
	must(pthread_mutex_unlock(&guard), "unlock");
	while (sem_wait(&semaphore) < 0)
		zoo_call(errno == EINTR, "sem_wait");
	return arg;
}

/* Dies with a robust mutex in its hands once the image has been taken. */
static void *leave_an_orphan(void *arg)
{
	must(pthread_mutex_lock(&orphan), "lock");
	must(sem_post(arg), "sem_post");
	while (zoo_running())
		zoo_sleep_ms(5);
	return NULL;
}

static void lock_all(void)
{
	for (int i = 0; i < 3; i++)
		must(pthread_mutex_lock(&recursive), "recursive lock");
	must(pthread_mutex_lock(&checking), "error checking lock");
	must(pthread_mutex_lock(&robust), "robust lock");
	must(pthread_mutex_lock(&inheriting), "inheriting lock");
	must(pthread_mutex_lock(&handover), "lock");
	must(pthread_rwlock_wrlock(&rwlock), "write lock");
}

static void unlock_owned(pthread_mutex_t *mutex, const char *what)
{
	int error = pthread_mutex_lock(mutex);

	zoo_check(error == EDEADLK, "%s: locked again: %s", what,
		  strerror(error));
	must(pthread_mutex_unlock(mutex), what);
	error = pthread_mutex_unlock(mutex);
	zoo_check(error == EPERM, "%s: unlocked twice: %s", what,
		  strerror(error));
}

static void unlock_all(void)
{
	must(pthread_mutex_lock(&recursive), "recursive lock once more");
	for (int i = 0; i < 4; i++)
		must(pthread_mutex_unlock(&recursive), "recursive unlock");
	zoo_check(pthread_mutex_unlock(&recursive) == EPERM,
		  "the recursive mutex was unlocked five times");
	unlock_owned(&checking, "error checking mutex");
	unlock_owned(&robust, "robust mutex");
	unlock_owned(&inheriting, "inheriting mutex");
	must(pthread_mutex_unlock(&handover), "unlock");
	must(pthread_rwlock_unlock(&rwlock), "write unlock");
}

static void wake_all(void)
{
	must(pthread_mutex_lock(&guard), "lock");
	turned = true;
	must(pthread_cond_broadcast(&turn), "pthread_cond_broadcast");
	must(pthread_mutex_unlock(&guard), "unlock");
	for (int i = 0; i < 2; i++)
		must(sem_post(&semaphore), "sem_post");
}

int main(int argc, char **argv)
{
	pthread_t threads[5];
	sem_t held;

	zoo_start(argc, argv);
	make_all();
	lock_all();
	zoo_call(sem_init(&held, 0, 0) == 0, "sem_init");
	threads[0] = zoo_thread(wait_for_mutex, NULL);
	threads[1] = zoo_thread(wait_for_mutex, NULL);
	threads[2] = zoo_thread(wait_for_turn, NULL);
	threads[3] = zoo_thread(wait_for_turn, NULL);
	threads[4] = zoo_thread(leave_an_orphan, &held);
	(void)sem_wait(&held);
	zoo_sleep_ms(20); /* let the others reach their waits */
	zoo_ready();
	while (zoo_running())
		zoo_sleep_ms(1);

	unlock_all();
	wake_all();
	for (int i = 0; i < 5; i++)
		(void)zoo_join(threads[i]);
	zoo_check(pthread_mutex_lock(&orphan) == EOWNERDEAD,
		  "the kernel did not walk the dead thread's robust list");
	must(pthread_mutex_consistent(&orphan), "pthread_mutex_consistent");
	must(pthread_mutex_unlock(&orphan), "unlock");
	return zoo_end();
}
