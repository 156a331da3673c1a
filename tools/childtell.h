/* SPDX-License-Identifier: MIT */
/*
 * childtell.h - tell the mount how a load went, and what its children used
 *
 * See common/childnote.h.  To a copy of an image there is nobody to tell it; a
 * mount that does not want to know is no failure.  Blocks on the mount, not on
 * the network.
 */
#pragma once

#include "common/workset.h"
#include "loader/load.h"

/* The children run: the phases until then. */
void childtell_load(const struct load *load);

/* A child ended with the pages of @set in its page tables. */
void childtell_pages(const struct load *load, const struct workset *set);
