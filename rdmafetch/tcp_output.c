/* SPDX-License-Identifier: MIT */
/* tcp_output.c - see tcp_output.h */
#include "rdmafetch/tcp_output.h"

#include <errno.h>
#include <string.h>

bool output_fits(const struct tcp_output *output)
{
	return output->end - output->at + OUTPUT_READ_BYTES <= OUTPUT_BYTES;
}

/* Place for one more request, moving unsent ones to the front. */
static uint8_t *make_room(struct tcp_output *output)
{
	if (OUTPUT_BYTES - output->end < OUTPUT_READ_BYTES) {
		memmove(output->bytes, output->bytes + output->at,
			output->end - output->at);
		output->end -= output->at;
		output->at = 0;
	}
	return output->bytes + output->end;
}

void output_add(struct tcp_output *output, uint32_t id, bool urgent,
		const struct wire_read *read)
{
	struct wire_header header = {
		.type = WIRE_READ,
		.flags = urgent ? WIRE_URGENT : 0,
		.id = id,
		.body_bytes = OUTPUT_READ_BYTES - WIRE_HEADER_BYTES,
	};
	uint8_t *out = make_room(output);

	wire_put_header(out, &header);
	(void)wire_put_read(out + WIRE_HEADER_BYTES, read);
	output->end += OUTPUT_READ_BYTES;
}

int output_send(struct tcp_output *output, struct stream *stream)
{
	while (output->at < output->end) {
		ssize_t n = stream_put(stream, output->bytes + output->at,
				       output->end - output->at);

		if (n < 0)
			return n == -EAGAIN ? 0 : (int)n;
		output->at += (size_t)n;
	}
	output->at = output->end = 0;
	return 0;
}

int output_send_rest(struct tcp_output *output, struct stream *stream)
{
	ssize_t n = 0;

	if (output->end)
		return output_send(output, stream);
	if (stream_has_more(stream))
		n = stream_put(stream, NULL, 0);
	return n < 0 && n != -EAGAIN ? (int)n : 0;
}
