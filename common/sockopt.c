/* SPDX-License-Identifier: MIT */
#include "common/sockopt.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>

/* Of include/uapi, where the headers of libc lag behind. */
#ifndef SO_RXQ_OVFL
#define SO_RXQ_OVFL 40
#endif
#ifndef SO_SELECT_ERR_QUEUE
#define SO_SELECT_ERR_QUEUE 45
#endif
#ifndef SO_BUSY_POLL
#define SO_BUSY_POLL 46
#endif
#ifndef SO_MAX_PACING_RATE
#define SO_MAX_PACING_RATE 47
#endif
#ifndef SO_ZEROCOPY
#define SO_ZEROCOPY 60
#endif
#ifndef SO_PREFER_BUSY_POLL
#define SO_PREFER_BUSY_POLL 69
#endif
#ifndef SO_PASSPIDFD
#define SO_PASSPIDFD 76
#endif
#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif
#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51
#endif
#ifndef IPV6_RECVERR_RFC4884
#define IPV6_RECVERR_RFC4884 31
#endif

#define INT_BYTES  4u
#define TIME_BYTES 16u /* struct timeval */
#define TEXT_BYTES 16u /* IFNAMSIZ, TCP_CA_NAME_MAX */

#define ROW(word, level, name, bytes, how, usual, text)                        \
	{                                                                      \
		word, level, name, bytes, how, usual, text                     \
	}

/* Each takes the name as a word, before the number stands for it. */
#define BYTES(level, name, bytes)                                              \
	ROW(#name, level, name, bytes, SOCKOPT_PLAIN, 0, NULL)
#define TEXT(level, name, how, text)                                           \
	ROW(#name, level, name, TEXT_BYTES, how, 0, text)
#define WHOLE(level, name, usual)                                              \
	ROW(#name, level, name, INT_BYTES, SOCKOPT_PLAIN, usual, NULL)
#define FLAG(level, name)                                                      \
	ROW(#name, level, name, INT_BYTES, SOCKOPT_PLAIN, 0, NULL)
#define SPARED(level, name)                                                    \
	ROW(#name, level, name, INT_BYTES, SOCKOPT_SPARED, 0, NULL)
#define BUFFER(name)                                                           \
	ROW(#name, SOL_SOCKET, name, INT_BYTES, SOCKOPT_BUFFER, 0, NULL)

/* The usual numbers are those of a kernel whose sysctls nobody has turned. */
static const struct sockopt table[] = {
	/* Where it may be bound, and who may see it. */
	TEXT(SOL_SOCKET, SO_BINDTODEVICE, SOCKOPT_PLAIN, ""),
	SPARED(SOL_SOCKET, SO_MARK),
	FLAG(IPPROTO_IP, IP_FREEBIND),
	SPARED(IPPROTO_IP, IP_TRANSPARENT),
	FLAG(IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT),
	FLAG(IPPROTO_IP, IP_LOCAL_PORT_RANGE),
	FLAG(IPPROTO_IPV6, IPV6_FREEBIND),
	SPARED(IPPROTO_IPV6, IPV6_TRANSPARENT),

	BUFFER(SO_RCVBUF),
	BUFFER(SO_SNDBUF),
	WHOLE(SOL_SOCKET, SO_RCVLOWAT, 1),
	WHOLE(SOL_SOCKET, SO_PEEK_OFF, -1),
	BYTES(SOL_SOCKET, SO_RCVTIMEO, TIME_BYTES),
	BYTES(SOL_SOCKET, SO_SNDTIMEO, TIME_BYTES),
	BYTES(SOL_SOCKET, SO_LINGER, 8),
	FLAG(SOL_SOCKET, SO_BROADCAST),
	FLAG(SOL_SOCKET, SO_KEEPALIVE),
	FLAG(SOL_SOCKET, SO_OOBINLINE),
	FLAG(SOL_SOCKET, SO_DONTROUTE),
	FLAG(SOL_SOCKET, SO_NO_CHECK),
	FLAG(SOL_SOCKET, SO_PASSCRED),
	FLAG(SOL_SOCKET, SO_PASSSEC),
	FLAG(SOL_SOCKET, SO_PASSPIDFD),
	WHOLE(SOL_SOCKET, SO_PASSRIGHTS, 1),
	FLAG(SOL_SOCKET, SO_TIMESTAMP),
	FLAG(SOL_SOCKET, SO_TIMESTAMPNS),
	FLAG(SOL_SOCKET, SO_TIMESTAMPING),
	FLAG(SOL_SOCKET, SO_RXQ_OVFL),
	FLAG(SOL_SOCKET, SO_SELECT_ERR_QUEUE),
	FLAG(SOL_SOCKET, SO_ZEROCOPY),
	WHOLE(SOL_SOCKET, SO_MAX_PACING_RATE, -1),
	SPARED(SOL_SOCKET, SO_BUSY_POLL),
	SPARED(SOL_SOCKET, SO_PREFER_BUSY_POLL),

	FLAG(IPPROTO_IP, IP_TOS),
	WHOLE(IPPROTO_IP, IP_TTL, 64),
	FLAG(IPPROTO_IP, IP_MINTTL),
	WHOLE(IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_WANT),
	FLAG(IPPROTO_IP, IP_PKTINFO),
	FLAG(IPPROTO_IP, IP_RECVERR),
	FLAG(IPPROTO_IP, IP_RECVERR_RFC4884),
	FLAG(IPPROTO_IP, IP_RECVTTL),
	FLAG(IPPROTO_IP, IP_RECVTOS),
	FLAG(IPPROTO_IP, IP_RECVOPTS),
	FLAG(IPPROTO_IP, IP_RETOPTS),
	FLAG(IPPROTO_IP, IP_PASSSEC),
	FLAG(IPPROTO_IP, IP_RECVORIGDSTADDR),
	FLAG(IPPROTO_IP, IP_RECVFRAGSIZE),
	WHOLE(IPPROTO_IP, IP_MULTICAST_TTL, 1),
	WHOLE(IPPROTO_IP, IP_MULTICAST_LOOP, 1),
	WHOLE(IPPROTO_IP, IP_MULTICAST_ALL, 1),
	SPARED(IPPROTO_IP, IP_MULTICAST_IF),

	FLAG(IPPROTO_IPV6, IPV6_TCLASS),
	WHOLE(IPPROTO_IPV6, IPV6_UNICAST_HOPS, 64),
	FLAG(IPPROTO_IPV6, IPV6_MINHOPCOUNT),
	WHOLE(IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_WANT),
	FLAG(IPPROTO_IPV6, IPV6_DONTFRAG),
	FLAG(IPPROTO_IPV6, IPV6_RECVPKTINFO),
	FLAG(IPPROTO_IPV6, IPV6_RECVERR),
	FLAG(IPPROTO_IPV6, IPV6_RECVERR_RFC4884),
	FLAG(IPPROTO_IPV6, IPV6_RECVHOPLIMIT),
	FLAG(IPPROTO_IPV6, IPV6_RECVTCLASS),
	FLAG(IPPROTO_IPV6, IPV6_RECVORIGDSTADDR),
	FLAG(IPPROTO_IPV6, IPV6_RECVFRAGSIZE),
	WHOLE(IPPROTO_IPV6, IPV6_MULTICAST_HOPS, 1),
	WHOLE(IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 1),
	WHOLE(IPPROTO_IPV6, IPV6_MULTICAST_ALL, 1),

	/* Behind IP_TOS, which sets it, too; over 6 it takes a privilege. */
	SPARED(SOL_SOCKET, SO_PRIORITY),

	FLAG(IPPROTO_TCP, TCP_NODELAY),
	FLAG(IPPROTO_TCP, TCP_CORK),
	WHOLE(IPPROTO_TCP, TCP_MAXSEG, 536),
	WHOLE(IPPROTO_TCP, TCP_KEEPIDLE, 7200),
	WHOLE(IPPROTO_TCP, TCP_KEEPINTVL, 75),
	WHOLE(IPPROTO_TCP, TCP_KEEPCNT, 9),
	WHOLE(IPPROTO_TCP, TCP_SYNCNT, 6),
	WHOLE(IPPROTO_TCP, TCP_LINGER2, 60),
	FLAG(IPPROTO_TCP, TCP_DEFER_ACCEPT),
	FLAG(IPPROTO_TCP, TCP_WINDOW_CLAMP),
	FLAG(IPPROTO_TCP, TCP_USER_TIMEOUT),
	FLAG(IPPROTO_TCP, TCP_FASTOPEN),
	FLAG(IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE),
	FLAG(IPPROTO_TCP, TCP_SAVE_SYN),
	FLAG(IPPROTO_TCP, TCP_NOTSENT_LOWAT),
	FLAG(IPPROTO_TCP, TCP_INQ),
	TEXT(IPPROTO_TCP, TCP_CONGESTION, SOCKOPT_SPARED, "cubic"),

	FLAG(IPPROTO_UDP, UDP_CORK),
	FLAG(IPPROTO_UDP, UDP_SEGMENT),
	FLAG(IPPROTO_UDP, UDP_GRO),
	FLAG(IPPROTO_UDP, UDP_NO_CHECK6_TX),
	FLAG(IPPROTO_UDP, UDP_NO_CHECK6_RX),
};

#define NR (sizeof(table) / sizeof(table[0]))

_Static_assert(NR <= IMAGE_OPTIONS_MAX, "a list has room for all");
_Static_assert(TIME_BYTES <= IMAGE_OPTION_BYTES_MAX &&
		       TEXT_BYTES <= IMAGE_OPTION_BYTES_MAX,
	       "an option has room for its value");

const struct sockopt *sockopt_at(unsigned index)
{
	return index < NR ? &table[index] : NULL;
}

const struct sockopt *sockopt_of(const struct image_option *option)
{
	for (unsigned i = 0; i < NR; i++)
		if (table[i].level == option->level &&
		    table[i].name == option->name)
			return &table[i];
	return NULL;
}

bool sockopt_applies(const struct sockopt *sockopt, int domain, int protocol)
{
	/* The kernel tells another than the usual one of those of IPv6. */
	if (sockopt->level == IPPROTO_IP && sockopt->name == IP_MULTICAST_ALL)
		return domain == AF_INET;
	switch (sockopt->level) {
	case SOL_SOCKET:
		return true;
	case IPPROTO_IP: /* one of IPv6 speaks IPv4, too */
		return domain == AF_INET || domain == AF_INET6;
	case IPPROTO_IPV6:
		return domain == AF_INET6;
	default:
		return (domain == AF_INET || domain == AF_INET6) &&
		       sockopt->level == protocol;
	}
}

int sockopt_read(int sock, const struct sockopt *sockopt,
		 struct image_option *ret_option)
{
	struct image_option option = {.level = sockopt->level,
				      .name = sockopt->name,
				      .bytes = sockopt->bytes};
	socklen_t len = sockopt->bytes;

	if (getsockopt(sock, sockopt->level, sockopt->name, option.value,
		       &len) < 0)
		return -errno;
	/* Of a text the kernel tells as much as there is. */
	if (len > sockopt->bytes ||
	    (len != sockopt->bytes && !sockopt->usual_text))
		return -EPROTO;
	*ret_option = option;
	return 0;
}

bool sockopt_is_usual(const struct sockopt *sockopt,
		      const struct image_option *option)
{
	uint8_t usual[IMAGE_OPTION_BYTES_MAX] = {0};

	if (sockopt->how == SOCKOPT_BUFFER)
		return false;
	if (sockopt->usual_text)
		memcpy(usual, sockopt->usual_text, strlen(sockopt->usual_text));
	else
		memcpy(usual, &sockopt->usual, sizeof(sockopt->usual));
	return !memcmp(usual, option->value, sizeof(usual));
}
