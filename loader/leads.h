/* SPDX-License-Identifier: MIT */
/*
 * leads.h - whether the child leads a session or a process group
 */
#pragma once

#include "common/image.h"

/*
 * What the parent led, and so does the child.  Then the terminal's signals do
 * not reach it by themselves.
 */
enum load_leads { LOAD_LEADS_NOBODY, LOAD_LEADS_GROUP, LOAD_LEADS_SESSION };

/* For a child of @image whose stdin, stdout and stderr are @stdio. */
enum load_leads leads_choose(const struct image *image, const int stdio[3]);
