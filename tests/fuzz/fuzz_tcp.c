/* SPDX-License-Identifier: MIT */
/*
 * fuzz_tcp.c - what a far end may answer to four reads
 *
 * However the answers look, each read ends once, nothing is written outside its
 * buffer, and nobody waits once the far end has hung up.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/source.h"
#include "rdmafetch/tcp.h"

#define NR_READS 4u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const uint32_t lens[NR_READS] = {5, 40, 300, 20000};

static void demand(int truth)
{
	if (!truth)
		abort();
}

static void submit_all(struct transport *transport, void **bufs)
{
	for (unsigned i = 0; i < NR_READS; i++) {
		struct transport_read read = {.object = SOURCE_EXE,
					      .len_bytes = lens[i],
					      .raddr = i * 100000,
					      .token = i};

		read.buf = bufs[i] = malloc(lens[i]);
		demand(transport->ops->submit(transport, &read, 1) == 1);
	}
}

static void reap_all(struct transport *transport)
{
	unsigned ended[NR_READS] = {0}, nr = 0;

	while (nr < NR_READS) {
		struct transport_done done[NR_READS];
		int got = transport->ops->reap(transport, done, 3, -1);

		demand(got > 0);
		for (int i = 0; i < got; i++) {
			demand(done[i].token < NR_READS && done[i].result <= 0);
			demand(!ended[done[i].token]++);
		}
		nr += (unsigned)got;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct transport *transport = NULL;
	void *bufs[NR_READS];
	int fds[2];

	demand(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
	demand(!tcp_adopt((struct stream){.fd = fds[0]}, 7, &transport));
	submit_all(transport, bufs);
	/* What does not fit into the socket is as good as not sent. */
	(void)send(fds[1], data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	(void)close(fds[1]);
	reap_all(transport);
	transport->ops->close(transport);
	for (unsigned i = 0; i < NR_READS; i++)
		free(bufs[i]);
	return 0;
}
