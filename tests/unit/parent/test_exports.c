/* SPDX-License-Identifier: MIT */
/*
 * test_exports.c - every region that was made is destroyed, once, before its
 * protection domain is put; every ticket gets one answer
 *
 * The keeper, the server and the device are fakes that count.
 */
#include "tests/unit/parent/cmocka_env.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/page.h"
#include "parent/exports.h"

#define RANGES	   3u
#define CLIENTS	   4u
#define MRS_MAX	   64u
#define S	   1000000000ull
#define ON_DEMAND  (1u << 6)
#define READ_ONLY  (1u << 2)
#define ANY_DRIVER 14u

enum mr_state { NEVER, LIVES, DESTROYED };

/* A client's protection domain, and what it was told. */
struct client {
	struct serve_verbs verbs; /* first */
	int held, answers, error;
	struct wire_region regions[RANGES];
	size_t nr_regions;
	struct export_loan *loan; /* its session's slot */
};

static struct {
	int fd;
	const struct lend_job *job; /* NULL: nothing is under way */
	struct lend_job last;
	int fails, stuck;
	int lent; /* what the keeper answers */
	unsigned asked;
	uint64_t later_ns;
	bool is_dead;
	uint32_t bad_ranges; /* bits */
	uint32_t next_mr;
	enum mr_state mrs[MRS_MAX];
	uint32_t mr_client[MRS_MAX];
} world;

static struct client clients[CLIENTS];
static struct loop *loop;
static struct exports_account account;
static struct exports *exports;

int keeper_fd(const struct keeper *keeper)
{
	return world.fd;
}

int keeper_lend(struct keeper *keeper, const struct lend_job *job)
{
	uint64_t one = 1;

	assert_null(world.job);
	world.last = *job;
	world.job = &world.last;
	assert_int_equal(write(world.fd, &one, 8), 8);
	return world.fails;
}

/* What it registered is told, whatever it answers. */
int keeper_lent(struct keeper *keeper, struct lend_deed *deeds,
		struct refusal *ret_why)
{
	assert_non_null(world.job);
	world.job = NULL;
	world.asked++;
	for (uint32_t i = 0; i < RANGES; i++) {
		deeds[i].error = world.bad_ranges >> i & 1 ? -EINVAL : 0;
		if (deeds[i].error)
			continue;
		deeds[i].mr_handle = ++world.next_mr;
		deeds[i].rkey = deeds[i].mr_handle * 256;
		world.mrs[deeds[i].mr_handle] = LIVES;
		world.mr_client[deeds[i].mr_handle] = world.last.pd_handle;
	}
	if (world.is_dead)
		return refuse(ret_why, -EPIPE, "its keeper died");
	if (world.lent)
		return refuse(ret_why, world.lent, "its lender is no more");
	return 0;
}

int keeper_kill(struct keeper *keeper)
{
	world.is_dead = true;
	return world.fd;
}

/* Time goes on when it is told to. */
uint64_t __real_io_monotonic_ns(void);
uint64_t __wrap_io_monotonic_ns(void);
uint64_t __wrap_io_monotonic_ns(void)
{
	return __real_io_monotonic_ns() + world.later_ns;
}

/* Instead of the ioctl. */
int __wrap_uverbs_destroy_mr(int cmd_fd, uint32_t driver_id, uint32_t handle);
int __wrap_uverbs_destroy_mr(int cmd_fd, uint32_t driver_id, uint32_t handle)
{
	assert_int_equal(driver_id, ANY_DRIVER);
	assert_int_equal(world.mrs[handle], LIVES);
	assert_true(clients[world.mr_client[handle]].held > 0);
	world.mrs[handle] = DESTROYED;
	return 0;
}

static unsigned living(uint32_t client)
{
	unsigned nr = 0;

	for (uint32_t i = 0; i < MRS_MAX; i++)
		nr += world.mrs[i] == LIVES && world.mr_client[i] == client;
	return nr;
}

static void put_verbs(const struct serve_verbs *verbs)
{
	((struct client *)verbs)->held--;
}

static int take_answer(struct server *server, const struct serve_ticket *ticket,
		       const void *body, size_t body_bytes,
		       const struct serve_tail *tail)
{
	struct client *client = &clients[ticket->client];
	struct wire_region *regions;

	client->answers++;
	client->error = 0;
	assert_int_equal(wire_get_regions(tail->bytes, tail->len_bytes,
					  &regions, &client->nr_regions),
			 0);
	assert_in_range(client->nr_regions, 1, RANGES);
	memcpy(client->regions, regions, client->nr_regions * sizeof(*regions));
	free(regions);
	tail->done(tail->owner);
	return 0;
}

static int take_refusal(struct server *server,
			const struct serve_ticket *ticket, int error,
			const char *why)
{
	assert_true(strlen(why) > 0);
	clients[ticket->client].answers++;
	clients[ticket->client].error = error;
	return 0;
}

/* The last client came by TCP. */
static const struct serve_verbs *get_verbs(struct server *server,
					   const struct serve_ticket *ticket)
{
	if (ticket->client == CLIENTS - 1)
		return NULL;
	clients[ticket->client].held++;
	return &clients[ticket->client].verbs;
}

static const struct server_ops server_ops = {
	.answer = take_answer,
	.refuse = take_refusal,
	.verbs_get = get_verbs,
};

static struct server server = {.ops = &server_ops};

static void get_stuck(void *arg)
{
	world.stuck++;
}

static struct image_vma vmas[] = {
	{10 << PAGE_SHIFT, 20 << PAGE_SHIFT, .prot = 1, .kind = IMAGE_VMA_ANON},
	{30 << PAGE_SHIFT, 40 << PAGE_SHIFT, .prot = 1, .kind = IMAGE_VMA_ANON},
	{50 << PAGE_SHIFT, 60 << PAGE_SHIFT, .prot = 1, .kind = IMAGE_VMA_ANON},
};
static struct image_run runs[] = {{10, 10}, {30, 5}, {50, 1}};
static struct image image = {
	.vmas = vmas, .nr_vmas = 3, .runs = runs, .nr_runs = 3};
static const struct keeper_result result = {.image = &image};

static int set_up(void **state)
{
	const struct exports_origin origin = {
		.result = &result, .account = &account, .stuck = get_stuck};
	struct exports_origin with_loop = origin;

	memset(&world, 0, sizeof(world));
	memset(clients, 0, sizeof(clients));
	for (uint32_t i = 0; i < CLIENTS; i++)
		clients[i].verbs = (struct serve_verbs){
			.cmd_fd = (int)i,
			.driver_id = ANY_DRIVER,
			.pd_handle = i,
			.has_odp = true,
			.put = put_verbs,
		};
	exports_account_init(&account, false);
	world.fd = eventfd(0, EFD_CLOEXEC);
	if (loop_open(8, &loop))
		return -1;
	with_loop.loop = loop;
	return exports_new(&with_loop, &exports);
}

/* Whatever was done: nothing is left behind. */
static int tear_down(void **state)
{
	exports_end(exports);
	exports_free(exports);
	for (uint32_t i = 0; i < CLIENTS; i++) {
		assert_int_equal(living(i), 0);
		assert_int_equal(clients[i].held, 0);
		assert_null(clients[i].loan);
	}
	assert_int_equal(account.pages, 0);
	assert_int_equal(account.loans, 0);
	loop_close(loop);
	(void)close(world.fd);
	return 0;
}

static void ask(uint32_t client)
{
	const struct serve_ticket ticket = {&server, client, 7, WIRE_EXPORT};

	exports_ask(exports, &ticket, &clients[client].loan);
}

static void answer(void)
{
	assert_true(exports_under_way(exports));
	assert_int_equal(exports_answered(exports), 0);
}

static void regions_are_the_ranges(void **state)
{
	const struct wire_region *regions = clients[0].regions;

	world.bad_ranges = 1 << 1;
	ask(0);
	assert_int_equal(clients[0].answers, 0);
	assert_int_equal(world.last.access, READ_ONLY | ON_DEMAND);
	assert_int_equal(world.last.nr_ranges, RANGES);
	answer();
	assert_int_equal(clients[0].answers, 1);
	assert_int_equal(clients[0].nr_regions, 2);
	assert_int_equal(regions[0].raddr, 10 << PAGE_SHIFT);
	assert_int_equal(regions[0].len_bytes, 10 << PAGE_SHIFT);
	assert_int_equal(regions[0].rkey, 256);
	assert_int_equal(regions[1].raddr, 50 << PAGE_SHIFT);
	assert_int_equal(regions[1].rkey, 512);
	assert_int_equal(account.pages, 16);
}

static void a_loan_ends_with_its_client_alone(void **state)
{
	ask(0);
	ask(1);
	answer();
	answer();
	assert_int_equal(living(0), RANGES);
	exports_leave(&clients[0].loan);
	assert_int_equal(living(0), 0);
	assert_int_equal(clients[0].held, 0);
	assert_int_equal(living(1), RANGES);
	assert_int_equal(clients[1].held, 1);
	/* And it may come again. */
	ask(0);
	answer();
	assert_int_equal(living(0), RANGES);
	assert_int_equal(clients[0].answers, 2);
}

static void all_end_with_the_image(void **state)
{
	ask(0);
	answer();
	ask(1);
	ask(2);
	exports_end(exports);
	assert_int_equal(living(0), 0);
	assert_null(clients[0].loan);
	assert_int_equal(clients[1].error, -ESTALE);
	assert_int_equal(clients[2].error, -ESTALE);
	/* What is under way is awaited, and taken back. */
	assert_int_equal(clients[1].held, 1);
	assert_int_equal(clients[2].held, 0);
	answer();
	assert_int_equal(world.next_mr, 2 * RANGES);
	assert_int_equal(clients[1].answers, 1);
	assert_int_equal(clients[1].held, 0);
	assert_false(exports_under_way(exports));
}

static void a_client_that_leaves_early_gets_nothing(void **state)
{
	ask(0);
	ask(1);
	exports_leave(&clients[0].loan);
	exports_leave(&clients[1].loan);
	assert_int_equal(clients[0].held, 1);
	assert_int_equal(clients[1].held, 0);
	answer();
	assert_int_equal(world.next_mr, RANGES);
	assert_int_equal(clients[0].answers, 0);
	assert_int_equal(clients[0].held, 0);
}

static void shutdown_awaits_what_is_under_way(void **state)
{
	ask(0); /* tear_down() does the rest */
	exports_leave(&clients[0].loan);
}

static void what_cannot_be_goes_by_message(void **state)
{
	ask(CLIENTS - 1);
	assert_int_equal(clients[CLIENTS - 1].error, -EOPNOTSUPP);

	clients[0].verbs.has_odp = false;
	ask(0);
	assert_int_equal(clients[0].error, -EOPNOTSUPP);
	assert_int_equal(clients[0].held, 0);

	clients[1].verbs.driver_id = UINT32_MAX;
	ask(1);
	assert_int_equal(clients[1].error, -EOPNOTSUPP);

	world.bad_ranges = ~0u;
	ask(2);
	answer();
	assert_int_equal(clients[2].error, -EOPNOTSUPP);
	assert_int_equal(clients[2].answers, 1);
	assert_null(clients[2].loan);
}

static void only_pinned_without_paging(void **state)
{
	account.pin = true;
	clients[0].verbs.has_odp = false;
	ask(0);
	assert_int_equal(world.last.access, READ_ONLY);
	answer();
	assert_int_equal(clients[0].nr_regions, RANGES);
}

static void memory_for_tables_is_bounded(void **state)
{
	account.pages_max = 20;
	ask(0);
	ask(1);
	assert_int_equal(clients[1].error, -EOPNOTSUPP);
	answer();
	exports_leave(&clients[0].loan);
	ask(1);
	answer();
	assert_int_equal(clients[1].error, 0);
	assert_int_equal(clients[1].nr_regions, RANGES);
}

static void a_dead_keeper_is_told(void **state)
{
	ask(0);
	ask(1);
	world.is_dead = true;
	assert_int_equal(exports_answered(exports), -EPIPE);
	assert_int_equal(clients[0].error, -EOPNOTSUPP);
	assert_int_equal(clients[1].answers, 0);
	exports_end(exports);
	assert_int_equal(clients[1].error, -ESTALE);
}

/* Whatever a lending fails with, the image goes on for everybody. */
static void a_failed_lending_ends_nothing_else(void **state)
{
	ask(0);
	ask(1);
	world.lent = -EIO;
	answer();
	assert_int_equal(clients[0].error, -EOPNOTSUPP);
	assert_int_equal(clients[0].answers, 1);
	assert_int_equal(living(0), 0);
	assert_int_equal(world.asked, 1);
	world.lent = 0;
	answer();
	assert_int_equal(clients[1].nr_regions, RANGES);
}

/* What one registered that was killed is taken back before another begins. */
static void another_lender_does_it_anew(void **state)
{
	world.bad_ranges = 1 << 2;
	world.lent = -ESRCH;
	ask(0);
	answer();
	assert_int_equal(clients[0].answers, 0);
	assert_int_equal(living(0), 0);
	assert_int_equal(world.next_mr, RANGES - 1);
	world.bad_ranges = 0;
	world.lent = 0;
	answer();
	assert_int_equal(clients[0].nr_regions, RANGES);
	assert_int_equal(living(0), RANGES);
}

static void a_third_lender_does_not(void **state)
{
	world.lent = -ESRCH;
	ask(0);
	answer();
	answer();
	assert_int_equal(world.asked, 2);
	assert_int_equal(clients[0].error, -EOPNOTSUPP);
	assert_false(exports_under_way(exports));
}

static void who_waits_too_long_is_refused(void **state)
{
	ask(0);
	world.later_ns = 10 * S;
	ask(1);
	world.later_ns = 20 * S;
	ask(2);
	world.later_ns = 41 * S;
	(void)loop_turn(loop);
	assert_int_equal(clients[0].answers, 0); /* the keeper is at it */
	assert_int_equal(clients[1].error, -EOPNOTSUPP);
	assert_int_equal(clients[1].held, 0);
	assert_int_equal(clients[2].answers, 0);
	world.later_ns = 51 * S;
	(void)loop_turn(loop);
	assert_int_equal(clients[2].error, -EOPNOTSUPP);
	answer();
	assert_int_equal(clients[0].nr_regions, RANGES);
	assert_int_equal(world.asked, 1);
	assert_int_equal(world.stuck, 0);
}

/* Nor one for a client that left. */
static void nobody_lends_to_who_left(void **state)
{
	world.lent = -ESRCH;
	ask(0);
	exports_leave(&clients[0].loan);
	answer();
	assert_int_equal(world.asked, 1);
	assert_int_equal(clients[0].held, 0);
}

static void one_that_cannot_be_asked_is_refused(void **state)
{
	world.fails = -EMFILE;
	ask(0);
	world.job = NULL;
	assert_int_equal(clients[0].error, -EOPNOTSUPP);
	world.fails = 0;
	ask(1);
	answer();
	assert_int_equal(clients[1].nr_regions, RANGES);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(regions_are_the_ranges),
		TEST(a_loan_ends_with_its_client_alone),
		TEST(all_end_with_the_image),
		TEST(a_client_that_leaves_early_gets_nothing),
		TEST(shutdown_awaits_what_is_under_way),
		TEST(what_cannot_be_goes_by_message),
		TEST(only_pinned_without_paging),
		TEST(memory_for_tables_is_bounded),
		TEST(a_dead_keeper_is_told),
		TEST(a_failed_lending_ends_nothing_else),
		TEST(another_lender_does_it_anew),
		TEST(a_third_lender_does_not),
		TEST(nobody_lends_to_who_left),
		TEST(who_waits_too_long_is_refused),
		TEST(one_that_cannot_be_asked_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
