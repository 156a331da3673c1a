/* SPDX-License-Identifier: MIT */
/*
 * perftest.h - the link's own tools: ib_read_lat, ib_read_bw, ib_send_bw
 *
 * Both ends are started by the benchmark, in the same run as what is measured
 * beside them (https://github.com/linux-rdma/perftest).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum perftest_tool { PERFTEST_READ_LAT, PERFTEST_READ_BW, PERFTEST_SEND_BW };

#define PERFTEST_SIZE_MAX  (1u << 20)
#define PERFTEST_DEPTH_MAX 512u
#define PERFTEST_ITERS_MAX 10000000u

struct perftest_plan {
	enum perftest_tool tool;
	uint32_t size_bytes;
	uint32_t depth; /* of reads; of ib_send_bw: queue pairs */
	uint32_t iters; /* at least 5 */
	bool events;	/* sleep for completions, instead of polling */
};

/* Zeros for what the tool does not say. */
struct perftest_result {
	double min_ns, typical_ns, p99_ns; /* of the latency tool */
	double bytes_per_s, messages_per_s;
};

/* By name.  0 or -EINVAL. */
int perftest_tool_parse(const char *name, enum perftest_tool *ret_tool);
const char *perftest_tool_name(enum perftest_tool tool);

/* 0, or -EINVAL when a number is out of range. */
int perftest_check(const struct perftest_plan *plan);

/*
 * Find the figures of @plan in what the client's end has printed.  0, or
 * -EPROTO when there is no line of them.
 */
int perftest_parse(const struct perftest_plan *plan, const char *text,
		   struct perftest_result *ret_result);

/*
 * Start one end: the far one that listens at @port, or, with @host, the near
 * one.  *@ret_out_fd is what it prints, *@ret_pid the caller's to end and to
 * wait for; it ends by itself after a minute.  0 or -errno.
 */
int perftest_start(const struct perftest_plan *plan, const char *host,
		   uint16_t port, pid_t *ret_pid, int *ret_out_fd);

/*
 * Run the near end to its end, again while the far one does not listen yet.  0,
 * -EPROTO when it fails, said, or -errno.
 */
int perftest_run(const struct perftest_plan *plan, const char *host,
		 uint16_t port, struct perftest_result *ret_result);
