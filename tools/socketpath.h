/* SPDX-License-Identifier: MIT */
/*
 * socketpath.h - where mitosisd's unix socket is when nobody says
 */
#pragma once

#include <stddef.h>

#define SOCKETPATH_MAX 107 /* of sockaddr_un, without the NUL */

/*
 * /run/mitosis/control.sock for root, $XDG_RUNTIME_DIR/mitosis/control.sock for
 * others, /tmp/mitosis-UID/control.sock without that.
 */
void socketpath_default(char ret_path[SOCKETPATH_MAX + 1]);
