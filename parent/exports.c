/* SPDX-License-Identifier: MIT */
#include "parent/exports.h"

#include <errno.h>
#include <rdma/ib_user_ioctl_verbs.h>
#include <poll.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/io.h"
#include "common/page.h"
#include "common/wire.h"
#include "parent/export.h"
#include "parent/uverbs.h"

#define RANGES_MAX 4096u /* of one loan: a device has some 100,000 regions */

/* The keeper's time: some, and more with memory, much more when it is copied.
 */
#define NS_PER_S	 1000000000ull
#define ANSWER_NS	 (60 * NS_PER_S)
#define ODP_PAGE_NS	 10000u
#define PINNED_PAGE_NS	 1000000u
#define QUEUE_NS	 (30 * NS_PER_S) /* less than clients wait */
#define LAST_ANSWER_MS	 5000		 /* when nothing else is left to do */
#define TABLES_OF_MEMORY 32u		 /* one part in so many */

enum loan_state {
	LOAN_QUEUED,
	LOAN_ASKED, /* of the keeper */
	LOAN_LENT,
};

struct export_loan {
	struct exports *exports;
	struct export_loan *next;
	struct export_loan **slot; /* NULL: whoever asked is gone */
	enum loan_state state;
	struct serve_ticket ticket;
	const struct serve_verbs *verbs;
	uint64_t since_ns;
	uint64_t pages;		 /* counted in the account */
	bool is_second;		 /* try */
	struct lend_deed *deeds; /* of each range; without error: registered */
};

struct exports {
	struct exports_origin origin;
	struct export_loan *loans; /* the oldest first */
	bool is_planned, has_ended;
	struct image_run *ranges;
	uint32_t nr_ranges;
	uint64_t pages;
	struct loop_timer patience; /* with the keeper */
	struct loop_timer turn;	    /* of the oldest that waits for it */
};

void exports_account_init(struct exports_account *account, bool pin)
{
	const uint64_t pages = (uint64_t)sysconf(_SC_PHYS_PAGES);

	*account = (struct exports_account){
		.pin = pin,
		.pages_max = pin ? pages / 2
				 : pages * (PAGE_BYTES / EXPORT_TABLE_BYTES) /
					     TABLES_OF_MEMORY,
	};
}

static struct export_loan *asked(const struct exports *exports)
{
	struct export_loan *loan = exports->loans;

	while (loan && loan->state != LOAN_ASKED)
		loan = loan->next;
	return loan;
}

bool exports_under_way(const struct exports *exports)
{
	return asked(exports) != NULL;
}

static void forget(struct export_loan *loan)
{
	if (loan->slot)
		*loan->slot = NULL;
	loan->slot = NULL;
}

static void take_back(struct export_loan *loan)
{
	for (uint32_t i = 0; i < loan->exports->nr_ranges; i++) {
		if (loan->deeds[i].error)
			continue;
		(void)uverbs_destroy_mr(loan->verbs->cmd_fd,
					loan->verbs->driver_id,
					loan->deeds[i].mr_handle);
		loan->deeds[i].error = -ECANCELED;
	}
}

/* Out of the list and the account; what it lent is destroyed first. */
static void end_loan(struct export_loan *loan)
{
	struct exports *exports = loan->exports;
	struct export_loan **at = &exports->loans;

	take_back(loan);
	while (*at != loan)
		at = &(*at)->next;
	*at = loan->next;
	forget(loan);
	exports->origin.account->pages -= loan->pages;
	exports->origin.account->loans--;
	serve_verbs_put(loan->verbs);
	free(loan->deeds);
	free(loan);
}

static void refuse_loan(struct export_loan *loan, int error, const char *why)
{
	if (loan->slot)
		(void)serve_refuse(&loan->ticket, error, why);
}

static uint32_t access_of(const struct export_loan *loan)
{
	const uint32_t access = IB_UVERBS_ACCESS_REMOTE_READ;

	return loan->exports->origin.account->pin
		       ? access
		       : access | IB_UVERBS_ACCESS_ON_DEMAND;
}

static uint64_t patience_ns(const struct exports *exports)
{
	return ANSWER_NS + exports->pages * (exports->origin.account->pin
						     ? PINNED_PAGE_NS
						     : ODP_PAGE_NS);
}

static int ask_keeper(struct exports *exports, struct export_loan *loan)
{
	const struct lend_job job = {
		.cmd_fd = loan->verbs->cmd_fd,
		.driver_id = loan->verbs->driver_id,
		.pd_handle = loan->verbs->pd_handle,
		.access = access_of(loan),
		.ranges = exports->ranges,
		.nr_ranges = exports->nr_ranges,
	};
	int rc = keeper_lend(exports->origin.keeper, &job);

	if (rc)
		return rc;
	loan->state = LOAN_ASKED;
	exports->patience.deadline_ns =
		io_monotonic_ns() + patience_ns(exports);
	return 0;
}

/* No other loan is older than the first. */
static void await_turn(struct exports *exports)
{
	const struct export_loan *loan = exports->loans;

	while (loan && loan->state != LOAN_QUEUED)
		loan = loan->next;
	exports->turn.deadline_ns = loan ? loan->since_ns + QUEUE_NS : 0;
}

/* Its client gives up soon: messages now are better than regions too late. */
static void turn_is_late(struct loop_timer *timer)
{
	struct exports *exports =
		(struct exports *)((char *)timer -
				   offsetof(struct exports, turn));
	uint64_t now_ns = io_monotonic_ns();
	struct export_loan *loan, *next;

	for (loan = exports->loans; loan; loan = next) {
		next = loan->next;
		if (loan->state != LOAN_QUEUED ||
		    now_ns - loan->since_ns < QUEUE_NS)
			continue;
		refuse_loan(loan, -EOPNOTSUPP,
			    "what others asked for before takes too long");
		end_loan(loan);
	}
	await_turn(exports);
}

/* The oldest that waits has its turn, when nobody has. */
static void ask_next(struct exports *exports)
{
	struct export_loan *loan, *next;

	for (loan = exports->loans; loan && !exports_under_way(exports);
	     loan = next) {
		int rc;

		next = loan->next;
		rc = loan->state == LOAN_QUEUED ? ask_keeper(exports, loan) : 0;
		if (rc) {
			refuse_loan(loan, -EOPNOTSUPP, strerror(-rc));
			end_loan(loan);
		}
	}
	await_turn(exports);
}

static void out_of_patience(struct loop_timer *timer)
{
	struct exports *exports =
		(struct exports *)((char *)timer -
				   offsetof(struct exports, patience));

	exports->origin.stuck(exports->origin.arg);
}

int exports_new(const struct exports_origin *origin, struct exports **ret)
{
	struct exports *exports = calloc(1, sizeof(*exports));

	if (!exports)
		return -ENOMEM;
	exports->origin = *origin;
	exports->patience.fired = out_of_patience;
	exports->turn.fired = turn_is_late;
	loop_add_timer(origin->loop, &exports->patience);
	loop_add_timer(origin->loop, &exports->turn);
	*ret = exports;
	return 0;
}

/* Once for all clients: the image does not change. */
static int make_plan(struct exports *exports)
{
	const struct keeper_result *result = exports->origin.result;
	const struct export_origin origin = {result->image, result->shared_runs,
					     result->nr_shared_runs};
	const struct export_limits limits = {
		RANGES_MAX, exports->origin.account->pages_max};
	int rc = exports->is_planned
			 ? 0
			 : export_plan(&origin, &limits, &exports->ranges,
				       &exports->nr_ranges);

	if (rc || exports->is_planned)
		return rc;
	exports->is_planned = true;
	for (uint32_t i = 0; i < exports->nr_ranges; i++)
		exports->pages += exports->ranges[i].nr_pages;
	return 0;
}

/* NULL, or why this is served by messages. */
static const char *why_not(struct exports *exports,
			   const struct serve_verbs *verbs)
{
	const struct exports_account *account = exports->origin.account;

	if (!verbs)
		return "memory is exported to clients that come by RDMA";
	if (verbs->driver_id == UINT32_MAX)
		return "the device's driver is not known";
	if (!verbs->has_odp && !account->pin)
		return "the device has no on-demand paging, and mitosisd no "
		       "--pin";
	if (make_plan(exports))
		return "no memory";
	if (!exports->nr_ranges)
		return "the image has no memory that a device can read";
	if (exports->pages > account->pages_max - account->pages)
		return "as much is exported as this host has memory for";
	return NULL;
}

static struct export_loan *new_loan(struct exports *exports,
				    const struct serve_ticket *ticket)
{
	struct export_loan *loan = calloc(1, sizeof(*loan));

	if (!loan)
		return NULL;
	*loan = (struct export_loan){
		.exports = exports, .ticket = *ticket, .pages = exports->pages};
	loan->deeds = calloc(exports->nr_ranges, sizeof(*loan->deeds));
	if (!loan->deeds) {
		free(loan);
		return NULL;
	}
	for (uint32_t i = 0; i < exports->nr_ranges; i++)
		loan->deeds[i].error = -ECANCELED;
	return loan;
}

static void add_loan(struct export_loan *loan, struct export_loan **slot)
{
	struct exports *exports = loan->exports;
	struct export_loan **at = &exports->loans;

	while (*at)
		at = &(*at)->next;
	*at = loan;
	loan->since_ns = io_monotonic_ns();
	loan->slot = slot;
	*slot = loan;
	exports->origin.account->pages += loan->pages;
	exports->origin.account->loans++;
}

void exports_ask(struct exports *exports, const struct serve_ticket *ticket,
		 struct export_loan **slot)
{
	const struct serve_verbs *verbs = serve_verbs_get(ticket);
	const char *why = why_not(exports, verbs);
	struct export_loan *loan = why ? NULL : new_loan(exports, ticket);

	if (!loan) {
		(void)serve_refuse(ticket, -EOPNOTSUPP,
				   why ? why : "no memory");
		serve_verbs_put(verbs);
		return;
	}
	loan->verbs = verbs;
	add_loan(loan, slot);
	ask_next(exports);
}

void exports_leave(struct export_loan **slot)
{
	struct export_loan *loan = *slot;

	if (!loan)
		return;
	forget(loan);
	if (loan->state != LOAN_ASKED)
		end_loan(loan);
}

static uint32_t nr_lent(const struct export_loan *loan)
{
	uint32_t nr = 0;

	for (uint32_t i = 0; i < loan->exports->nr_ranges; i++)
		nr += !loan->deeds[i].error;
	return nr;
}

/* By address, as the ranges are. */
static void fill_regions(const struct export_loan *loan,
			 struct wire_region *regions)
{
	const struct image_run *ranges = loan->exports->ranges;

	for (uint32_t i = 0; i < loan->exports->nr_ranges; i++)
		if (!loan->deeds[i].error)
			*regions++ = (struct wire_region){
				.raddr = ranges[i].first_page << PAGE_SHIFT,
				.len_bytes = ranges[i].nr_pages << PAGE_SHIFT,
				.rkey = loan->deeds[i].rkey,
			};
}

static int answer(const struct export_loan *loan, uint32_t nr)
{
	const size_t bytes = wire_regions_bytes(nr);
	CLEANUP_FREE struct wire_region *regions = calloc(nr, sizeof(*regions));
	struct serve_tail tail = {.len_bytes = bytes, .done = free};
	uint8_t *body = regions ? malloc(bytes) : NULL;

	if (!body)
		return -ENOMEM;
	fill_regions(loan, regions);
	wire_put_regions(body, regions, nr);
	tail.bytes = tail.owner = body;
	(void)serve_answer_tail(&loan->ticket, NULL, 0, &tail);
	return 0;
}

/* The keeper did what it could; -errno when that is of no use. */
static int settle(struct export_loan *loan)
{
	const uint32_t nr = nr_lent(loan);

	if (!nr)
		return loan->deeds[0].error;
	if (!loan->slot)
		return -ECANCELED;
	loan->state = LOAN_LENT;
	return answer(loan, nr);
}

/* When memory is short a lender is the first to be killed: then by another. */
static bool begin_again(struct export_loan *loan, int error)
{
	if (error != -ESRCH || loan->is_second || !loan->slot)
		return false;
	take_back(loan);
	loan->is_second = true;
	loan->state = LOAN_QUEUED;
	return true;
}

int exports_answered(struct exports *exports)
{
	struct export_loan *loan = asked(exports);
	struct refusal why = {""};
	int rc = keeper_lent(exports->origin.keeper, loan->deeds, &why);
	bool is_dead = rc == -EPIPE;

	exports->patience.deadline_ns = 0;
	rc = rc ? rc : settle(loan);
	if (rc && !begin_again(loan, rc)) {
		refuse_loan(loan, -EOPNOTSUPP,
			    why.why[0] ? why.why : strerror(-rc));
		end_loan(loan);
	}
	if (is_dead)
		return -EPIPE;
	if (!exports->has_ended)
		ask_next(exports);
	return 0;
}

void exports_end(struct exports *exports)
{
	struct export_loan *loan, *next;

	if (!exports)
		return;
	exports->has_ended = true;
	for (loan = exports->loans; loan; loan = next) {
		next = loan->next;
		if (loan->state != LOAN_LENT)
			refuse_loan(loan, -ESTALE, "the image is gone");
		if (loan->state != LOAN_ASKED)
			end_loan(loan);
		else
			forget(loan);
	}
}

/* Nobody else is served any more. */
static void wait_answer(struct exports *exports)
{
	struct pollfd answer = {.fd = keeper_fd(exports->origin.keeper),
				.events = POLLIN};

	if (poll(&answer, 1, LAST_ANSWER_MS) != 1)
		(void)keeper_kill(exports->origin.keeper);
	(void)exports_answered(exports);
}

void exports_free(struct exports *exports)
{
	if (!exports)
		return;
	if (exports_under_way(exports))
		wait_answer(exports);
	while (exports->loans)
		end_loan(exports->loans);
	loop_drop(exports->origin.loop, NULL, &exports->patience);
	loop_drop(exports->origin.loop, NULL, &exports->turn);
	free(exports->ranges);
	free(exports);
}
