/* SPDX-License-Identifier: MIT */
/*
 * zoo_worker.c - memory that is rewritten all the time, under an invariant
 *
 * Each thread walks over its pages; before it writes round n it checks that the
 * page still holds round n - 1.  A page from another moment than the registers
 * breaks this at once.  Money that moves between accounts is never lost, though
 * the accounts lie on pages of different threads' making.
 */
#include "tests/zoo/zoo.h"

enum {
	NR_THREADS = 3,
	NR_PAGES = 512,
	NR_ACCOUNTS = 256,
	START_MONEY = 1000,
	WORDS = ZOO_PAGE / sizeof(uint64_t),
};

struct account {
	int64_t money;
	char pad[ZOO_PAGE - sizeof(int64_t)];
};

static struct account *accounts;
static pthread_mutex_t bank = PTHREAD_MUTEX_INITIALIZER;

static void check_bank(void)
{
	int64_t sum = 0;

	(void)pthread_mutex_lock(&bank);
	for (int i = 0; i < NR_ACCOUNTS; i++)
		sum += accounts[i].money;
	(void)pthread_mutex_unlock(&bank);
	zoo_check(sum == NR_ACCOUNTS * START_MONEY, "the bank holds %ld", sum);
}

static void move_money(uint64_t random)
{
	(void)pthread_mutex_lock(&bank);
	accounts[random % NR_ACCOUNTS].money -= 7;
	accounts[(random >> 20) % NR_ACCOUNTS].money += 7;
	(void)pthread_mutex_unlock(&bank);
}

static void write_round(uint64_t *pages, uint64_t round)
{
	for (size_t i = 0; i < NR_PAGES; i++) {
		uint64_t *page = pages + i * WORDS;
		size_t place = round * 31 % WORDS;

		zoo_check(page[0] == round - 1,
			  "page %zu is of round %lu, not %lu", i, page[0],
			  round - 1);
		zoo_check(page[1] == (round - 1) * 0x9e3779b97f4a7c15ull,
			  "page %zu is torn within round %lu", i, round - 1);
		page[0] = round;
		page[1] = round * 0x9e3779b97f4a7c15ull;
		if (place > 1)
			page[place] = round;
	}
}

static void *live(void *arg)
{
	uint64_t *pages = zoo_map(NR_PAGES * ZOO_PAGE);
	uint64_t random = (uintptr_t)pages | 1, round = 1, end;

	for (; zoo_running(); round++) {
		write_round(pages, round);
		for (int i = 0; i < 100; i++)
			move_money(zoo_random(&random));
		check_bank();
	}
	for (end = round + 20; round < end; round++)
		write_round(pages, round);
	check_bank();
	return arg;
}

int main(int argc, char **argv)
{
	pthread_t threads[NR_THREADS];

	zoo_start(argc, argv);
	accounts = zoo_map(NR_ACCOUNTS * sizeof(*accounts));
	for (int i = 0; i < NR_ACCOUNTS; i++)
		accounts[i].money = START_MONEY;
	for (int i = 0; i < NR_THREADS; i++)
		threads[i] = zoo_thread(live, NULL);
	zoo_ready();
	for (int i = 0; i < NR_THREADS; i++)
		(void)zoo_join(threads[i]);
	return zoo_end();
}
