/* SPDX-License-Identifier: MIT */
/*
 * test_vmas.c - smaps text becomes areas of the right kind, or a refusal
 */
#include "tests/unit/parent/cmocka_env.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/page.h"
#include "parent/vmas.h"

struct parsed {
	struct image_vma *vmas;
	uint32_t nr;
	struct refusal why;
	int rc;
};

static struct parsed parse(const char *text)
{
	struct parsed parsed = {0};

	parsed.rc = vmas_parse(text, strlen(text), &parsed.vmas, &parsed.nr,
			       &parsed.why);
	return parsed;
}

/* One area: its head line after the range, and its VmFlags. */
static struct parsed parse_one(const char *columns, const char *vmflags)
{
	char text[1024];

	(void)snprintf(text, sizeof(text),
		       "7f0000001000-7f0000003000 %s\n"
		       "Size:                  8 kB\n"
		       "VmFlags: %s \n",
		       columns, vmflags);
	return parse(text);
}

static void assert_kind(const char *columns, const char *vmflags,
			enum image_vma_kind kind)
{
	struct parsed parsed = parse_one(columns, vmflags);

	assert_int_equal(parsed.rc, 0);
	assert_int_equal(parsed.nr, 1);
	assert_int_equal(parsed.vmas[0].kind, kind);
	vmas_free(parsed.vmas, parsed.nr);
}

static void assert_refused(const char *columns, const char *vmflags,
			   const char *word)
{
	struct parsed parsed = parse_one(columns, vmflags);

	assert_int_equal(parsed.rc, -EOPNOTSUPP);
	assert_non_null(strstr(parsed.why.why, word));
	assert_non_null(strstr(parsed.why.why, "7f0000001000-7f0000003000"));
}

static void columns_are_taken(void **state)
{
	struct parsed parsed =
		parse_one("r-xs 0000a000 fd:1f 4711       /usr/lib/a b.so",
			  "rd ex mr sh lo hg dd nr wf dc");
	const struct image_vma *vma = parsed.vmas;

	assert_int_equal(parsed.rc, 0);
	assert_int_equal(vma->start, 0x7f0000001000);
	assert_int_equal(vma->end, 0x7f0000003000);
	assert_int_equal(vma->offset_bytes, 0xa000);
	assert_int_equal(vma->prot, PROT_READ | PROT_EXEC);
	assert_int_equal(vma->dev_major, 0xfd);
	assert_int_equal(vma->dev_minor, 0x1f);
	assert_int_equal(vma->inode, 4711);
	assert_string_equal(vma->name, "/usr/lib/a b.so");
	assert_int_equal(vma->flags,
			 IMAGE_VMA_SHARED_MAP | IMAGE_VMA_LOCKED |
				 IMAGE_VMA_HUGEPAGE | IMAGE_VMA_DONTDUMP |
				 IMAGE_VMA_NORESERVE | IMAGE_VMA_WIPEONFORK |
				 IMAGE_VMA_DONTFORK);
	vmas_free(parsed.vmas, parsed.nr);
}

static void kinds_are_told_apart(void **state)
{
	assert_kind("rw-p 0 00:00 0", "rd wr", IMAGE_VMA_ANON);
	assert_kind("rw-p 0 00:00 0  [anon:arena]", "rd wr", IMAGE_VMA_ANON);
	assert_kind("---p 0 00:00 0", "mr", IMAGE_VMA_ANON);
	assert_kind("rw-p 0 00:06 5  /dev/zero", "rd", IMAGE_VMA_ANON);
	assert_kind("rw-p 0 00:0f 9  /anon_hugepage (deleted)", "rd wr ht",
		    IMAGE_VMA_ANON);
	assert_kind("rw-p 0 00:00 0  [heap]", "rd wr", IMAGE_VMA_HEAP);
	assert_kind("rw-p 0 00:00 0  [stack]", "rd wr gd", IMAGE_VMA_STACK);
	assert_kind("rw-p 0 00:00 0", "rd wr gd", IMAGE_VMA_STACK);
	assert_kind("r-xp 0 00:00 0  [vdso]", "rd ex de", IMAGE_VMA_VDSO);
	assert_kind("r--p 0 00:00 0  [vvar]", "rd io de pf", IMAGE_VMA_VVAR);
	assert_kind("r--p 0 00:00 0  [vvar_vclock]", "rd pf", IMAGE_VMA_VVAR);
	assert_kind("--xp 0 00:00 0  [vsyscall]", "ex", IMAGE_VMA_VSYSCALL);
	assert_kind("rw-p 0 fd:00 7  /lib/x.so", "rd wr", IMAGE_VMA_FILE);
	/* A file may be called what it likes. */
	assert_kind("r--p 0 fd:00 7  [heap]", "rd", IMAGE_VMA_FILE);
	assert_kind("r--s 0 fd:00 7  /lib/modules", "rd mr mw sh",
		    IMAGE_VMA_FILE);
	assert_kind("rw-s 0 fd:00 7  /var/db", "rd wr sh", IMAGE_VMA_SHARED);
	assert_kind("rw-s 0 00:01 7  /dev/zero (deleted)", "rd wr sh",
		    IMAGE_VMA_SHARED);
	/* Others may write what is only readable here. */
	assert_kind("r--s 0 00:01 7  /memfd:x (deleted)", "rd sh",
		    IMAGE_VMA_SHARED);
	assert_kind("r--s 0 00:1a 7  /dev/shm/x", "rd sh", IMAGE_VMA_SHARED);
	assert_kind("r--s 0 00:01 7  /SYSV00000000 (deleted)", "rd sh",
		    IMAGE_VMA_SHARED);
}

static void only_newlines_are_decoded(void **state)
{
	struct parsed parsed = parse_one(
		"r--p 0 fd:00 7       /tmp/a\\012b\\134c (deleted)", "rd");

	assert_int_equal(parsed.rc, 0);
	assert_string_equal(parsed.vmas[0].name, "/tmp/a\nb\\134c (deleted)");
	vmas_free(parsed.vmas, parsed.nr);
}

static void devices_are_refused(void **state)
{
	assert_refused("rw-s 0 00:05 7  /dev/mem", "rd wr sh io", "device");
	assert_refused("rw-s 0 00:05 7  /dev/dri/card0", "rd pf", "/dev/dri");
	assert_refused("rw-s 0 00:05 7  /dev/x", "rd mm", "device");
	assert_refused("rw-s 0 00:0e 7  anon_inode:[perf_event]", "rd",
		       "perf_event");
	assert_refused("rw-s 0 00:0e 7  anon_inode:[io_uring]", "rd mm",
		       "io_uring");
	assert_refused("rw-s 0 00:0e 7  /[aio] (deleted)", "rd wr", "AIO");
	assert_refused("rw-s 0 00:0e 7  /secretmem (deleted)", "rd", "secret");
	assert_refused("rw-p 0 00:00 0", "rd wr um", "userfaultfd");
	assert_refused("rw-p 0 00:00 0", "rd wr uw", "userfaultfd");
	assert_refused("rw-p 0 00:00 0", "rd wr ui", "userfaultfd");
	assert_refused("rw-p 0 00:00 0", "rd wr ss", "shadow stack");
}

static void a_refusal_is_one_line(void **state)
{
	assert_refused("rw-s 0 00:05 7  /dev/a\\012b", "rd io", "/dev/a?b");
}

static void the_last_area_is_judged_too(void **state)
{
	struct parsed parsed =
		parse("1000-2000 rw-p 0 00:00 0 \n"
		      "VmFlags: rd wr\n"
		      "3000-4000 rw-p 0 00:00 0 \n"
		      "VmFlags: rd um\n");

	assert_int_equal(parsed.rc, -EOPNOTSUPP);
	assert_non_null(strstr(parsed.why.why, "3000-4000 (anonymous)"));
}

static void flags_belong_to_their_own_area(void **state)
{
	struct parsed parsed =
		parse("1000-2000 rw-p 0 00:00 0 \n"
		      "VmFlags: rd wr gd dc\n"
		      "3000-4000 rw-p 0 00:00 0 \n");

	assert_int_equal(parsed.rc, 0);
	assert_int_equal(parsed.nr, 2);
	assert_int_equal(parsed.vmas[0].kind, IMAGE_VMA_STACK);
	assert_int_equal(parsed.vmas[1].kind, IMAGE_VMA_ANON);
	assert_int_equal(parsed.vmas[1].flags, 0);
	vmas_free(parsed.vmas, parsed.nr);
}

static struct parsed parse_key(const char *columns, const char *key)
{
	char text[1024];

	(void)snprintf(text, sizeof(text),
		       "7f0000001000-7f0000003000 %s\n"
		       "ProtectionKey:         %s\n"
		       "VmFlags: rd wr \n"
		       "7f0000003000-7f0000004000 rw-p 0 00:00 0\n"
		       "ProtectionKey:         0\n"
		       "VmFlags: rd wr \n",
		       columns, key);
	return parse(text);
}

static void protection_keys_are_refused(void **state)
{
	struct parsed parsed = parse_key("rw-p 0 00:00 0", "1");

	assert_int_equal(parsed.rc, -EOPNOTSUPP);
	assert_non_null(strstr(parsed.why.why, "protection key"));
	assert_int_equal(parse_key("rw-p 0 00:00 0", "15").rc, -EOPNOTSUPP);
	assert_int_equal(parse_key("r-xp 0 00:00 0", "1").rc, -EOPNOTSUPP);
	assert_int_equal(parse_key("rw-p 0 00:00 0", "x").rc, -EOPNOTSUPP);
	parsed = parse_key("rw-p 0 00:00 0", "0");
	assert_int_equal(parsed.rc, 0);
	vmas_free(parsed.vmas, parsed.nr);
	/* The kernel's own. */
	parsed = parse_key("--xp 0 00:00 0", "1");
	assert_int_equal(parsed.rc, 0);
	vmas_free(parsed.vmas, parsed.nr);
}

static void broken_texts_are_refused(void **state)
{
	static const char *const texts[] = {
		"VmFlags: rd\n",
		"Size: 4 kB\n",
		"1000\n",
		"1000-1000 rw-p 0 00:00 0 \n",
		"2000-1000 rw-p 0 00:00 0 \n",
		"1001-2000 rw-p 0 00:00 0 \n",
		"1000-2000 rw-x 0 00:00 0 \n",
		"1000-2000 rw-pp 0 00:00 0 \n",
		"1000-2000 rw-p 0 00 0 \n",
		"1000-2000 rw-p 0 00:00 \n",
		"1000-11111111111111000 rw-p 0 00:00 0 \n",
		"3000-4000 rw-p 0 00:00 0 \n1000-2000 rw-p 0 00:00 0 \n",
		"1000-4000 rw-p 0 00:00 0 \n3000-5000 rw-p 0 00:00 0 \n",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		assert_int_equal(parse(texts[i]).rc, -EPROTO);
}

static void long_names_are_refused(void **state)
{
	static char text[5 * IMAGE_STRING_MAX];
	int at = sprintf(text, "1000-2000 rw-p 0 00:00 0 /");

	memset(text + at, 'x', IMAGE_STRING_MAX);
	assert_int_equal(parse(text).rc, -E2BIG);
	text[at + (int)IMAGE_STRING_MAX - 1] = '\0';
	struct parsed parsed = parse(text);
	assert_int_equal(parsed.rc, 0);
	vmas_free(parsed.vmas, parsed.nr);
}

static const struct image_vma *find(const struct parsed *parsed, uint64_t at)
{
	for (uint32_t i = 0; i < parsed->nr; i++)
		if (parsed->vmas[i].start <= at && at < parsed->vmas[i].end)
			return &parsed->vmas[i];
	return NULL;
}

static void this_process_is_read(void **state)
{
	struct parsed parsed = {0};
	char *anon = mmap(NULL, 2 * PAGE_BYTES, PROT_READ,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *shared = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	const struct image_vma *vma;

	assert_ptr_not_equal(anon, MAP_FAILED);
	assert_ptr_not_equal(shared, MAP_FAILED);
	assert_int_equal(madvise(anon, 2 * PAGE_BYTES, MADV_DONTFORK), 0);
	assert_int_equal(
		vmas_read(getpid(), &parsed.vmas, &parsed.nr, &parsed.why), 0);
	vma = find(&parsed, (uintptr_t)anon);
	assert_non_null(vma);
	assert_int_equal(vma->kind, IMAGE_VMA_ANON);
	assert_true(vma->flags & IMAGE_VMA_DONTFORK);
	vma = find(&parsed, (uintptr_t)shared);
	assert_non_null(vma);
	assert_int_equal(vma->kind, IMAGE_VMA_SHARED);
	vma = find(&parsed, (uintptr_t)&parsed);
	assert_non_null(vma);
	assert_int_equal(vma->kind, IMAGE_VMA_STACK);
	vmas_free(parsed.vmas, parsed.nr);
	(void)munmap(anon, 2 * PAGE_BYTES);
	(void)munmap(shared, PAGE_BYTES);
}

static void nobody_is_esrch(void **state)
{
	struct parsed parsed;

	assert_int_equal(vmas_read(1 << 23, &parsed.vmas, &parsed.nr, NULL),
			 -ESRCH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(columns_are_taken),
		cmocka_unit_test(kinds_are_told_apart),
		cmocka_unit_test(only_newlines_are_decoded),
		cmocka_unit_test(devices_are_refused),
		cmocka_unit_test(a_refusal_is_one_line),
		cmocka_unit_test(the_last_area_is_judged_too),
		cmocka_unit_test(flags_belong_to_their_own_area),
		cmocka_unit_test(protection_keys_are_refused),
		cmocka_unit_test(broken_texts_are_refused),
		cmocka_unit_test(long_names_are_refused),
		cmocka_unit_test(this_process_is_read),
		cmocka_unit_test(nobody_is_esrch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
