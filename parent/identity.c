/* SPDX-License-Identifier: MIT */
/* identity.c - see identity.h */
#include "parent/identity.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct ends {
	struct sockaddr_storage here, there;
};

static int find_ends(const struct identity_ask *ask, struct ends *ret)
{
	socklen_t len = sizeof(ret->here);

	memset(ret, 0, sizeof(*ret));
	if (ask->fd < 0) {
		/* An end that is not told is nowhere: outside. */
		if (ask->here)
			ret->here = *ask->here;
		if (ask->there)
			ret->there = *ask->there;
		return 0;
	}
	if (getsockname(ask->fd, (struct sockaddr *)&ret->here, &len))
		return -errno;
	len = sizeof(ret->there);
	if (getpeername(ask->fd, (struct sockaddr *)&ret->there, &len))
		return -errno;
	return 0;
}

/* Nothing of it leaves this host. */
static bool is_inside(const struct ends *ends)
{
	struct peer_end here, there;

	if (ends->here.ss_family == AF_UNIX)
		return true;
	return !peer_end_of(&ends->here, &here) &&
	       !peer_end_of(&ends->there, &there) && peer_is_loopback(&here) &&
	       peer_is_loopback(&there);
}

static int take_unsaid(const struct identity_policy *policy,
		       const struct ends *ends, char *why)
{
	if (is_inside(ends))
		return 0;
	(void)snprintf(why, WIRE_WHY_MAX + 1,
		       "who connects over a network has to say who it is: "
		       "use sec=%s",
		       policy->sec.kind ? sec_name(policy->sec.kind) : "munge");
	return -EACCES;
}

static int take_credential(const struct identity_policy *policy,
			   const struct identity_ask *ask,
			   const struct ends *ends, struct peer *peer,
			   char *why)
{
	const struct sec_way way = {
		.is_verbs = ask->is_verbs,
		.server = (const struct sockaddr *)&ends->here,
		.tls_name = ask->tls_name,
	};
	struct sec_identity said;
	bool known;
	int error;

	error = sec_check_credential(&policy->sec, &way, ask->hello, &said,
				     why);
	if (error)
		return error;
	known = said.uid || policy->no_root_squash ||
		(peer->known && !peer->uid); /* our own root, too */
	*peer = (struct peer){
		.known = known && said.uid != (uid_t)-1,
		.squashed = !known,
		.uid = said.uid,
		.gid = said.gid,
	};
	return 0;
}

int identity_find(const struct identity_policy *policy,
		  const struct identity_ask *ask, struct peer *ret_peer,
		  char *why)
{
	struct peer peer = {0};
	struct ends ends;
	int error = find_ends(ask, &ends);

	if (error) {
		(void)snprintf(why, WIRE_WHY_MAX + 1, "the connection: %s",
			       strerror(-error));
		return error;
	}
	if (ask->fd >= 0)
		(void)peer_of_socket(ask->fd, &peer);
	error = ask->hello->sec == WIRE_SEC_NONE && !ask->tls_name
			? take_unsaid(policy, &ends, why)
			: take_credential(policy, ask, &ends, &peer, why);
	if (!error)
		*ret_peer = peer;
	return error;
}
