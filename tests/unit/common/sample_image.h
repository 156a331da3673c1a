/* SPDX-License-Identifier: MIT */
/*
 * sample_image.h - a whole image in which no two fields are alike
 *
 * For tests and for the seeds of the fuzz targets: a field that is left out,
 * swapped or cut shows.  It passes image_check().
 */
#pragma once

#include "common/image.h"

/* The caller's to image_free(); never NULL. */
struct image *sample_image(void);
