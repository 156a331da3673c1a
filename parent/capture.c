/* SPDX-License-Identifier: MIT */
#include "parent/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/cpu.h"
#include "common/io.h"
#include "parent/procfs.h"
#include "parent/text.h"

#define SMALL_BYTES_MAX 4096u

static int slurp(pid_t pid, const char *name, size_t max, char **ret_text,
		 size_t *ret_len)
{
	char path[48];
	int rc;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	rc = io_slurp_at(AT_FDCWD, path, max, ret_text, ret_len);
	return rc == -ENOENT ? -ESRCH : rc;
}

/* Takes @bytes, which came from malloc(), also when it fails. */
static int add_text(struct image *image, const char *name, char *bytes,
		    size_t len)
{
	struct image_text *texts =
		realloc(image->texts, (image->nr_texts + 1) * sizeof(*texts));
	char *copy = strdup(name);

	if (texts)
		image->texts = texts;
	if (!texts || !copy) {
		free(copy);
		free(bytes);
		return -ENOMEM;
	}
	texts[image->nr_texts++] = (struct image_text){
		.name = copy,
		.bytes = (uint8_t *)bytes,
		.len_bytes = (uint32_t)len,
	};
	return 0;
}

static int copy_text(pid_t pid, const char *name, struct image *image)
{
	char *text = NULL;
	size_t len;
	int rc = slurp(pid, name, IMAGE_TEXT_MAX, &text, &len);

	return rc ? rc : add_text(image, name, text, len);
}

/* A file that this kernel, or our rights, may not give. */
static int copy_text_if_there(pid_t pid, const char *name, struct image *image)
{
	int rc = copy_text(pid, name, image);

	return rc == -ENOMEM || rc == -ESRCH ? rc : 0;
}

static int take_pids(struct image *image)
{
	const struct image_text *text = image_text(image, "status");
	struct procfs_status status = {0};
	int rc = procfs_parse_status((const char *)text->bytes, text->len_bytes,
				     &status);

	if (rc)
		return rc;
	image->pid = status.ns_tgid;
	image->host_pid = status.tgid;
	procfs_status_free(&status);
	return 0;
}

static void take_comm(struct image *image)
{
	const struct image_text *text = image_text(image, "comm");
	size_t len = text->len_bytes;

	if (len && text->bytes[len - 1] == '\n')
		len--;
	if (len >= sizeof(image->comm))
		len = sizeof(image->comm) - 1;
	memset(image->comm, 0, sizeof(image->comm));
	memcpy(image->comm, text->bytes, len);
}

int capture_before(pid_t pid, struct image *image)
{
	static const char *const needed[] = {"comm", "stat", "status"};
	static const char *const wanted[] = {"limits", "cgroup",
					     "oom_score_adj"};
	int rc = 0;

	for (size_t i = 0; !rc && i < sizeof(wanted) / sizeof(*wanted); i++)
		rc = copy_text_if_there(pid, wanted[i], image);
	for (size_t i = 0; !rc && i < sizeof(needed) / sizeof(*needed); i++)
		rc = copy_text(pid, needed[i], image);
	if (rc)
		return rc;
	take_comm(image);
	return take_pids(image);
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now = {0};

	(void)clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void capture_clocks(struct image *image)
{
	image->captured_monotonic_ns = clock_ns(CLOCK_MONOTONIC);
	image->captured_boottime_ns = clock_ns(CLOCK_BOOTTIME);
	image->captured_realtime_ns = clock_ns(CLOCK_REALTIME);
}

static int take_mm(pid_t twin, struct image *image)
{
	CLEANUP_FREE char *text = NULL;
	uint64_t brk = image->mm.brk;
	size_t len;
	int rc = slurp(twin, "stat", SMALL_BYTES_MAX, &text, &len);

	if (!rc)
		rc = procfs_parse_stat(text, len, &image->mm);
	if (!rc)
		image->mm.brk = brk;
	return rc;
}

static int take_credentials(pid_t twin, struct image *image)
{
	struct procfs_status status = {0};
	int rc = procfs_status(twin, 0, &status);

	if (rc)
		return rc;
	image->umask = status.umask;
	image->no_new_privs = status.no_new_privs;
	memcpy(image->uid, status.uid, sizeof(image->uid));
	memcpy(image->gid, status.gid, sizeof(image->gid));
	free(image->groups);
	image->groups = steal_ptr(&status.groups);
	image->nr_groups = status.nr_groups;
	procfs_status_free(&status);
	return 0;
}

static int take_personality(pid_t twin, struct image *image)
{
	CLEANUP_FREE char *bytes = NULL;
	struct text text, line;
	size_t len;
	int rc = slurp(twin, "personality", SMALL_BYTES_MAX, &bytes, &len);

	if (rc)
		return rc;
	text = text_of(bytes, len);
	return text_take_line(&text, &line) &&
			       text_take_u32(&line, 16, &image->personality)
		       ? 0
		       : -EPROTO;
}

static int take_link(pid_t twin, const char *name, char **ret_path)
{
	char path[48], *target = NULL;
	int rc;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", twin, name);
	rc = io_readlink(path, &target);
	if (rc)
		return rc == -ENOENT ? -ESRCH : rc;
	free(*ret_path);
	*ret_path = target;
	return 0;
}

/* A program that may be run but not read has a size and no descriptor. */
static int take_exe(pid_t twin, struct image *image, int *ret_exe_fd)
{
	CLEANUP_CLOSE int fd = -1;
	char path[48];
	struct stat st;
	int rc = take_link(twin, "exe", &image->exe);

	if (rc)
		return rc;
	(void)snprintf(path, sizeof(path), "/proc/%d/exe", twin);
	if (stat(path, &st))
		return errno == ENOENT ? -ESRCH : -errno;
	image->exe_bytes = (uint64_t)st.st_size;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	*ret_exe_fd = steal_fd(&fd);
	return 0;
}

static int take_string(char **ret_string, const char *text, size_t len)
{
	char *copy = strndup(text, len);

	if (!copy)
		return -ENOMEM;
	free(*ret_string);
	*ret_string = copy;
	return 0;
}

/* Which boot, host and kernel: whether a child is somewhere else. */
static int take_host(struct image *image)
{
	CLEANUP_FREE char *boot_id = NULL;
	struct utsname names;
	size_t len;
	int rc = io_slurp_at(AT_FDCWD, "/proc/sys/kernel/random/boot_id",
			     SMALL_BYTES_MAX, &boot_id, &len);

	if (!rc)
		rc = take_string(&image->boot_id, boot_id,
				 strcspn(boot_id, "\n"));
	if (!rc && uname(&names))
		rc = -errno;
	if (!rc)
		rc = take_string(&image->hostname, names.nodename,
				 sizeof(names.nodename));
	if (!rc)
		rc = take_string(&image->kernel, names.release,
				 sizeof(names.release));
	cpu_read(image->cpu_features, &image->xfeatures);
	return rc;
}

static int take_all(pid_t twin, struct image *image)
{
	static const char *const texts[] = {"cmdline", "environ", "auxv"};
	int rc = take_mm(twin, image);

	if (!rc)
		rc = take_credentials(twin, image);
	if (!rc)
		rc = take_personality(twin, image);
	if (!rc)
		rc = take_link(twin, "cwd", &image->cwd);
	if (!rc)
		rc = take_link(twin, "root", &image->root);
	if (!rc)
		rc = take_host(image);
	for (size_t i = 0; !rc && i < sizeof(texts) / sizeof(*texts); i++)
		rc = copy_text(twin, texts[i], image);
	return rc;
}

int capture_finish(pid_t twin, struct image *image, int *ret_exe_fd)
{
	int rc = take_all(twin, image);

	return rc ? rc : take_exe(twin, image, ret_exe_fd);
}
