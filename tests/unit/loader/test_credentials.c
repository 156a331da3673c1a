/* SPDX-License-Identifier: MIT */
/*
 * test_credentials.c - the steps are obeyed by a process, which then is asked
 */
#include <errno.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "loader/credentials.h"

#define DATA_ADDR   UINT64_C(0x200000000000)
#define DATA_BYTES  65536
#define CAP(number) (UINT64_C(1) << (number))
#define USER	    1000

struct fixture {
	struct image_text text;
	struct image image;
	struct credentials own;
	struct steps steps;
	struct why why;
	char status[512];
};

static int setup(void **state)
{
	struct fixture *fix = calloc(1, sizeof(*fix));

	assert_non_null(fix);
	fix->text.name = (char *)"status";
	fix->text.bytes = (uint8_t *)fix->status;
	fix->image.texts = &fix->text;
	fix->image.nr_texts = 1;
	assert_int_equal(credentials_read(&fix->image, &fix->own), 0);
	*state = fix;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fix = *state;

	free((void *)fix->own.groups);
	free(fix);
	return 0;
}

/* The image's user, and what it may and has; all of it in the bounding set. */
static void describe(struct fixture *fix, uint32_t uid, uint64_t caps,
		     uint64_t ambient)
{
	for (int i = 0; i < 4; i++)
		fix->image.uid[i] = fix->image.gid[i] = uid;
	fix->text.len_bytes = (uint32_t)snprintf(
		fix->status, sizeof(fix->status),
		"Name:\tx\nCapInh:\t%016llx\nCapPrm:\t%016llx\n"
		"CapEff:\t%016llx\nCapBnd:\t%016llx\nCapAmb:\t%016llx\n",
		(unsigned long long)ambient, (unsigned long long)caps,
		(unsigned long long)caps, (unsigned long long)fix->own.bounding,
		(unsigned long long)ambient);
}

static void obey(const struct steps *steps)
{
	void *data =
		mmap((void *)DATA_ADDR, DATA_BYTES, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	if (data == MAP_FAILED || steps->data_bytes > DATA_BYTES)
		_exit(90);
	if (steps->data_bytes)
		memcpy(data, steps->data, steps->data_bytes);
	for (uint32_t i = 0; i < steps->nr; i++) {
		const uint64_t *args = steps->list[i].args;

		if (syscall(steps->list[i].nr, args[0], args[1], args[2],
			    args[3], args[4], args[5]) &&
		    steps->list[i].check == BLOB_ZERO)
			_exit(91);
	}
}

static uint64_t own_caps(void)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data) < 0 ||
	    data[0].effective != data[0].permitted ||
	    data[1].effective != data[1].permitted)
		_exit(92);
	return data[0].effective | (uint64_t)data[1].effective << 32;
}

/* Who obeys becomes this; it may have to regain nothing by an ambient one. */
static void becomes(struct fixture *fix, uint64_t caps, uint64_t ambient)
{
	int status;
	pid_t pid;

	steps_init(&fix->steps, DATA_ADDR);
	credentials_plan(&fix->steps, &fix->image, &fix->own);
	assert_int_equal(fix->steps.error, 0);
	pid = fork();
	if (pid == 0) {
		obey(&fix->steps);
		if ((uint32_t)prctl(PR_GET_SECUREBITS) != fix->image.securebits)
			_exit(1);
		if (own_caps() != caps)
			_exit(2);
		for (int cap = 0; cap < 40; cap++)
			if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, cap, 0,
				  0) != (int)(ambient >> cap & 1))
				_exit(3);
		_exit(getuid() == fix->image.uid[0] ? 0 : 4);
	}
	steps_done(&fix->steps);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static bool may_all(const struct fixture *fix)
{
	return fix->own.uid[1] == 0 && !fix->own.securebits &&
	       fix->own.effective >> CAP_SETPCAP & 1;
}

static void a_root_without_powers_keeps_none(void **state)
{
	struct fixture *fix = *state;

	if (!may_all(fix))
		skip(); /* only root may set them */
	fix->image.securebits = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED |
				SECBIT_NO_SETUID_FIXUP |
				SECBIT_NO_SETUID_FIXUP_LOCKED;
	describe(fix, 0, 0, 0);
	becomes(fix, 0, 0);
	describe(fix, 0, CAP(CAP_KILL), 0);
	becomes(fix, CAP(CAP_KILL), 0);
}

static void a_user_has_its_ambient_ones_and_raises_no_more(void **state)
{
	struct fixture *fix = *state;

	if (!may_all(fix))
		skip();
	describe(fix, USER, CAP(CAP_KILL), CAP(CAP_KILL));
	becomes(fix, CAP(CAP_KILL), CAP(CAP_KILL));
	fix->image.securebits = SECBIT_NO_CAP_AMBIENT_RAISE |
				SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED |
				SECBIT_NOROOT;
	becomes(fix, CAP(CAP_KILL), CAP(CAP_KILL));
	fix->image.securebits = SECBIT_KEEP_CAPS;
	becomes(fix, CAP(CAP_KILL), CAP(CAP_KILL));
	fix->image.securebits = SECBIT_KEEP_CAPS | SECBIT_KEEP_CAPS_LOCKED;
	becomes(fix, CAP(CAP_KILL), CAP(CAP_KILL));
}

static void a_user_with_all_that_root_has_keeps_it(void **state)
{
	struct fixture *fix = *state;

	if (!may_all(fix))
		skip();
	describe(fix, USER, fix->own.permitted, 0);
	becomes(fix, fix->own.permitted, 0);
}

/* Without privilege some can be had: the rest is refused in words. */
static void what_cannot_be_set_is_refused(void **state)
{
	struct fixture *fix = *state;

	fix->own.effective &= ~CAP(CAP_SETPCAP);
	fix->own.securebits = 0;
	for (int i = 0; i < 4; i++)
		fix->own.uid[i] = fix->own.gid[i] = USER;
	describe(fix, USER, 0, 0);
	assert_int_equal(credentials_check(&fix->image, &fix->own, &fix->why),
			 0);
	fix->image.securebits = SECBIT_KEEP_CAPS;
	assert_int_equal(credentials_check(&fix->image, &fix->own, &fix->why),
			 0);
	fix->image.securebits = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED;
	assert_int_equal(credentials_check(&fix->image, &fix->own, &fix->why),
			 -EPERM);
	assert_non_null(strstr(fix->why.text, "securebits 0x3"));
	/* What is locked here already needs not be set, and cannot be freed. */
	fix->own.securebits = fix->image.securebits;
	assert_int_equal(credentials_check(&fix->image, &fix->own, &fix->why),
			 0);
	fix->image.securebits = 0;
	assert_int_equal(credentials_check(&fix->image, &fix->own, &fix->why),
			 0);
}

/* What only the loader has stays: all that it may do, it may without. */
static void what_cannot_be_cleared_stays(void **state)
{
	struct fixture *fix = *state;
	struct steps *steps = &fix->steps;

	fix->own.effective &= ~CAP(CAP_SETPCAP);
	fix->own.securebits = SECBIT_NOROOT;
	for (int i = 0; i < 4; i++)
		fix->own.uid[i] = fix->own.gid[i] = USER;
	describe(fix, USER, 0, 0);
	assert_int_equal(credentials_check(&fix->image, &fix->own, &fix->why),
			 0);
	steps_init(steps, DATA_ADDR);
	credentials_plan(steps, &fix->image, &fix->own);
	assert_int_equal(steps->error, 0);
	for (uint32_t i = 0; i < steps->nr; i++)
		assert_int_not_equal(steps->list[i].args[0], PR_SET_SECUREBITS);
	steps_done(steps);
	/* One more than it has is one too many. */
	fix->image.securebits = SECBIT_NOROOT | SECBIT_NO_SETUID_FIXUP;
	assert_int_equal(credentials_check(&fix->image, &fix->own, &fix->why),
			 -EPERM);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_root_without_powers_keeps_none),
		TEST(a_user_has_its_ambient_ones_and_raises_no_more),
		TEST(a_user_with_all_that_root_has_keeps_it),
		TEST(what_cannot_be_set_is_refused),
		TEST(what_cannot_be_cleared_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
