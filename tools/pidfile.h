/* SPDX-License-Identifier: MIT */
/*
 * pidfile.h - where service managers of old look for a daemon's process
 */
#pragma once

/* Write our process id to @path (NULL: nowhere).  Says what fails.  Returns 0
 * or -errno. */
int pidfile_write(const char *path);
