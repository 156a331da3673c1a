/* SPDX-License-Identifier: MIT */
/*
 * gate.h - a transport that finishes a read when the test says so
 *
 * The bytes are those of pattern_fill().  Reads finish in the order they came.
 * For tests of what stands above a transport: nothing in them depends on time.
 */
#pragma once

#include <stdbool.h>

#include "rdmafetch/transport.h"

#define GATE_READS_MAX 4096u
#define GATE_ALL       GATE_READS_MAX

struct gate;

/* With @has_fd the transport can be polled.  Closed by its ops, as all are. */
struct transport *gate_new(bool has_fd);

/* The gate of a transport made by gate_new(). */
struct gate *gate_of(struct transport *transport);

/* Wait until @nr reads came in all; false after ten seconds. */
bool gate_wait(struct gate *gate, unsigned nr);

/* How many reads came in all. */
unsigned gate_nr(struct gate *gate);

/* The read that came as the @at-th, from 0. */
struct transport_read gate_read(struct gate *gate, unsigned at);

/* From now on take at most @nr reads at a time: more are -EAGAIN. */
void gate_limit(struct gate *gate, unsigned nr);

/* From now on keep whoever submits inside, or let all of them go. */
void gate_hold(struct gate *gate, bool is_held);

/* Let @nr more reads finish, now or when they come, with @result. */
void gate_let(struct gate *gate, unsigned nr, int result);
