/* SPDX-License-Identifier: MIT */
/*
 * mountwords.h - the words of mount(8) and fstab(5) that mean every file system
 *
 * mount(8) and its kin pass them to whoever mounts.  A mount of an image is
 * read-only, nosuid and nodev whatever is said, so most mean nothing here; but
 * a wish that cannot be met is told, not dropped.
 */
#pragma once

enum mountword {
	MOUNTWORD_NONE, /* not one of them */
	MOUNTWORD_MOOT, /* true already, or for somebody else to act on */
	MOUNTWORD_RW,
	MOUNTWORD_DEV,
	MOUNTWORD_SUID,
	MOUNTWORD_NOEXEC,
	MOUNTWORD_REMOUNT,
};

/* What @word, one option of a -o list with its "=value", says. */
enum mountword mountword_of(const char *word);
