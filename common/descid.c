/* SPDX-License-Identifier: MIT */
#include "common/descid.h"

#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

void descid_of(const void *desc, size_t len_bytes, uint8_t ret_id[DESCID_BYTES])
{
	XXH128_canonical_t id;

	_Static_assert(sizeof(id.digest) == DESCID_BYTES, "one size");
	XXH128_canonicalFromHash(&id, XXH3_128bits(desc, len_bytes));
	memcpy(ret_id, id.digest, DESCID_BYTES);
}
