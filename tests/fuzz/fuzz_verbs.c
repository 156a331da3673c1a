/* SPDX-License-Identifier: MIT */
/*
 * fuzz_verbs.c - a far end, and a device, that do anything
 *
 * The input is a script: reads are taken and posted, requests complete well or
 * not, messages of any bytes come.  Whatever happens, each read ends once.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/page.h"
#include "common/source.h"
#include "tests/contract/fake_qp.h"

#define READS_MAX 1024u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct wire_region regions[] = {{0, 16 * PAGE_BYTES, 1},
				       {16 * PAGE_BYTES, PAGE_BYTES, 2}};
static char buf[TRANSPORT_READ_MAX];

struct script {
	struct fake_qp *fake;
	const uint8_t *at, *end;
	unsigned nr_taken;
	bool landed[READS_MAX];
};

static unsigned byte(struct script *script)
{
	return script->at < script->end ? *script->at++ : 0;
}

static void take(struct script *script)
{
	unsigned what = byte(script);
	const struct transport_read read = {
		.object = what & 1 ? SOURCE_EXE : SOURCE_MEMORY,
		.len_bytes = (1 + byte(script) % 40) * PAGE_BYTES,
		.raddr = byte(script) % 32 * PAGE_BYTES,
		.buf = buf,
		.token = script->nr_taken,
		.urgent = what & 2,
	};

	if (script->nr_taken < READS_MAX && fake_qp_take(script->fake, &read))
		script->nr_taken++;
}

static void complete(struct script *script)
{
	static const enum ibv_wc_status statuses[] = {
		IBV_WC_SUCCESS,		IBV_WC_SUCCESS,
		IBV_WC_SUCCESS,		IBV_WC_REM_ACCESS_ERR,
		IBV_WC_RETRY_EXC_ERR,	IBV_WC_WR_FLUSH_ERR,
		IBV_WC_REM_INV_REQ_ERR, IBV_WC_SUCCESS};
	uint64_t wr_id = script->fake->core.ring.oldest + byte(script) % 140;

	fake_qp_complete(script->fake, wr_id, statuses[byte(script) % 8]);
}

/* Bytes of the input, with what makes them a header when a bit says so. */
static void receive(struct script *script)
{
	unsigned how = byte(script), len = byte(script) * 17;
	uint8_t message[VERBS_MESSAGE_MAX] = {0};
	struct wire_header header = {.type = WIRE_READ, .flags = WIRE_REPLY};

	for (unsigned i = 0; i < len && i < sizeof(message); i++)
		message[i] = (uint8_t)byte(script);
	header.id = byte(script) | byte(script) << 16;
	header.body_bytes = how & 1 ? 16 : PAGE_BYTES;
	header.flags |= how & 1 ? WIRE_FAR : 0;
	if (how & 2)
		wire_put_header(message, &header);
	if (how & 2)
		len = WIRE_HEADER_BYTES + header.body_bytes;
	fake_qp_receive(script->fake, byte(script) % VERBS_RECVS, message,
			len > sizeof(message) ? sizeof(message) : len);
}

/* A good answer to one read, and behind it one to another, or a lie. */
static void receive_two(struct script *script)
{
	struct wire_header header = {
		.type = WIRE_READ, .flags = WIRE_REPLY, .status = -EACCES};
	uint8_t message[VERBS_MESSAGE_MAX] = {0};
	uint32_t len = 0;

	for (unsigned i = 0; i < 2; i++) {
		header.id = byte(script) | byte(script) << 16;
		wire_put_header(message + len, &header);
		len += WIRE_HEADER_BYTES;
		header.body_bytes = byte(script);
	}
	fake_qp_receive(script->fake, byte(script) % VERBS_RECVS, message,
			len + byte(script));
}

static void reap(struct script *script)
{
	struct transport_done done;

	while (fake_qp_reap(script->fake, &done)) {
		if (done.token >= script->nr_taken ||
		    script->landed[done.token] || done.result > 0)
			abort();
		script->landed[done.token] = true;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct script script = {
		.fake = fake_qp_new(), .at = data, .end = data + size};

	if (!script.fake)
		return 0;
	script.fake->core.regions = (struct verbs_regions){regions, 2};
	while (script.at < script.end) {
		switch (byte(&script) % 6) {
		case 0:
		case 1:
			take(&script);
			break;
		case 2:
			complete(&script);
			break;
		case 3:
			receive(&script);
			break;
		case 4:
			receive_two(&script);
			break;
		default:
			reap(&script);
		}
		verbs_post_queued(&script.fake->core);
	}
	verbs_slots_land_all(&script.fake->core.slots, -EIO);
	reap(&script);
	for (unsigned i = 0; i < script.nr_taken; i++)
		if (!script.landed[i])
			abort();
	fake_qp_free(script.fake);
	return 0;
}
