/* SPDX-License-Identifier: MIT */
/*
 * peer.h - a process that answers commands: the parent, or a child of any kind
 *
 * Commands and answers are lines; see parent.py.  Everything blocks, a missing
 * answer for at most a minute.  One thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PEER_LINE_MAX 256

struct peer {
	int to_fd, from_fd; /* -1: none */
	pid_t pid;	    /* ours to wait for, or 0 */
};

#define PEER_NONE ((struct peer){-1, -1, 0})

/* Run @argv with pipes for its stdin and stdout.  0 or -errno, said. */
int peer_spawn(char *const argv[], struct peer *ret_peer);

/*
 * Make the FIFOs @in and @out and open both ends, for a child that is to be
 * forked.  0 or -errno, said.
 */
int peer_fifos(const char *in, const char *out, struct peer *ret_peer);

/* Send a line (without newline).  0 or -errno, said. */
int peer_tell(struct peer *peer, const char *line);

/*
 * Receive the line that starts with the word @word; the rest, after a blank,
 * goes to @rest (PEER_LINE_MAX bytes, may be NULL), the moment of its arrival
 * (CLOCK_MONOTONIC) to *@ret_when_ns (may be NULL).
 *
 * Returns 0, or -errno, said: -EPROTO for another answer, -ETIMEDOUT.
 */
int peer_hear(struct peer *peer, const char *word, char *rest,
	      uint64_t *ret_when_ns);

/* peer_tell() and peer_hear(); *@ret_took_ns is the time between. */
int peer_ask(struct peer *peer, const char *line, const char *word, char *rest,
	     uint64_t *ret_took_ns);

/* Close both ends and wait for the process, if it is ours. */
void peer_close(struct peer *peer);
