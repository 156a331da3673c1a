/* SPDX-License-Identifier: MIT */
/*
 * fuzz_procfs.c - any bytes as a text of /proc: no crash, and what is taken
 * keeps the promises of the headers
 *
 * The first byte, '0' to '5', says which text.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/page.h"
#include "common/taskstat.h"
#include "parent/fdinfo.h"
#include "parent/procfs.h"
#include "parent/vmas.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int promise)
{
	if (!promise)
		abort();
}

static void try_smaps(const char *text, size_t len)
{
	struct refusal why = {0};
	struct image_vma *vmas = NULL;
	uint32_t nr = 0;
	int rc = vmas_parse(text, len, &vmas, &nr, &why);

	must(!rc || (!vmas && !nr));
	must(!strchr(why.why, '\n'));
	for (uint32_t i = 0; i < nr; i++) {
		must(vmas[i].start < vmas[i].end);
		must(!((vmas[i].start | vmas[i].end) % PAGE_BYTES));
		must(!i || vmas[i - 1].end <= vmas[i].start);
		must(vmas[i].kind >= IMAGE_VMA_ANON &&
		     vmas[i].kind <= IMAGE_VMA_VSYSCALL);
		must(strlen(vmas[i].name) <= IMAGE_STRING_MAX);
	}
	vmas_free(vmas, nr);
}

static void try_status(const char *text, size_t len)
{
	struct procfs_status status = {0};

	if (procfs_parse_status(text, len, &status))
		return;
	must(status.pid > 0 && status.ns_pid > 0 && status.state);
	must(status.nr_groups <= IMAGE_GROUPS_MAX);
	must(!status.nr_groups == !status.groups);
	procfs_status_free(&status);
}

static void try_stat(const char *text, size_t len)
{
	struct image_mm mm;

	if (!procfs_parse_stat(text, len, &mm))
		must(mm.brk == 0);
}

static void try_timers(const char *text, size_t len)
{
	struct image_timer *timers = NULL;
	uint32_t nr = 0;

	if (procfs_parse_timers(text, len, &timers, &nr))
		must(!timers);
	must(nr <= IMAGE_TIMERS_MAX);
	for (uint32_t i = 0; i < nr; i++)
		must(timers[i].id >= 0 && timers[i].signo >= 0);
	free(timers);
}

static void try_fdinfo(const char *text, size_t len)
{
	struct fdinfo_watches watches = {0};
	struct fdinfo info = {0};
	int rc = fdinfo_parse(3, text, len, &info, &watches);

	must(rc || len);
	for (uint32_t i = 0; i < watches.nr; i++)
		must(watches.items[i].epoll.epfd == 3 &&
		     watches.items[i].epoll.fd >= 0);
	free(watches.items);
}

static void try_taskstat(const char *text, size_t len)
{
	char *whole = strndup(text, len);
	struct taskstat stat;

	if (whole && !taskstat_parse(whole, &stat))
		must(stat.cpu >= 0 && stat.cpu < CPU_SETSIZE);
	free(whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const tries[])(const char *text, size_t len) = {
		try_smaps,  try_status, try_stat,
		try_timers, try_fdinfo, try_taskstat};
	/* Exactly as long, so that a read past the end is seen. */
	char *text;

	if (!size || data[0] < '0' || data[0] > '5')
		return 0;
	text = malloc(size - 1);
	if (!text)
		return 0;
	memcpy(text, data + 1, size - 1);
	tries[data[0] - '0'](text, size - 1);
	free(text);
	return 0;
}
