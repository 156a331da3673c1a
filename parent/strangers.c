/* SPDX-License-Identifier: MIT */
/* strangers.c - see strangers.h */
#include "parent/strangers.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "parent/listen.h"

#define NS_PER_S 1000000000ull

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

/* Whether one more line may be said now. */
static bool may_say(struct strangers *strangers, uint64_t now_ns)
{
	if (!strangers->second_ns ||
	    now_ns - strangers->second_ns >= NS_PER_S) {
		strangers->second_ns = now_ns;
		strangers->nr_said = 0;
	}
	if (strangers->nr_said == STRANGERS_PER_S_MAX) {
		strangers->nr_untold++;
		return false;
	}
	strangers->nr_said++;
	return true;
}

void strangers_turned_away(struct strangers *strangers, int fd, const char *why,
			   uint64_t now_ns)
{
	char line[STRANGERS_LINE_MAX], where[LISTEN_TEXT_MAX], more[48] = "";

	if (!strangers->say || !may_say(strangers, now_ns))
		return;
	if (strangers->nr_untold)
		(void)snprintf(more, sizeof(more), " (and %u before)",
			       strangers->nr_untold);
	strangers->nr_untold = 0;
	put_where(fd, where);
	(void)snprintf(line, sizeof(line), "turned away %s: %s%s", where, why,
		       more);
	strangers->say(line);
}
