/* SPDX-License-Identifier: MIT */
/* sec.c - see sec.h */
#include "rdmafetch/sec.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "rdmafetch/sec_munge.h"
#include "rdmafetch/sec_psk.h"

static const char *const names[] = {
	[WIRE_SEC_NONE] = "none",
	[WIRE_SEC_MUNGE] = "munge",
	[WIRE_SEC_PSK] = "psk",
};

#define NR_NAMES (sizeof(names) / sizeof(names[0]))

const char *sec_name(unsigned kind)
{
	return kind < NR_NAMES ? names[kind] : "?";
}

__attribute__((format(printf, 3, 4))) static int fail(char *why, int error,
						      const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(why, WIRE_WHY_MAX + 1, format, args);
	va_end(args);
	return error;
}

static int parse_kind(const char *word, enum wire_sec *ret_kind)
{
	for (unsigned i = 0; i < NR_NAMES; i++) {
		if (strcmp(word, names[i]))
			continue;
		*ret_kind = (enum wire_sec)i;
		return 0;
	}
	return -EINVAL;
}

static int set_munge(const struct sec_words *words,
		     struct sec_settings *settings, char *why)
{
	const char *socket = words->munge_socket;

	if (settings->kind == WIRE_SEC_MUNGE && !sec_munge_is_built)
		return fail(why, -EOPNOTSUPP,
			    "sec=munge: built without libmunge (meson option "
			    "munge)");
	if (socket && strlen(socket) > SEC_SOCKET_MAX)
		return fail(why, -EINVAL,
			    "the path of munged's socket is longer than %u "
			    "bytes",
			    SEC_SOCKET_MAX);
	if (socket)
		strcpy(settings->munge_socket, socket);
	return 0;
}

int sec_set(const struct sec_words *words, struct sec_settings *ret_settings,
	    char *why)
{
	struct sec_settings settings = {.kind = WIRE_SEC_NONE};
	int error;

	if (words->kind && parse_kind(words->kind, &settings.kind))
		return fail(why, -EINVAL, "sec=%.64s: it is none, munge or psk",
			    words->kind);
	if (settings.kind != WIRE_SEC_PSK && words->psk_file)
		return fail(why, -EINVAL,
			    "a key file is given, and sec=%s uses none: say "
			    "sec=psk, or leave the file out",
			    sec_name(settings.kind));
	if (settings.kind != WIRE_SEC_PSK && words->psk_user)
		return fail(
			why, -EINVAL,
			"a key's user is given, and sec=%s uses no key: say "
			"sec=psk, or leave the user out",
			sec_name(settings.kind));
	if (settings.kind != WIRE_SEC_MUNGE && words->munge_socket)
		return fail(why, -EINVAL,
			    "munged's socket is given, and sec=%s does not use "
			    "it: say sec=munge, or leave the socket out",
			    sec_name(settings.kind));
	error = set_munge(words, &settings, why);
	if (!error && settings.kind == WIRE_SEC_PSK)
		error = sec_psk_set(words, &settings, why);
	if (!error)
		*ret_settings = settings;
	return error;
}

int sec_check_server(const struct sec_settings *settings, char *why)
{
	struct psk_key key;
	int r = 0;

	if (settings->kind == WIRE_SEC_PSK)
		r = psk_read(settings->psk_file, NULL, &key, why);
	return r < 0 ? r : 0;
}

/* An IPv4 address reads the same on an IPv6 socket (::ffff:a.b.c.d). */
static void put_address(const struct sockaddr *server, char *out, size_t room)
{
	const struct sockaddr_in *in = (const void *)server;
	const struct sockaddr_in6 *in6 = (const void *)server;
	char text[INET6_ADDRSTRLEN] = "?";

	if (server->sa_family == AF_INET6 &&
	    !IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
		(void)inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof(text));
		(void)snprintf(out, room, "[%s]:%u", text,
			       ntohs(in6->sin6_port));
	} else if (server->sa_family == AF_INET6) {
		(void)inet_ntop(AF_INET, in6->sin6_addr.s6_addr + 12, text,
				sizeof(text));
		(void)snprintf(out, room, "%s:%u", text, ntohs(in6->sin6_port));
	} else if (server->sa_family == AF_INET) {
		(void)inet_ntop(AF_INET, &in->sin_addr, text, sizeof(text));
		(void)snprintf(out, room, "%s:%u", text, ntohs(in->sin_port));
	} else {
		(void)snprintf(out, room, "%s",
			       server->sa_family == AF_UNIX ? "this host"
							    : "nowhere");
	}
}

void sec_payload(const struct sec_way *way, char ret[SEC_PAYLOAD_MAX + 1])
{
	char address[64];

	put_address(way->server, address, sizeof(address));
	(void)snprintf(ret, SEC_PAYLOAD_MAX + 1, "mitosis hello %u to %s %s",
		       WIRE_VERSION, way->is_verbs ? "rdma" : "tcp", address);
}

int sec_make_credential(const struct sec_settings *settings,
			const struct sec_way *way, struct wire_hello *hello,
			char *why)
{
	char payload[SEC_PAYLOAD_MAX + 1];
	struct sec_munge_cred cred;
	int error;

	hello->sec = WIRE_SEC_NONE;
	hello->cred_bytes = 0;
	if (settings->kind == WIRE_SEC_NONE)
		return 0;
	if (settings->kind == WIRE_SEC_PSK && way->is_verbs)
		return fail(why, -EOPNOTSUPP,
			    "sec=psk: what goes over RDMA is not inside TLS: "
			    "use proto=tcp, or sec=munge");
	if (settings->kind == WIRE_SEC_PSK) {
		hello->sec = WIRE_SEC_PSK;
		return 0;
	}
	sec_payload(way, payload);
	error = sec_munge_encode(settings->munge_socket, payload, &cred, why);
	if (error)
		return error;
	hello->sec = WIRE_SEC_MUNGE;
	hello->cred_bytes = (uint32_t)strlen(cred.text);
	memcpy(hello->cred, cred.text, hello->cred_bytes);
	return 0;
}

static int check_said(const struct sec_munge_said *said,
		      const struct sec_way *way, char *why)
{
	char wanted[SEC_PAYLOAD_MAX + 1];

	if (said->ttl_s > SEC_TTL_S)
		return fail(why, -EACCES,
			    "the credential is good for %d s: longer than the "
			    "%d s that are taken",
			    said->ttl_s, SEC_TTL_S);
	sec_payload(way, wanted);
	if (!strcmp(said->payload, wanted))
		return 0;
	return fail(why, -EACCES,
		    "the credential is for '%s', and this is '%s': connect to "
		    "the daemon's own address, not to a forwarder's",
		    said->payload, wanted);
}

static int check_munge(const struct sec_settings *settings,
		       const struct sec_way *way,
		       const struct wire_hello *hello,
		       struct sec_identity *ret_identity, char *why)
{
	struct sec_munge_said said;
	struct sec_munge_cred cred;
	int error;

	memcpy(cred.text, hello->cred, hello->cred_bytes);
	cred.text[hello->cred_bytes] = '\0';
	if (!hello->cred_bytes || strlen(cred.text) != hello->cred_bytes)
		return fail(why, -EACCES, "there is no credential in it");
	error = sec_munge_decode(settings->munge_socket, &cred, &said, why);
	if (!error)
		error = check_said(&said, way, why);
	if (error)
		return error;
	ret_identity->uid = said.uid;
	ret_identity->gid = said.gid;
	return 0;
}

int sec_check_credential(const struct sec_settings *settings,
			 const struct sec_way *way,
			 const struct wire_hello *hello,
			 struct sec_identity *ret_identity, char *why)
{
	if (settings->kind == WIRE_SEC_NONE ||
	    hello->sec != (uint16_t)settings->kind)
		return fail(why, -EOPNOTSUPP,
			    "this mitosisd takes no credentials of sec=%s: it "
			    "runs with --sec=%s",
			    sec_name(hello->sec), sec_name(settings->kind));
	if (settings->kind == WIRE_SEC_MUNGE)
		return check_munge(settings, way, hello, ret_identity, why);
	if (!way->tls_name || hello->cred_bytes)
		return fail(why, -EACCES, "sec=psk is said outside of TLS");
	return sec_psk_identity(way->tls_name, ret_identity, why);
}
