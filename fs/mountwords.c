/* SPDX-License-Identifier: MIT */
#include "fs/mountwords.h"

#include <stddef.h>
#include <string.h>

static const struct {
	const char *word; /* with '=' or '-' at its end: a beginning */
	enum mountword what;
} words[] = {
	{"rw", MOUNTWORD_RW},
	{"dev", MOUNTWORD_DEV},
	{"suid", MOUNTWORD_SUID},
	{"noexec", MOUNTWORD_NOEXEC},
	{"remount", MOUNTWORD_REMOUNT},

	/* mount(8): FILESYSTEM-INDEPENDENT MOUNT OPTIONS */
	{"ro", MOUNTWORD_MOOT},
	{"nodev", MOUNTWORD_MOOT},
	{"nosuid", MOUNTWORD_MOOT},
	{"exec", MOUNTWORD_MOOT},
	{"async", MOUNTWORD_MOOT},
	{"sync", MOUNTWORD_MOOT},
	{"dirsync", MOUNTWORD_MOOT},
	{"atime", MOUNTWORD_MOOT},
	{"noatime", MOUNTWORD_MOOT},
	{"diratime", MOUNTWORD_MOOT},
	{"nodiratime", MOUNTWORD_MOOT},
	{"relatime", MOUNTWORD_MOOT},
	{"norelatime", MOUNTWORD_MOOT},
	{"strictatime", MOUNTWORD_MOOT},
	{"nostrictatime", MOUNTWORD_MOOT},
	{"lazytime", MOUNTWORD_MOOT},
	{"nolazytime", MOUNTWORD_MOOT},
	{"iversion", MOUNTWORD_MOOT},
	{"noiversion", MOUNTWORD_MOOT},
	{"silent", MOUNTWORD_MOOT},
	{"loud", MOUNTWORD_MOOT},
	{"defaults", MOUNTWORD_MOOT},

	/* fstab's own: mount(8), systemd.mount(5) */
	{"_netdev", MOUNTWORD_MOOT},
	{"auto", MOUNTWORD_MOOT},
	{"noauto", MOUNTWORD_MOOT},
	{"nofail", MOUNTWORD_MOOT},
	{"user", MOUNTWORD_MOOT},
	{"user=", MOUNTWORD_MOOT},
	{"nouser", MOUNTWORD_MOOT},
	{"users", MOUNTWORD_MOOT},
	{"owner", MOUNTWORD_MOOT},
	{"group", MOUNTWORD_MOOT},
	{"comment=", MOUNTWORD_MOOT},
	{"x-", MOUNTWORD_MOOT},
	{"X-", MOUNTWORD_MOOT},

	/* fuse(8): what it shows as; that is fixed here */
	{"fsname=", MOUNTWORD_MOOT},
	{"subtype=", MOUNTWORD_MOOT},
};

enum mountword mountword_of(const char *word)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		const char *known = words[i].word;
		size_t len = strlen(known);

		if (known[len - 1] != '=' && known[len - 1] != '-')
			len++; /* to the end of the word */
		if (strncmp(word, known, len) == 0)
			return words[i].what;
	}
	return MOUNTWORD_NONE;
}
