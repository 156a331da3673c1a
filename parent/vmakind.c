/* SPDX-License-Identifier: MIT */
#include "parent/vmakind.h"

#include <string.h>
#include <sys/mman.h>

/* Letters of VmFlags (fs/proc/task_mmu.c, show_smap_vma_flags()). */
enum vmflag {
	FLAG_IO = 1 << 0,     /* "io": device memory */
	FLAG_PFN = 1 << 1,    /* "pf": page frames without struct page */
	FLAG_MIXED = 1 << 2,  /* "mm": both kinds, put there by a driver */
	FLAG_UFFD = 1 << 3,   /* "um", "uw", "ui": somebody fills the pages */
	FLAG_SHADOW = 1 << 4, /* "ss": shadow stack */
	FLAG_DOWN = 1 << 5,   /* "gd": grows down */
	FLAG_HUGETLB = 1 << 6,
	FLAG_PKEY = 1 << 7, /* a protection key, but not 0, which all have */
};

static const struct {
	char letters[3];
	uint16_t vmflag;
	uint16_t image_flag;
} vmflags[] = {
	{"io", FLAG_IO, 0},
	{"pf", FLAG_PFN, 0},
	{"mm", FLAG_MIXED, 0},
	{"um", FLAG_UFFD, 0},
	{"uw", FLAG_UFFD, 0},
	{"ui", FLAG_UFFD, 0},
	{"ss", FLAG_SHADOW, 0},
	{"gd", FLAG_DOWN, 0},
	{"ht", FLAG_HUGETLB, IMAGE_VMA_HUGETLB},
	{"nr", 0, IMAGE_VMA_NORESERVE},
	{"lo", 0, IMAGE_VMA_LOCKED},
	{"hg", 0, IMAGE_VMA_HUGEPAGE},
	{"nh", 0, IMAGE_VMA_NOHUGEPAGE},
	{"dc", 0, IMAGE_VMA_DONTFORK},
	{"wf", 0, IMAGE_VMA_WIPEONFORK},
	{"dd", 0, IMAGE_VMA_DONTDUMP},
	{"rr", 0, IMAGE_VMA_RANDOM},
	{"sr", 0, IMAGE_VMA_SEQUENTIAL},
};

unsigned vmakind_flags(struct text line, struct image_vma *vma)
{
	unsigned flags = 0;
	struct text word;

	while (text_take_word(&line, &word))
		for (size_t i = 0; i < sizeof(vmflags) / sizeof(*vmflags); i++)
			if (text_is(&word, vmflags[i].letters)) {
				flags |= vmflags[i].vmflag;
				vma->flags |= vmflags[i].image_flag;
			}
	return flags;
}

unsigned vmakind_key(struct text line)
{
	uint32_t key;

	return text_take_u32(&line, 10, &key) && !key ? 0 : FLAG_PKEY;
}

static bool starts(const char *name, const char *with)
{
	return !strncmp(name, with, strlen(with));
}

/* Special areas that the kernel gives every process, by their names. */
static enum image_vma_kind kind_by_name(const char *name)
{
	if (!strcmp(name, "[vdso]"))
		return IMAGE_VMA_VDSO;
	if (!strcmp(name, "[vsyscall]"))
		return IMAGE_VMA_VSYSCALL;
	if (!strcmp(name, "[vvar]") || !strcmp(name, "[vvar_vclock]"))
		return IMAGE_VMA_VVAR;
	return 0;
}

/*
 * Memory that lives only as long as its users: anonymous shared, SysV, memfd
 * (all on the kernel's own tmpfs mount, device 0:1) and POSIX shm.
 */
static bool is_shared_memory(const struct image_vma *vma)
{
	return (vma->dev_major == 0 && vma->dev_minor == 1) ||
	       (vma->flags & IMAGE_VMA_HUGETLB) ||
	       starts(vma->name, "/memfd:") || starts(vma->name, "/SYSV") ||
	       starts(vma->name, "/dev/shm/");
}

enum image_vma_kind vmakind_of(const struct image_vma *vma, unsigned flags)
{
	enum image_vma_kind kind = vma->inode ? 0 : kind_by_name(vma->name);

	if (kind)
		return kind;
	if (vma->flags & IMAGE_VMA_SHARED_MAP)
		return (vma->prot & PROT_WRITE) || is_shared_memory(vma)
			       ? IMAGE_VMA_SHARED
			       : IMAGE_VMA_FILE;
	if (vma->inode) {
		/* A private map of /dev/zero is anonymous memory. */
		bool zero = !strcmp(vma->name, "/dev/zero");
		bool huge = starts(vma->name, "/anon_hugepage");

		return zero || huge ? IMAGE_VMA_ANON : IMAGE_VMA_FILE;
	}
	if (!strcmp(vma->name, "[heap]"))
		return IMAGE_VMA_HEAP;
	if ((flags & FLAG_DOWN) || !strcmp(vma->name, "[stack]"))
		return IMAGE_VMA_STACK;
	return IMAGE_VMA_ANON;
}

const char *vmakind_refusal(const struct image_vma *vma, unsigned flags)
{
	const char *name = vma->name;
	bool device = starts(name, "/dev/") && !starts(name, "/dev/shm/");

	if (vma->kind == IMAGE_VMA_VDSO || vma->kind == IMAGE_VMA_VVAR ||
	    vma->kind == IMAGE_VMA_VSYSCALL)
		return NULL;
	if (flags & FLAG_SHADOW)
		return "a shadow stack, which only the CPU may write";
	/* The kernel has a key of its own for what may only be run. */
	if ((flags & FLAG_PKEY) && vma->prot != PROT_EXEC)
		return "under a protection key (pkeys), which no child has";
	if (flags & FLAG_UFFD)
		return "registered with userfaultfd";
	if (starts(name, "anon_inode:[io_uring]"))
		return "an io_uring, which lives in the kernel";
	if (starts(name, "/[aio]"))
		return "a Linux AIO context, which lives in the kernel";
	if (starts(name, "/secretmem"))
		return "secret memory, which only its owner may read";
	if ((flags & (FLAG_IO | FLAG_PFN)) || starts(name, "anon_inode:") ||
	    starts(name, "socket:") || (device && (flags & FLAG_MIXED)))
		return "memory of a device or driver";
	return NULL;
}
