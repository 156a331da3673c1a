/* SPDX-License-Identifier: MIT */
/* fuzz_peer.c - any bytes as /proc/net/tcp: no crash, and no owner made up */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "parent/peer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct peer_end near = {
		{[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1}, 0x9c40};
	const struct peer_end far = {
		{[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1}, 0x1ccd};
	uid_t uid = (uid_t)-1;
	int found;

	found = peer_scan_proc((const char *)data, size, &near, &far, &uid);
	if ((found == 1) != (uid != (uid_t)-1))
		abort();
	return 0;
}
