/* SPDX-License-Identifier: MIT */
/*
 * test_wire.c - each message as bytes, and what a decoder must not believe
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/source.h"
#include "common/wire.h"

static uint8_t buf[WIRE_REQUEST_MAX];

static const struct wire_header reply = {
	.type = WIRE_OPEN,
	.flags = WIRE_REPLY,
	.id = 0x11223344,
	.status = -ENOENT,
	.body_bytes = 0x00010203,
};

/* The bytes of docs/protocol.md, so that hosts of any build understand. */
static void test_header_bytes(void **state)
{
	static const uint8_t want[WIRE_HEADER_BYTES] = {
		'M',  'T',  'F',  'S',	3, 0, 1, 0, 0x44, 0x33, 0x22, 0x11,
		0xfe, 0xff, 0xff, 0xff, 3, 2, 1, 0, 0,	  0,	0,    0};
	struct wire_header header;

	wire_put_header(buf, &reply);
	assert_memory_equal(buf, want, sizeof(want));
	assert_int_equal(wire_get_header(buf, WIRE_REPLY_MAX, &header), 0);
	assert_memory_equal(&header, &reply, sizeof(header));
}

static int get_changed(const struct wire_header *header, uint32_t max)
{
	struct wire_header ignored;

	wire_put_header(buf, header);
	return wire_get_header(buf, max, &ignored);
}

static void test_header_refusals(void **state)
{
	struct wire_header header = reply, ignored;

	header.type = 0;
	assert_int_equal(get_changed(&header, WIRE_REPLY_MAX), -EPROTO);
	header.type = WIRE_TYPES_END;
	assert_int_equal(get_changed(&header, WIRE_REPLY_MAX), -EPROTO);
	header = reply;
	header.flags |= 8;
	assert_int_equal(get_changed(&header, WIRE_REPLY_MAX), -EPROTO);
	header = reply;
	header.status = 1;
	assert_int_equal(get_changed(&header, WIRE_REPLY_MAX), -EPROTO);
	header.status = -4096;
	assert_int_equal(get_changed(&header, WIRE_REPLY_MAX), -EPROTO);
	header.status = -4095;
	assert_int_equal(get_changed(&header, WIRE_REPLY_MAX), 0);
	header.flags = WIRE_URGENT; /* a request has no status */
	assert_int_equal(get_changed(&header, WIRE_REPLY_MAX), -EPROTO);
	header = reply;
	assert_int_equal(get_changed(&header, header.body_bytes), 0);
	assert_int_equal(get_changed(&header, header.body_bytes - 1), -EPROTO);
	for (int i = 0; i < 4; i++) {
		wire_put_header(buf, &reply);
		buf[i] ^= 0x20; /* the magic */
		assert_int_equal(wire_get_header(buf, UINT32_MAX, &ignored),
				 -EPROTO);
		wire_put_header(buf, &reply);
		buf[20 + i] = 1; /* the reserved word */
		assert_int_equal(wire_get_header(buf, UINT32_MAX, &ignored),
				 -EPROTO);
	}
}

/* A body is taken at its own length alone. */
#define CHECK_LENGTHS(get, len, type)                                          \
	do {                                                                   \
		struct type ignored_;                                          \
		for (size_t i_ = 0; i_ <= (len) + 8; i_++)                     \
			assert_int_equal(get(buf, i_, &ignored_),              \
					 i_ == (len) ? 0 : -EPROTO);           \
	} while (0)

static void test_hello(void **state)
{
	const struct wire_hello hello = {5,	 0x05060708, 0x1ccd,
					 0x0102, 3,	     {'c', 'r', 'e'}};
	const uint8_t want[] = {5, 0, 0, 0, 8, 7, 6,   5,   0xcd, 0x1c,
				2, 1, 3, 0, 0, 0, 'c', 'r', 'e'};
	struct wire_hello back = {0};

	assert_int_equal(wire_put_hello(buf, &hello), sizeof(want));
	assert_memory_equal(buf, want, sizeof(want));
	assert_int_equal(wire_get_hello(buf, sizeof(want), &back), 0);
	assert_memory_equal(&back, &hello, sizeof(back));
	CHECK_LENGTHS(wire_get_hello, sizeof(want), wire_hello);
}

/* The longest there is; nothing with "none"; no length that lies. */
static void test_hello_credentials(void **state)
{
	struct wire_hello hello = {.version = 5, .sec = WIRE_SEC_MUNGE}, back;
	size_t len;

	hello.cred_bytes = WIRE_CRED_MAX;
	memset(hello.cred, 'x', WIRE_CRED_MAX);
	len = wire_put_hello(buf, &hello);
	assert_int_equal(len, 16 + WIRE_CRED_MAX);
	assert_int_equal(wire_get_hello(buf, len, &back), 0);
	assert_memory_equal(&back, &hello, sizeof(back));
	buf[12]++;
	assert_int_equal(wire_get_hello(buf, len, &back), -EPROTO);
	assert_int_equal(wire_get_hello(buf, len + 1, &back), -EPROTO);
	buf[12] -= 2;
	assert_int_equal(wire_get_hello(buf, len, &back), -EPROTO);
	memset(buf + 12, 0xff, 4);
	assert_int_equal(wire_get_hello(buf, 15, &back), -EPROTO);
	hello.sec = WIRE_SEC_NONE;
	len = wire_put_hello(buf, &hello);
	assert_int_equal(wire_get_hello(buf, len, &back), -EPROTO);
}

/* Whatever else a HELLO of another version holds: its version is told. */
static void test_hello_versions(void **state)
{
	const uint8_t v1[] = {1, 0, 0, 0, 0, 0, 16, 0};
	const uint8_t v9[40] = {9};
	const uint8_t v0[16] = {0};
	struct wire_hello back;

	assert_int_equal(wire_get_hello(v1, sizeof(v1), &back),
			 -EPROTONOSUPPORT);
	assert_int_equal(wire_hello_version(v1, sizeof(v1)), 1);
	assert_int_equal(wire_get_hello(v9, sizeof(v9), &back),
			 -EPROTONOSUPPORT);
	assert_int_equal(wire_hello_version(v9, sizeof(v9)), 9);
	assert_int_equal(wire_get_hello(v0, sizeof(v0), &back), -EPROTO);
	assert_int_equal(wire_get_hello(v9, 3, &back), -EPROTO);
	assert_int_equal(wire_hello_version(v9, 3), 0);
}

/* FAR stands for a body that is elsewhere: on good replies alone. */
static void test_far_header(void **state)
{
	struct wire_header header = {.type = WIRE_OPEN,
				     .flags = WIRE_REPLY | WIRE_FAR,
				     .id = 1,
				     .body_bytes = 16};

	assert_int_equal(get_changed(&header, WIRE_REPLY_MAX), 0);
	header.body_bytes = 17;
	assert_int_equal(get_changed(&header, WIRE_REPLY_MAX), -EPROTO);
	header.body_bytes = 16;
	header.status = -EIO;
	assert_int_equal(get_changed(&header, WIRE_REPLY_MAX), -EPROTO);
	header.status = 0;
	header.flags = WIRE_FAR;
	assert_int_equal(get_changed(&header, WIRE_REPLY_MAX), -EPROTO);
}

static void test_far(void **state)
{
	const struct wire_far far = {0x1122334455667788, 0x01020304,
				     0x99aabbcc};
	const uint8_t want[] = {0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11,
				4,    3,    2,	  1,	0xcc, 0xbb, 0xaa, 0x99};
	struct wire_far back, bad = far;

	assert_int_equal(wire_put_far(buf, &far), sizeof(want));
	assert_memory_equal(buf, want, sizeof(want));
	assert_int_equal(wire_get_far(buf, 16, &back), 0);
	assert_memory_equal(&back, &far, sizeof(back));
	CHECK_LENGTHS(wire_get_far, 16u, wire_far);
	bad.len_bytes = 0;
	(void)wire_put_far(buf, &bad);
	assert_int_equal(wire_get_far(buf, 16, &back), -EPROTO);
	bad.len_bytes = WIRE_REPLY_MAX + 1;
	(void)wire_put_far(buf, &bad);
	assert_int_equal(wire_get_far(buf, 16, &back), -EPROTO);
	bad.len_bytes = 16;
	bad.raddr = UINT64_MAX - 15;
	(void)wire_put_far(buf, &bad);
	assert_int_equal(wire_get_far(buf, 16, &back), -EPROTO);
}

static void test_export_and_taken(void **state)
{
	const uint8_t want[] = {4, 3, 2, 1, 0, 0, 0, 0};
	uint32_t back = 0;

	assert_int_equal(wire_put_export(buf, 0x01020304), 8);
	assert_memory_equal(buf, want, 8);
	assert_int_equal(wire_get_export(buf, 8, &back), 0);
	assert_int_equal(back, 0x01020304);
	assert_int_equal(wire_get_export(buf, 7, &back), -EPROTO);
	assert_int_equal(wire_get_export(buf, 9, &back), -EPROTO);
	buf[4] = 1;
	assert_int_equal(wire_get_export(buf, 8, &back), -EPROTO);
	back = 0;
	assert_int_equal(wire_put_taken(buf, 0x01020304), 4);
	assert_memory_equal(buf, want, 4);
	assert_int_equal(wire_get_taken(buf, 4, &back), 0);
	assert_int_equal(back, 0x01020304);
	assert_int_equal(wire_get_taken(buf, 3, &back), -EPROTO);
	assert_int_equal(wire_get_taken(buf, 5, &back), -EPROTO);
}

static void test_regions_bytes(void **state)
{
	const struct wire_region regions[] = {{0x1000, 0x2000, 7},
					      {0x3000, 0x1000, 0x01020304}};
	static const uint8_t want[56] = {
		2, 0,	 0, 0, 24, 0, 0, 0, /* head */
		0, 0x10, 0, 0, 0,  0, 0, 0, 0, 0x20, 0, 0, 0, 0, 0, 0,
		7, 0,	 0, 0, 0,  0, 0, 0, 0, 0x30, 0, 0, 0, 0, 0, 0,
		0, 0x10, 0, 0, 0,  0, 0, 0, 4, 3,    2, 1, 0, 0, 0, 0};
	struct wire_region *back;
	size_t nr;

	assert_int_equal(wire_regions_bytes(2), sizeof(want));
	wire_put_regions(buf, regions, 2);
	assert_memory_equal(buf, want, sizeof(want));
	assert_int_equal(wire_get_regions(buf, sizeof(want), &back, &nr), 0);
	assert_int_equal(nr, 2);
	for (size_t i = 0; i < nr; i++) {
		assert_int_equal(back[i].raddr, regions[i].raddr);
		assert_int_equal(back[i].len_bytes, regions[i].len_bytes);
		assert_int_equal(back[i].rkey, regions[i].rkey);
	}
	free(back);
	assert_int_equal(wire_get_regions(buf, 55, &back, &nr), -EPROTO);
	assert_int_equal(wire_get_regions(buf, 57, &back, &nr), -EPROTO);
	assert_int_equal(wire_get_regions(buf, 7, &back, &nr), -EPROTO);
	wire_put_regions(buf, regions, 0);
	assert_int_equal(wire_get_regions(buf, 8, &back, &nr), 0);
	assert_int_equal(nr, 0);
	assert_null(back);
	memset(buf, 0xff, 4); /* how many? more than could follow */
	assert_int_equal(wire_get_regions(buf, 8, &back, &nr), -EPROTO);
}

static const struct wire_region bad_regions[][2] = {
	{{0x1000, 0x2000, 7}, {0x2000, 0x1000, 7}}, /* overlap */
	{{0x3000, 0x1000, 7}, {0x1000, 0x1000, 7}}, /* not sorted */
	{{0x1000, 0, 7}, {0x2000, 0x1000, 7}},	    /* empty */
	{{0x1001, 0x1000, 7}, {0x3000, 0x1000, 7}}, /* no page */
	{{0x1000, 0x1001, 7}, {0x3000, 0x1000, 7}},
	{{0x1000, 0x1000, 7}, {UINT64_MAX - 4095, 0x1000, 7}}, /* no end */
};

static void test_regions_refusals(void **state)
{
	const size_t nr_bad = sizeof(bad_regions) / sizeof(bad_regions[0]);
	struct wire_region *back;
	size_t nr;

	for (size_t i = 0; i < nr_bad; i++) {
		wire_put_regions(buf, bad_regions[i], 2);
		if (wire_get_regions(buf, 56, &back, &nr) != -EPROTO)
			fail_msg("regions %zu were taken", i);
	}
}

static struct wire_prepare a_prepare(void)
{
	struct wire_prepare prepare = {.pid = 0x01020304, .lease_s = 60};

	memset(prepare.name, 'n', PARSE_NAME_MAX);
	return prepare;
}

static void test_prepare(void **state)
{
	struct wire_prepare prepare = a_prepare(), back;
	size_t len = wire_put_prepare(buf, &prepare);

	assert_int_equal(len, 72);
	assert_int_equal(wire_get_prepare(buf, len, &back), 0);
	assert_int_equal(back.pid, prepare.pid);
	assert_int_equal(back.lease_s, 60);
	assert_string_equal(back.name, prepare.name);
	CHECK_LENGTHS(wire_get_prepare, len, wire_prepare);

	prepare.name[0] = '\0'; /* the daemon chooses */
	(void)wire_put_prepare(buf, &prepare);
	assert_int_equal(wire_get_prepare(buf, len, &back), 0);
	assert_string_equal(back.name, "");
}

static void test_prepare_refusals(void **state)
{
	struct wire_prepare prepare = a_prepare(), back;
	size_t len;

	prepare.pid = 0;
	len = wire_put_prepare(buf, &prepare);
	assert_int_equal(wire_get_prepare(buf, len, &back), -EPROTO);
	prepare.pid = -5;
	(void)wire_put_prepare(buf, &prepare);
	assert_int_equal(wire_get_prepare(buf, len, &back), -EPROTO);
	prepare = a_prepare();
	prepare.name[3] = '/';
	(void)wire_put_prepare(buf, &prepare);
	assert_int_equal(wire_get_prepare(buf, len, &back), -EPROTO);
	prepare.name[3] = '\0';
	(void)wire_put_prepare(buf, &prepare);
	assert_int_equal(wire_get_prepare(buf, len, &back), 0);
	buf[len - 1] = 'x'; /* something hides behind the name's end */
	assert_int_equal(wire_get_prepare(buf, len, &back), -EPROTO);
}

static void test_image(void **state)
{
	struct wire_image image = {.name = "redis.1"}, back;
	size_t len;

	for (unsigned i = 0; i < WIRE_KEY_BYTES; i++)
		image.key[i] = (uint8_t)(0xa0 + i);
	len = wire_put_image(buf, &image);
	assert_int_equal(len, 80);
	assert_memory_equal(buf + 64, image.key, WIRE_KEY_BYTES);
	assert_int_equal(wire_get_image(buf, len, &back), 0);
	assert_string_equal(back.name, "redis.1");
	assert_memory_equal(back.key, image.key, WIRE_KEY_BYTES);
	CHECK_LENGTHS(wire_get_image, len, wire_image);

	image.name[0] = '\0';
	(void)wire_put_image(buf, &image);
	assert_int_equal(wire_get_image(buf, len, &back), -EPROTO);
	strcpy(image.name, ".x");
	(void)wire_put_image(buf, &image);
	assert_int_equal(wire_get_image(buf, len, &back), -EPROTO);
}

/* A descriptor may follow. */
static void test_opened(void **state)
{
	const struct wire_opened opened = {0x01020304, 0x05060708};
	const uint8_t want[] = {4, 3, 2, 1, 8, 7, 6, 5};
	struct wire_opened back;

	assert_int_equal(wire_put_opened(buf, &opened), sizeof(want));
	assert_memory_equal(buf, want, sizeof(want));
	assert_int_equal(wire_get_opened(buf, 7, &back), -EPROTO);
	assert_int_equal(wire_get_opened(buf, 8, &back), 0);
	assert_memory_equal(&back, &opened, sizeof(back));
	assert_int_equal(wire_get_opened(buf, 1000, &back), 0);
}

static const struct {
	struct wire_read read;
	int error;
} reads[] = {
	{{1, SOURCE_MEMORY, 0x7f0123456000, 4096}, 0},
	{{1, SOURCE_MEMORY, 0, WIRE_READ_MAX}, 0},
	{{1, SOURCE_MEMORY, 0, WIRE_READ_MAX + 4096}, -EPROTO},
	{{1, SOURCE_MEMORY, 0, 0}, -EPROTO},
	{{1, SOURCE_MEMORY, 0, 100}, -EPROTO},
	{{1, SOURCE_MEMORY, 0, 4097}, -EPROTO},
	{{1, SOURCE_MEMORY, 8, 4096}, -EPROTO},
	{{1, SOURCE_MEMORY, UINT64_MAX - 4095, 4096}, -EPROTO},
	{{1, SOURCE_MEMORY, UINT64_MAX - 8191, 4096}, 0},
	{{1, SOURCE_EXE, 13, 1}, 0},
	{{1, SOURCE_EXE, 0, WIRE_READ_MAX}, 0},
	{{1, SOURCE_EXE, 0, WIRE_READ_MAX + 1}, -EPROTO},
	{{1, SOURCE_EXE, 0, 0}, -EPROTO},
	{{1, SOURCE_EXE, UINT64_MAX, 1}, -EPROTO},
	{{1, SOURCE_MAPPED, 13, 1}, 0},
	{{1, SOURCE_END - 1, 13, 1}, 0},
	{{1, SOURCE_END, 0, 4096}, -EPROTO},
	{{1, UINT32_MAX, 0, 4096}, -EPROTO},
	{{1, UINT32_MAX, 0, 4096}, -EPROTO},
};

static void test_read(void **state)
{
	for (size_t i = 0; i < sizeof(reads) / sizeof(reads[0]); i++) {
		const struct wire_read *want = &reads[i].read;
		struct wire_read back;
		size_t len = wire_put_read(buf, want);
		int error = wire_get_read(buf, len, &back);

		assert_int_equal(len, 24);
		if (error != reads[i].error)
			fail_msg("read %zu: %d", i, error);
		if (!error)
			assert_memory_equal(&back, want, len - 4);
	}
}

static void test_read_lengths(void **state)
{
	struct wire_read ignored;
	size_t len = wire_put_read(buf, &reads[0].read);

	memset(buf + len, 0, 16);
	CHECK_LENGTHS(wire_get_read, len, wire_read);
	buf[23] = 1; /* the reserved word */
	assert_int_equal(wire_get_read(buf, len, &ignored), -EPROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_header_bytes),
		cmocka_unit_test(test_header_refusals),
		cmocka_unit_test(test_hello),
		cmocka_unit_test(test_hello_credentials),
		cmocka_unit_test(test_hello_versions),
		cmocka_unit_test(test_far_header),
		cmocka_unit_test(test_far),
		cmocka_unit_test(test_export_and_taken),
		cmocka_unit_test(test_regions_bytes),
		cmocka_unit_test(test_regions_refusals),
		cmocka_unit_test(test_prepare),
		cmocka_unit_test(test_prepare_refusals),
		cmocka_unit_test(test_image),
		cmocka_unit_test(test_opened),
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_read_lengths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
