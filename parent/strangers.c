/* SPDX-License-Identifier: MIT */
/* strangers.c - see strangers.h */
#include "parent/strangers.h"

#include <string.h>
#include <sys/socket.h>

#include "parent/listen.h"

static void put_where(int fd, char ret_where[LISTEN_TEXT_MAX])
{
	struct listen_address far = {.addr_bytes = sizeof(far.addr)};

	if (fd < 0 ||
	    getpeername(fd, (struct sockaddr *)&far.addr, &far.addr_bytes))
		strcpy(ret_where, "a client");
	else if (far.addr.ss_family == AF_UNIX)
		strcpy(ret_where, "a client of this host");
	else
		listen_address_text(&far, ret_where);
}

void strangers_turned_away(struct logbook *book, int fd, const char *why,
			   uint64_t now_ns)
{
	char where[LISTEN_TEXT_MAX];

	put_where(fd, where);
	logbook_say(book, now_ns, "turned away %s: %s", where, why);
}
