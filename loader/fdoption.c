/* SPDX-License-Identifier: MIT */
#include "loader/fdoption.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "common/cleanup.h"

#define WORDS_BYTES 512

/* What the kernel tells is twice what it takes. */
static int set_buffer(int sock, const struct image_option *option)
{
	const bool reads = option->name == SO_RCVBUF;
	const int force = reads ? SO_RCVBUFFORCE : SO_SNDBUFFORCE;
	int told, half;

	memcpy(&told, option->value, sizeof(told));
	half = told / 2;
	if (setsockopt(sock, SOL_SOCKET, force, &half, sizeof(half)) == 0)
		return 0;
	return setsockopt(sock, SOL_SOCKET, option->name, &half, sizeof(half));
}

static bool has_already(int sock, const struct sockopt *sockopt,
			const struct image_option *option)
{
	struct image_option has;

	/* A buffer of this size may still be one that grows. */
	return sockopt->how != SOCKOPT_BUFFER &&
	       sockopt_read(sock, sockopt, &has) == 0 &&
	       !memcmp(has.value, option->value, sizeof(has.value));
}

static int set_one(int sock, const struct sockopt *sockopt,
		   const struct image_option *option)
{
	int rc;

	if (has_already(sock, sockopt, option))
		return 0;
	rc = sockopt->how == SOCKOPT_BUFFER
		     ? set_buffer(sock, option)
		     : setsockopt(sock, sockopt->level, sockopt->name,
				  option->value, sockopt->bytes);
	return rc < 0 ? -errno : 0;
}

int fdoption_set(int sock, const struct image_fd *fd,
		 const struct sockopt **ret_refused)
{
	for (uint32_t i = 0; i < fd->nr_options; i++) {
		const struct sockopt *sockopt = sockopt_of(&fd->options[i]);
		int error = sockopt ? set_one(sock, sockopt, &fd->options[i])
				    : -EPROTO;

		if (error && sockopt && sockopt->how == SOCKOPT_SPARED)
			continue;
		if (error) {
			*ret_refused = sockopt;
			return error;
		}
	}
	return 0;
}

/* Whether @sock has less room than the parent's: how much, into @ret_words. */
static bool is_smaller(int sock, const struct sockopt *sockopt,
		       const struct image_option *option, char ret_words[64])
{
	struct image_option has;
	int wanted, got;

	if (sockopt_read(sock, sockopt, &has))
		return false;
	memcpy(&wanted, option->value, sizeof(wanted));
	memcpy(&got, has.value, sizeof(got));
	(void)snprintf(ret_words, 64, "%d of %d bytes", got / 2, wanted / 2);
	return got < wanted;
}

/* Whether @option is left out, and why. */
static bool is_missed(int sock, const struct sockopt *sockopt,
		      const struct image_option *option, char ret_words[64])
{
	int error;

	if (sockopt->how == SOCKOPT_PLAIN)
		return false;
	error = set_one(sock, sockopt, option);
	if (error) {
		(void)snprintf(ret_words, 64, "%s", strerror(-error));
		return true;
	}
	return sockopt->how == SOCKOPT_BUFFER &&
	       is_smaller(sock, sockopt, option, ret_words);
}

static void foresee(const struct image_fd *fd, void (*tell)(const char *words))
{
	CLEANUP_CLOSE int sock =
		socket(fd->domain, fd->type | SOCK_CLOEXEC, fd->protocol);
	char words[WORDS_BYTES], reason[64];
	size_t len = 0;

	for (uint32_t i = 0; sock >= 0 && i < fd->nr_options; i++) {
		const struct sockopt *sockopt = sockopt_of(&fd->options[i]);

		if (!sockopt || len >= sizeof(words) ||
		    !is_missed(sock, sockopt, &fd->options[i], reason))
			continue;
		if (!len)
			len = (size_t)snprintf(words, sizeof(words),
					       "descriptor %d goes without ",
					       fd->fd);
		else
			len += (size_t)snprintf(words + len,
						sizeof(words) - len, ", ");
		if (len < sizeof(words))
			len += (size_t)snprintf(words + len,
						sizeof(words) - len, "%s (%s)",
						sockopt->word, reason);
	}
	if (len)
		tell(words);
}

void fdoption_foresee(const struct image *image, const struct fate *fates,
		      void (*tell)(const char *words))
{
	for (uint32_t i = 0; i < image->nr_fds; i++)
		if (image->fds[i].nr_options &&
		    (fates[i].kind == FATE_LISTENER ||
		     fates[i].kind == FATE_PAIR))
			foresee(&image->fds[i], tell);
}
