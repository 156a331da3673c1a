/* SPDX-License-Identifier: MIT */
#include "tools/socketpath.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void socketpath_default(char ret_path[SOCKETPATH_MAX + 1])
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	int len = SOCKETPATH_MAX + 1;

	if (geteuid() == 0)
		(void)snprintf(ret_path, len, "/run/mitosis/control.sock");
	else if (runtime && runtime[0] == '/')
		(void)snprintf(ret_path, len, "%.80s/mitosis/control.sock",
			       runtime);
	else
		(void)snprintf(ret_path, len, "/tmp/mitosis-%u/control.sock",
			       (unsigned)geteuid());
}
