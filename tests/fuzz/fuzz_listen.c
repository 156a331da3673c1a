/* SPDX-License-Identifier: MIT */
/* fuzz_listen.c - any text as --listen: what is served is loopback */
#include <arpa/inet.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "parent/listen.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct listen_address address;
	const struct sockaddr_in *in = (const void *)&address.addr;
	const struct sockaddr_in6 *in6 = (const void *)&address.addr;
	struct refusal why;
	char *text = malloc(size + 1);

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	if (!listen_parse(text, 1, &address, &why) &&
	    !listen_allow(&address, WIRE_SEC_NONE, &why)) {
		if (address.addr.ss_family == AF_INET &&
		    ntohl(in->sin_addr.s_addr) >> 24 != 127)
			abort();
		if (address.addr.ss_family == AF_INET6 &&
		    !IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr) &&
		    !(IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr) &&
		      in6->sin6_addr.s6_addr[12] == 127))
			abort();
	}
	free(text);
	return 0;
}
