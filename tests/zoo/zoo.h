/* SPDX-License-Identifier: MIT */
/*
 * zoo.h - what the self-checking programs share
 *
 * A zoo program sets up state, says "ready", works and checks itself until the
 * file DIR/go exists, checks all its state once more, says "ok" and exits 0.
 * The harness (tests/integration/zoo.sh) images it between "ready" and go, so
 * the parent and its child both have to reach their "ok".
 *
 *     zoo_start() ... zoo_ready()   while (zoo_running()) ...   zoo_end()
 *     state is made                 the image is taken here     state is
 * checked
 *
 * Threads: every call but zoo_start() and zoo_end() is safe from any thread.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ZOO_PAGE 4096ul

/* "PROGRAM DIR": remember DIR, which exists and is empty.  Call first. */
void zoo_start(int argc, char **argv);

/* The directory of this run: for files the program makes. */
const char *zoo_dir(void);

/* Say that the state is set up and an image may be taken from now on. */
void zoo_ready(void);

/* False once DIR/go exists.  Fails the program when nobody says go in 300 s. */
bool zoo_running(void);

/* Check that no child is left, say "ok", and return main's exit status. */
int zoo_end(void);

/* Print "fail: " and one line, then exit 1 at once, whatever threads run. */
void zoo_fail(const char *format, ...)
	__attribute__((noreturn, format(printf, 1, 2)));

/* Fail with the words unless @ok holds. */
#define zoo_check(ok, ...)                                                     \
	do {                                                                   \
		if (!(ok))                                                     \
			zoo_fail(__VA_ARGS__);                                 \
	} while (0)

/* Fail with errno in words when @ok does not hold: for system calls. */
#define zoo_call(ok, what) zoo_check(ok, "%s: %s", (what), zoo_errno_words())

const char *zoo_errno_words(void);

/* Private anonymous memory, read and write, or failure. */
void *zoo_map(size_t bytes);

/* Fill with a pattern that tells @seed and the place within the block. */
void zoo_fill(void *block, size_t bytes, uint64_t seed);

/* Fail unless the block holds what zoo_fill() wrote, from byte @skip on. */
void zoo_filled(const void *block, size_t bytes, uint64_t seed,
		const char *what);

/* Fail unless every byte is zero. */
void zoo_zero(const void *block, size_t bytes, const char *what);

/* The next number of a xorshift generator; *@state is not zero. */
uint64_t zoo_random(uint64_t *state);

/* CLOCK_MONOTONIC in nanoseconds. */
uint64_t zoo_now_ns(void);

/* Sleep, and go on sleeping after a signal. */
void zoo_sleep_ms(unsigned ms);

/* Start a thread, or failure. */
pthread_t zoo_thread(void *(*run)(void *), void *arg);

/* Wait for a thread and give its result. */
void *zoo_join(pthread_t thread);

/* Wait for the child process @pid and fail unless it exited 0. */
void zoo_wait_child(pid_t pid, const char *what);
