/* SPDX-License-Identifier: MIT */
/* sec_psk.c - see sec_psk.h */
#include "rdmafetch/sec_psk.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "config.h"
#include "rdmafetch/tls.h"

#define SERVER_FILE  SYSCONFDIR "/mitosis/mitosisd.psk"
#define ROOT_FILE    SYSCONFDIR "/mitosis/client.psk"
#define USER_FILE    ".config/mitosis/client.psk"
#define PASSWD_BYTES 16384

/* A user's entry; @name NULL: whose we are.  False: there is none. */
static bool find_user(const char *name, struct passwd *entry, char *text)
{
	struct passwd *found = NULL;
	int r = name ? getpwnam_r(name, entry, text, PASSWD_BYTES, &found)
		     : getpwuid_r(geteuid(), entry, text, PASSWD_BYTES, &found);

	return !r && found;
}

static int say(char *why, int error, const char *words)
{
	(void)snprintf(why, WIRE_WHY_MAX + 1, "sec=psk: %s", words);
	return error;
}

/* Where keys are kept if nobody says where. */
static void set_file(const struct sec_words *words, const struct passwd *user,
		     struct sec_settings *settings)
{
	const size_t room = sizeof(settings->psk_file);

	if (words->psk_file)
		(void)snprintf(settings->psk_file, room, "%s", words->psk_file);
	else if (words->is_server)
		(void)snprintf(settings->psk_file, room, "%s", SERVER_FILE);
	else if (!user || !geteuid())
		(void)snprintf(settings->psk_file, room, "%s", ROOT_FILE);
	else
		(void)snprintf(settings->psk_file, room, "%s/" USER_FILE,
			       user->pw_dir);
}

static int set_name(const struct sec_words *words, const struct passwd *user,
		    struct sec_settings *settings, char *why)
{
	const char *name = words->psk_user;

	if (!name && user)
		name = user->pw_name;
	if (!name)
		return say(why, -EINVAL,
			   "the user who asks has no name here: say which "
			   "(psk_user)");
	if (!psk_name_ok(name, strlen(name)))
		return say(why, -EINVAL,
			   "psk_user is 1 to 64 printable characters without a "
			   "blank or ':'");
	strcpy(settings->psk_user, name);
	return 0;
}

int sec_psk_set(const struct sec_words *words, struct sec_settings *settings,
		char *why)
{
	CLEANUP_FREE char *text = malloc(PASSWD_BYTES);
	struct passwd entry, *user = NULL;

	if (!tls_is_built)
		return say(why, -EOPNOTSUPP,
			   "built without GnuTLS (meson option psk)");
	if (words->psk_file &&
	    (!*words->psk_file || strlen(words->psk_file) > SEC_FILE_MAX))
		return say(why, -EINVAL,
			   "the path of the key file is empty or longer than "
			   "1023 bytes");
	if (!text)
		return say(why, -ENOMEM, "no memory");
	if (find_user(NULL, &entry, text))
		user = &entry;
	set_file(words, user, settings);
	return words->is_server ? 0 : set_name(words, user, settings, why);
}

int sec_psk_identity(const char *name, struct sec_identity *ret, char *why)
{
	CLEANUP_FREE char *text = malloc(PASSWD_BYTES);
	struct passwd entry;

	if (!text || !find_user(name, &entry, text)) {
		(void)snprintf(why, WIRE_WHY_MAX + 1,
			       "the key is right, but no user of the daemon's "
			       "host is called %.64s",
			       name);
		return -EACCES;
	}
	ret->uid = entry.pw_uid;
	ret->gid = entry.pw_gid;
	return 0;
}
