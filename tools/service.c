/* SPDX-License-Identifier: MIT */
/* service.c - see service.h */
#include "tools/service.h"

#include "config.h"

#if HAVE_SYSTEMD

#include <systemd/sd-daemon.h>

int service_sockets(int *ret_first)
{
	int nr = sd_listen_fds(1);

	*ret_first = SD_LISTEN_FDS_START;
	return nr > 0 ? nr : 0;
}

void service_ready(const char *status)
{
	(void)sd_notifyf(0, "READY=1\nSTATUS=Serving%s", status);
}

void service_stopping(void)
{
	(void)sd_notify(0, "STOPPING=1");
}

#else

int service_sockets(int *ret_first)
{
	*ret_first = -1;
	return 0;
}

void service_ready(const char *status)
{
	(void)status;
}

void service_stopping(void)
{
}

#endif
