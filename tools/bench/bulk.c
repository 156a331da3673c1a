/* SPDX-License-Identifier: MIT */
/* bulk.c - see bulk.h */
#include "tools/bench/bulk.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/io.h"
#include "common/say.h"
#include "tools/bench/place.h"
#include "tools/bench/relay.h"

#define CHUNK_BYTES (1ul << 20)

static void relay_cleanup(struct relay **relay)
{
	relay_close(*relay);
}

/* A process that connects to @port, says so, and sends all of @memory. */
static pid_t start_sender(uint16_t port, const void *memory, size_t bytes)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons(port),
	};
	pid_t pid = fork();
	char go;
	int fd;

	if (pid)
		return pid;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) ||
	    io_read_all(fd, &go, 1))
		_exit(1);
	_exit(io_write_all(fd, memory, bytes) ? 1 : 0);
}

/* Read @bytes from @sock; into the file @fd as well, if there is one. */
static int receive(int sock, int fd, uint64_t bytes)
{
	CLEANUP_FREE char *buf = malloc(CHUNK_BYTES);

	while (buf && bytes) {
		ssize_t got = read(sock, buf, CHUNK_BYTES);

		if (got <= 0)
			return got ? -errno : -ENODATA;
		if (fd >= 0 && io_write_all(fd, buf, (size_t)got))
			return -EIO;
		bytes -= (uint64_t)got;
	}
	return buf ? 0 : -ENOMEM;
}

/* Ask the sender to begin, and take it all: as a mount asks for its pages. */
static int take_all(int listener, const struct bulk *bulk,
		    struct stats *took_ns)
{
	int sock CLEANUP_CLOSE = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	uint64_t start_ns = io_monotonic_ns();
	int error;

	if (sock < 0)
		return -errno;
	error = io_write_all(sock, "g", 1);
	if (!error)
		error = receive(sock, bulk->keep_fd, bulk->bytes);
	if (!error)
		stats_add(took_ns, io_monotonic_ns() - start_ns);
	return error;
}

static int copy(const struct bulk *bulk, const void *memory,
		struct stats *took_ns)
{
	struct tcp_address address = {.host = "127.0.0.1"};
	struct relay *relay CLEANUP(relay_cleanup) = NULL;
	int listener CLEANUP_CLOSE = -1;
	uint16_t port;
	int error = place_listen(&address, &listener);
	pid_t pid;

	if (error)
		return error;
	port = place_port(listener);
	if (bulk->delay_us) {
		error = relay_open(port, bulk->delay_us, &relay);
		if (error)
			return error;
		port = relay_port(relay);
	}
	pid = start_sender(port, memory, bulk->bytes);
	if (pid < 0)
		return -errno;
	error = take_all(listener, bulk, took_ns);
	(void)waitpid(pid, NULL, 0);
	return error;
}

int bulk_copy(const struct bulk *bulk, struct stats *took_ns)
{
	void *memory = mmap(NULL, bulk->bytes, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int error;

	if (memory == MAP_FAILED)
		error = -errno;
	else {
		memset(memory, 0x5a, bulk->bytes);
		error = copy(bulk, memory, took_ns);
		(void)munmap(memory, bulk->bytes);
	}
	if (error)
		say_error("copying by socket: %s", strerror(-error));
	return error;
}

int bulk_copy_both(uint64_t bytes, uint32_t delay_us, struct stats *to_file_ns,
		   struct stats *to_buffer_ns)
{
	CLEANUP_CLOSE int file = memfd_create("bench", MFD_CLOEXEC);
	struct bulk bulk = {bytes, delay_us, file};
	int error;

	if (file < 0) {
		error = -errno;
		say_error("a file for a copy: %s", strerror(-error));
		return error;
	}
	error = bulk_copy(&bulk, to_file_ns);
	bulk.keep_fd = -1;
	return error ? error : bulk_copy(&bulk, to_buffer_ns);
}
