/* SPDX-License-Identifier: MIT */
/* dgram_cookie.c - see dgram_cookie.h */
#include "rdmafetch/dgram_cookie.h"

#include <string.h>
#include <sys/random.h>

#include "rdmafetch/dgram_guests.h"

void dgram_cookie_init(struct siphash_key *ret_secret)
{
	/* It never fails for so few bytes once the kernel has begun. */
	while (getrandom(ret_secret, sizeof(*ret_secret), 0) !=
	       sizeof(*ret_secret))
		;
}

static uint64_t cookie_of(const struct siphash_key *secret,
			  const struct dgram_peer *peer, uint64_t period)
{
	uint8_t bytes[sizeof(peer->gid) + sizeof(peer->here) +
		      sizeof(peer->qpn) + sizeof(period)];
	uint8_t *at = bytes;

	memcpy(at, peer->gid, sizeof(peer->gid));
	at += sizeof(peer->gid);
	memcpy(at, peer->here, sizeof(peer->here));
	at += sizeof(peer->here);
	memcpy(at, &peer->qpn, sizeof(peer->qpn));
	at += sizeof(peer->qpn);
	memcpy(at, &period, sizeof(period));
	/* 0 stands for no cookie. */
	return siphash(secret, bytes, sizeof(bytes)) | 1;
}

uint64_t dgram_cookie_make(const struct siphash_key *secret,
			   const struct dgram_peer *peer, uint64_t now_ns)
{
	return cookie_of(secret, peer, now_ns / DGRAM_COOKIE_NS);
}

bool dgram_cookie_is_good(const struct siphash_key *secret,
			  const struct dgram_peer *peer, uint64_t now_ns,
			  uint64_t cookie)
{
	uint64_t period = now_ns / DGRAM_COOKIE_NS;

	return cookie == cookie_of(secret, peer, period) ||
	       (period && cookie == cookie_of(secret, peer, period - 1));
}
