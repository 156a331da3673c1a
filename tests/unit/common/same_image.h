/* SPDX-License-Identifier: MIT */
/*
 * same_image.h - assert that two images are equal, field by field
 */
#pragma once

#include "common/image.h"

/* Fails the running cmocka test at the first difference. */
void assert_same_image(const struct image *a, const struct image *b);
