/* SPDX-License-Identifier: MIT */
#include "loader/serve_image.h"

#include <errno.h>
#include <string.h>

int serve_image_open(struct serve_image *image, const struct load *load,
		     unsigned max, unsigned nr_places, struct why *why)
{
	int error;

	image->load = load;
	image->watchdog = (struct watchdog){.sock = -1, .far = -1};
	if (!load->direct) {
		image->worlds = worlds_open(load, max);
		if (!image->worlds)
			return -ENOMEM;
		worlds_ahead(image->worlds);
		return 0;
	}
	if (!load->plan->nr_windows && !load->plan->nr_paged)
		return 0;
	error = watchdog_open(&image->watchdog);
	if (!error)
		error = watchdog_start(&image->watchdog, nr_places);
	return error ? why_set(why, error, "starting the watchdog: %s",
			       strerror(-error))
		     : 0;
}

void serve_image_close(struct serve_image *image)
{
	if (!image->load)
		return;
	worlds_close(image->worlds);
	watchdog_stop(&image->watchdog);
}

struct serve_image *serve_image_find(struct serve_image *images, unsigned nr,
				     const char *name, struct why *why)
{
	if (!name[0] && nr == 1)
		return &images[0];
	for (unsigned i = 0; i < nr; i++)
		if (!strcmp(images[i].load->options->dir, name))
			return &images[i];
	(void)why_set(why, -ENOENT,
		      name[0] ? "no such image is served here: %.300s"
			      : "say which of the images%s",
		      name);
	return NULL;
}
