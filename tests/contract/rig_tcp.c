/* SPDX-License-Identifier: MIT */
/*
 * rig_tcp.c - the tcp transport over loopback, over a unix socket, and in TLS
 */
#include "tests/contract/rig.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "rdmafetch/tcp.h"
#include "rdmafetch/tls.h"
#include "tests/contract/fake_server.h"
#include "tests/contract/keyfile.h"

static struct fake_server *server;

static struct transport *open_over(const struct rig_faults *faults,
				   struct fake_server_options options)
{
	struct wire_image image = {.name = "any"};
	struct transport *transport = NULL;
	char why[WIRE_WHY_MAX + 1];
	struct tcp_address address;
	struct tcp_opened opened;

	if (faults) {
		options.delay_ns = faults->delay_ns;
		options.reorder = faults->reorder;
		options.fail_every = faults->fail_every;
		options.fail_status = faults->fail_result == -EREMOTEIO
					      ? -EIO
					      : faults->fail_result;
		options.break_after = faults->break_after;
	}
	server = fake_server_start(&options);
	if (!server)
		return NULL;
	address = fake_server_address(server);
	if (options.psk_file)
		address.sec = keyfile_sec(options.psk_file, "any");
	if (tcp_open(&address, &image, &transport, &opened, why))
		return NULL;
	free(opened.desc);
	return transport;
}

static struct transport *tcp_rig_open(const struct rig_faults *faults)
{
	return open_over(faults, (struct fake_server_options){0});
}

static struct transport *unix_rig_open(const struct rig_faults *faults)
{
	return open_over(faults, (struct fake_server_options){.is_unix = true});
}

/* The key has been used once the connection is there. */
static struct transport *psk_rig_open(const struct rig_faults *faults)
{
	char path[KEYFILE_PATH_MAX];
	struct transport *transport;

	keyfile_make("any:" KEYFILE_KEY "\n", path);
	transport = open_over(faults,
			      (struct fake_server_options){.psk_file = path});
	(void)unlink(path);
	return transport;
}

static const char *psk_rig_lack(void)
{
	return tls_is_built ? NULL : "built without GnuTLS";
}

static void rig_close(struct transport *transport)
{
	transport->ops->close(transport);
	fake_server_stop(server);
}

const struct rig rig_tcp = {"tcp", true, tcp_rig_open, rig_close};
const struct rig rig_unix = {"unix", true, unix_rig_open, rig_close};
const struct rig rig_psk = {"psk", true, psk_rig_open, rig_close, psk_rig_lack};
