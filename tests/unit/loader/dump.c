/* SPDX-License-Identifier: MIT */
/*
 * dump.c - /proc/PID/{maps,pagemap,mem,stat,status,auxv} into an image
 */
#include "tests/unit/loader/dump.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>

#include "common/cleanup.h"
#include "common/cpu.h"
#include "common/desc.h"
#include "common/io.h"
#include "common/page.h"

#define PROC_MAX      (16u << 20)
#define PAGEMAP_THERE (UINT64_C(3) << 62) /* present or swapped */

static char *slurp(pid_t pid, const char *name, size_t *ret_len)
{
	char path[64];
	char *text = NULL;
	size_t len = 0;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	if (io_slurp_at(AT_FDCWD, path, PROC_MAX, &text, &len))
		return NULL;
	if (ret_len)
		*ret_len = len;
	return text;
}

static int stop_thread(pid_t tid)
{
	int status;

	if (ptrace(PTRACE_SEIZE, tid, 0, 0) < 0 ||
	    ptrace(PTRACE_INTERRUPT, tid, 0, 0) < 0)
		return -errno;
	return waitpid(tid, &status, __WALL) == tid ? 0 : -errno;
}

static int read_thread(pid_t tid, struct image_thread *thread)
{
	static uint8_t xstate[IMAGE_XSTATE_MAX];
	struct iovec regs = {thread->regs, sizeof(thread->regs)};
	struct iovec xsave = {xstate, sizeof(xstate)};
	struct __ptrace_rseq_configuration rseq = {0};
	char name[32];
	CLEANUP_FREE char *comm = NULL;
	void *head;
	size_t len;

	thread->tid = tid;
	thread->restart_nr = -1;
	thread->altstack_flags = 2; /* SS_DISABLE */
	if (ptrace(PTRACE_GETREGSET, tid, NT_PRSTATUS, &regs) < 0 ||
	    ptrace(PTRACE_GETREGSET, tid, NT_X86_XSTATE, &xsave) < 0 ||
	    ptrace(PTRACE_GETSIGMASK, tid, 8, &thread->sigmask) < 0 ||
	    ptrace(PTRACE_GET_RSEQ_CONFIGURATION, tid, sizeof(rseq), &rseq) < 0)
		return -errno;
	thread->rseq_addr = rseq.rseq_abi_pointer;
	thread->rseq_bytes = rseq.rseq_abi_size;
	thread->rseq_sig = rseq.signature;
	thread->xstate = malloc(xsave.iov_len);
	thread->xstate_bytes = (uint32_t)xsave.iov_len;
	memcpy(thread->xstate, xstate, xsave.iov_len);
	if (syscall(SYS_get_robust_list, tid, &head, &len) == 0) {
		thread->robust_list_addr = (uint64_t)head;
		thread->robust_list_bytes = len;
	}
	/* glibc: struct pthread begins at FS; its tid is 720 bytes in. */
	thread->clear_tid_addr = thread->regs[REG_FS_BASE_] + 720;
	(void)snprintf(name, sizeof(name), "task/%d/comm", tid);
	comm = slurp(tid, name, NULL);
	if (comm)
		(void)snprintf(thread->comm, sizeof(thread->comm), "%.*s",
			       (int)strcspn(comm, "\n"), comm);
	return 0;
}

static int stop_threads(pid_t pid, struct image *image)
{
	char path[64];
	CLEANUP_CLOSEDIR DIR *dir = NULL;
	struct dirent *entry;

	(void)snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	if (!dir)
		return -errno;
	image->threads = calloc(IMAGE_THREADS_MAX, sizeof(*image->threads));
	while ((entry = readdir(dir))) {
		pid_t tid = (pid_t)strtol(entry->d_name, NULL, 10);
		int error = tid ? stop_thread(tid) : 0;

		if (tid && !error)
			error = read_thread(
				tid, &image->threads[image->nr_threads++]);
		if (error)
			return error;
	}
	return 0;
}

static enum image_vma_kind kind_of(const struct image_vma *vma)
{
	static const struct {
		const char *name;
		enum image_vma_kind kind;
	} names[] = {
		{"[heap]", IMAGE_VMA_HEAP},
		{"[stack]", IMAGE_VMA_STACK},
		{"[vdso]", IMAGE_VMA_VDSO},
		{"[vvar]", IMAGE_VMA_VVAR},
		{"[vvar_vclock]", IMAGE_VMA_VVAR},
		{"[vsyscall]", IMAGE_VMA_VSYSCALL},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(vma->name, names[i].name))
			return names[i].kind;
	if (vma->flags & IMAGE_VMA_SHARED_MAP)
		return vma->prot & PROT_WRITE ? IMAGE_VMA_SHARED
					      : IMAGE_VMA_FILE;
	return vma->inode ? IMAGE_VMA_FILE : IMAGE_VMA_ANON;
}

static void read_line(const char *line, struct image_vma *vma)
{
	char prot[5], name[256] = "";

	(void)sscanf(line,
		     "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %x:%x %" SCNu64
		     " %255[^\n]",
		     &vma->start, &vma->end, prot, &vma->offset_bytes,
		     &vma->dev_major, &vma->dev_minor, &vma->inode, name);
	vma->prot = (prot[0] == 'r' ? PROT_READ : 0u) |
		    (prot[1] == 'w' ? PROT_WRITE : 0u) |
		    (prot[2] == 'x' ? PROT_EXEC : 0u);
	vma->flags = prot[3] == 's' ? IMAGE_VMA_SHARED_MAP : 0u;
	vma->name = strdup(name);
	vma->kind = kind_of(vma);
}

static void read_vmas(pid_t pid, struct image *image)
{
	CLEANUP_FREE char *text = slurp(pid, "maps", NULL);

	image->vmas = calloc(IMAGE_VMAS_MAX, sizeof(*image->vmas));
	for (char *line = text; line && *line; line = strchr(line, '\n') + 1) {
		read_line(line, &image->vmas[image->nr_vmas]);
		if (image->vmas[image->nr_vmas].kind == IMAGE_VMA_HEAP)
			image->mm.brk = image->vmas[image->nr_vmas].end;
		image->nr_vmas++;
	}
}

static void add_page(struct image *image, uint64_t page)
{
	struct image_run *last = image->runs + image->nr_runs - 1;

	if (image->nr_runs && last->first_page + last->nr_pages == page) {
		last->nr_pages++;
		return;
	}
	image->runs[image->nr_runs++] = (struct image_run){page, 1};
}

static bool is_there(int pagemap, int mem, const struct image_vma *vma,
		     uint64_t page)
{
	uint64_t entry;
	uint8_t byte;

	if (image_vma_is_anonymous(vma))
		return pread(pagemap, &entry, 8, (off_t)(page * 8)) == 8 &&
		       entry & PAGEMAP_THERE;
	return pread(mem, &byte, 1, (off_t)(page << PAGE_SHIFT)) == 1;
}

static int read_runs(pid_t pid, struct image *image)
{
	char path[64];
	CLEANUP_CLOSE int pagemap = -1;
	CLEANUP_CLOSE int mem = -1;

	(void)snprintf(path, sizeof(path), "/proc/%d/pagemap", pid);
	pagemap = open(path, O_RDONLY);
	(void)snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	mem = open(path, O_RDONLY);
	if (pagemap < 0 || mem < 0)
		return -errno;
	image->runs = calloc(1u << 20, sizeof(*image->runs));
	for (uint32_t i = 0; i < image->nr_vmas; i++) {
		const struct image_vma *vma = &image->vmas[i];

		if (vma->kind == IMAGE_VMA_VVAR ||
		    vma->kind == IMAGE_VMA_VSYSCALL)
			continue;
		for (uint64_t page = page_of(vma->start);
		     page < page_of(vma->end); page++)
			if (is_there(pagemap, mem, vma, page))
				add_page(image, page);
	}
	return 0;
}

/* Fields of /proc/PID/stat by their numbers in proc(5). */
static void read_stat(pid_t pid, struct image_mm *mm)
{
	CLEANUP_FREE char *text = slurp(pid, "stat", NULL);
	uint64_t field[53] = {0};
	char *at = strrchr(text, ')') + 4;

	for (int i = 4; i <= 52; i++)
		field[i] = strtoull(at, &at, 10);
	mm->start_code = field[26];
	mm->end_code = field[27];
	mm->start_stack = field[28];
	mm->start_data = field[45];
	mm->end_data = field[46];
	mm->start_brk = field[47];
	if (!mm->brk)
		mm->brk = mm->start_brk;
	mm->arg_start = field[48];
	mm->arg_end = field[49];
	mm->env_start = field[50];
	mm->env_end = field[51];
}

static void read_texts(pid_t pid, struct image *image)
{
	static const char *const names[] = {"auxv", "status"};

	image->texts = calloc(2, sizeof(*image->texts));
	for (uint32_t i = 0; i < 2; i++) {
		struct image_text *text = &image->texts[i];
		size_t len = 0;

		text->bytes = (uint8_t *)slurp(pid, names[i], &len);
		text->len_bytes = (uint32_t)len;
		text->name = strdup(names[i]);
		image->nr_texts++;
	}
}

static void read_self(struct image *image)
{
	char *boot = NULL;
	size_t len;

	(void)io_slurp_at(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 64,
			  &boot, &len);
	boot[strcspn(boot, "\n")] = '\0';
	image->boot_id = boot;
	image->hostname = strdup("");
	image->kernel = strdup("");
	image->captured_realtime_ns = io_realtime_ns();
	image->captured_monotonic_ns = io_monotonic_ns();
	cpu_read(image->cpu_features, &image->xfeatures);
	image->umask = 022;
	image->dumpable = 1;
	image->nr_groups = (uint32_t)getgroups(0, NULL);
	image->groups = calloc(image->nr_groups + 1, sizeof(uint32_t));
	(void)getgroups((int)image->nr_groups, image->groups);
	for (int i = 0; i < 4; i++) {
		image->uid[i] = getuid();
		image->gid[i] = getgid();
	}
}

int dump_stop(pid_t pid, struct image **ret_image)
{
	struct image *image = image_new();
	struct stat exe;
	char path[64];
	int error = stop_threads(pid, image);

	if (error)
		return error;
	image->pid = image->host_pid = pid;
	memcpy(image->comm, image->threads[0].comm, sizeof(image->comm));
	read_vmas(pid, image);
	read_stat(pid, &image->mm);
	read_texts(pid, image);
	read_self(image);
	(void)snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	(void)io_readlink(path, &image->exe);
	if (stat(path, &exe) == 0)
		image->exe_bytes = (uint64_t)exe.st_size;
	(void)snprintf(path, sizeof(path), "/proc/%d/cwd", pid);
	(void)io_readlink(path, &image->cwd);
	error = read_runs(pid, image);
	if (error)
		return error;
	*ret_image = image;
	return 0;
}

static int copy_pages(int mem, int file, const struct image *image,
		      const struct image_vma *vma, uint64_t shift)
{
	static uint8_t page[PAGE_BYTES];
	const struct image_run *run =
		image_run_after(image, page_of(vma->start));

	for (uint64_t at = vma->start; run && at < vma->end; at += PAGE_BYTES) {
		if (!image_present_pages(image, page_of(at), 1))
			continue;
		if (pread(mem, page, sizeof(page), (off_t)at) !=
			    (ssize_t)sizeof(page) ||
		    pwrite(file, page, sizeof(page), (off_t)(at - shift)) !=
			    (ssize_t)sizeof(page))
			return -EIO;
	}
	return 0;
}

static int write_vmas(int mem, const struct image *image, const char *dir)
{
	char path[512];

	(void)snprintf(path, sizeof(path), "%s/vma", dir);
	(void)mkdir(path, 0700);
	for (uint32_t i = 0; i < image->nr_vmas; i++) {
		const struct image_vma *vma = &image->vmas[i];
		CLEANUP_CLOSE int file = -1;

		(void)snprintf(path, sizeof(path),
			       "%s/vma/%08" PRIx64 "-%08" PRIx64, dir,
			       vma->start, vma->end);
		file = open(path, O_CREAT | O_EXCL | O_RDWR, 0600);
		if (file < 0 ||
		    ftruncate(file, (off_t)(vma->end - vma->start)) < 0 ||
		    copy_pages(mem, file, image, vma, vma->start))
			return -EIO;
	}
	return 0;
}

static int write_space(int mem, const struct image *image, const char *dir)
{
	char path[512];
	CLEANUP_CLOSE int file = -1;

	(void)snprintf(path, sizeof(path), "%s/.space", dir);
	file = open(path, O_CREAT | O_EXCL | O_RDWR, 0600);
	if (file < 0 || ftruncate(file, (off_t)1 << 48) < 0)
		return -errno;
	for (uint32_t i = 0; i < image->nr_vmas; i++)
		if (copy_pages(mem, file, image, &image->vmas[i], 0))
			return -EIO;
	return 0;
}

int dump_write(pid_t pid, const struct image *image, const char *dir,
	       bool space)
{
	char path[512];
	CLEANUP_FREE void *bytes = NULL;
	CLEANUP_CLOSE int mem = -1;
	CLEANUP_CLOSE int file = -1;
	size_t len;
	int error = desc_encode(image, &bytes, &len);

	if (error)
		return error;
	(void)snprintf(path, sizeof(path), "%s/descriptor", dir);
	file = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
	(void)snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	mem = open(path, O_RDONLY);
	if (file < 0 || mem < 0)
		return -errno;
	error = io_write_all(file, bytes, len);
	if (error)
		return error;
	return space ? write_space(mem, image, dir)
		     : write_vmas(mem, image, dir);
}

void dump_release(pid_t pid, const struct image *image)
{
	for (uint32_t i = 0; i < image->nr_threads; i++)
		(void)ptrace(PTRACE_DETACH, image->threads[i].tid, 0, 0);
}
