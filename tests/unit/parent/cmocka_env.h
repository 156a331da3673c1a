/* SPDX-License-Identifier: MIT */
/*
 * cmocka_env.h - what every cmocka test includes first, in the order it wants
 */
#pragma once

/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
/* clang-format on */
