/* SPDX-License-Identifier: MIT */
/*
 * plan.h - from an image and facts about this host to a list of steps
 *
 * Step 9 of the way of a page.  Pure: no I/O and no system call, so a plan can
 * be tested as a table.  What lies where in the child until it runs:
 *
 *   hole +------+----------------------+--------+------+-------+ ... staging
 *        | code | control, frames      | stacks | data | steps |     (vdso)
 *        +------+----------------------+--------+------+-------+
 *        r-x      rw-, these two stay    rw-, unmapped by the last step when
 *                                        large: it delays the child's first
 *
 * All of it comes from one memfd named PLAN_MEMFD (loader/jump.c), by which a
 * later generation knows what was left behind, and leaves it out.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/image.h"
#include "loader/affinity.h"
#include "loader/credentials.h"
#include "loader/frame.h"
#include "loader/guard.h"
#include "loader/place.h"
#include "loader/steps.h"
#include "loader/why.h"

#define PLAN_MEMFD	   "mitosis-blob"
#define PLAN_HOLE_BYTES	   (UINT64_C(2) << 30)
#define PLAN_STAGING	   (UINT64_C(3) << 29) /* from the hole's start */
#define PLAN_CONTROL_BYTES 64u
#define PLAN_OBJECTS_MAX   4096u
#define PLAN_LEFT_BYTES	   (UINT64_C(64) << 10) /* not worth an munmap() */

enum plan_memory {
	PLAN_MEMORY_SHARED, /* private maps of the image, and the guard */
	PLAN_MEMORY_OWN,    /* anonymous areas, and the pager */
};

/* Descriptors of ours that the steps name, counted from fd_base. */
enum plan_slot {
	PLAN_SLOT_SPACE,      /* DIR/.space */
	PLAN_SLOT_DIR,	      /* DIR */
	PLAN_SLOT_EXE,	      /* the program, for /proc/PID/exe */
	PLAN_SLOT_REPORT,     /* struct blob_report goes here */
	PLAN_SLOT_UFFD,	      /* userfaultfd */
	PLAN_SLOT_SUPERVISOR, /* socket for the descriptors of the guard */
	PLAN_SLOT_WATCHDOG,   /* the same */
	PLAN_SLOT_TERMINAL,   /* of whom the child is made for */
	PLAN_SLOT_STDIO,      /* three: the loader's own */
	PLAN_SLOT_OBJECT = PLAN_SLOT_STDIO + 3, /* one file for each object */
};

struct plan_facts {
	bool same_host;	     /* one boot of one machine: check_same_host() */
	uint64_t hole;	     /* place_find(PLAN_HOLE_BYTES) */
	uint64_t code_bytes; /* of the blob, whole pages */
	const struct place_maps *maps; /* the loader's own */
	struct frame_xsave xsave;
	struct credentials credentials; /* the loader's own */
	int fd_base;	/* above every descriptor of the image */
	bool has_space; /* DIR/.space is there */
	bool has_fences; /* fence_try_memory() */
	bool has_file_fences; /* fence_try() of the image */
	bool laid;	/* the areas are mapped ahead, once: loader/lay.h */
	uint64_t space_inode;	    /* of it, as PROCMAP_QUERY will tell it */
	const uint64_t *vma_inodes; /* without .space: of each VMA's file */
	/* Of each VMA, or NULL for none: live_find(). */
	const struct image_fd *const *live;
	enum plan_memory memory;
	bool new_pid;	      /* no pid namespace: all pids are new */
	bool ask_supervisor;  /* not to run before its word: plan_ask() */
	bool may_trace;	      /* CAP_SYS_PTRACE: an undumpable child, too */
	bool die_with_parent; /* PR_SET_PDEATHSIG */
	bool set_exe;	      /* only with privilege can the link be set */
	/* RLIMIT_NOFILE to end with: as given to the loader. */
	uint64_t nofile, nofile_max;
	uint64_t cookie; /* of the guard */
	struct affinity affinity; /* the loader's own */
};

/*
 * Memory that several VMAs, or VMAs and descriptors, share: one memfd; or the
 * file itself.
 */
struct plan_object {
	uint32_t dev_major, dev_minor;
	uint64_t inode;
	uint64_t bytes;
	const struct image_fd *live; /* whose file it is, or NULL: a memfd */
};

struct plan {
	const struct image *image; /* borrowed, like facts */
	const struct plan_facts *facts;
	struct steps steps;
	struct steps laid; /* with facts->laid: what maps the areas */
	uint64_t frames_addr, frames_bytes, stacks_addr, end_addr;
	uint8_t *frames; /* struct blob_control and all frames */
	size_t frame_stride;
	struct plan_object *objects;
	uint32_t nr_objects;
	/* What --memory=shared mapped from the image in place of anonymous
	 * memory and of files, for the guard; and what --memory=own must be
	 * paged. */
	struct guard_window *windows;
	uint32_t nr_windows;
	uint32_t *paged; /* indexes of image->vmas */
	uint32_t nr_paged;
	/* Steps whose args[0] must become the child's own pid (new_pid). */
	int32_t *pending_tids; /* handled_decide() */
	uint32_t *own_pid_steps;
	uint32_t nr_own_pid_steps;
	/* With new_pid, of each of image->timers: where its tid will lie. */
	uint64_t *timer_tid_addrs;
};

/*
 * Returns 0, or -errno with words in @why: -ENOMEM, -E2BIG, -EOPNOTSUPP.  The
 * plan borrows @image and @facts until plan_free().
 */
int plan_build(const struct image *image, const struct plan_facts *facts,
	       struct plan **ret_plan, struct why *why);

/*
 * Call @visit for each stretch of addresses, in order, that holds no area of
 * the image and not the hole.
 */
void plan_gaps(const struct image *image, const struct plan_facts *facts,
	       void (*visit)(void *arg, uint64_t start, uint64_t end),
	       void *arg);

/* Where the steps go that map areas: to the child's, or what is done ahead. */
static inline struct steps *plan_map_steps(struct plan *plan)
{
	return plan->facts->laid ? &plan->laid : &plan->steps;
}

/* The number a slot has in the child. */
static inline int plan_fd(const struct plan_facts *facts, unsigned slot)
{
	return facts->fd_base + (int)slot;
}

/* Where the step table lies in the child. */
uint64_t plan_steps_addr(const struct plan *plan);

/*
 * What step @index was about, in words: "mapping 7f..-7f.. (libc.so.6)".
 */
void plan_describe(const struct plan *plan, int32_t index, char *ret_text,
		   size_t size);

void plan_free(struct plan *plan);
