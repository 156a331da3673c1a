/* SPDX-License-Identifier: MIT */
/* verbs_memory.c - see verbs_memory.h */
#include "rdmafetch/verbs_memory.h"

#include <errno.h>
#include <sys/mman.h>

int verbs_memory_new(struct ibv_pd *pd, size_t len_bytes, int access,
		     struct ibv_mr **ret_mr)
{
	void *memory = mmap(NULL, len_bytes, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct ibv_mr *mr = NULL;
	int error;

	if (memory == MAP_FAILED)
		return -ENOMEM;
	errno = 0;
	if (!madvise(memory, len_bytes, MADV_DONTFORK))
		mr = ibv_reg_mr(pd, memory, len_bytes, access);
	if (!mr) {
		error = errno ? -errno : -ENOMEM;
		(void)munmap(memory, len_bytes);
		return error;
	}
	*ret_mr = mr;
	return 0;
}

void verbs_memory_free(struct ibv_mr *mr)
{
	void *memory;
	size_t len_bytes;

	if (!mr)
		return;
	memory = mr->addr;
	len_bytes = mr->length;
	(void)ibv_dereg_mr(mr);
	(void)munmap(memory, len_bytes);
}
