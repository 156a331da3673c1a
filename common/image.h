/* SPDX-License-Identifier: MIT */
/*
 * image.h - a process at one moment: everything but its pages
 *
 * Filled by parent/ (capture), carried by common/desc.c (the descriptor), read
 * by fs/ (the tree) and loader/ (the plan).  Nothing here is a kernel struct;
 * registers keep the order of struct user_regs_struct because both ends are
 * x86-64 by definition.
 *
 * Ownership: an image owns all it points at; image_free() ends it.  Strings are
 * never NULL in a finished image ("" means none).
 * Threads: an image is read-only once built, and may then be shared.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;

/* The most of each that a descriptor may carry; a decoder refuses more. */
#define IMAGE_THREADS_MAX 32768u
#define IMAGE_VMAS_MAX	  (1u << 20)
#define IMAGE_RUNS_MAX	  (1u << 23)
#define IMAGE_FDS_MAX	  (1u << 20)
#define IMAGE_EPOLLS_MAX  (1u << 20)
#define IMAGE_TIMERS_MAX  4096u
#define IMAGE_PENDING_MAX (1u << 17)
#define IMAGE_TEXTS_MAX	  64u
#define IMAGE_MAPPED_MAX  65536u
#define IMAGE_ALIASES_MAX 65536u
#define IMAGE_GROUPS_MAX  65536u
#define IMAGE_STRING_MAX  4096u	      /* bytes, without the NUL */
#define IMAGE_NAME_MAX	  255u	      /* bytes between two slashes */
#define IMAGE_TEXT_MAX	  (16u << 20) /* bytes */
#define IMAGE_FD_DATA_MAX (1u << 20)  /* bytes: the largest default pipe */
#define IMAGE_OPTIONS_MAX 128u	      /* of one socket */
#define IMAGE_XSTATE_MAX  16384u      /* bytes; AMX needs 11 KiB */
#define IMAGE_XSTATE_MIN  576u	      /* bytes: FXSAVE and the XSAVE header */
#define IMAGE_TID_MAX	  (1 << 22)   /* the kernel's PID_MAX_LIMIT */
#define IMAGE_SIGNALS	  64
#define IMAGE_REGS	  27
#define IMAGE_CPU_WORDS	  16
#define IMAGE_CPUS_BYTES_MAX 1024u /* of 8 CPUs each: the kernel's NR_CPUS */

#define IMAGE_OPTION_BYTES_MAX 16u

/* Positions in image_thread.regs: the order of struct user_regs_struct. */
enum image_reg {
	REG_R15_,
	REG_R14_,
	REG_R13_,
	REG_R12_,
	REG_RBP_,
	REG_RBX_,
	REG_R11_,
	REG_R10_,
	REG_R9_,
	REG_R8_,
	REG_RAX_,
	REG_RCX_,
	REG_RDX_,
	REG_RSI_,
	REG_RDI_,
	REG_ORIG_RAX_,
	REG_RIP_,
	REG_CS_,
	REG_EFLAGS_,
	REG_RSP_,
	REG_SS_,
	REG_FS_BASE_,
	REG_GS_BASE_,
	REG_DS_,
	REG_ES_,
	REG_FS_,
	REG_GS_,
};

/*
 * What a memory area was in the parent.  It decides what the same range must
 * mean in the child after madvise(MADV_DONTNEED): zeros for the anonymous
 * kinds, the image's bytes for IMAGE_VMA_FILE.
 */
enum image_vma_kind {
	IMAGE_VMA_ANON = 1,
	IMAGE_VMA_HEAP,	  /* anonymous, grown by brk() */
	IMAGE_VMA_STACK,  /* anonymous, MAP_GROWSDOWN */
	IMAGE_VMA_FILE,	  /* private map of a file, or a read-only shared one */
	IMAGE_VMA_SHARED, /* writable MAP_SHARED: copied while the parent paused
			   */
	IMAGE_VMA_VDSO,	  /* pages are in the image, to compare */
	IMAGE_VMA_VVAR,	  /* [vvar], [vvar_vclock]: no pages */
	IMAGE_VMA_VSYSCALL, /* no pages; every process has it */
};

enum image_vma_flag {
	IMAGE_VMA_NORESERVE = 1 << 0,
	IMAGE_VMA_LOCKED = 1 << 1,
	IMAGE_VMA_HUGEPAGE = 1 << 2,
	IMAGE_VMA_NOHUGEPAGE = 1 << 3,
	IMAGE_VMA_DONTFORK = 1 << 4,
	IMAGE_VMA_WIPEONFORK = 1 << 5, /* its pages are not in the image */
	IMAGE_VMA_DONTDUMP = 1 << 6,
	IMAGE_VMA_SHARED_MAP = 1 << 7, /* 's' in maps, whatever the kind */
	IMAGE_VMA_HUGETLB = 1 << 8, /* pages of hugetlbfs, copied as SHARED */
	IMAGE_VMA_RANDOM = 1 << 9,  /* MADV_RANDOM */
	IMAGE_VMA_SEQUENTIAL = 1 << 10,
	IMAGE_VMA_FLAGS_ALL = (1 << 11) - 1,
};

struct image_vma {
	uint64_t start, end; /* virtual addresses, page aligned, start < end */
	uint64_t offset_bytes; /* in the mapped file */
	uint32_t prot;	       /* PROT_READ | PROT_WRITE | PROT_EXEC */
	uint32_t flags;	       /* enum image_vma_flag */
	enum image_vma_kind kind;
	uint32_t dev_major, dev_minor;
	uint64_t inode;
	char *name; /* column six of maps, unescaped; "" for none */
};

/*
 * A run of pages that the image has.  Sorted, disjoint, not touching, each
 * inside one VMA or spanning neighbours.  Every page in no run reads as zeros.
 */
struct image_run {
	uint64_t first_page; /* virtual page number: address / 4096 */
	uint64_t nr_pages;
};

struct image_thread {
	int32_t tid; /* as the process itself sees it (innermost pid namespace)
		      */
	char comm[16];
	uint64_t regs[IMAGE_REGS];
	uint64_t sigmask;
	uint64_t altstack_sp, altstack_bytes;
	uint32_t altstack_flags;
	uint64_t clear_tid_addr;
	uint64_t robust_list_addr, robust_list_bytes;
	uint64_t rseq_addr;
	uint32_t rseq_bytes, rseq_sig;
	/*
	 * The system call under way whose number the registers have lost (an
	 * interrupted call that already restarted once), or -1.  See
	 * research on restart_syscall in docs/way-of-a-page.md.
	 */
	int32_t restart_nr;
	/* What it was bound to, as for sched_setaffinity(2); none: it was not */
	uint32_t cpus_bytes;
	uint8_t *cpus;
	uint32_t xstate_bytes;
	uint8_t *xstate; /* NT_X86_XSTATE: the uncompacted XSAVE area */
};

struct image_sigaction {
	uint64_t handler, flags, restorer, mask;
};

/* A signal that was pending, unblocked or blocked: struct siginfo's bytes. */
struct image_pending {
	int32_t tid; /* 0: for the whole process */
	uint8_t siginfo[128];
};

struct image_itimer {
	uint64_t value_us, interval_us;
};

/* A timer_create() timer. */
struct image_timer {
	int32_t id, signo, notify, clockid;
	int32_t target_tid; /* the leader for all; 0: a thread that has ended */
	uint64_t sigval;
	uint64_t value_ns, interval_ns; /* value relative to the capture */
};

enum image_fd_kind {
	IMAGE_FD_FILE = 1, /* regular file */
	IMAGE_FD_DIR,
	IMAGE_FD_CHARDEV, /* not a terminal */
	IMAGE_FD_TTY,
	IMAGE_FD_PIPE,
	IMAGE_FD_MEMFD,
	IMAGE_FD_EVENTFD,
	IMAGE_FD_EPOLL,
	IMAGE_FD_TIMERFD,
	IMAGE_FD_SIGNALFD,
	IMAGE_FD_LISTENER, /* stream socket in listen(), UDP without a peer */
	IMAGE_FD_SOCKET,   /* dead in the child, but for a pair of its own */
	IMAGE_FD_UNSUPPORTED,
};

enum image_fd_type {
	IMAGE_FD_SEMAPHORE = 1, /* eventfd */
	IMAGE_FD_PACKETS = 1,	/* pipe: its data has bounds, common/packets.h */
};

/*
 * An option of a socket that differs from what a fresh one has: a row of
 * common/sockopt.h, with a value of just that row's bytes, zeros behind.
 */
struct image_option {
	int32_t level, name; /* of setsockopt(2) */
	uint32_t bytes;
	uint8_t value[IMAGE_OPTION_BYTES_MAX]; /* as getsockopt(2) told it */
};

struct image_fd {
	int32_t fd;
	enum image_fd_kind kind;
	uint32_t open_flags; /* O_*, as /proc/PID/fdinfo gives them */
	bool cloexec;
	int32_t same_as; /* lowest fd of one open file description, else -1 */
	uint64_t pos_bytes;
	uint64_t dev, inode, mode, size_bytes, mtime_ns;
	char *path; /* link text of /proc/PID/fd/N */
	/* by kind */
	/*
	 * eventfd count, signalfd mask, pipe capacity, timerfd unread ticks,
	 * memfd seals;
	 * unix socket: the inode of its peer, if the process has that too
	 */
	uint64_t value;
	int32_t clockid;		/* timerfd */
	uint64_t value_ns, interval_ns; /* timerfd, relative to the capture */
	/* socket; type: also enum image_fd_type of an eventfd, a pipe */
	int32_t domain, type, protocol;
	int32_t backlog;
	uint32_t sockopts;	      /* enum image_sockopt */
	struct image_option *options; /* in the order of common/sockopt.h */
	uint32_t nr_options;
	/*
	 * socket: bound address; pipe, socket with a peer: unread bytes;
	 * deleted file, memfd: all of it, or nothing
	 */
	uint8_t *data;
	uint32_t data_bytes;
};

/* Its path says that no path leads to it any more. */
bool image_fd_is_deleted(const struct image_fd *fd);

/* A memfd, or a regular file that was deleted: its process's alone. */
bool image_fd_is_nameless(const struct image_fd *fd);

/*
 * Is @vma writable shared memory of the file behind @fd?  Numbers of inodes are
 * a file system's own, and that of maps is not always the one of stat(2): then
 * the names must agree.
 */
bool image_fd_is_mapped_at(const struct image_fd *fd,
			   const struct image_vma *vma);

enum image_sockopt {
	IMAGE_SOCK_REUSEADDR = 1 << 0,
	IMAGE_SOCK_REUSEPORT = 1 << 1,
	IMAGE_SOCK_V6ONLY = 1 << 2,
	IMAGE_SOCK_ALL = (1 << 3) - 1,
};

/*
 * A set watches the file that @fd was when it was added.  @through is it now:
 * another number when that one was closed and a duplicate is still open.
 */
struct image_epoll {
	int32_t epfd, fd, through;
	uint32_t events;
	uint64_t data;
};

/* A file of /proc, word for word. */
struct image_text {
	char *name; /* "status", "stat", "cmdline", "environ", "auxv", ... */
	uint8_t *bytes;
	uint32_t len_bytes;
};

enum image_mapped_flag {
	IMAGE_MAPPED_DELETED = 1 << 0, /* no path leads to it any more */
	/* Whom the image was taken for may not read it: neither may others. */
	IMAGE_MAPPED_CLOSED = 1 << 1,
	IMAGE_MAPPED_FLAGS_ALL = (1 << 2) - 1,
};

/* A regular file that is mapped.  In the order of raddr, each once. */
struct image_mapped {
	uint64_t raddr; /* where the first area of it begins */
	uint64_t size_bytes, mtime_ns;
	uint32_t mode;	/* permissions: 0777 at most */
	uint32_t flags; /* enum image_mapped_flag */
	char *path;	/* absolute, without empty, "." or ".." components */
};

/*
 * Another name of a mapped file: what the program's dynamic linker calls it,
 * and debuggers look for ("/lib/libz.so.1" for "/usr/lib/libz.so.1.2").
 */
struct image_alias {
	uint32_t mapped; /* index */
	char *path;	 /* as image_mapped's */
};

struct image_mm {
	uint64_t start_code, end_code, start_data, end_data;
	uint64_t start_brk, brk, start_stack;
	uint64_t arg_start, arg_end, env_start, env_end;
};

/* The steps of a capture, in their order; stop to let_go are the pause. */
enum image_phase {
	IMAGE_PHASE_LOOK,   /* what can be seen while it runs */
	IMAGE_PHASE_STOP,   /* until every thread stands still */
	IMAGE_PHASE_READ,   /* registers, signals, timers */
	IMAGE_PHASE_FORK,   /* the twin, shared memory, file positions */
	IMAGE_PHASE_LET_GO, /* until every thread runs again */
	IMAGE_PHASE_SETTLE, /* the twin made to stay */
	IMAGE_PHASE_SCAN,   /* which pages there are */
	IMAGE_PHASE_FILES,  /* descriptors, mapped files, texts of /proc */
	IMAGE_PHASE_ENCODE, /* the descriptor */
	IMAGE_PHASES,
};

struct image {
	int32_t pid;	  /* as the process itself sees it */
	int32_t host_pid; /* as the parent's host sees it */
	uint64_t captured_realtime_ns, captured_monotonic_ns,
		captured_boottime_ns;
	uint64_t pause_ns;   /* first thread stopped to last thread running */
	uint64_t prepare_ns; /* request to finished image, all tries */
	uint64_t phase_ns[IMAGE_PHASES]; /* of the try that went well */
	char *boot_id, *hostname, *kernel;
	uint32_t cpu_features[IMAGE_CPU_WORDS]; /* common/cpu.h */
	uint64_t xfeatures;			/* XCR0 */
	struct image_mm mm;
	char *exe, *cwd, *root; /* link texts */
	uint64_t exe_bytes;	/* size of the executable */
	char comm[16];
	uint32_t umask, personality;
	uint32_t uid[4], gid[4]; /* real, effective, saved, file system */
	uint32_t no_new_privs;
	uint32_t dumpable;   /* prctl(2): 1 is yes, 0 and 2 are no */
	uint32_t securebits; /* of the leader: SECBIT_*, capabilities(7) */
	uint32_t thp_disable; /* PR_SET_THP_DISABLE: 0, or 1 and its flags */
	struct image_sigaction sigactions[IMAGE_SIGNALS]; /* [0] is signal 1 */
	struct image_itimer itimers[3]; /* real, virtual, prof */

	uint32_t *groups;
	uint32_t nr_groups;
	struct image_thread *threads; /* [0] is the leader */
	uint32_t nr_threads;
	struct image_vma *vmas; /* by address */
	uint32_t nr_vmas;
	struct image_run *runs; /* by page */
	uint32_t nr_runs;
	struct image_run *guards; /* by page: guard regions, madvise(2) */
	uint32_t nr_guards;
	struct image_fd *fds; /* by number */
	uint32_t nr_fds;
	struct image_epoll *epolls;
	uint32_t nr_epolls;
	struct image_timer *timers;
	uint32_t nr_timers;
	struct image_pending *pending;
	uint32_t nr_pending;
	struct image_text *texts;
	uint32_t nr_texts;
	struct image_mapped *mapped; /* by raddr */
	uint32_t nr_mapped;
	struct image_alias *aliases;
	uint32_t nr_aliases;

	/*
	 * Set by desc_decode() alone: then everything above lives in the arena
	 * and no pointer may be freed or replaced one by one.
	 */
	struct arena *arena;
};

/*
 * A zeroed image, or NULL without memory.
 *
 * Whoever fills it field by field gives it malloc()ed arrays and strings.
 */
struct image *image_new(void);

/* Free @image and all it owns; NULL and half-built are allowed. */
void image_free(struct image *image);

/* "look", "stop", ... */
const char *image_phase_name(enum image_phase phase);

/* The VMA that holds @raddr, or NULL.  O(log n). */
const struct image_vma *image_vma_at(const struct image *image, uint64_t raddr);

/*
 * The first run that ends after page @page, or NULL: the start of a walk over
 * the pages present in a range.  O(log n).
 */
const struct image_run *image_run_after(const struct image *image,
					uint64_t page);

/* The same of guard regions. */
const struct image_run *image_guard_after(const struct image *image,
					  uint64_t page);

/* How many pages of [@first_page, @first_page + @nr_pages) are present. */
uint64_t image_present_pages(const struct image *image, uint64_t first_page,
			     uint64_t nr_pages);

/* The copy of /proc's @name, or NULL. */
const struct image_text *image_text(const struct image *image,
				    const char *name);

/* Has it a thread whose number was @tid? */
bool image_has_thread(const struct image *image, int32_t tid);

/* Does @timer signal one thread, target_tid, and not the whole process? */
bool image_timer_is_of_thread(const struct image_timer *timer);

/*
 * The bytes of @path without the " (deleted)" that the kernel says behind a
 * path that leads nowhere any more; a file may be called so, too.
 */
size_t image_path_stem(const char *path);

/* Is @path absolute, and made of names that a directory can hold? */
bool image_path_ok(const char *path);

/* True for kinds whose dropped pages must read as zeros. */
bool image_vma_is_anonymous(const struct image_vma *vma);
