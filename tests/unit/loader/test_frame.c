/* SPDX-License-Identifier: MIT */
/*
 * test_frame.c - interrupted calls begin again; the frame has what was saved
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "common/cleanup.h"
#include "loader/frame.h"

#define RIP 0x401234u

/* What uc_mcontext keeps where: arch/x86/include/uapi/asm/sigcontext.h. */
#define AT_FLAGS    0
#define AT_STACK    16
#define AT_RDI	    104
#define AT_RAX	    144
#define AT_RIP	    168
#define AT_FPSTATE  224
#define AT_SIGMASK  296
#define FRAME_ADDR  0x10000u
#define MAGIC1	    0x46505853u
#define MAGIC2	    0x46505845u
#define SW_OFFSET   464
#define BV_OFFSET   512
#define XSTATE_SIZE 1024u

static struct image_thread in_call(int64_t nr, int64_t rax)
{
	struct image_thread thread = {.tid = 5, .restart_nr = -1};

	thread.regs[REG_ORIG_RAX_] = (uint64_t)nr;
	thread.regs[REG_RAX_] = (uint64_t)rax;
	thread.regs[REG_RIP_] = RIP;
	return thread;
}

static void expect_after(enum frame_handler handler,
			 const struct image_thread *thread, int64_t rax,
			 uint64_t rip)
{
	uint64_t got_rax, got_rip;

	frame_restart(thread, handler, &got_rax, &got_rip);
	assert_int_equal((int64_t)got_rax, rax);
	assert_int_equal(got_rip, rip);
}

static void expect(const struct image_thread *thread, int64_t rax, uint64_t rip)
{
	expect_after(FRAME_NO_HANDLER, thread, rax, rip);
}

static void interrupted_calls_begin_again(void **state)
{
	static const int restarts[] = {512, 513, 514, 516};

	for (size_t i = 0; i < sizeof(restarts) / sizeof(restarts[0]); i++) {
		struct image_thread thread = in_call(35, -restarts[i]);

		expect(&thread, 35, RIP - 2);
	}
}

/* The table of signal(7), as handle_signal() of the kernel has it. */
static void a_handler_ends_them(void **state)
{
	static const struct {
		int rax;
		bool restarts, ends;
	} calls[] = {
		{512, true, false},  /* ERESTARTSYS: read(2) */
		{513, true, true},   /* ERESTARTNOINTR: fork(2) */
		{514, false, false}, /* ERESTARTNOHAND: pause(2) */
		{516, false, false}, /* ERESTART_RESTARTBLOCK: nanosleep(2) */
	};

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		struct image_thread thread = in_call(34, -calls[i].rax);
		const bool again[] = {calls[i].restarts, calls[i].ends};

		for (int ends = 0; ends < 2; ends++)
			expect_after(ends ? FRAME_HANDLER_ENDS
					  : FRAME_HANDLER_RESTARTS,
				     &thread, again[ends] ? 34 : -EINTR,
				     again[ends] ? RIP - 2 : RIP);
	}
}

static void a_handler_ends_nothing_else(void **state)
{
	struct image_thread thread = in_call(0, 17);

	expect_after(FRAME_HANDLER_ENDS, &thread, 17, RIP);
	thread = in_call(-1, -514);
	expect_after(FRAME_HANDLER_ENDS, &thread, -514, RIP);
}

static void finished_calls_keep_their_result(void **state)
{
	struct image_thread thread = in_call(0, 17);

	expect(&thread, 17, RIP);
	thread = in_call(0, -EINTR);
	expect(&thread, -EINTR, RIP);
}

static void outside_of_calls_rax_is_just_a_register(void **state)
{
	struct image_thread thread = in_call(-1, -512);

	expect(&thread, -512, RIP);
}

static void a_twice_interrupted_call_needs_its_number(void **state)
{
	struct image_thread thread = in_call(219, -516);

	expect(&thread, -EINTR, RIP);
	thread.restart_nr = 230;
	expect(&thread, 230, RIP - 2);
	/* Begun again, and then interrupted in the ordinary way. */
	thread = in_call(219, -512);
	expect(&thread, 219, RIP - 2);
}

static uint64_t word(const uint8_t *frame, size_t at)
{
	uint64_t value;

	memcpy(&value, frame + at, sizeof(value));
	return value;
}

static uint32_t half(const uint8_t *frame, size_t at)
{
	uint32_t value;

	memcpy(&value, frame + at, sizeof(value));
	return value;
}

static struct image_thread with_xstate(uint8_t *xstate, uint64_t in_use)
{
	struct image_thread thread = in_call(-1, 3);

	memset(xstate, 0xa5, XSTATE_SIZE);
	memcpy(xstate + BV_OFFSET, &in_use, sizeof(in_use));
	thread.xstate = xstate;
	thread.xstate_bytes = XSTATE_SIZE;
	return thread;
}

static void a_frame_has_registers_mask_and_stack(void **state)
{
	uint8_t frame[4096] = {0};
	struct image_thread thread = in_call(-1, 77);
	struct frame_xsave xsave = {.same = true};

	thread.regs[REG_RDI_] = 0x1122334455667788;
	thread.sigmask = 0x0102;
	thread.altstack_sp = 0x7000;
	thread.altstack_bytes = 8192;
	thread.altstack_flags = 1; /* SS_ONSTACK: told, but not to be set */
	frame_build(&thread, FRAME_NO_HANDLER, &xsave, FRAME_ADDR, frame);
	assert_int_equal(word(frame, AT_RDI), 0x1122334455667788);
	assert_int_equal(word(frame, AT_RAX), 77);
	assert_int_equal(word(frame, AT_RIP), RIP);
	assert_int_equal(word(frame, AT_SIGMASK), 0x0102);
	assert_int_equal(word(frame, AT_STACK), 0x7000);
	assert_int_equal(half(frame, AT_STACK + 8), 0);
	assert_int_equal(word(frame, AT_STACK + 16), 8192);
	assert_int_equal(word(frame, AT_FPSTATE), 0);
	assert_int_equal(word(frame, AT_FLAGS) & 1, 0);
}

static void the_vector_state_ends_where_its_last_part_does(void **state)
{
	uint8_t frame[4096] = {0}, xstate[XSTATE_SIZE];
	struct image_thread thread = with_xstate(xstate, 7);
	struct frame_xsave xsave = {0};
	size_t at;

	xsave.offset_bytes[2] = 576;
	xsave.size_bytes[2] = 256;
	xsave.offset_bytes[9] = 900; /* not in use: not handed over */
	xsave.size_bytes[9] = 8;
	frame_build(&thread, FRAME_NO_HANDLER, &xsave, FRAME_ADDR, frame);
	at = word(frame, AT_FPSTATE) - FRAME_ADDR;
	assert_int_equal(word(frame, AT_FPSTATE) % 64, 0);
	assert_int_equal(half(frame, at + SW_OFFSET), MAGIC1);
	assert_int_equal(half(frame, at + SW_OFFSET + 16), 832);
	assert_int_equal(half(frame, at + 832), MAGIC2);
	assert_memory_equal(frame + at + 576, xstate + 576, 256);
}

static void one_machine_gets_all_it_saved(void **state)
{
	uint8_t frame[4096] = {0}, xstate[XSTATE_SIZE];
	struct image_thread thread = with_xstate(xstate, 3);
	struct frame_xsave xsave = {.same = true};
	size_t at;

	frame_build(&thread, FRAME_NO_HANDLER, &xsave, FRAME_ADDR, frame);
	at = word(frame, AT_FPSTATE) - FRAME_ADDR;
	assert_int_equal(half(frame, at + SW_OFFSET + 16), XSTATE_SIZE);
	assert_int_equal(half(frame, at + XSTATE_SIZE), MAGIC2);
}

static int check(uint64_t in_use, uint64_t known, uint32_t offset,
		 struct why *why)
{
	uint8_t xstate[XSTATE_SIZE];
	struct image_thread thread = with_xstate(xstate, in_use);
	struct image image = {
		.threads = &thread, .nr_threads = 1, .xfeatures = known};
	struct frame_xsave xsave = {0};

	xsave.offset_bytes[2] = 576;
	xsave.size_bytes[2] = 256;
	xsave.offset_bytes[5] = offset;
	xsave.size_bytes[5] = 64;
	why->text[0] = '\0';
	return frame_check(&image, &xsave, why);
}

static void another_order_of_registers_is_refused(void **state)
{
	struct why why;

	/* The parent's last part ended at 1024; ours would end elsewhere. */
	assert_int_equal(check(0x27, 0x27, 960, &why), 0);
	assert_int_equal(check(0x27, 0x27, 832, &why), -EOPNOTSUPP);
	assert_non_null(strstr(why.text, "another order"));
	/* With nothing beyond AVX in use it does not matter. */
	assert_int_equal(check(0x7, 0x27, 832, &why), 0);
}

static void live_amx_registers_are_refused_by_name(void **state)
{
	struct why why;

	assert_int_equal(check(1u << 18, 1u << 18, 960, &why), -EOPNOTSUPP);
	assert_non_null(strstr(why.text, "AMX"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(interrupted_calls_begin_again),
		cmocka_unit_test(a_handler_ends_them),
		cmocka_unit_test(a_handler_ends_nothing_else),
		cmocka_unit_test(finished_calls_keep_their_result),
		cmocka_unit_test(outside_of_calls_rax_is_just_a_register),
		cmocka_unit_test(a_twice_interrupted_call_needs_its_number),
		cmocka_unit_test(a_frame_has_registers_mask_and_stack),
		cmocka_unit_test(
			the_vector_state_ends_where_its_last_part_does),
		cmocka_unit_test(one_machine_gets_all_it_saved),
		cmocka_unit_test(another_order_of_registers_is_refused),
		cmocka_unit_test(live_amx_registers_are_refused_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
