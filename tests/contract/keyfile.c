/* SPDX-License-Identifier: MIT */
/* keyfile.c - see keyfile.h */
#include "tests/contract/keyfile.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/io.h"
#include "tests/contract/leftovers.h"

void keyfile_make(const char *text, char ret_path[KEYFILE_PATH_MAX])
{
	int fd;

	leftovers_remove(KEYFILE_WHAT);
	leftovers_name(KEYFILE_WHAT, KEYFILE_PATH_MAX, ret_path);
	fd = mkstemp(ret_path);
	assert(fd >= 0 && !io_write_all(fd, text, strlen(text)));
	(void)close(fd);
}

struct sec_settings keyfile_sec(const char *path, const char *user)
{
	struct sec_settings sec = {.kind = WIRE_SEC_PSK};

	(void)snprintf(sec.psk_file, sizeof(sec.psk_file), "%s", path);
	(void)snprintf(sec.psk_user, sizeof(sec.psk_user), "%s", user);
	return sec;
}
