/* SPDX-License-Identifier: MIT */
/*
 * export_probe.c - daemon and client at once: image a process, have its memory
 * registered for two clients, and read every page of it one-sided
 *
 * usage: export_probe SERVER_DEVICE CLIENT_DEVICE PID|poor [pin|die]
 *
 * "poor" images a child of its own that has nothing (no rights, descriptors,
 * locked memory, nor system calls) and rewrites its memory after the image.
 * With "die" keeper and lender are killed while they register, pinned, sooner
 * and later.  Says what it saw, a line each; ends with "ended", and then waits
 * for its standard input to close, so that others can see what is left.  Exit
 * status 1 at the first thing that is wrong.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/io.h"
#include "common/page.h"
#include "parent/export.h"
#include "parent/keeper.h"
#include "parent/uverbs.h"
#include "rdmafetch/verbs_device.h"
#include "tests/vm/poor.h"
#include "tests/vm/rc_pair.h"

#define CLIENTS	      2
#define LATE_READS    1000
#define FEW_READS     50 /* where only the way differs */
#define WAIT_MS	      120000
#define REMOTE_READ   (1u << 2)
#define ON_DEMAND     (1u << 6)
#define DEATHS	      16
#define DEATH_STEP_US 60000
#define NOISE_KIB     4096 /* what else may happen on this machine */
#define CHUNK_BYTES   (64u << 10)

struct client {
	struct rc_pair pair;
	struct lend_deed *deeds;
	uint64_t pages, refused;
};

struct probe {
	struct verbs_device server, device;
	struct keeper *keeper;
	const struct keeper_result *result;
	struct image_run *ranges;
	uint32_t nr_ranges;
	struct client clients[CLIENTS];
	uint32_t access;
};

__attribute__((noreturn, format(printf, 1, 2))) static void
fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)printf("wrong: ");
	(void)vprintf(format, args);
	(void)printf("\n");
	va_end(args);
	exit(EXIT_FAILURE);
}

/* In KiB. */
static long anon_pages(void)
{
	FILE *file = fopen("/proc/meminfo", "re");
	char line[128];
	long kib = 0;

	while (file && fgets(line, sizeof(line), file))
		if (!strncmp(line, "AnonPages:", 10))
			kib = strtol(line + 10, NULL, 10);
	if (file)
		(void)fclose(file);
	return kib;
}

static void take_image(struct probe *probe, pid_t pid)
{
	const struct export_limits limits = {4096, 1u << 24};
	struct keeper_request request = {.pid = pid,
					 .snapshot = {10000, 1u << 30}};
	struct export_origin origin = {0};
	struct refusal why;
	int error = keeper_start(&request, &probe->keeper);

	error = error ? error
		      : keeper_finish(probe->keeper, &probe->result, &why);
	if (error)
		fail("no image: %s", why.why);
	origin.image = probe->result->image;
	origin.shared_runs = probe->result->shared_runs;
	origin.nr_shared_runs = probe->result->nr_shared_runs;
	error = export_plan(&origin, &limits, &probe->ranges,
			    &probe->nr_ranges);
	if (error)
		fail("no plan: %s", strerror(-error));
}

static void lend(struct probe *probe, struct client *client)
{
	const struct lend_job job = {
		.cmd_fd = probe->server.context->cmd_fd,
		.driver_id = probe->server.driver_id,
		.pd_handle = client->pair.server.pd->handle,
		.access = probe->access,
		.ranges = probe->ranges,
		.nr_ranges = probe->nr_ranges,
	};
	struct pollfd answer = {keeper_fd(probe->keeper), POLLIN, 0};
	uint64_t start_ns = io_monotonic_ns(), took_ns;
	long before = anon_pages();
	struct refusal why = {""};

	if (keeper_lend(probe->keeper, &job) || poll(&answer, 1, WAIT_MS) != 1)
		fail("the keeper does not lend");
	client->deeds = calloc(probe->nr_ranges, sizeof(*client->deeds));
	if (keeper_lent(probe->keeper, client->deeds, &why))
		fail("not lent: %s", why.why);
	took_ns = io_monotonic_ns() - start_ns;
	for (uint32_t i = 0; i < probe->nr_ranges; i++) {
		if (client->deeds[i].error)
			client->refused++;
		else
			client->pages += probe->ranges[i].nr_pages;
	}
	(void)printf(
		"lent %llu pages in %u ranges, refused %llu, in %llu us, "
		"anonymous memory %+ld KiB\n",
		(unsigned long long)client->pages, probe->nr_ranges,
		(unsigned long long)client->refused,
		(unsigned long long)took_ns / 1000, anon_pages() - before);
	if (!client->pages)
		fail("nothing was lent: %s", strerror(-client->deeds[0].error));
}

/* Pages of the piece at @raddr that are not what the source says. */
static unsigned compare(struct probe *probe, struct client *client,
			uint64_t raddr, uint32_t len_bytes, uint32_t rkey)
{
	static uint8_t want[CHUNK_BYTES];
	struct page_source *source = probe->result->source;
	unsigned bad = 0;
	int status = rc_pair_read(&client->pair, raddr, rkey, len_bytes);

	if (status)
		fail("READ at %#llx: %s", (unsigned long long)raddr,
		     status > 0 ? ibv_wc_status_str((enum ibv_wc_status)status)
				: strerror(-status));
	if (source->read(source, SOURCE_MEMORY, raddr, want, len_bytes))
		fail("the source cannot read %#llx", (unsigned long long)raddr);
	for (uint32_t at = 0; at < len_bytes; at += PAGE_BYTES)
		bad += memcmp(client->pair.buf + at, want + at, PAGE_BYTES) !=
		       0;
	return bad;
}

static void read_all(struct probe *probe, struct client *client)
{
	long before = anon_pages(), grown;
	uint64_t pages = 0, bad = 0;

	for (uint32_t i = 0; i < probe->nr_ranges; i++) {
		uint64_t raddr = probe->ranges[i].first_page << PAGE_SHIFT;
		uint64_t left = probe->ranges[i].nr_pages << PAGE_SHIFT;

		while (!client->deeds[i].error && left) {
			uint32_t len = left < CHUNK_BYTES ? (uint32_t)left
							  : CHUNK_BYTES;

			bad += compare(probe, client, raddr, len,
				       client->deeds[i].rkey);
			raddr += len;
			left -= len;
			pages += len / PAGE_BYTES;
		}
	}
	grown = anon_pages() - before;
	(void)printf("read %llu pages, wrong %llu, anonymous memory %+ld KiB\n",
		     (unsigned long long)pages, (unsigned long long)bad, grown);
	if (bad || pages != client->pages)
		fail("pages are not what they should be");
	if (grown > NOISE_KIB)
		fail("reading copies");
}

static void take_back(struct probe *probe, struct client *client)
{
	for (uint32_t i = 0; i < probe->nr_ranges; i++) {
		int error = 0;

		if (!client->deeds[i].error)
			error = uverbs_destroy_mr(probe->server.context->cmd_fd,
						  probe->server.driver_id,
						  client->deeds[i].mr_handle);
		if (error)
			fail("a region is not destroyed: %s", strerror(-error));
	}
}

/* Each over a connection that is whole. */
static void read_too_late(struct probe *probe, struct client *client,
			  unsigned times)
{
	unsigned good = 0;

	for (unsigned n = 0, i = 0; n < times; n++, i++) {
		int error = rc_pair_connect(&client->pair);

		if (error)
			fail("no new connection: %s", strerror(-error));
		while (client->deeds[i % probe->nr_ranges].error)
			i++;
		i %= probe->nr_ranges;
		good += !rc_pair_read(&client->pair,
				      probe->ranges[i].first_page << PAGE_SHIFT,
				      client->deeds[i].rkey, PAGE_BYTES);
	}
	(void)printf("late READs %u, of which succeeded %u\n", times, good);
	if (good)
		fail("what was taken back can be read");
	if (rc_pair_connect(&client->pair))
		fail("no new connection");
}

static void open_devices(struct probe *probe, char **names)
{
	int error = verbs_device_open(names[0], &probe->server);

	error = error ? error : verbs_device_open(names[1], &probe->device);
	if (error)
		fail("no device: %s", strerror(-error));
	(void)printf("driver %u, on-demand paging: %s\n",
		     probe->server.driver_id,
		     probe->server.has_odp ? "yes" : "no");
	for (int i = 0; i < CLIENTS; i++) {
		error = rc_pair_open(probe->server.context,
				     probe->device.context,
				     &probe->clients[i].pair);
		if (error)
			fail("no connection: %s", strerror(-error));
	}
}

static void run(struct probe *probe, struct poor *poor)
{
	struct client *first = &probe->clients[0], *second = first + 1;

	lend(probe, first);
	lend(probe, second);
	read_all(probe, first);
	if (poor->pid) {
		poor_rewrite(poor);
		(void)printf("the parent has rewritten its memory\n");
		read_all(probe, first);
	}
	take_back(probe, first);
	read_too_late(probe, first,
		      poor->pid && (probe->access & ON_DEMAND) ? LATE_READS
							       : FEW_READS);
	read_all(probe, second);
	if (!keeper_alive(probe->keeper))
		fail("the twin is dead");
	if (poor->pid)
		poor_check(poor);
	/* Pinned memory outlives the twin: then only taking back helps. */
	keeper_release(probe->keeper);
	if (probe->access & ON_DEMAND)
		read_too_late(probe, second, FEW_READS);
	take_back(probe, second);
	read_too_late(probe, second, FEW_READS);
}

/* What was registered by then is known, and can be taken back. */
static void die(struct probe *probe, unsigned after_us)
{
	struct client *client = &probe->clients[0];
	const struct lend_job job = {
		.cmd_fd = probe->server.context->cmd_fd,
		.driver_id = probe->server.driver_id,
		.pd_handle = client->pair.server.pd->handle,
		.access = probe->access,
		.ranges = probe->ranges,
		.nr_ranges = probe->nr_ranges,
	};
	struct refusal why;
	uint32_t nr = 0;
	int rc;

	if (keeper_lend(probe->keeper, &job))
		fail("the keeper does not lend");
	(void)usleep(after_us);
	(void)keeper_kill(probe->keeper);
	rc = keeper_lent(probe->keeper, client->deeds, &why);
	if (rc && rc != -EPIPE)
		fail("not its death: %s", why.why);
	for (uint32_t i = 0; i < probe->nr_ranges; i++)
		nr += !client->deeds[i].error;
	(void)printf("killed after %u us: %u of %u ranges\n", after_us, nr,
		     probe->nr_ranges);
	take_back(probe, client);
}

static void run_dying(struct probe *probe, const struct poor *poor)
{
	for (unsigned i = 0; i < DEATHS; i++) {
		if (i)
			take_image(probe, poor->pid);
		probe->clients[0].deeds =
			calloc(probe->nr_ranges, sizeof(struct lend_deed));
		die(probe, i * DEATH_STEP_US);
		keeper_release(probe->keeper);
		free(probe->clients[0].deeds);
		free(probe->ranges);
	}
}

int main(int argc, char **argv)
{
	struct probe probe = {.access = REMOTE_READ | ON_DEMAND};
	struct poor poor = {0};

	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc < 4)
		fail("usage: export_probe SERVER CLIENT PID|poor [pin|die]");
	if (argc > 4)
		probe.access = REMOTE_READ;
	if (!strcmp(argv[3], "poor"))
		poor_start(&poor);
	open_devices(&probe, argv + 1);
	take_image(&probe,
		   poor.pid ? poor.pid : (pid_t)strtol(argv[3], NULL, 10));
	if (argc > 4 && !strcmp(argv[4], "die"))
		run_dying(&probe, &poor);
	else
		run(&probe, &poor);
	for (int i = 0; i < CLIENTS; i++)
		rc_pair_close(&probe.clients[i].pair);
	(void)printf("ended\n");
	(void)getchar();
	poor_end(&poor);
	return EXIT_SUCCESS;
}
