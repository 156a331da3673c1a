/* SPDX-License-Identifier: MIT */
/* verbs_serve_without.c - verbs_serve.h and verbs_ud_serve.h, built without the
 * libraries */
#include <errno.h>

#include "rdmafetch/verbs_serve.h"
#include "rdmafetch/verbs_ud_serve.h"

int verbs_serve_open(struct loop *loop, const struct serve_options *options,
		     const struct serve_ops *ops, void *arg,
		     struct verbs_serve **ret)
{
	return -EOPNOTSUPP;
}

int verbs_serve_listen(struct verbs_serve *serve, const struct sockaddr *addr,
		       uint16_t *ret_port)
{
	return -EOPNOTSUPP;
}

void verbs_serve_get_stats(const struct verbs_serve *serve,
			   struct serve_stats *ret_stats)
{
	*ret_stats = (struct serve_stats){0};
}

void verbs_serve_close(struct verbs_serve *serve)
{
}

int verbs_ud_serve_open(struct loop *loop, const struct serve_options *options,
			const struct serve_ops *ops, void *arg,
			struct verbs_ud_serve **ret)
{
	return -EOPNOTSUPP;
}

int verbs_ud_serve_listen(struct verbs_ud_serve *serve,
			  const struct sockaddr *addr, uint16_t *ret_port)
{
	return -EOPNOTSUPP;
}

void verbs_ud_serve_get_stats(const struct verbs_ud_serve *serve,
			      struct serve_stats *ret_stats)
{
	*ret_stats = (struct serve_stats){0};
}

void verbs_ud_serve_close(struct verbs_ud_serve *serve)
{
}
