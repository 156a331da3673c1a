/* SPDX-License-Identifier: MIT */
/* peer.c - see peer.h */
#include "parent/peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/io.h"
#include "parent/sockdiag.h"

#define ESTABLISHED    1 /* TCP_ESTABLISHED of the kernel's tcp_states.h */
#define PROC_BYTES_MAX (64u << 20)
#define PASSWD_BYTES   16384
/* Words of a line before and after what is of interest. */
#define WORD_LOCAL    1
#define WORD_REMOTE   2
#define WORD_STATE    3
#define WORD_UID      7
#define WORD_INODE    9
#define WORDS	      10
#define V4_HEX_DIGITS 8
#define V6_HEX_DIGITS 32

static const uint8_t mapped_prefix[12] = {[10] = 0xff, [11] = 0xff};

static void end_of_v4(const void *addr, uint16_t port, struct peer_end *ret)
{
	memcpy(ret->addr, mapped_prefix, 12);
	memcpy(ret->addr + 12, addr, 4);
	ret->port = port;
}

int peer_end_of(const struct sockaddr_storage *from, struct peer_end *ret)
{
	const struct sockaddr_in *in = (const void *)from;
	const struct sockaddr_in6 *in6 = (const void *)from;

	if (from->ss_family == AF_INET) {
		end_of_v4(&in->sin_addr, ntohs(in->sin_port), ret);
		return 0;
	}
	if (from->ss_family != AF_INET6)
		return -EAFNOSUPPORT;
	memcpy(ret->addr, &in6->sin6_addr, 16);
	ret->port = ntohs(in6->sin6_port);
	return 0;
}

int peer_is_loopback(const struct peer_end *end)
{
	static const uint8_t v6_loopback[16] = {[15] = 1};

	if (!memcmp(end->addr, mapped_prefix, 12))
		return end->addr[12] == 127;
	return !memcmp(end->addr, v6_loopback, 16);
}

static int same_end(const struct peer_end *a, const struct peer_end *b)
{
	return a->port == b->port && !memcmp(a->addr, b->addr, 16);
}

/* A number of exactly the characters [@text, @end). */
static int get_number(const char *text, const char *end, unsigned base,
		      uint64_t *ret)
{
	uint64_t value = 0;
	unsigned digit;

	if (text == end)
		return -EPROTO;
	for (; text < end; text++) {
		if (*text >= '0' && *text <= '9')
			digit = (unsigned)(*text - '0');
		else if (*text >= 'A' && *text <= 'F')
			digit = (unsigned)(*text - 'A') + 10;
		else
			return -EPROTO;
		if (digit >= base || value > (UINT64_MAX - digit) / base)
			return -EPROTO;
		value = value * base + digit;
	}
	*ret = value;
	return 0;
}

/*
 * "0100007F:1CCD": each 32-bit word of the address is printed as the number
 * that its bytes, in network order, make on this machine.
 */
static int get_end(const char *text, const char *end, struct peer_end *ret)
{
	const char *colon = memchr(text, ':', (size_t)(end - text));
	size_t digits = colon ? (size_t)(colon - text) : 0;
	uint8_t addr[16] = {0};
	uint64_t value;

	if (digits != V4_HEX_DIGITS && digits != V6_HEX_DIGITS)
		return -EPROTO;
	for (size_t i = 0; i < digits / 8; i++) {
		uint32_t word;

		if (get_number(text + i * 8, text + i * 8 + 8, 16, &value))
			return -EPROTO;
		word = (uint32_t)value;
		memcpy(addr + i * 4, &word, 4);
	}
	if (get_number(colon + 1, end, 16, &value) || value > UINT16_MAX)
		return -EPROTO;
	if (digits == V4_HEX_DIGITS)
		end_of_v4(addr, (uint16_t)value, ret);
	else
		*ret = (struct peer_end){.port = (uint16_t)value};
	if (digits == V6_HEX_DIGITS)
		memcpy(ret->addr, addr, 16);
	return 0;
}

struct word {
	const char *start, *end;
};

/* The first WORDS words of a line; returns how many there are. */
static int split(const char *line, const char *end, struct word words[WORDS])
{
	int nr = 0;

	while (nr < WORDS) {
		while (line < end && *line == ' ')
			line++;
		if (line == end)
			break;
		words[nr].start = line;
		while (line < end && *line != ' ')
			line++;
		words[nr++].end = line;
	}
	return nr;
}

/* As peer_scan_proc(), for one line. */
static int scan_line(const char *line, const char *end,
		     const struct peer_end *near, const struct peer_end *far,
		     uid_t *ret_uid)
{
	struct word w[WORDS];
	struct peer_end local, remote;
	uint64_t state, uid, inode;

	if (split(line, end, w) < WORDS)
		return -EPROTO;
	if (get_end(w[WORD_LOCAL].start, w[WORD_LOCAL].end, &local) ||
	    get_end(w[WORD_REMOTE].start, w[WORD_REMOTE].end, &remote) ||
	    get_number(w[WORD_STATE].start, w[WORD_STATE].end, 16, &state) ||
	    get_number(w[WORD_UID].start, w[WORD_UID].end, 10, &uid) ||
	    get_number(w[WORD_INODE].start, w[WORD_INODE].end, 10, &inode))
		return -EPROTO;
	if (!same_end(&local, near) || !same_end(&remote, far))
		return 0;
	if (state != ESTABLISHED || !inode || uid >= UINT32_MAX)
		return 0;
	*ret_uid = (uid_t)uid;
	return 1;
}

int peer_scan_proc(const char *text, size_t len, const struct peer_end *near,
		   const struct peer_end *far, uid_t *ret_uid)
{
	const char *end = text + len, *stop;
	int found = 0;

	/* The first line is the table's head. */
	for (int nr = 0; text < end && !found; nr++) {
		stop = memchr(text, '\n', (size_t)(end - text));
		if (!stop)
			stop = end;
		if (nr)
			found = scan_line(text, stop, near, far, ret_uid);
		text = stop + 1;
	}
	return found;
}

static int scan_file(const char *path, const struct peer_end *near,
		     const struct peer_end *far, uid_t *ret_uid)
{
	CLEANUP_FREE char *text = NULL;
	size_t len;
	int error;

	error = io_slurp_at(AT_FDCWD, path, PROC_BYTES_MAX, &text, &len);
	if (error == -ENOENT)
		return 0;
	if (error)
		return error;
	return peer_scan_proc(text, len, near, far, ret_uid);
}

static int scan_once(const struct peer_end *near, const struct peer_end *far,
		     uid_t *ret_uid)
{
	int found = scan_file("/proc/net/tcp", near, far, ret_uid);

	if (found)
		return found;
	return scan_file("/proc/net/tcp6", near, far, ret_uid);
}

/*
 * A socket that was closed has no owner, and some kernels print that as root.
 * The words of a line are read one after the other, so that a close in between
 * could give uid 0 beside a live inode: what is still there at a second look
 * was there all through the first.
 */
static int owner_by_proc(const struct peer_end *near,
			 const struct peer_end *far, uid_t *ret_uid)
{
	uid_t uid, again;
	int found;

	found = scan_once(near, far, &uid);
	if (found <= 0)
		return found;
	found = scan_once(near, far, &again);
	if (found > 0 && uid == again)
		*ret_uid = uid;
	return found > 0 ? uid == again : found;
}

static void put_addr(__be32 out[4], const struct peer_end *end, int family)
{
	memcpy(out, end->addr + (family == AF_INET ? 12 : 0),
	       family == AF_INET ? 4 : 16);
}

/*
 * As peer_scan_proc(); or -errno where the kernel does not answer.
 *
 * Exactly one socket, looked up as an incoming packet would be.  The kernel
 * reads the uid before the inode, and a closed socket has no inode: with an
 * inode the uid is its owner's (inet_diag.c).
 */
static int owner_by_diag(const struct peer_end *near,
			 const struct peer_end *far, uid_t *ret_uid)
{
	int family = memcmp(far->addr, mapped_prefix, 12) ? AF_INET6 : AF_INET;
	struct {
		struct nlmsghdr head;
		struct inet_diag_req_v2 request;
	} question = {
		.head.nlmsg_len = sizeof(question),
		.request.sdiag_family = (uint8_t)family,
		.request.sdiag_protocol = IPPROTO_TCP,
		.request.idiag_states = 1u << ESTABLISHED,
		.request.id.idiag_sport = htons(near->port),
		.request.id.idiag_dport = htons(far->port),
		.request.id.idiag_cookie = {INET_DIAG_NOCOOKIE,
					    INET_DIAG_NOCOOKIE},
	};
	union sockdiag_answer answer;
	const struct inet_diag_msg *msg = NLMSG_DATA(&answer.head);
	CLEANUP_CLOSE int netlink = sockdiag_open();
	int error = netlink < 0 ? netlink : 0;

	put_addr(question.request.id.idiag_src, near, family);
	put_addr(question.request.id.idiag_dst, far, family);
	if (!error)
		error = sockdiag_ask(netlink, &question.head, sizeof(*msg),
				     &answer);
	if (error)
		return error == -ENOENT ? 0 : error;
	if (msg->idiag_state != ESTABLISHED || !msg->idiag_inode)
		return 0;
	*ret_uid = msg->idiag_uid;
	return 1;
}

/* The peer's own end is near to it, and ours is far. */
static int owner_of(const struct peer_end *near, const struct peer_end *far,
		    uid_t *ret_uid)
{
	int found = owner_by_diag(near, far, ret_uid);

	return found < 0 ? owner_by_proc(near, far, ret_uid) : found;
}

/* 1 when the user database knows the user's group. */
static int group_of(uid_t uid, gid_t *ret_gid)
{
	CLEANUP_FREE char *text = NULL;
	struct passwd entry, *found = NULL;

	if (!uid) {
		*ret_gid = 0;
		return 1;
	}
	text = malloc(PASSWD_BYTES);
	if (!text || getpwuid_r(uid, &entry, text, PASSWD_BYTES, &found) ||
	    !found)
		return 0;
	*ret_gid = found->pw_gid;
	return 1;
}

static int peer_of_inet(int fd, const struct sockaddr_storage *remote,
			struct peer *ret_peer)
{
	struct peer peer = {0};
	struct peer_end near, far;
	struct sockaddr_storage local;
	socklen_t len = sizeof(local);
	int error;

	if (getsockname(fd, (struct sockaddr *)&local, &len))
		return -errno;
	error = peer_end_of(remote, &near);
	if (!error)
		error = peer_end_of(&local, &far);
	if (error)
		return error;
	if (peer_is_loopback(&near) && peer_is_loopback(&far) &&
	    owner_of(&near, &far, &peer.uid) == 1)
		peer.known = group_of(peer.uid, &peer.gid);
	*ret_peer = peer;
	return 0;
}

static int peer_of_unix(int fd, struct peer *ret_peer)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len))
		return -errno;
	*ret_peer = (struct peer){
		.known = cred.uid != (uid_t)-1,
		.uid = cred.uid,
		.gid = cred.gid,
		.pid = cred.pid,
	};
	return 0;
}

int peer_of_socket(int fd, struct peer *ret_peer)
{
	struct sockaddr_storage remote;
	socklen_t len = sizeof(remote);

	if (getpeername(fd, (struct sockaddr *)&remote, &len))
		return -errno;
	if (remote.ss_family == AF_UNIX)
		return peer_of_unix(fd, ret_peer);
	return peer_of_inet(fd, &remote, ret_peer);
}
