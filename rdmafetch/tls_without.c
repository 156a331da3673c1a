/* SPDX-License-Identifier: MIT */
/* tls_without.c - tls.h, built without GnuTLS: there never is a session */
#include <errno.h>

#include "rdmafetch/tls.h"

const bool tls_is_built = false;

int tls_new_client(const char *name, const struct psk_key *key,
		   struct tls **ret)
{
	return -EOPNOTSUPP;
}

int tls_new_server(const char *psk_file, struct tls **ret)
{
	return -EOPNOTSUPP;
}

void tls_free(struct tls *tls)
{
}

void *tls_room(struct tls *tls, size_t *ret_bytes)
{
	*ret_bytes = 0;
	return NULL;
}

void tls_came(struct tls *tls, size_t bytes)
{
}

const void *tls_out(const struct tls *tls, size_t *ret_bytes)
{
	*ret_bytes = 0;
	return NULL;
}

void tls_went(struct tls *tls, size_t bytes)
{
}

int tls_greet(struct tls *tls, char *why)
{
	return -EOPNOTSUPP;
}

ssize_t tls_get(struct tls *tls, void *buf, size_t room)
{
	return -EPROTO;
}

int tls_put(struct tls *tls, const void *bytes, size_t len)
{
	return -EPROTO;
}

void tls_end(struct tls *tls)
{
}

const char *tls_name(const struct tls *tls)
{
	return "";
}
