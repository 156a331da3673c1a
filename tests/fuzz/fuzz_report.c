/* SPDX-License-Identifier: MIT */
/* fuzz_report.c - any bytes as the daemon's LIST or STATUS */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/report.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct report_image *images = NULL;
	struct report_status status;
	size_t nr = 0;

	if (!report_get_images(data, size, &images, &nr))
		for (size_t i = 0; i < nr; i++)
			if (!parse_name_ok(images[i].name) ||
			    strlen(images[i].comm) > REPORT_COMM_MAX)
				abort();
	free(images);
	if (!report_get_status(data, size, &status) &&
	    strlen(status.version) > REPORT_VERSION_MAX)
		abort();
	return 0;
}
