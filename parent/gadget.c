/* SPDX-License-Identifier: MIT */
#include "parent/gadget.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "parent/vmas.h"

#define CHUNK_BYTES    (16u << 10) /* each page of it is faulted in */
#define SEQUENCE_MAX   9u
#define MAX_SCAN_BYTES (512ul << 20) /* of one target; then it has none */

struct sequence {
	uint8_t len, bytes[SEQUENCE_MAX];
};

static const struct sequence syscall_ret[] = {
	{3, {0x0f, 0x05, 0xc3}},
};

static const struct sequence sigreturn[] = {
	{9, {0x48, 0xc7, 0xc0, 0x0f, 0x00, 0x00, 0x00, 0x0f, 0x05}},
	{7, {0xb8, 0x0f, 0x00, 0x00, 0x00, 0x0f, 0x05}},
};

static void scan_one(uint64_t *found, const struct sequence *sequence,
		     const uint8_t *code, size_t len, uint64_t raddr)
{
	const uint8_t *at;

	if (*found)
		return;
	at = memmem(code, len, sequence->bytes, sequence->len);
	if (at)
		*found = raddr + (uint64_t)(at - code);
}

void gadgets_scan(struct gadgets *gadgets, const uint8_t *code, size_t len,
		  uint64_t raddr)
{
	scan_one(&gadgets->syscall_ret, &syscall_ret[0], code, len, raddr);
	scan_one(&gadgets->sigreturn, &sigreturn[0], code, len, raddr);
	scan_one(&gadgets->sigreturn, &sigreturn[1], code, len, raddr);
}

static bool complete(const struct gadgets *gadgets)
{
	return gadgets->syscall_ret && gadgets->sigreturn;
}

/* Chunks overlap, so that no sequence is missed where two of them meet. */
static void scan_vma(struct gadgets *gadgets, int mem_fd,
		     const struct image_vma *vma, uint8_t *chunk)
{
	uint64_t raddr = vma->start;

	while (raddr < vma->end && !complete(gadgets)) {
		uint64_t left = vma->end - raddr;
		size_t want = left < CHUNK_BYTES ? left : CHUNK_BYTES;
		ssize_t got = pread(mem_fd, chunk, want, (off_t)raddr);

		if (got < (ssize_t)SEQUENCE_MAX)
			return;
		gadgets_scan(gadgets, chunk, (size_t)got, raddr);
		if ((uint64_t)got == left)
			return;
		raddr += (uint64_t)got - (SEQUENCE_MAX - 1);
	}
}

/* Smaller is looked at first. */
static int rank(const struct image_vma *vma)
{
	if (strstr(vma->name, "/libc.so") || strstr(vma->name, "/libc-") ||
	    strstr(vma->name, "/ld-musl"))
		return 0;
	return vma->kind == IMAGE_VMA_FILE ? 1 : 2;
}

/* Offsets in the file where this process has both; inode 0: not known. */
static struct {
	uint64_t inode, syscall_ret, sigreturn;
	uint32_t dev_major, dev_minor;
} learnt;

static const struct image_vma *area_at(const struct image_vma *vmas,
				       uint32_t nr, uint64_t raddr)
{
	for (uint32_t i = 0; i < nr; i++)
		if (vmas[i].start <= raddr && raddr < vmas[i].end)
			return &vmas[i];
	return NULL;
}

static uint64_t offset_of(const struct image_vma *vma, uint64_t raddr)
{
	return raddr - vma->start + vma->offset_bytes;
}

void gadgets_learn(void)
{
	CLEANUP_CLOSE int mem_fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	const struct image_vma *code, *back;
	struct image_vma *vmas = NULL;
	struct gadgets gadgets;
	uint32_t nr = 0;

	if (mem_fd < 0 || vmas_read(getpid(), &vmas, &nr, NULL) ||
	    gadgets_find(mem_fd, vmas, nr, &gadgets, NULL)) {
		vmas_free(vmas, nr);
		return;
	}
	code = area_at(vmas, nr, gadgets.syscall_ret);
	back = area_at(vmas, nr, gadgets.sigreturn);
	if (code && code == back && code->inode) {
		learnt.inode = code->inode;
		learnt.dev_major = code->dev_major;
		learnt.dev_minor = code->dev_minor;
		learnt.syscall_ret = offset_of(code, gadgets.syscall_ret);
		learnt.sigreturn = offset_of(code, gadgets.sigreturn);
	}
	vmas_free(vmas, nr);
}

/* Where @vma has the byte of the learnt file at @offset_bytes, or 0. */
static uint64_t place_in(const struct image_vma *vma, uint64_t offset_bytes)
{
	uint64_t raddr = vma->start + offset_bytes - vma->offset_bytes;

	return raddr >= vma->start && raddr < vma->end ? raddr : 0;
}

static bool are_where_learnt(int mem_fd, const struct image_vma *vmas,
			     uint32_t nr, struct gadgets *ret_gadgets)
{
	for (uint32_t i = 0; learnt.inode && i < nr; i++) {
		const struct image_vma *vma = &vmas[i];

		if (!(vma->prot & PROT_EXEC) || vma->inode != learnt.inode ||
		    vma->dev_major != learnt.dev_major ||
		    vma->dev_minor != learnt.dev_minor)
			continue;
		*ret_gadgets =
			(struct gadgets){place_in(vma, learnt.syscall_ret),
					 place_in(vma, learnt.sigreturn)};
		if (complete(ret_gadgets) && gadgets_hold(ret_gadgets, mem_fd))
			return true;
	}
	return false;
}

/*
 * Has the memory behind @mem_fd gone, because its process ended or runs another
 * program now?  Then a read finds nothing, which is no error (mem_rw() in
 * fs/proc/base.c).
 */
static bool is_gone(int mem_fd, const struct image_vma *vmas, uint32_t nr)
{
	uint8_t byte;

	return nr && pread(mem_fd, &byte, 1, (off_t)vmas[0].start) == 0;
}

int gadgets_find(int mem_fd, const struct image_vma *vmas, uint32_t nr,
		 struct gadgets *ret_gadgets, struct refusal *why)
{
	uint8_t chunk[CHUNK_BYTES];
	struct gadgets gadgets = {0};
	uint64_t budget = MAX_SCAN_BYTES;

	if (are_where_learnt(mem_fd, vmas, nr, ret_gadgets))
		return 0;
	for (int pass = 0; pass < 3; pass++) {
		for (uint32_t i = 0; i < nr && !complete(&gadgets); i++) {
			uint64_t bytes = vmas[i].end - vmas[i].start;

			if (!(vmas[i].prot & PROT_EXEC) ||
			    vmas[i].kind == IMAGE_VMA_VSYSCALL ||
			    rank(&vmas[i]) != pass || bytes > budget)
				continue;
			budget -= bytes;
			scan_vma(&gadgets, mem_fd, &vmas[i], chunk);
		}
	}
	if (!complete(&gadgets) && is_gone(mem_fd, vmas, nr))
		return refuse(why, -ESRCH, "it has ended");
	if (!complete(&gadgets))
		return refuse(why, -EOPNOTSUPP,
			      "its code has no system call to borrow");
	*ret_gadgets = gadgets;
	return 0;
}

bool gadgets_hold(const struct gadgets *gadgets, int mem_fd)
{
	const uint64_t raddrs[] = {gadgets->syscall_ret, gadgets->sigreturn};
	struct gadgets again = {0};

	for (size_t i = 0; i < 2; i++) {
		uint8_t code[SEQUENCE_MAX];
		ssize_t got =
			pread(mem_fd, code, sizeof(code), (off_t)raddrs[i]);

		if (got > 0)
			gadgets_scan(&again, code, (size_t)got, raddrs[i]);
	}
	return again.syscall_ret == gadgets->syscall_ret &&
	       again.sigreturn == gadgets->sigreturn;
}
