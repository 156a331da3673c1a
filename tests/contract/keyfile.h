/* SPDX-License-Identifier: MIT */
/*
 * keyfile.h - key files for tests of sec=psk
 */
#pragma once

#include "rdmafetch/sec.h"

#define KEYFILE_WHAT	 "mitosis-keys" /* leftovers.h */
#define KEYFILE_PATH_MAX 64
#define KEYFILE_KEY	 "00112233445566778899aabbccddeeff"
#define KEYFILE_OTHER	 "ffeeddccbbaa99887766554433221100"

/*
 * Make a file of @text in /tmp, mode 0600.  The caller unlinks it; those of tests
 * that were killed go here.
 */
void keyfile_make(const char *text, char ret_path[KEYFILE_PATH_MAX]);

/* sec=psk as @user, by the file at @path. */
struct sec_settings keyfile_sec(const char *path, const char *user);
