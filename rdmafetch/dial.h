/* SPDX-License-Identifier: MIT */
/*
 * dial.h - a stream socket to a mitosisd, and whole messages with a deadline
 *
 * Below tcp_control.c.  Deadlines are CLOCK_MONOTONIC, in nanoseconds.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct tcp_address;

/*
 * The longest that a mitosisd may take to be reached, and to say HELLO: it does
 * so at once, however long it takes with what is then asked of it.
 */
#define DIAL_MS 5000

/* How long each of these may take: DIAL_MS, or the timeout if that is less. */
int dial_ms(const struct tcp_address *address);

/* Until when to be reached, from now: dial_ms(). */
uint64_t dial_deadline_ns(const struct tcp_address *address);

/*
 * Connect to @address within dial_deadline_ns(); names are resolved first,
 * which blocks as long as the system's resolver does.  Each address of the name
 * is tried.  A peer that vanishes is noticed within about twice the timeout.
 *
 * Returns 0 with the socket (blocking, close-on-exec), or
 *   -ENOENT        unknown host
 *   -EAGAIN        the name service does not answer
 *   -ENAMETOOLONG  a path longer than a unix socket's may be
 *   -ETIMEDOUT     nobody answered in time
 *   or connect(2)'s -errno for the last address tried.
 */
int dial_open(const struct tcp_address *address, int *ret_fd);

/* Send all of @len bytes.  0, -ETIMEDOUT, or -errno of send(2). */
int dial_send(int fd, const void *buf, size_t len, uint64_t deadline_ns);

/* Receive exactly @len bytes.  As dial_send(); -ECONNRESET at an early end. */
int dial_recv(int fd, void *buf, size_t len, uint64_t deadline_ns);

/* Receive between one and @room bytes; returns how many, or as dial_recv(). */
ssize_t dial_recv_some(int fd, void *buf, size_t room, uint64_t deadline_ns);

/*
 * What a user can do about the failed connection @address, or the words of
 * @error (-errno).  Any thread; strings that stay.
 */
const char *dial_advice(const struct tcp_address *address, int error);
