/* SPDX-License-Identifier: MIT */
/*
 * device_address.c - a RoCE v2 GID is an IP address
 */
#include "tests/contract/device_address.h"

#include <infiniband/verbs.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

bool device_address(char text[INET_ADDRSTRLEN])
{
	struct ibv_device **devices = ibv_get_device_list(NULL);
	bool found = false;

	for (int d = 0; devices && devices[d] && !found; d++) {
		struct ibv_context *context = ibv_open_device(devices[d]);
		union ibv_gid gid;

		for (int i = 0; context && i < 16 && !found; i++) {
			struct sockaddr_in address = {.sin_family = AF_INET};
			int fd;

			if (ibv_query_gid(context, 1, i, &gid) ||
			    !IN6_IS_ADDR_V4MAPPED((struct in6_addr *)gid.raw))
				continue;
			memcpy(&address.sin_addr, gid.raw + 12, 4);
			fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
			found = !bind(fd, (struct sockaddr *)&address,
				      sizeof(address));
			(void)close(fd);
			(void)inet_ntop(AF_INET, &address.sin_addr, text,
					INET_ADDRSTRLEN);
		}
		if (context)
			(void)ibv_close_device(context);
	}
	if (devices)
		ibv_free_device_list(devices);
	return found;
}
