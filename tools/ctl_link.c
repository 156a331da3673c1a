/* SPDX-License-Identifier: MIT */
/* ctl_link.c - see ctl_link.h */
#include "tools/ctl_link.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/say.h"
#include "rdmafetch/dial.h"
#include "rdmafetch/tcp_control.h"
#include "rdmafetch/verbs_ud_link.h"
#include "tools/socketpath.h"

#define ROOT_SOCKET "/run/mitosis/control.sock"
#define DATAGRAMS   "rdma-ud"

struct ctl_link {
	struct tcp_control *control; /* or, NULL: */
	struct dgram_call call;
};

static bool is_by_datagrams(const struct ctl_where *where)
{
	return where->proto && !strcmp(where->proto, DATAGRAMS);
}

int ctl_link_check(const struct ctl_where *where)
{
	if (where->socket && where->host) {
		say_error("--socket and --host exclude each other");
		return -EINVAL;
	}
	if (where->port && !where->host) {
		say_error("--port is about --host: say which, or leave it out");
		return -EINVAL;
	}
	if (where->proto && !where->host) {
		say_error(
			"--proto is about --host: say which, or leave it out");
		return -EINVAL;
	}
	if (where->proto && !is_by_datagrams(where) &&
	    strcmp(where->proto, "tcp") != 0) {
		say_error("--proto %s: tcp or rdma-ud is wanted", where->proto);
		return -EINVAL;
	}
	return 0;
}

/* ---- where ---- */

static int set_sec(const struct ctl_where *where, struct sec_settings *sec)
{
	char why[WIRE_WHY_MAX + 1];
	int error = sec_set(&where->sec, sec, why);

	if (error)
		say_error("%s", why);
	return error;
}

/* Our own user's daemon when it runs, else the host's. */
static void choose_socket(char ret_path[SOCKETPATH_MAX + 1])
{
	socketpath_default(ret_path);
	if (access(ret_path, F_OK) && !access(ROOT_SOCKET, F_OK))
		strcpy(ret_path, ROOT_SOCKET);
}

/* [::1], as a source of mitosisfs has it. */
static void drop_brackets(char *host)
{
	size_t len = strlen(host);

	if (len < 3 || host[0] != '[' || host[len - 1] != ']')
		return;
	host[len - 1] = '\0';
	memmove(host, host + 1, len - 1);
}

static int set_address(const struct ctl_where *where, int timeout_ms,
		       struct tcp_address *address)
{
	char path[SOCKETPATH_MAX + 1];
	const char *text = where->host;

	if (!where->host) {
		choose_socket(path);
		text = where->socket ? where->socket : path;
	}
	*address = (struct tcp_address){
		.is_unix = !where->host,
		.port = (uint16_t)(where->port ? where->port : WIRE_PORT),
		.timeout_ms = timeout_ms,
	};
	if (strlen(text) >= sizeof(address->host)) {
		say_error("%s: too long", text);
		return -EINVAL;
	}
	strcpy(address->host, text);
	if (!address->is_unix)
		drop_brackets(address->host);
	return set_sec(where, &address->sec);
}

/* In a folder where everybody may write, a stranger may have been first. */
static int check_socket(const struct tcp_address *address)
{
	struct stat st;

	if (!address->is_unix || stat(address->host, &st) || !st.st_uid ||
	    st.st_uid == geteuid())
		return 0;
	say_error(
		"%s belongs to user %u, neither to root nor to you: not "
		"trusted",
		address->host, st.st_uid);
	return -EPERM;
}

static int say_unreachable(const struct tcp_address *address, int error,
			   const char *why)
{
	char where[PARSE_HOST_MAX + 16];

	if (address->is_unix)
		(void)snprintf(where, sizeof(where), "%s", address->host);
	else
		(void)snprintf(where, sizeof(where), "%s port %u",
			       address->host, address->port);
	if (*why)
		say_error("mitosisd at %s: %s", where, why);
	else
		say_error("cannot reach mitosisd at %s: %s", where,
			  dial_advice(address, error));
	return error;
}

/* No daemon is here, and none was asked for by name. */
static bool is_absent(const struct ctl_where *where, int error)
{
	return (error == -ENOENT || error == -ECONNREFUSED) && !where->socket &&
	       !where->host;
}

void ctl_link_say_absent(void)
{
	const struct ctl_where nowhere = {NULL};
	struct tcp_address address;

	if (!set_address(&nowhere, 0, &address))
		(void)say_unreachable(&address, -ECONNREFUSED, "");
}

/* ---- the link ---- */

static int reach_datagrams(const struct ctl_where *where,
			   const struct tcp_address *address,
			   struct ctl_link *link, char *why)
{
	struct verbs_address verbs = {
		.port = address->port,
		.timeout_ms = address->timeout_ms,
		.sec = address->sec,
	};

	strcpy(verbs.host, address->host);
	return verbs_ud_hello(&verbs, &link->call, why);
}

static int reach(const struct ctl_where *where,
		 const struct tcp_address *address, struct ctl_link *link,
		 bool *ret_absent)
{
	char why[WIRE_WHY_MAX + 1] = "";
	int error;

	if (is_by_datagrams(where))
		error = reach_datagrams(where, address, link, why);
	else
		error = tcp_control_hello(address, &link->control, why);
	*ret_absent = is_absent(where, error);
	return error && !*ret_absent ? say_unreachable(address, error, why)
				     : error;
}

int ctl_link_open(const struct ctl_where *where, int timeout_ms,
		  struct ctl_link **ret, bool *ret_absent)
{
	struct ctl_link *link = calloc(1, sizeof(*link));
	struct tcp_address address;
	int error;

	*ret_absent = false;
	if (!link)
		return -ENOMEM;
	error = set_address(where, timeout_ms, &address);
	if (!error)
		error = check_socket(&address);
	if (!error)
		error = reach(where, &address, link, ret_absent);
	if (error)
		ctl_link_close(link);
	else
		*ret = link;
	return error;
}

int ctl_link_call(struct ctl_link *link, const struct dgram_question *question,
		  struct dgram_reply *ret, char *why)
{
	if (!link->control)
		return dgram_ask(&link->call, question, ret, why);
	return tcp_control_call(link->control, question->type, question->body,
				question->body_bytes, ret ? &ret->body : NULL,
				ret ? &ret->body_bytes : NULL, why);
}

void ctl_link_close(struct ctl_link *link)
{
	if (!link)
		return;
	tcp_control_close(link->control);
	dgram_bye(&link->call);
	free(link);
}
