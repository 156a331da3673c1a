/* SPDX-License-Identifier: MIT */
/*
 * load_eager.h - mitosis-load --eager: no child before every page is here
 */
#pragma once

#include "loader/load.h"

/* Bring all of @load's image, and show progress on stderr.  0, or -errno with
 * words. */
int load_eager(const struct load *load, struct why *why);
