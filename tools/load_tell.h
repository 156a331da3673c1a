/* SPDX-License-Identifier: MIT */
/*
 * load_tell.h - what mitosis-load says on stderr about a load that went well
 */
#pragma once

#include "loader/load.h"

/* How long each of its phases took: phases_begin() was called. */
void load_tell_phases(void);

/* A line for each socket that goes without an option that it had. */
void load_tell_options(const struct load *load);
