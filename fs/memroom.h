/* SPDX-License-Identifier: MIT */
/*
 * memroom.h - how much memory may still be taken, and kept
 *
 * What is neither the kernel's to drop nor ours to give back must fit here, or
 * somebody is killed for it.  It is a look at one moment: others take memory,
 * too.
 *
 * Threads: any.
 */
#pragma once

#include <stdint.h>

/*
 * Bytes that this process may take: as the host has them available, and as the
 * limits of its memory cgroup and of all above leave room.  UINT64_MAX where
 * nothing tells.
 */
uint64_t memroom_bytes(void);

/*
 * The second of these two, as /proc/PID/cgroup (@groups) and
 * /proc/PID/mountinfo (@mounts, which is changed) lead to the groups' files.
 * What cannot be read is no limit.
 */
uint64_t memroom_of_groups(const char *groups, char *mounts);
