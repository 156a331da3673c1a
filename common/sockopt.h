/* SPDX-License-Identifier: MIT */
/*
 * sockopt.h - the options of a socket that are carried from parent to child
 *
 * One table for who reads them (parent/sockets.c), checks them
 * (common/image_check.c) and sets them (loader/fdoption.c): nobody sets one
 * that is not in it.  Its order is that of a list in an image, and the order to
 * set them in: some change another, as IP_TOS does SO_PRIORITY.
 *
 * Not here: SO_REUSEADDR, SO_REUSEPORT and IPV6_V6ONLY (enum image_sockopt),
 * which decide how a socket is bound.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/image.h"

enum sockopt_how {
	SOCKOPT_PLAIN,
	/* Takes a privilege, or something that another host may not have: what
	 * cannot be set is told, and the child goes without. */
	SOCKOPT_SPARED,
	/* The kernel tells twice what it was told, or what it has chosen itself
	 * and goes on to choose (SO_BUF_LOCK says which). */
	SOCKOPT_BUFFER,
};

struct sockopt {
	const char *word; /* "SO_BROADCAST" */
	int32_t level, name;
	uint32_t bytes; /* of its value: IMAGE_OPTION_BYTES_MAX at most */
	enum sockopt_how how;
	int32_t usual;		/* what a fresh socket has; more bytes are 0 */
	const char *usual_text; /* NULL: the value is no text */
};

/* The row at @index of the table, or NULL behind its end. */
const struct sockopt *sockopt_at(unsigned index);

/* The row of @option, or NULL: an option that is not carried. */
const struct sockopt *sockopt_of(const struct image_option *option);

/* Whether sockets of this kind have it at all. */
bool sockopt_applies(const struct sockopt *sockopt, int domain, int protocol);

/*
 * What @sock has, into *@ret_option, its value with zeros behind.
 *
 * Returns 0 or -errno: -ENOPROTOOPT, -EOPNOTSUPP where the kernel or this kind
 * of socket has no such option, -EPROTO where it has it in another size.
 */
int sockopt_read(int sock, const struct sockopt *sockopt,
		 struct image_option *ret_option);

/* Whether it is what every fresh socket has.  Never of a buffer. */
bool sockopt_is_usual(const struct sockopt *sockopt,
		      const struct image_option *option);
