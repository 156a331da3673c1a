/* SPDX-License-Identifier: MIT */
/* tls.c - see tls.h */
#include "rdmafetch/tls.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/wire.h"

/* Programs that need no TLS do not pay for its start. */
GNUTLS_SKIP_GLOBAL_INIT;

/* ECDHE-PSK is what GnuTLS calls TLS 1.3's psk_dhe_ke.  Keys from a file go
 * with SHA-256, and so with these two ciphers. */
static const char priorities[] =
	"NORMAL:-VERS-ALL:+VERS-TLS1.3:-KX-ALL:+ECDHE-PSK:-CIPHER-ALL:"
	"+AES-128-GCM:+CHACHA20-POLY1305:-GROUP-ALL:+GROUP-X25519:"
	"+GROUP-SECP256R1:%NO_TICKETS";

#define FLAGS                                                                  \
	(GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL | GNUTLS_NO_TICKETS |              \
	 GNUTLS_NO_AUTO_SEND_TICKET)

#define RECORD_BYTES   16384u /* of plain bytes, at most */
#define OVERHEAD_BYTES 64u    /* of a record: header, type, tag */
/* What the library says of its own accord: a handshake, alerts. */
#define TALK_BYTES 16384u
#define OUT_BYTES                                                              \
	(TLS_PUT_MAX + TLS_PUT_MAX / RECORD_BYTES * OVERHEAD_BYTES + TALK_BYTES)
#define SERVER_IN_BYTES 32768u
#define CLIENT_IN_BYTES (256u << 10)

struct tls {
	gnutls_session_t session;
	gnutls_psk_client_credentials_t client;
	gnutls_psk_server_credentials_t server;
	const char *psk_file;
	bool asked; /* the server has looked for the client's key */
	char name[PSK_NAME_MAX + 1];
	char file_why[WIRE_WHY_MAX + 1]; /* why it could not look */
	uint8_t *in, *out;
	size_t in_at, in_end, in_bytes;
	size_t out_at, out_end;
};

const bool tls_is_built = true;

/* ---- between two buffers ---- */

void *tls_room(struct tls *tls, size_t *ret_bytes)
{
	if (tls->in_at) {
		memmove(tls->in, tls->in + tls->in_at,
			tls->in_end - tls->in_at);
		tls->in_end -= tls->in_at;
		tls->in_at = 0;
	}
	*ret_bytes = tls->in_bytes - tls->in_end;
	return tls->in + tls->in_end;
}

void tls_came(struct tls *tls, size_t bytes)
{
	tls->in_end += bytes;
}

const void *tls_out(const struct tls *tls, size_t *ret_bytes)
{
	*ret_bytes = tls->out_end - tls->out_at;
	return tls->out + tls->out_at;
}

void tls_went(struct tls *tls, size_t bytes)
{
	tls->out_at += bytes;
	if (tls->out_at == tls->out_end)
		tls->out_at = tls->out_end = 0;
}

static ssize_t pull(gnutls_transport_ptr_t arg, void *buf, size_t room)
{
	struct tls *tls = arg;
	size_t bytes = tls->in_end - tls->in_at;

	if (!bytes) {
		gnutls_transport_set_errno(tls->session, EAGAIN);
		return -1;
	}
	if (bytes > room)
		bytes = room;
	memcpy(buf, tls->in + tls->in_at, bytes);
	tls->in_at += bytes;
	return (ssize_t)bytes;
}

static int pull_wait(gnutls_transport_ptr_t arg, unsigned ms)
{
	const struct tls *tls = arg;

	return tls->in_end > tls->in_at;
}

/* The kernel may be sending from here: nothing moves, and what would not fit
 * (a far end that makes the library talk) ends the session. */
static ssize_t push(gnutls_transport_ptr_t arg, const void *bytes, size_t len)
{
	struct tls *tls = arg;

	if (len > OUT_BYTES - tls->out_end) {
		gnutls_transport_set_errno(tls->session, EPIPE);
		return -1;
	}
	memcpy(tls->out + tls->out_end, bytes, len);
	tls->out_end += len;
	return (ssize_t)len;
}

/* ---- keys ---- */

static int copy_datum(gnutls_datum_t *to, const void *bytes, unsigned len)
{
	to->data = gnutls_malloc(len);
	if (!to->data)
		return -1;
	memcpy(to->data, bytes, len);
	to->size = len;
	return 0;
}

/*
 * The library asks for a client's key.  Who has none is given a random one, and
 * fails as one whose key is wrong does, at the same place.  (It is made in any
 * case, as that takes time, too.)
 */
static int give_key(gnutls_session_t session, const gnutls_datum_t *name,
		    gnutls_datum_t *ret_key)
{
	struct tls *tls = gnutls_session_get_ptr(session);
	char text[PSK_NAME_MAX + 1] = "";
	struct psk_key none = {.len_bytes = 32}, key;
	int r;

	tls->asked = true;
	if (psk_name_ok((const char *)name->data, name->size))
		memcpy(text, name->data, name->size);
	r = psk_read(tls->psk_file, text, &key, tls->file_why);
	if (gnutls_rnd(GNUTLS_RND_KEY, none.bytes, none.len_bytes))
		return -1;
	if (r <= 0)
		key = none;
	memcpy(tls->name, text, sizeof(text));
	r = copy_datum(ret_key, key.bytes, key.len_bytes);
	explicit_bzero(&key, sizeof(key));
	return r;
}

static int set_client(struct tls *tls, const char *name,
		      const struct psk_key *key)
{
	const gnutls_datum_t datum = {(void *)key->bytes, key->len_bytes};
	int r = gnutls_psk_allocate_client_credentials(&tls->client);

	(void)snprintf(tls->name, sizeof(tls->name), "%s", name);
	if (!r)
		r = gnutls_psk_set_client_credentials(
			tls->client, tls->name, &datum, GNUTLS_PSK_KEY_RAW);
	if (!r)
		r = gnutls_credentials_set(tls->session, GNUTLS_CRD_PSK,
					   tls->client);
	return r;
}

static int set_server(struct tls *tls, const char *psk_file)
{
	int r = gnutls_psk_allocate_server_credentials(&tls->server);

	if (r)
		return r;
	tls->psk_file = psk_file;
	gnutls_psk_set_server_credentials_function2(tls->server, give_key);
	return gnutls_credentials_set(tls->session, GNUTLS_CRD_PSK,
				      tls->server);
}

/* ---- life ---- */

static int start_result;

static void start(void)
{
	start_result = gnutls_global_init();
}

static int init(struct tls *tls, unsigned end, size_t in_bytes)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	int r;

	(void)pthread_once(&once, start);
	if (start_result)
		return start_result;
	tls->in_bytes = in_bytes;
	tls->in = malloc(in_bytes);
	tls->out = malloc(OUT_BYTES);
	if (!tls->in || !tls->out)
		return GNUTLS_E_MEMORY_ERROR;
	r = gnutls_init(&tls->session, end | FLAGS);
	if (r)
		return r;
	gnutls_session_set_ptr(tls->session, tls);
	gnutls_transport_set_ptr(tls->session, tls);
	gnutls_transport_set_pull_function(tls->session, pull);
	gnutls_transport_set_pull_timeout_function(tls->session, pull_wait);
	gnutls_transport_set_push_function(tls->session, push);
	return gnutls_priority_set_direct(tls->session, priorities, NULL);
}

static int finish(struct tls *tls, int error, struct tls **ret)
{
	if (!error) {
		*ret = tls;
		return 0;
	}
	tls_free(tls);
	return error == GNUTLS_E_MEMORY_ERROR ? -ENOMEM : -EOPNOTSUPP;
}

int tls_new_client(const char *name, const struct psk_key *key,
		   struct tls **ret)
{
	struct tls *tls = calloc(1, sizeof(*tls));
	int r;

	if (!tls)
		return -ENOMEM;
	r = init(tls, GNUTLS_CLIENT, CLIENT_IN_BYTES);
	if (!r)
		r = set_client(tls, name, key);
	return finish(tls, r, ret);
}

int tls_new_server(const char *psk_file, struct tls **ret)
{
	struct tls *tls = calloc(1, sizeof(*tls));
	int r;

	if (!tls)
		return -ENOMEM;
	r = init(tls, GNUTLS_SERVER, SERVER_IN_BYTES);
	if (!r)
		r = set_server(tls, psk_file);
	return finish(tls, r, ret);
}

void tls_free(struct tls *tls)
{
	if (!tls)
		return;
	if (tls->session)
		gnutls_deinit(tls->session);
	if (tls->client)
		gnutls_psk_free_client_credentials(tls->client);
	if (tls->server)
		gnutls_psk_free_server_credentials(tls->server);
	free(tls->in);
	free(tls->out);
	free(tls);
}

/* ---- the handshake ---- */

static int fail(char *why, int error, const char *words, const char *more)
{
	(void)snprintf(why, WIRE_WHY_MAX + 1, "%s%.80s", words, more);
	return error;
}

/* What the server said before it hung up. */
static int explain_alert(const struct tls *tls, char *why)
{
	gnutls_alert_description_t alert = gnutls_alert_get(tls->session);
	const char *name = gnutls_alert_get_name(alert);

	if (alert == GNUTLS_A_ACCESS_DENIED)
		return fail(why, -EPROTO,
			    "the mitosisd there speaks no TLS: it runs without "
			    "--sec=psk",
			    "");
	if (alert != GNUTLS_A_DECRYPT_ERROR)
		return fail(why, -EPROTO, "TLS: ", name ? name : "an alert");
	(void)snprintf(why, WIRE_WHY_MAX + 1,
		       "the mitosisd there has not got this key for the name "
		       "%.64s: is the same line in its --psk-file?",
		       tls->name);
	return -EACCES;
}

static int explain_client(const struct tls *tls, int failure, char *why)
{
	switch (failure) {
	case GNUTLS_E_FATAL_ALERT_RECEIVED:
		return explain_alert(tls, why);
	case GNUTLS_E_UNEXPECTED_PACKET:
	case GNUTLS_E_UNEXPECTED_PACKET_LENGTH:
	case GNUTLS_E_UNSUPPORTED_VERSION_PACKET:
	case GNUTLS_E_RECORD_OVERFLOW:
		return fail(why, -EPROTO, "what answers there speaks no TLS",
			    "");
	case GNUTLS_E_MEMORY_ERROR:
		return fail(why, -ENOMEM, "no memory", "");
	default:
		return fail(why, -EPROTO, "TLS: ", gnutls_strerror(failure));
	}
}

/*
 * A server tells all who fail at the key the same, whichever way they fail;
 * what is wrong before that is no secret.
 */
static int explain_server(struct tls *tls, int failure, char *why)
{
	if (!tls->asked) {
		(void)gnutls_alert_send_appropriate(tls->session, failure);
		return fail(why, -EPROTO, "TLS: ", gnutls_strerror(failure));
	}
	(void)gnutls_alert_send(tls->session, GNUTLS_AL_FATAL,
				GNUTLS_A_DECRYPT_ERROR);
	if (tls->file_why[0])
		return fail(why, -EACCES, tls->file_why, "");
	return fail(why, -EACCES, "no such name, or not by this key: ",
		    tls->name[0] ? tls->name : "(a name that is none)");
}

/* The handshake is over: does it mean what it should? */
static bool is_as_wanted(const struct tls *tls)
{
	return gnutls_protocol_get_version(tls->session) == GNUTLS_TLS1_3 &&
	       gnutls_auth_get_type(tls->session) == GNUTLS_CRD_PSK &&
	       gnutls_kx_get(tls->session) == GNUTLS_KX_ECDHE_PSK &&
	       !gnutls_session_is_resumed(tls->session) && tls->name[0];
}

int tls_greet(struct tls *tls, char *why)
{
	int r;

	do
		r = gnutls_handshake(tls->session);
	while (r < 0 && r != GNUTLS_E_AGAIN && !gnutls_error_is_fatal(r));
	if (r == GNUTLS_E_AGAIN)
		return -EAGAIN;
	if (!r && !is_as_wanted(tls))
		r = GNUTLS_E_INSUFFICIENT_SECURITY;
	if (!r)
		return 0;
	return tls->server ? explain_server(tls, r, why)
			   : explain_client(tls, r, why);
}

/* ---- after it ---- */

ssize_t tls_get(struct tls *tls, void *buf, size_t room)
{
	ssize_t n;

	do
		n = gnutls_record_recv(tls->session, buf, room);
	while (n < 0 && n != GNUTLS_E_AGAIN && n != GNUTLS_E_REHANDSHAKE &&
	       !gnutls_error_is_fatal((int)n));
	if (n == GNUTLS_E_AGAIN)
		return -EAGAIN;
	return n < 0 ? -EPROTO : n;
}

int tls_put(struct tls *tls, const void *bytes, size_t len)
{
	const char *at = bytes;

	while (len) {
		ssize_t n = gnutls_record_send(tls->session, at, len);

		if (n <= 0)
			return -EPROTO;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

void tls_end(struct tls *tls)
{
	(void)gnutls_bye(tls->session, GNUTLS_SHUT_WR);
}

const char *tls_name(const struct tls *tls)
{
	return tls->name;
}
